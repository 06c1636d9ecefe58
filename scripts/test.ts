/**
 * Runs every check of the project and every test, and adds them up: `bun scripts/test.ts [SUITE…]`.
 *
 * The last line is `N passed, N failed`; the exit code is 0 only if nothing failed. A check (types, lint, format)
 * counts as one item. With names of suites, only these run, and no checks. `--jobs N` sets how many processes run at a
 * time (2), `--verbose` prints all output, `--bail` ends a suite at its first failure. In continuous integration (`CI=true`) a missing C compiler is a failure.
 */
import { existsSync, globSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Outcome, plainSuites, ROOT, runSuite, type Suite, simulations } from "./suites.ts";
import { findOrInstall } from "./tools.ts";

const { values: options, positionals: wanted } = parseArgs({
  options: {
    jobs: { type: "string", default: "2" },
    verbose: { type: "boolean", default: false },
    bail: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const jobs = Number(options.jobs);
if (!Number.isInteger(jobs) || jobs < 1) {
  console.error(`--jobs takes a whole number of at least 1, not ${options.jobs}`);
  process.exit(2);
}
const inCi = process.env.CI === "true";
const startedAll = performance.now();

let passed = 0;
let failed = 0;
let skipped = 0;
const failures: string[] = [];

function row(name: string, result: string, milliseconds: number): void {
  console.log(`${name.padEnd(26)} ${result.padEnd(34)} ${(milliseconds / 1000).toFixed(1).padStart(7)} s`);
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n");
}

/** What a suite itself printed, without the lines that `bun test` adds for every file and test. */
function ownLines(output: string): string {
  return output
    .split("\n")
    .filter(
      (line) =>
        line.trim() !== "" &&
        !/^bun test v|^\(pass\)|^\S+[._](test|spec)\.ts:$|^Ran \d+ tests? across|^\s*\d+ (pass|fail|skip|todo|expect\(\) calls)\b/.test(
          line,
        ),
    )
    .join("\n");
}

/** Runs one check by an outside tool: an item that passes if the exit code is 0. */
async function check(name: string, command: readonly string[]): Promise<void> {
  const started = performance.now();
  const child = Bun.spawn([...command], { cwd: ROOT, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  if (code === 0) passed++;
  else {
    failed++;
    failures.push(name);
  }
  row(name, code === 0 ? "passed" : "FAILED", performance.now() - started);
  if (code !== 0 || options.verbose) console.log(indent(out + err));
}

function tool(path: string): string[] {
  return [process.execPath, join(ROOT, "node_modules", path)];
}

async function checks(): Promise<void> {
  await check("types", [...tool("typescript/bin/tsc"), "--noEmit"]);
  await check("lint", [...tool("@biomejs/biome/bin/biome"), "lint", "--error-on-warnings", "."]);
  await check("format", [...tool("@biomejs/biome/bin/biome"), "check", "--linter-enabled=false", "."]);
  const sources = globSync("c/*.{c,h}", { cwd: ROOT });
  if (sources.length === 0) return;
  const clangFormat = await findOrInstall(["clang-format"], ["clang-format"]);
  if (clangFormat === null) console.log(`${"format of C".padEnd(26)} not run: no clang-format`);
  else await check("format of C", [clangFormat, "--dry-run", "--Werror", ...sources]);
}

/** The library that `make build` leaves. */
function hasLibrary(): boolean {
  const folder = join(ROOT, "build");
  return existsSync(folder) && readdirSync(folder).some((name) => /^libbancos-.*\.(so|dylib)$/.test(name));
}

/** The native part is tested on each of its two builds; everything else on the one that loads by itself. */
function allSuites(): Suite[] {
  const suites: Suite[] = [];
  for (const suite of [...plainSuites(), ...simulations()]) {
    if (suite.name !== "native") {
      suites.push(suite);
      continue;
    }
    suites.push({ ...suite, name: "native (tinycc)", env: { BANCOS_NATIVE: "tinycc" } });
    if (hasLibrary())
      suites.push({ ...suite, name: "native (prebuilt)", env: { BANCOS_NATIVE: "prebuilt" } });
    else {
      console.log(`${"native (prebuilt)".padEnd(26)} not run: no C compiler`);
      if (inCi) {
        failed++;
        failures.push("native (prebuilt): not run: no C compiler");
      }
    }
  }
  // What checks the shape of the code comes first: it is quick and says most.
  const shape = suites.filter((suite) => suite.name === "architecture");
  return [...shape, ...suites.filter((suite) => suite.name !== "architecture")];
}

function report(suite: Suite, outcome: Outcome): void {
  passed += outcome.passed;
  failed += outcome.failed;
  skipped += outcome.skipped;
  failures.push(...outcome.failures.map((failure) => `${suite.name}: ${failure}`));
  const parts = [`${outcome.passed} passed`];
  if (outcome.failed > 0) parts.push(`${outcome.failed} FAILED`);
  if (outcome.skipped > 0) parts.push(`${outcome.skipped} skipped`);
  row(suite.name, parts.join(", "), outcome.milliseconds);
  // After a crash, the last test that passed says where.
  const crashed = outcome.failures.some((failure) => failure.startsWith("the test process"));
  let text = outcome.output;
  if (!options.verbose && !crashed) {
    text = outcome.failed === 0 ? ownLines(text) : text.replace(/^\(pass\).*\n/gm, "");
  }
  if (text.trim() !== "") console.log(indent(text));
}

async function runAll(suites: readonly Suite[]): Promise<void> {
  const running = new Set<string>();
  const waiting = [...suites];
  const heartbeat = setInterval(() => console.log(`… still running: ${[...running].join(", ")}`), 60_000);
  async function worker(): Promise<void> {
    for (let suite = waiting.shift(); suite !== undefined; suite = waiting.shift()) {
      running.add(suite.name);
      const outcome = await runSuite(suite, options.bail);
      running.delete(suite.name);
      report(suite, outcome);
    }
  }
  await Promise.all(Array.from({ length: jobs }, worker));
  clearInterval(heartbeat);
}

if (wanted.length === 0) await checks();
const known = allSuites();
const chosen =
  wanted.length === 0
    ? known
    : known.filter(({ name }) =>
        wanted.some((word) => name === word || name.startsWith(`${word}/`) || name.startsWith(`${word} (`)),
      );
if (wanted.length > 0 && chosen.length === 0) {
  console.error(
    `no suite is called ${wanted.join(" or ")}; there are: ${known.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
}
await runAll(chosen);

console.log("");
for (const failure of failures) console.log(`FAILED  ${failure}`);
if (skipped > 0) console.log(`${skipped} skipped`);
console.log(`${((performance.now() - startedAll) / 1000).toFixed(1)} s, Bun ${Bun.version}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
