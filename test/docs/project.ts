/** Runs code of the documents as a newcomer would: as a file of its own in an empty folder that has bancos installed. */
import { onTestFinished } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { open } from "../../src/index.ts";
import { ROOT, textOf } from "../architecture/files.ts";
import type { Block } from "./markdown.ts";

/** A block of code, and where it stands. */
export interface NamedBlock extends Block {
  readonly name: string;
}

/** An empty folder with `bancos` installed, which goes when the running test ends. */
export function project(): string {
  const folder = mkdtempSync(join(tmpdir(), "bancos-docs-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/bancos"));
  // What a user of an adapter has installed beside it.
  const { peerDependencies = {} } = JSON.parse(textOf("package.json") ?? "{}") as {
    peerDependencies?: Record<string, string>;
  };
  for (const peer of Object.keys(peerDependencies)) {
    const installed = join(ROOT, "node_modules", peer);
    if (!existsSync(installed)) throw new Error(`the peer ${peer} is not installed: bun install`);
    mkdirSync(dirname(join(folder, "node_modules", peer)), { recursive: true });
    symlinkSync(installed, join(folder, "node_modules", peer));
  }
  return folder;
}

/** What the block says that it prints: the text behind each `// → `. */
export const promised = (code: string): string[] =>
  [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, text = ""]) => text.trimEnd());

/** What was printed, a line each; an array or object that `console.log` broke over several lines is one again. */
export function printed(output: string): string[] {
  const lines: string[] = [];
  let open = "";
  for (const line of output.replace(/\n$/, "").split("\n")) {
    if (open === "") open = line;
    else open = `${/^[\]}]/.test(line.trim()) ? open.replace(/,$/, "") : open} ${line.trim()}`;
    if ((open.match(/[[{]/g)?.length ?? 0) > (open.match(/[\]}]/g)?.length ?? 0)) continue;
    lines.push(open);
    open = "";
  }
  return open === "" ? lines : [...lines, open];
}

export async function run(
  folder: string,
  code: string,
): Promise<{ out: string; err: string; exitCode: number }> {
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

/** The errors of types that a strict project shows for these blocks. */
export async function typeErrors(blocks: readonly NamedBlock[]): Promise<string[]> {
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
  await child.exited;
  if (output.includes("error TS18003")) throw new Error(output);
  // Errors in the project's own files are the business of `make types`.
  const problems = output.split("\n").filter((line) => /^block\d+\.ts/.test(line));
  return problems.map((line) => line.replace(/^block\d+\.ts/, (file) => names.get(file) ?? file));
}

/** Every store in the folder is sound. */
export function expectWholeFiles(folder: string): void {
  for (const name of readdirSync(folder).filter((entry) => entry.endsWith(".bancos"))) {
    using store = open(join(folder, name), { create: false });
    const { problems } = store.verify();
    if (problems.length > 0) throw new Error(`${name}: ${JSON.stringify(problems)}`);
  }
}
