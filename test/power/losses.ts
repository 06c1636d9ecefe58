/**
 * Black box: two processes write to a real file through the native build; now and then both are stopped, in whatever
 * instruction, and the file is recorded. Files that the disk could have are made from that, opened, checked against what
 * the writers did, and written to further.
 */
import { readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { open, type Value } from "../../src/index.ts";
import { type Folder, mixed, Random } from "../process/support.ts";
import { Recorder } from "./recorder.ts";
import { brief, type Change, changes, PROGRESS, PROGRESS_BYTES, WRITERS } from "./workload.ts";

export interface LossReport {
  /** Different files that were opened, by hash. */
  readonly images: Set<number | bigint>;
  captures: number;
  generations: number;
  changes: number;
  keys: number;
  invalid: number;
  superseded: number;
}

export const noLosses = (): LossReport => ({
  images: new Set(),
  captures: 0,
  generations: 0,
  changes: 0,
  keys: 0,
  invalid: 0,
  superseded: 0,
});

/** What a writer has done: the states of each of its keys, with the number of the change that made them. */
class History {
  done = 0;
  private readonly source: Generator<Change, never>;
  private readonly keys = new Map<string, { at: number; state: string }[]>();

  constructor(seed: number, writer: number) {
    this.source = changes(seed, writer);
  }

  begin(there: ReadonlyMap<string, string>): void {
    for (const [key, state] of there) this.keys.set(key, [{ at: 0, state }]);
  }

  /** What it has done up to change number `change`. */
  advance(change: number): void {
    for (; this.done < change; this.done++) {
      const { key, value } = this.source.next().value;
      const states = this.keys.get(key) ?? [{ at: 0, state: "absent" }];
      states.push({ at: this.done + 1, state: brief(value) });
      this.keys.set(key, states);
    }
  }

  /** What is wrong with `there`, if changes up to `flushed` were promised and those up to `begun` were begun. */
  judge(there: ReadonlyMap<string, string>, flushed: number, begun: number, problems: string[]): void {
    for (const [key, states] of this.keys) {
      const found = there.get(key) ?? "absent";
      let first = 0;
      while (first + 1 < states.length && states[first + 1]!.at <= flushed) first++;
      const allowed = states.slice(first).filter(({ at }) => at <= begun);
      if (!allowed.some(({ state }) => state === found)) {
        problems.push(
          `${key} has ${found} and not one of ${allowed
            .slice(0, 5)
            .map(({ state }) => state)
            .join(" ")}`,
        );
      }
    }
  }

  has(key: string): boolean {
    return this.keys.has(key);
  }
}

interface Progress {
  readonly ready: boolean;
  readonly begun: number;
  readonly flushed: number;
}

function progressOf(path: string): Progress {
  const bytes = readFileSync(path);
  const word = (n: number): number => bytes.readUInt32LE(n * 4);
  return {
    ready: word(PROGRESS.ready) === 1,
    begun: word(PROGRESS.begun),
    flushed: word(PROGRESS.flushed),
  };
}

/** Have all threads of the process come to a stop? */
function isStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((tid) => {
    const stat = readFileSync(`/proc/${pid}/task/${tid}/stat`, "latin1");
    return stat[stat.lastIndexOf(")") + 2] === "T";
  });
}

async function stop(children: readonly Bun.Subprocess[]): Promise<void> {
  for (const child of children) child.kill("SIGSTOP");
  for (const { pid } of children) while (!isStopped(pid)) await Bun.sleep(0.2);
}

/** What a file has, opened as after a loss of power: another file is another identity, and so its tree is rebuilt. */
function look(path: string, report: LossReport, problems: string[]): Map<string, string> {
  const there = new Map<string, string>();
  try {
    const store = open(path, { flushEvery: 0, maxSize: 256 << 20 });
    const { rebuild } = store.stats().recovery;
    if (rebuild === null) problems.push("the tree was not rebuilt");
    report.invalid += rebuild?.invalid ?? 0;
    report.superseded += rebuild?.superseded ?? 0;
    let last = "";
    for (const [key, value] of store.entries() as Iterable<[string, Value]>) {
      if (key <= last) problems.push(`${key} comes after ${last}`);
      last = key;
      there.set(key, brief(value));
    }
    report.keys = Math.max(report.keys, there.size);
    for (const { code, message } of store.verify().problems) problems.push(`verify: ${code}: ${message}`);
    store.close();
  } catch (error) {
    problems.push(String(error));
  }
  return there;
}

export interface Budget {
  readonly generations: number;
  readonly captures: number;
  /** Images of each capture. */
  readonly images: number;
}

/** For a file of which much is to be seen. */
export const MANY_LOSSES: Budget = { generations: 3, captures: 8, images: 8 };

/** One file and its losses of power. Returns what was wrong. */
export async function losses(
  folder: Folder,
  seed: number,
  { generations, captures, images }: Budget,
  report: LossReport,
): Promise<string[]> {
  const random = new Random(seed);
  const problems: string[] = [];
  const script = join(import.meta.dir, "writer.ts");
  let path = folder.file(`${seed}-0.bancos`);
  open(path, { flushEvery: 0, maxSize: 256 << 20 }).close();
  let there = new Map<string, string>();
  for (let generation = 0; generation < generations && problems.length === 0; generation++) {
    report.generations++;
    const own = mixed(seed, generation);
    const histories: History[] = [];
    const progress: string[] = [];
    for (let writer = 0; writer < WRITERS; writer++) {
      const history = new History(own, writer);
      history.begin(new Map([...there].filter(([key]) => key.startsWith(`w${writer}/`))));
      histories.push(history);
      const file = folder.file(`progress${writer}`);
      writeFileSync(file, Buffer.alloc(PROGRESS_BYTES));
      progress.push(file);
    }
    const recorder = new Recorder(path);
    const children = progress.map((file, writer) =>
      Bun.spawn([process.execPath, script, path, file, String(own), String(writer)], {
        stdio: ["ignore", "inherit", "inherit"],
      }),
    );
    let wasReady = false;
    let next: Buffer | undefined;
    try {
      for (let n = 0; n < captures && problems.length === 0; ) {
        await Bun.sleep(wasReady ? random.below(6) : 1 + random.below(10));
        for (const { exitCode } of children) if (exitCode !== null) throw new Error("a writer has ended");
        await stop(children);
        recorder.capture();
        report.captures++;
        const far = progress.map(progressOf);
        const ready = far.every((one) => one.ready);
        // The first to open rebuilds or adopts the file and syncs it; what was before that is on no disk any more.
        if (!wasReady && ready) recorder.settle();
        wasReady = ready;
        if (ready) n++;
        for (const [i, { begun }] of far.entries()) histories[i]!.advance(begun);
        for (let i = 0; i < (ready ? images : 1) && problems.length === 0; i++) {
          const image = ready ? recorder.image(random) : recorder.latest();
          if (n === captures) next = image;
          const hash = Bun.hash(image);
          if (report.images.has(hash)) continue;
          report.images.add(hash);
          const file = folder.file("image.bancos");
          writeFileSync(file, image);
          const found = look(file, report, problems);
          for (const [writer, history] of histories.entries())
            history.judge(found, far[writer]!.flushed, far[writer]!.begun, problems);
          for (const key of found.keys())
            if (!histories.some((one) => one.has(key))) problems.push(`${key} was never written`);
          unlinkSync(file);
        }
        for (const child of children) child.kill("SIGCONT");
      }
    } finally {
      for (const child of children) child.kill("SIGKILL");
      for (const child of children) await child.exited;
      recorder.close();
    }
    for (const { done } of histories) report.changes += done;
    if (next === undefined) break;
    unlinkSync(path);
    path = folder.file(`${seed}-${generation + 1}.bancos`);
    writeFileSync(path, next);
    there = look(path, report, problems);
    // The writers find a file that was closed in order, or one that must be rebuilt once more.
    if (random.oneIn(2)) {
      unlinkSync(path);
      const copy = folder.file(`${seed}-${generation + 1}b.bancos`);
      writeFileSync(copy, next);
      path = copy;
    }
  }
  return problems.slice(0, 6);
}
