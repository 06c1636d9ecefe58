/**
 * Opens mutants and does with each what a store can do: `child.ts IMAGES PATH SEED FROM STEP MILLISECONDS MOST [READONLY]`.
 *
 * Mutants FROM, FROM + STEP, and so on, until the time is over or there have been MOST. On the standard output: the number of each before
 * it is tried, a line `WRONG` where an answer was wrong, and at the end a line of figures. READONLY is the path of the
 * file where it can't be written, if there is such a place.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import {
  BancosError,
  inspectAt,
  inspectKey,
  type Key,
  type KeyEncoding,
  type OpenOptions,
  open,
  repair,
  type Store,
  type Value,
} from "../../src/index.ts";
import { SB_CLEAN, SB_DEVICE } from "../../src/memory/layout.ts";
import { random } from "../random.ts";
import { everWritten, identityOf, KEYS, keyAt, VERSIONS, valueAt } from "./content.ts";
import { type Image, type Mutant, mutantOf, reboot, surveyed } from "./mutate.ts";

const [
  folder = "",
  path = "",
  seedText = "",
  fromText = "",
  stepText = "",
  time = "",
  most = "",
  readOnlyPath,
] = process.argv.slice(2);
const seed = Number(seedText);
const until = performance.now() + Number(time);
const MAX_SIZE = 4 << 20;

/** Which file this is: goes into every image, or each would be a copy, to be rebuilt. */
open(path, { flushEvery: 0, maxSize: MAX_SIZE }).close();
const identity = readFileSync(path).subarray(SB_DEVICE, SB_CLEAN);
const file = openSync(path, "r+");

interface Sample {
  readonly encoding: KeyEncoding;
  readonly image: Image;
  readonly written: ReadonlyMap<string, ReadonlySet<string>>;
  /** What it holds when it is not damaged, by identity of the key. */
  content: ReadonlyMap<string, string>;
}

const written = new Map<KeyEncoding, Map<string, Set<string>>>();
const samples = readdirSync(folder)
  .sort()
  .map((name): Sample => {
    const encoding = name.slice(name.indexOf(".") + 1) as KeyEncoding;
    if (!written.has(encoding)) written.set(encoding, everWritten(encoding));
    const bytes = readFileSync(join(folder, name));
    if (!name.startsWith("backup")) identity.copy(bytes, SB_DEVICE);
    return {
      encoding,
      image: surveyed(name, bytes),
      written: written.get(encoding)!,
      content: new Map(),
    };
  });

function lay(bytes: Buffer): void {
  ftruncateSync(file, bytes.length);
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at, at);
}

const openAny = (where: string, options: OpenOptions): Store<Value, Key> =>
  open<Value>(where, options as OpenOptions & { keyEncoding: "ordered" });

function contentOf(store: Store<Value, Key>): Map<string, string> {
  return new Map([...store].map(([key, value]) => [identityOf(key), identityOf(value)]));
}

for (const sample of samples) {
  lay(sample.image.bytes);
  const store = openAny(path, { flushEvery: 0, maxSize: MAX_SIZE });
  sample.content = contentOf(store);
  const { ok } = store.verify();
  const { found } = store.stats().recovery;
  store.close();
  const asExpected = found === "clean" || found === "unclean";
  if (!ok || !asExpected || sample.content.size < KEYS / 2)
    throw new Error(`the image ${sample.image.name} is ${found}, ${ok}, ${sample.content.size} keys`);
}

const figures = {
  mutants: 0,
  opened: 0,
  rebuilt: 0,
  refused: 0,
  reported: 0,
  repaired: 0,
  readOnly: 0,
  slowest: 0,
};
const codes: Record<string, number> = {};

class Attempt {
  readonly problems: string[] = [];
  private readonly sample: Sample;
  private readonly mutant: Mutant;
  private readonly pick: (below: number) => number;
  private errors = 0;

  constructor(sample: Sample, mutant: Mutant, pick: (below: number) => number) {
    this.sample = sample;
    this.mutant = mutant;
    this.pick = pick;
  }

  /** A right answer or a BancosError. */
  private tried<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      this.note(error);
      return undefined;
    }
  }

  private note(error: unknown): void {
    if (!(error instanceof BancosError)) {
      this.problems.push(`not a BancosError: ${error instanceof Error ? error.stack : String(error)}`);
      return;
    }
    this.errors++;

    codes[error.code] = (codes[error.code] ?? 0) + 1;
  }

  /** Was this value ever set for the key? */
  private check(key: unknown, value: unknown): void {
    if (this.mutant.forged || value === undefined) return;
    // A number that changes in place has no checksum.
    if (typeof value === "number") return;
    const values = this.sample.written.get(identityOf(key));
    if (values === undefined) this.problems.push(`a key that was never set: ${identityOf(key).slice(0, 80)}`);
    else if (!values.has(identityOf(value))) {
      this.problems.push(`${identityOf(key).slice(0, 40)} was never ${identityOf(value).slice(0, 80)}`);
    }
  }

  private entries(store: Store<Value, Key>, range: object): void {
    this.tried(() => {
      // No more than there can be: a walk that never ends is a wrong answer.
      let n = 0;
      for (const [key, value] of store.entries(range)) {
        this.check(key, value);
        if (++n > 100_000) throw new Error("a walk without end");
      }
    });
  }

  private read(store: Store<Value, Key>, mayDiffer: boolean): void {
    const { encoding, content } = this.sample;
    const { pick } = this;
    let differs = "";
    for (let n = 0; n < 24; n++) {
      const key = keyAt(encoding, pick(KEYS));
      const got = this.tried(() => ({ value: store.get(key) }));
      if (got === undefined) continue;
      this.check(key, got.value);
      const wanted = content.get(identityOf(key));
      const is = got.value === undefined ? undefined : identityOf(got.value);
      if (is !== wanted && typeof got.value !== "number")
        differs = `${identityOf(key).slice(0, 40)} is ${is}`;
      this.tried(() => store.has(key));
    }
    if (pick(2) === 0) {
      const some = Array.from({ length: 20 }, () => keyAt(encoding, pick(KEYS)));
      const many = this.tried(() => store.getMany(some));
      if (many !== undefined) for (const [i, value] of many.entries()) this.check(some[i], value);
    }
    if (pick(2) === 0) this.entries(store, {});
    const bound = keyAt(encoding, pick(KEYS));
    this.entries(store, { [["gt", "gte", "lt", "lte"][pick(4)]!]: bound, reverse: pick(2) === 0 });
    this.tried(() => store.count({ gte: bound }));
    this.tried(() => store.first({ gt: bound }));
    this.tried(() => store.last());
    this.tried(() => [...store.keys({ reverse: true, limit: 50 })]);
    this.tried(() => store.size);
    if (pick(3) === 0) this.tried(() => store.stats());
    if (pick(3) === 0) {
      this.tried(() => inspectKey(store, bound as never));
      this.tried(() => inspectAt(store, pick(this.mutant.bytes.length + 64)));
    }
    if (differs !== "" || pick(3) === 0) {
      const report = this.tried(() => store.verify());
      if (report?.ok === false) figures.reported++;
      if (report?.ok === true && differs !== "" && !mayDiffer) {
        this.problems.push(`verify() sees nothing, and ${differs.slice(0, 100)}`);
      }
    }
  }

  private write(store: Store<Value, Key>): void {
    const { encoding } = this.sample;
    const { pick } = this;
    for (let n = 0; n < 16; n++) {
      const i = pick(KEYS);
      const key = keyAt(encoding, i);
      const value = valueAt(i, pick(VERSIONS));
      switch (pick(8)) {
        case 0:
        case 1:
          this.tried(() => store.delete(key));
          break;
        case 2:
          this.tried(() =>
            store.compareAndSet(
              key,
              this.tried(() => store.get(key)),
              value,
            ),
          );
          break;
        case 3:
          // Whatever there is, is put back: sums of it were never written.
          this.tried(() => typeof store.get(key) === "number" && store.add(key, 0));
          break;
        default:
          this.tried(() => store.set(key, value));
          this.check(
            key,
            this.tried(() => store.get(key)),
          );
      }
    }
    if (pick(2) === 0) this.tried(() => store.collect());
    if (pick(2) === 0) this.tried(() => store.flushSync());
    if (pick(6) === 0) for (let i = 0; i < KEYS; i++) this.tried(() => store.delete(keyAt(encoding, i)));
  }

  /** Opens, reads, writes, closes. */
  async open(where: string, options: OpenOptions, isDisowned: boolean): Promise<void> {
    const store = this.tried(() => openAny(where, { flushEvery: 0, maxSize: MAX_SIZE, ...options }));
    if (store === undefined) {
      figures.refused++;
      return;
    }
    figures.opened++;
    const rebuilt = this.tried(() => store.stats().recovery.rebuild) ?? null;
    if (rebuilt !== null) figures.rebuilt++;
    // Who can't write sees what a change under way has done so far, and finishes nothing.
    const cutShort = where !== path && this.sample.image.name.startsWith("changing");
    // An empty file is made a store.
    const isNew = this.mutant.bytes.length === 0;
    const mayDiffer = rebuilt !== null || isDisowned || cutShort || isNew || this.mutant.forged;
    this.read(store, mayDiffer);
    if (options.readOnly !== true) this.write(store);
    if (this.pick(24) === 0) {
      const copy = `${path}.copy`;
      await store.backup(copy).catch((error: unknown) => this.note(error));
      if (existsSync(copy)) {
        this.copy(copy, "backup");
        rmSync(copy, { force: true });
      }
    }
    if (this.pick(4) === 0) this.entries(store, {});
    this.tried(() => store.close());
    if (this.pick(5) > 0 || options.readOnly === true) return;
    const again = this.tried(() => openAny(path, { flushEvery: 0, maxSize: MAX_SIZE }));
    if (again === undefined) return;
    this.entries(again, {});
    this.tried(() => again.close());
  }

  /** What was copied out of a damaged file: sound, with no value that was never there. */
  private copy(where: string, what: string): void {
    const before = this.errors;
    const store = this.tried(() => openAny(where, { flushEvery: 0, maxSize: MAX_SIZE }));
    if (store === undefined) {
      this.problems.push(`the ${what} can't be opened`);
      return;
    }
    this.entries(store, {});
    if (!this.mutant.forged) {
      if (this.tried(() => store.verify().ok) !== true) this.problems.push(`the ${what} is not sound`);
      if (this.errors > before) this.problems.push(`the ${what} is damaged`);
    }
    this.tried(() => store.close());
  }

  async repair(): Promise<void> {
    const to = `${path}.new`;
    // Where the superblock's constants are damaged, its user knows how the keys are encoded.
    const { image, encoding } = this.sample;
    const isTold = !image.bytes.subarray(0, SB_DEVICE).equals(this.mutant.bytes.subarray(0, SB_DEVICE));
    const options = isTold ? { keyEncoding: encoding } : {};
    const report = await repair(path, to, options).catch((error: unknown) => this.note(error));
    if (report !== undefined) {
      figures.repaired++;
      this.copy(to, "repaired file");
    } else if (existsSync(to)) this.problems.push("a repair that failed left a file");
    rmSync(to, { force: true });
  }
}

for (
  let number = Number(fromText), n = 0;
  n < Number(most) && performance.now() < until;
  number += Number(stepText), n++
) {
  process.stdout.write(`${number}\n`);
  const pick = random(Math.imul(seed, 0x2545f491) + number);
  const sample = samples[pick(samples.length)]!;
  const mutant = mutantOf(sample.image, seed, number);
  const attempt = new Attempt(sample, mutant, pick);
  const { bytes } = mutant;
  let isDisowned = false;
  if (bytes.length > SB_CLEAN + 4 && pick(6) === 0) {
    isDisowned = true;
    reboot(bytes);
  }
  lay(bytes);
  const started = performance.now();
  const how = pick(20);
  if (how < 3) await attempt.repair();
  else if (how < 5 && readOnlyPath !== undefined) {
    figures.readOnly++;
    await attempt.open(
      readOnlyPath,
      { readOnly: true, recover: pick(2) === 0 ? "rebuild" : "auto" },
      isDisowned,
    );
  } else if (how < 8) await attempt.open(path, { recover: "rebuild" }, isDisowned);
  else if (how < 10) await attempt.open(path, { readOnly: true }, isDisowned);
  else await attempt.open(path, {}, isDisowned);
  figures.slowest = Math.max(figures.slowest, Math.round(performance.now() - started));
  figures.mutants++;
  for (const problem of new Set(attempt.problems)) {
    process.stdout.write(
      `WRONG ${JSON.stringify({ number, image: sample.image.name, how, isDisowned, what: mutant.what, problem })}\n`,
    );
  }
}
closeSync(file);
console.log(`DONE ${JSON.stringify({ ...figures, codes })}`);
