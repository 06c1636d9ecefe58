/** `bancos bench`: how fast this machine is with a store of its own, or with the user's, which is only read. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Command, Option } from "commander";
import type { Key, OpenOptions, Reader, Value } from "../index.ts";
import type { Run } from "./command.ts";
import { EXIT_OK, UsageError } from "./exit.ts";
import { addCommon, type CommonOptions, toRead, wholeNumber } from "./options.ts";
import { err, out } from "./output.ts";
import { Progress } from "./progress.ts";
import { type CliStore, type Session, withSession } from "./session.ts";
import { printTable } from "./table.ts";
import { plural, showBytes, showCount } from "./text.ts";

interface BenchOptions extends CommonOptions {
  readonly keys: number;
  readonly valueBytes?: number;
  readonly durability: "process" | "commit";
}

/** Operations between two looks at whether to stop. */
const SLICE = 1000;
/** Keys of one `getMany`. */
const AT_ONCE = 100;
const MOST_KEYS = 50_000_000;
const MOST_VALUE_BYTES = 1 << 20;

export function addBench(program: Command, run: Run): void {
  const command = program
    .command("bench")
    .summary("measure how fast the store is on this machine")
    .description(
      "Measures reads, writes and scans, in one thread. Without FILE, or with one that is not there, a store is filled " +
        "with numbered keys in no order, and removed afterwards. A FILE that is there is only read: its own keys are " +
        "looked up in no order. Other load on the machine shows in the figures.",
    )
    .argument(
      "[file]",
      "a store to read, or where to make one for the measurement (default: the temporary folder)",
    );
  addCommon(command)
    .option("-n, --keys <count>", "how many keys", keyCount, 200_000)
    .option("--value-bytes <count>", "values are strings of this length instead of numbers", valueLength)
    .addOption(
      new Option("--durability <what>", "when a write is done: commit waits for the disk each time")
        .choices(["process", "commit"])
        .default("process"),
    )
    .addHelpText(
      "after",
      `
Examples:
  $ bancos bench
  $ bancos bench --keys 1000000 --value-bytes 100
  $ bancos bench /mnt/disk/x.bancos --durability commit --keys 1000
  $ bancos bench mail.bancos
  $ bancos bench --json | jq '.operations[] | select(.name == "get") | .perSecond'`,
    )
    .action(run(bench));
}

function keyCount(text: string): number {
  const count = wholeNumber(text);
  if (count < 1 || count > MOST_KEYS) throw new UsageError(`--keys must be 1 to ${showCount(MOST_KEYS)}`);
  return count;
}

function valueLength(text: string): number {
  const count = wholeNumber(text);
  if (count > MOST_VALUE_BYTES)
    throw new UsageError(`--value-bytes must be 0 to ${showCount(MOST_VALUE_BYTES)}`);
  return count;
}

/** What one kind of operation took. */
interface Figure {
  readonly name: string;
  readonly count: number;
  readonly seconds: number;
}

/** The keys of a slice. */
type Keys = (from: number, to: number) => Key[];

/** Measures one kind of operation after the other, until Ctrl-C. */
class Measurement {
  readonly figures: Figure[] = [];
  private readonly session: Session;
  private readonly quiet: boolean;

  constructor(session: Session, quiet: boolean) {
    this.session = session;
    this.quiet = quiet;
  }

  /**
   * Runs `work` for all of `count` operations, a slice at a time, with what `prepare` made of the slice; neither that nor
   * what happens between two slices is counted.
   */
  async run<T>(
    name: string,
    count: number,
    prepare: (from: number, to: number) => T,
    work: (prepared: T, from: number) => void,
  ): Promise<void> {
    const progress = new Progress(name, "operations", !this.quiet);
    let milliseconds = 0;
    let done = 0;
    try {
      while (done < count && this.session.interrupted === 0) {
        const to = Math.min(count, done + SLICE);
        const prepared = prepare(done, to);
        const started = performance.now();
        work(prepared, done);
        milliseconds += performance.now() - started;
        done = to;
        progress.update(done / count, done);
        await this.session.pause();
      }
    } finally {
      progress.stop();
    }
    if (done > 0) this.figures.push({ name, count: done, seconds: milliseconds / 1000 });
  }

  /** The reads that any store can be asked for. `keys` gives those of a slice, all of which are there. */
  async reads(reader: Reader<Value, Key>, count: number, keys: Keys): Promise<void> {
    const missing = (): never => {
      throw new Error("a key that was in the store has vanished: does somebody delete from it meanwhile?");
    };
    await this.run("get", count, keys, (some) => {
      for (const key of some) if (reader.get(key) === undefined) missing();
    });
    const groups = (from: number, to: number): Key[][] => {
      const some = keys(from, to);
      const result: Key[][] = [];
      for (let i = 0; i < some.length; i += AT_ONCE) result.push(some.slice(i, i + AT_ONCE));
      return result;
    };
    await this.run(`getMany, ${AT_ONCE} keys`, count, groups, (some) => {
      for (const group of some) if (reader.getMany(group).includes(undefined)) missing();
    });
    await this.scan("scan, keys", reader.keys(), count);
    await this.scan("scan, keys and values", reader.entries(), count);
  }

  private scan(name: string, steps: Iterator<unknown>, count: number): Promise<void> {
    const size = (from: number, to: number): number => to - from;
    return this.run(name, count, size, (some) => {
      for (let i = 0; i < some; i++) steps.next();
    });
  }
}

function bench(file: string | undefined, options: BenchOptions): Promise<number> {
  if (file !== undefined && existsSync(file)) return benchReads(file, options);
  return benchAll(file, options);
}

/** A store that is there: nothing in it is changed. */
function benchReads(file: string, options: BenchOptions): Promise<number> {
  return withSession(file, toRead(options), async (session) => {
    const { store } = session;
    const measurement = new Measurement(session, options.json === true);
    const keys = await sampleOf(store, options.keys, session);
    if (keys.length > 0) await measurement.reads(store, keys.length, (from, to) => keys.slice(from, to));
    report(measurement.figures, store, options);
    return EXIT_OK;
  });
}

/** At most `most` keys out of the whole store, in no order. */
async function sampleOf(store: CliStore, most: number, session: Session): Promise<Key[]> {
  const every = Math.max(1, Math.ceil(store.size / most));
  const keys: Key[] = [];
  let at = 0;
  for (const key of store.keys()) {
    if (at % every === 0) keys.push(key);
    if (++at % (SLICE * 64) === 0) await session.pause();
    if (session.interrupted !== 0) break;
  }
  const order = inNoOrder(keys.length);
  return keys.map((_, i) => keys[order(i)]!);
}

/** A new store, which goes afterwards. */
async function benchAll(file: string | undefined, options: BenchOptions): Promise<number> {
  const folder = file === undefined ? mkdtempSync(join(tmpdir(), "bancos-cli-bench-")) : null;
  const path = file ?? join(folder!, "bench.bancos");
  const open: OpenOptions = {
    ...(options.force === undefined ? {} : { force: options.force }),
    durability: options.durability,
  };
  try {
    return await withSession(path, open, async (session) => {
      const measurement = new Measurement(session, options.json === true);
      await writesAndReads(session.store, measurement, options);
      report(measurement.figures, session.store, options);
      return EXIT_OK;
    });
  } finally {
    rmSync(path, { force: true });
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
  }
}

async function writesAndReads(
  store: CliStore,
  measurement: Measurement,
  { keys: count, valueBytes }: BenchOptions,
): Promise<void> {
  const digits = String(count - 1).length;
  const order = inNoOrder(count);
  const keysWith =
    (ending: string): Keys =>
    (from, to) =>
      Array.from(
        { length: to - from },
        (_, i) => `key ${String(order(from + i)).padStart(digits, "0")}${ending}`,
      );
  const keys = keysWith("");
  const text = valueBytes === undefined ? undefined : "x".repeat(valueBytes);
  await measurement.run("set, new keys", count, keys, (some, from) => {
    for (let i = 0; i < some.length; i++) store.set(some[i]!, text ?? from + i);
  });
  await measurement.reads(store, count, keys);
  await measurement.run("get, absent", count, keysWith("!"), (some) => {
    for (const key of some) store.get(key);
  });
  await measurement.run("set, keys that are there", count, keys, (some, from) => {
    for (let i = 0; i < some.length; i++) store.set(some[i]!, text ?? from + i + 0.5);
  });
  await measurement.run("add, one counter", count, keys, (some) => {
    for (const _ of some) store.add("counter", 1);
  });
  await measurement.run("flush", 1, keys, () => store.flushSync());
  // A tenth only: what `report` says of the file is then that of a full one.
  await measurement.run("delete", Math.ceil(count / 10), keys, (some) => {
    for (const key of some) store.delete(key);
  });
}

/** The numbers 0 to `count` - 1, each once, far from one another: multiples of a number that has no divisor in common. */
function inNoOrder(count: number): (i: number) => number {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  let step = Math.max(1, Math.floor(count * 0.618034));
  while (gcd(step, count) !== 1) step++;
  // Below 2^53, since MOST_KEYS squared is.
  return (i) => (i * step) % count;
}

function report(figures: readonly Figure[], store: CliStore, options: BenchOptions): void {
  const { keys, bytes } = store.stats();
  const used = bytes.leaves + bytes.nodes;
  const rate = ({ count, seconds }: Figure): number => Math.round(count / Math.max(seconds, 1e-9));
  if (options.json === true) {
    const operations = figures.map((figure) => ({ ...figure, perSecond: rate(figure) }));
    out.line(JSON.stringify({ operations, keys, fileBytes: bytes.file, usedBytes: used }));
    return;
  }
  if (figures.length === 0) {
    err.line("bancos: nothing to measure: the store has no keys");
    return;
  }
  printTable(
    ["operation", "count", "a second", "each"],
    figures.map((figure) => [
      figure.name,
      showCount(figure.count),
      showCount(rate(figure)),
      showEach(figure.seconds / figure.count),
    ]),
    [1, 2, 3],
  );
  out.line();
  out.line(
    `${plural(keys, "key")} in a file of ${showBytes(bytes.file)}, ` +
      `${keys === 0 ? 0 : Math.round(used / keys)} bytes in use a key`,
  );
}

function showEach(seconds: number): string {
  if (seconds < 1e-5) return `${showCount(seconds * 1e9)} ns`;
  return seconds < 1e-2 ? `${showCount(seconds * 1e6)} µs` : `${showCount(seconds * 1e3)} ms`;
}
