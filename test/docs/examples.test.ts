/**
 * The code in README, guide and doc comments is what a newcomer copies: it type-checks, runs, prints what its `// → `
 * comments say, and leaves whole files behind. Each block is a program of its own, in an empty folder where `bancos` is
 * this project.
 */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ERROR_CODES, Store } from "../../src/index.ts";
import { projectFiles, ROOT, textOf } from "../architecture/files.ts";
import { examplesOf } from "./docstrings.ts";
import { codeBlocks, tablesOf } from "./markdown.ts";
import { expectWholeFiles, printed, project, promised, run, typeErrors } from "./project.ts";

const sources = projectFiles().filter((path) => path.startsWith("src/") && path.endsWith(".ts"));
const blocks = [
  ...["README.md", "docs/guide.md"].flatMap((page) =>
    codeBlocks(textOf(page) ?? "", "ts").map((block) => ({
      ...block,
      name: `${page}:${block.line}, ${block.heading}`,
    })),
  ),
  ...sources.flatMap((path) => examplesOf(path, textOf(path) ?? "")),
];

describe("a code block", () => {
  test("of README, guide and doc comments is there to be run", () => {
    expect(blocks.filter(({ name }) => name.startsWith("README.md")).length).toBeGreaterThan(0);
    expect(blocks.filter(({ name }) => name.startsWith("docs/guide.md")).length).toBeGreaterThan(10);
    expect(blocks.filter(({ name }) => name.startsWith("src/store/store.ts")).length).toBeGreaterThan(25);
    expect(blocks.filter(({ name }) => name.startsWith("src/pool/pool.ts")).length).toBeGreaterThan(20);
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
    expect(await typeErrors(blocks)).toEqual([]);
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

describe("what was printed", () => {
  test("is a line again where console.log broke an array or object", () => {
    expect(printed('{\n  a: "b",\n  c: [\n    1, 2\n  ],\n}\n7\n\nx\n')).toEqual([
      '{ a: "b", c: [ 1, 2 ] }',
      "7",
      "",
      "x",
    ]);
    expect(printed("Map(1) {\n  1: 2,\n}\n")).toEqual(["Map(1) { 1: 2 }"]);
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
