/**
 * Which test suites there are, and how one is run in a process of its own.
 *
 * A suite is a folder right under `test/` or a test file that lies there. Files under `test/sim/` replace the memory
 * under the tree before the tree loads, so each of them is a suite of its own, with the `preload.ts` nearest to it.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";

/** The top folder of the project. */
export const ROOT: string = dirname(import.meta.dir);
const TEST = join(ROOT, "test");
const TEST_FILE = /[._](test|spec)\.ts$/;

/** No suite needs this long, in milliseconds: what is still running then hangs. */
const HANGS_AFTER = 30 * 60_000;

/** One call of `bun test`. */
export interface Suite {
  /** Path below `test/` without the ending, such as `codec` or `sim/crash`. */
  readonly name: string;
  /** What to hand to `bun test`, relative to {@link ROOT}. */
  readonly files: readonly string[];
  /** A module to load before the test file. */
  readonly preload?: string;
  /** What to set in the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** How a suite ended. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Names of the tests that failed, or what else went wrong. */
  readonly failures: readonly string[];
  readonly output: string;
  readonly milliseconds: number;
}

function testFilesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => TEST_FILE.test(path) && !path.includes("node_modules"))
    .map((path) => relative(ROOT, join(folder, path)))
    .sort();
}

function nearestPreload(file: string): string | undefined {
  for (let folder = dirname(join(ROOT, file)); folder !== TEST; folder = dirname(folder)) {
    const candidate = join(folder, "preload.ts");
    if (existsSync(candidate)) return relative(ROOT, candidate);
  }
  return undefined;
}

/** The simulations, one suite a file. */
export function simulations(): Suite[] {
  const folder = join(TEST, "sim");
  if (!existsSync(folder)) return [];
  return testFilesBelow(folder).map((file) => {
    const name = relative(TEST, join(ROOT, file)).replace(TEST_FILE, "");
    const preload = nearestPreload(file);
    return preload === undefined ? { name, files: [file] } : { name, files: [file], preload };
  });
}

/** All suites but the simulations, in order of name. */
export function plainSuites(): Suite[] {
  const suites: Suite[] = [];
  for (const entry of readdirSync(TEST, { withFileTypes: true })) {
    if (entry.isDirectory() && entry.name !== "sim") {
      const files = testFilesBelow(join(TEST, entry.name));
      if (files.length > 0) suites.push({ name: entry.name, files });
    } else if (entry.isFile() && TEST_FILE.test(entry.name) && entry.name !== "sim.test.ts") {
      // sim.test.ts only starts the simulations, for a plain `bun test`.
      suites.push({ name: entry.name.replace(TEST_FILE, ""), files: [join("test", entry.name)] });
    }
  }
  return suites.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The numbers that `bun test` prints at its end: how many of `word`. */
function printedCount(output: string, word: string): number {
  const found = [...output.matchAll(new RegExp(`^ *(\\d+) ${word}\\b`, "gm"))].at(-1);
  return found?.[1] === undefined ? 0 : Number(found[1]);
}

function attribute(tag: string, name: string): string {
  const text = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1] ?? "";
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");
}

/**
 * Makes one outcome of the three things that a `bun test` process leaves: its report, its output and its exit code.
 * They do not always agree: an error while a file loads is missing in the report, and a process that crashed writes
 * none. The worst of the three counts.
 *
 * @param report the JUnit file, or `undefined` if there is none
 * @param ended `undefined` for exit code 0, else how the process ended
 */
export function judge(
  report: string | undefined,
  output: string,
  ended: string | undefined,
): Omit<Outcome, "output" | "milliseconds"> {
  const failures: string[] = [];
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  if (report === undefined) {
    passed = printedCount(output, "pass");
  } else {
    for (const [, tag = "", body = ""] of report.matchAll(
      /<testcase\b((?:[^>"]|"[^"]*")*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g,
    )) {
      if (/<(failure|error)\b/.test(body)) {
        failed++;
        const group = attribute(tag, "classname");
        failures.push(
          `${attribute(tag, "file")}: ${group === "" ? "" : `${group} > `}${attribute(tag, "name")}`,
        );
      } else if (/<skipped\b/.test(body)) skipped++;
      else passed++;
    }
  }
  const printed = printedCount(output, "fail");
  if (printed > failed) {
    failures.push(`${printed - failed} error(s) outside of tests`);
    failed = printed;
  }
  if (ended !== undefined && failed === 0) {
    failures.push(ended);
    failed = 1;
  }
  if (ended === undefined && passed + failed + skipped === 0) {
    failures.push("no test ran");
    failed = 1;
  }
  return { passed, failed, skipped, failures };
}

/**
 * Runs one suite in a process of its own; `bail`: until a test fails. Never throws for what the suite does.
 */
export async function runSuite(suite: Suite, bail = false): Promise<Outcome> {
  const scratch = mkdtempSync(join(tmpdir(), "bancos-report-"));
  const reportFile = join(scratch, "report.xml");
  const started = performance.now();
  try {
    const child = Bun.spawn(
      [
        process.execPath,
        "test",
        // The list in bunfig.toml keeps the simulations out of a plain `bun test`; here they are meant.
        "--path-ignore-patterns=node_modules/**",
        // What test/setup.ts sets holds for the first file of a process only (Bun 1.4.5); the others would have 5 seconds.
        "--timeout=300000",
        "--reporter=junit",
        `--reporter-outfile=${reportFile}`,
        ...(bail ? ["--bail"] : []),
        ...(suite.preload === undefined ? [] : ["--preload", `./${suite.preload}`]),
        ...suite.files.map((file) => `./${file}`),
      ],
      {
        cwd: ROOT,
        env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0", ...suite.env },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    let hung = false;
    const watchdog = setTimeout(() => {
      hung = true;
      child.kill("SIGKILL");
    }, HANGS_AFTER);
    const [out, err] = await Promise.all([untilExit(child.stdout, child), untilExit(child.stderr, child)]);
    await child.exited;
    clearTimeout(watchdog);
    const output = out + err;
    const report = existsSync(reportFile) ? readFileSync(reportFile, "utf8") : undefined;
    let ended: string | undefined;
    if (hung) ended = `still running after ${HANGS_AFTER / 60_000} minutes: killed`;
    else if (child.signalCode !== null) ended = `the test process died of ${child.signalCode}`;
    else if (child.exitCode !== 0) ended = `the test process ended with exit code ${child.exitCode}`;
    return { ...judge(report, output, ended), output, milliseconds: performance.now() - started };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * The text of `stream` up to the end of the process. A grandchild that outlives it may hold the pipe open for ever, so
 * the exit of the process, not the end of the stream, is what ends the wait.
 */
async function untilExit(stream: ReadableStream<Uint8Array>, child: Bun.Subprocess): Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let over = false;
  const exited = child.exited.then(async () => {
    // What the process wrote last may still be in the pipe.
    await Bun.sleep(200);
    over = true;
  });
  while (!over) {
    const chunk = await Promise.race([reader.read(), exited]);
    if (chunk === undefined || chunk.done) break;
    text += decoder.decode(chunk.value, { stream: true });
  }
  reader.cancel().catch(() => {});
  return text + decoder.decode();
}
