/** Opens a damaged file and does with it what a store can do: each time a right answer or a BancosError. */
import { existsSync, unlinkSync } from "node:fs";
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
import { SB_DEVICE } from "../../src/memory/layout.ts";
import { identityOf, keyAt, keysOf, type Size, VERSIONS, valueAt } from "./content.ts";
import type { Image, Mutant } from "./mutate.ts";
import type { Target } from "./target.ts";

const MAX_SIZE = 4 << 20;

/** A valid file, and what is known of it. */
export interface Sample {
  readonly size: Size;
  readonly encoding: KeyEncoding;
  readonly image: Image;
  readonly target: Target;
  readonly written: ReadonlyMap<string, ReadonlySet<string>>;
  /** What it holds when it is not damaged, by identity of the key. */
  content: ReadonlyMap<string, string>;
}

/** Counts of a run. */
export const newFigures = () => ({
  mutants: 0,
  beneath: 0,
  opened: 0,
  rebuilt: 0,
  refused: 0,
  reported: 0,
  repaired: 0,
  verified: 0,
  backups: 0,
  readOnly: 0,
  slowest: 0,
  codes: {} as Record<string, number>,
});
export type Figures = ReturnType<typeof newFigures>;

export const openAny = (where: string, options: OpenOptions = {}): Store<Value, Key> =>
  open<Value>(where, { flushEvery: 0, maxSize: MAX_SIZE, ...options } as OpenOptions & {
    keyEncoding: "ordered";
  });

export function contentOf(store: Store<Value, Key>): Map<string, string> {
  return new Map([...store].map(([key, value]) => [identityOf(key), identityOf(value)]));
}

/** What is done with one mutant. */
export class Attempt {
  readonly problems: string[] = [];
  private readonly sample: Sample;
  private readonly mutant: Mutant;
  private readonly figures: Figures;
  private readonly pick: (below: number) => number;
  private readonly keys: readonly number[];
  private errors = 0;

  constructor(sample: Sample, mutant: Mutant, figures: Figures, pick: (below: number) => number) {
    this.sample = sample;
    this.mutant = mutant;
    this.figures = figures;
    this.pick = pick;
    this.keys = keysOf(sample.size);
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
    const { codes } = this.figures;
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

  private anyKey(): Key {
    return keyAt(this.sample.encoding, this.keys[this.pick(this.keys.length)]!);
  }

  read(store: Store<Value, Key>, mayDiffer: boolean): void {
    const { content } = this.sample;
    const { pick, keys } = this;
    let differs = "";
    for (let n = 0; n < keys.length / 5; n++) {
      const key = this.anyKey();
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
      const some = Array.from({ length: keys.length / 6 }, () => this.anyKey());
      const many = this.tried(() => store.getMany(some));
      if (many !== undefined) for (const [i, value] of many.entries()) this.check(some[i], value);
    }
    if (pick(2) === 0) this.entries(store, {});
    const bound = this.anyKey();
    this.entries(store, { [["gt", "gte", "lt", "lte"][pick(4)]!]: bound, reverse: pick(2) === 0 });
    this.tried(() => store.count({ gte: bound }));
    this.tried(() => store.first({ gt: bound }));
    this.tried(() => store.last());
    this.tried(() => [...store.keys({ reverse: true, limit: 50 })]);
    this.tried(() => store.size);
    if (pick(3) === 0) this.tried(() => store.stats());
    if (pick(3) === 0) {
      this.tried(() => inspectKey(store, bound as never));
      this.tried(() => inspectAt(store, pick(this.mutant.length + 64)));
    }
    if (differs !== "" || pick(3) === 0) {
      const report = this.tried(() => store.verify());
      this.figures.verified++;
      if (report?.ok === false) this.figures.reported++;
      if (report?.ok === true && differs !== "" && !mayDiffer) {
        this.problems.push(`verify() sees nothing, and ${differs.slice(0, 100)}`);
      }
    }
  }

  private write(store: Store<Value, Key>): void {
    const { encoding, size } = this.sample;
    const { pick, keys } = this;
    for (let n = 0; n < keys.length / 7; n++) {
      const i = keys[pick(keys.length)]!;
      const key = keyAt(encoding, i);
      const value = valueAt(size, i, pick(VERSIONS));
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
    if (pick(6) === 0) for (const i of keys) this.tried(() => store.delete(keyAt(encoding, i)));
  }

  /** Opens, reads, writes, closes. */
  async open(where: string, options: OpenOptions, isDisowned: boolean): Promise<void> {
    const store = this.tried(() => openAny(where, options));
    if (store === undefined) {
      this.figures.refused++;
      return;
    }
    this.figures.opened++;
    const rebuilt = this.tried(() => store.stats().recovery.rebuild) ?? null;
    if (rebuilt !== null) this.figures.rebuilt++;
    // Who can't write sees what a change under way has done so far, and finishes nothing.
    const cutShort = where !== this.sample.target.path && this.sample.image.name.startsWith("changing");
    // An empty file is made a store.
    const isNew = this.mutant.length === 0;
    const mayDiffer = rebuilt !== null || isDisowned || cutShort || isNew || this.mutant.forged;
    this.read(store, mayDiffer);
    if (options.readOnly !== true) this.write(store);
    if (this.pick(40) === 0) {
      const copy = `${this.sample.target.path}.copy`;
      await store.backup(copy).catch((error: unknown) => this.note(error));
      if (existsSync(copy)) {
        this.figures.backups++;
        this.copy(copy, "backup");
        unlinkSync(copy);
      }
    }
    if (this.pick(4) === 0) this.entries(store, {});
    this.tried(() => store.close());
    if (this.pick(5) > 0 || options.readOnly === true) return;
    const again = this.tried(() => openAny(this.sample.target.path));
    if (again === undefined) return;
    this.entries(again, {});
    this.tried(() => again.close());
  }

  /** What was copied out of a damaged file: sound, with no value that was never there. */
  private copy(where: string, what: string): void {
    const before = this.errors;
    const store = this.tried(() => openAny(where));
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
    const { target, encoding, image } = this.sample;
    const to = `${target.path}.new`;
    // Where the superblock's constants are damaged, its user knows how the keys are encoded.
    const isTold =
      this.mutant.length < SB_DEVICE || image.bytes.compare(target.bytes, 0, SB_DEVICE, 0, SB_DEVICE) !== 0;
    const options = isTold ? { keyEncoding: encoding } : {};
    const report = await repair(target.path, to, options).catch((error: unknown) => this.note(error));
    if (report !== undefined) {
      this.figures.repaired++;
      this.copy(to, "repaired file");
      unlinkSync(to);
    } else if (existsSync(to)) this.problems.push("a repair that failed left a file");
  }
}
