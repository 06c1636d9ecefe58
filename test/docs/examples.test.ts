/**
 * The code in README and guide is what a newcomer copies: it type-checks, runs, prints what its `// → ` comments say, and
 * leaves whole files behind. Each block is a program of its own, in an empty folder where `bancos` is this project.
 */
import { describe, expect, onTestFinished, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ERROR_CODES, open, Store } from "../../src/index.ts";
import { ROOT, textOf } from "../architecture/files.ts";
import { codeBlocks, tablesOf } from "./markdown.ts";

const blocks = ["README.md", "docs/guide.md"].flatMap((page) =>
  codeBlocks(textOf(page) ?? "", "ts").map((block) => ({
    ...block,
    name: `${page}:${block.line}, ${block.heading}`,
  })),
);

/** An empty folder with `bancos` installed, which goes when the running test ends. */
function project(): string {
  const folder = mkdtempSync(join(tmpdir(), "bancos-docs-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/bancos"));
  return folder;
}

/** What the block says that it prints. */
const promised = (code: string): string[] =>
  [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, text = ""]) => text.trimEnd());

/** What was printed, without the line breaks that `console.log` puts into arrays and objects that are long. */
const printed = (output: string): string[] => output.replace(/\n$/, "").split("\n");

async function run(folder: string, code: string): Promise<{ out: string; err: string; exitCode: number }> {
  writeFileSync(join(folder, "block.ts"), code);
  const child = Bun.spawn([process.execPath, "block.ts"], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { out, err, exitCode: await child.exited };
}

function expectWholeFiles(folder: string): void {
  for (const name of readdirSync(folder).filter((entry) => entry.endsWith(".bancos"))) {
    using store = open(join(folder, name), { create: false });
    expect({ name, problems: store.verify().problems }).toEqual({ name, problems: [] });
  }
}

describe("a code block", () => {
  test("of README and guide is there to be run", () => {
    expect(blocks.filter(({ name }) => name.startsWith("README.md")).length).toBeGreaterThan(0);
    expect(blocks.filter(({ name }) => name.startsWith("docs/guide.md")).length).toBeGreaterThan(10);
  });

  for (const { name, code } of blocks) {
    test(`runs and prints what it says: ${name}`, async () => {
      expect(promised(code).length).toBeGreaterThan(0);
      const folder = project();
      const { out, err, exitCode } = await run(folder, code);
      expect({ err, exitCode, printed: exitCode === 0 ? printed(out) : out }).toEqual({
        err: "",
        exitCode: 0,
        printed: promised(code),
      });
      expectWholeFiles(folder);
    });
  }

  test("has the types that a strict project asks for", async () => {
    const folder = project();
    const names = new Map(blocks.map(({ name }, i) => [`block${i}.ts`, name]));
    for (const [i, { code }] of blocks.entries()) writeFileSync(join(folder, `block${i}.ts`), code);
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: join(ROOT, "tsconfig.json"),
        compilerOptions: { typeRoots: [join(ROOT, "node_modules"), join(ROOT, "node_modules/@types")] },
        include: ["block*.ts"],
      }),
    );
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    const child = Bun.spawn([process.execPath, tsc, "--noEmit", "--pretty", "false", "-p", folder], {
      cwd: folder,
      stdout: "pipe",
      stderr: "pipe",
    });
    const output = (await child.stdout.text()) + (await child.stderr.text());
    // Errors in the project's own files are the business of `make types`.
    const problems = output.split("\n").filter((line) => /^block\d+\.ts/.test(line));
    expect(problems.map((line) => line.replace(/^block\d+\.ts/, (file) => names.get(file) ?? file))).toEqual(
      [],
    );
    await child.exited;
    expect(output).not.toContain("error TS18003");
  });
});

describe("the check itself", () => {
  test("notices a block that prints something else, or fails", async () => {
    const folder = project();
    const wrong =
      'import { open } from "bancos";\nconsole.log(open("a.bancos").set("a", 1).get("a")); // → 2\n';
    const { out, exitCode } = await run(folder, wrong);
    expect(exitCode).toBe(0);
    expect(printed(out)).toEqual(["1"]);
    expect(printed(out)).not.toEqual(promised(wrong));
    expect((await run(folder, 'import "bancos/none";\n')).exitCode).not.toBe(0);
    expectWholeFiles(folder);
  });
});

describe("the README", () => {
  test("has a line for each code of an error, and for no other", () => {
    const listed = tablesOf(textOf("README.md") ?? "")
      .filter(({ heading }) => heading === "Errors")
      .flatMap(({ rows }) => rows.map(([code = ""]) => code));
    expect(listed.toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted());
  });

  test("calls nothing missing that is there", () => {
    const line = /^- \*\*Not there yet\*\*: (.*)$/m.exec(textOf("README.md") ?? "")?.[1] ?? "";
    const isThere: Record<string, boolean> = {
      backup: "backup" in Store.prototype,
      repair: existsSync(join(ROOT, "src/cli/repair.ts")),
    };
    expect(Object.keys(isThere).filter((what) => isThere[what] && line.includes(what))).toEqual([]);
  });

  test("names no command that `make` does not have", () => {
    const targets = [...(textOf("Makefile") ?? "").matchAll(/^([a-z]+):/gm)].map(([, target]) => target);
    const pages = ["README.md", "docs/guide.md", "docs/guarantees.md", "docs/performance.md"];
    for (const page of pages) {
      const named = [...(textOf(page) ?? "").matchAll(/(?:^|`)make ([a-z]+)/gm)].map(([, target]) => target);
      expect({ page, unknown: named.filter((target) => !targets.includes(target)) }).toEqual({
        page,
        unknown: [],
      });
    }
  });
});
