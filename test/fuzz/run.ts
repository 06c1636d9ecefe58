/**
 * Runs mutants in child processes, since what is looked for are crashes and hangs: the child notes in a mapped file which
 * mutant it is at, and whoever started it knows what to report when it ends, or does not get on.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Mounted } from "../damage/mounted.ts";

/** Milliseconds after which a mutant hangs. One takes one; the machine may be busy. */
const HANGS_AFTER = 30_000;
/** Processes that try mutants at the same time. */
const CHILDREN = 2;

/** What came of a run. */
export interface FuzzReport {
  /** How many mutants were tried of which no two are the same. */
  mutants: number;
  /** How many mutants were opened, refused at open, rebuilt, and so on; and the errors by code. */
  readonly figures: Readonly<Record<string, number>>;
  /** Wrong answers, crashes and hangs. */
  readonly failures: string[];
}

/** How long a run is: so many mutants, or so many milliseconds; or the one mutant that has the number `only`. */
export interface FuzzOptions {
  readonly seed: number;
  readonly only?: number;
  /** Distinct ones. */
  readonly mutants: number;
  readonly milliseconds: number;
  /** A folder for the files, in memory best. */
  readonly parent: string;
  /** Set in the environment of the children. */
  readonly env?: Readonly<Record<string, string>>;
}

type Figures = Record<string, number | Record<string, number>>;

function add(sums: Record<string, number>, figures: Figures): void {
  for (const [name, figure] of Object.entries(figures)) {
    if (typeof figure === "object") add(sums, figure);
    else sums[name] = name === "slowest" ? Math.max(sums[name] ?? 0, figure) : (sums[name] ?? 0) + figure;
  }
}

/** Tries mutants `first`, `first + CHILDREN`, ... in one child after the other: a crash ends a child, not the run. */
async function lane(folder: string, images: string, first: number, options: FuzzOptions, report: FuzzReport) {
  const own = join(folder, `${first}`);
  mkdirSync(own);
  using mounted = Mounted.readOnly(own);
  const until = performance.now() + options.milliseconds;
  const most = Math.ceil((options.mutants - first) / CHILDREN);
  let from = options.only ?? first;
  let done = 0;
  while (done < most && report.failures.length < 20 && performance.now() < until) {
    const left = options.only === undefined ? until - performance.now() : 0;
    const numbers = [options.seed, from, CHILDREN, left, most - done].map(String);
    const where = mounted === undefined ? [] : [mounted.path];
    const args = [join(import.meta.dir, "child.ts"), images, own, ...numbers, ...where];
    const { last, distinct, ended } = await one(args, own, options, report);
    done += distinct;
    if (ended === null) break;
    report.failures.push(`mutant ${last} ${ended}`);
    if (last === undefined || options.only !== undefined) break;
    from = last + CHILDREN;
  }
  report.mutants += done;
}

/** Runs one child. `ended`: null if it came to its end. */
function one(
  args: string[],
  own: string,
  options: FuzzOptions,
  report: FuzzReport,
): Promise<{ last: number | undefined; distinct: number; ended: string | null }> {
  const progressFile = join(own, "progress");
  writeFileSync(progressFile, new Uint8Array(8));
  const progress = new Int32Array(Bun.mmap(progressFile).buffer);
  return new Promise((settle) => {
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
    });
    let rest = "";
    let errors = "";
    let finished = false;
    let hung = false;
    let seen = "";
    let since = performance.now();
    const watch = setInterval(() => {
      if (progress.join() !== seen) {
        seen = progress.join();
        since = performance.now();
      } else if (performance.now() - since > HANGS_AFTER) {
        hung = true;
        child.kill("SIGKILL");
      }
    }, 1000);
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line.startsWith("WRONG")) report.failures.push(line);
        else if (line.startsWith("DONE")) {
          finished = true;
          add(report.figures, JSON.parse(line.slice(4)));
        }
      }
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      errors += chunk;
    });
    child.once("close", (status, signal) => {
      clearInterval(watch);
      const [distinct = 0, begun = 0] = progress;
      const last = begun === 0 ? undefined : begun - 1;
      const ended = hung ? "hangs" : `ends with ${status ?? signal}: ${errors.slice(0, 2000)}`;
      settle({ last, distinct, ended: finished && status === 0 ? null : ended });
    });
  });
}

/** Makes the valid files and tries mutants of them. Never throws for what a mutant does. */
export async function fuzzFiles(options: FuzzOptions): Promise<FuzzReport> {
  const folder = mkdtempSync(join(options.parent, "bancos-fuzz-"));
  const report: FuzzReport = { mutants: 0, figures: {}, failures: [] };
  try {
    const images = join(folder, "images");
    mkdirSync(images);
    const made = spawnSync(process.execPath, [join(import.meta.dir, "images.ts"), images, `${options.seed}`]);
    if (made.status !== 0) throw new Error(`cannot make the files: ${made.stderr}`);
    const lanes = Array.from({ length: options.only === undefined ? CHILDREN : 1 }, (_, first) =>
      lane(folder, images, first, options, report),
    );
    await Promise.all(lanes);
    return report;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
