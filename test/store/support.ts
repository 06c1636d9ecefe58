/**
 * What the tests of the store share: files that vanish, a seed, a time budget, and the oracle, a Map beside a sorted
 * list, which knows nothing of how the store works.
 */
import { expect, onTestFinished } from "bun:test";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { BancosError, type ErrorCode } from "../../src/errors.ts";
import type { Store, VerifyReport } from "../../src/index.ts";

export { random } from "../random.ts";

/** The seed of all random choices of a run; BANCOS_SEED repeats a run. */
export const seed = Number(process.env["BANCOS_SEED"] ?? (Math.random() * 0x7fffffff) | 0);
console.log(`seed: BANCOS_SEED=${seed}`);

/** Seconds that one property may take; BANCOS_SECONDS gives more. */
export const seconds = Number(process.env["BANCOS_SECONDS"] ?? 2);

/** Ends a property after the budget; the number of cases is as large as the time allows. */
export function budget(): { seed: number; numRuns: number; interruptAfterTimeLimit: number } {
  return { seed, numRuns: 1_000_000, interruptAfterTimeLimit: seconds * 1000 };
}

const inMemory = hasRoomInMemory();
let folders: string[] = [];

/** A new folder, which goes when the running test ends. */
export function freshFolder(parent: string = tmpdir()): string {
  const folder = mkdtempSync(join(parent, "bancos-store-"));
  if (folders.length === 0) {
    onTestFinished(() => {
      for (const each of folders) rmSync(each, { recursive: true, force: true });
      folders = [];
    });
  }
  folders.push(folder);
  return folder;
}

/** A container's /dev/shm may be as small as 64 MB. */
function hasRoomInMemory(): boolean {
  try {
    const { bavail, bsize } = statfsSync("/dev/shm");
    return bavail * bsize > 1 << 30;
  } catch {
    return false;
  }
}

/** A path where no file is; what is made there goes when the running test ends. */
export function freshPath(): string {
  return join(freshFolder(), "store.bancos");
}

/** Where files are in memory, if there is such a place with room. */
export const memoryFolder: string = inMemory ? "/dev/shm" : tmpdir();

/** The same in memory, if there is a filesystem there: a property that opens a thousand stores syncs as often. */
export function quickPath(): string {
  return join(freshFolder(memoryFolder), "store.bancos");
}

/** Removes a store and its folder early, where a property makes many. */
export function remove(path: string): void {
  rmSync(dirname(path), { recursive: true, force: true });
}

/** Fails with the problems if the file is not in order. */
export function expectSound(store: { verify(): VerifyReport; readonly size: number }): void {
  const report = store.verify();
  expect(report.problems).toEqual([]);
  expect(report.ok).toBe(true);
  expect(report.keys).toBe(store.size);
}

/** Verifies and closes. */
export function finish<V, K>(store: Store<V, K>): void {
  expectSound(store);
  store.close();
}

/** The BancosError that `run` throws; anything else fails the test. */
export function errorOf(run: () => unknown): BancosError {
  try {
    run();
  } catch (error) {
    if (error instanceof BancosError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** The code of the BancosError that `run` throws. */
export function codeOf(run: () => unknown): ErrorCode {
  return errorOf(run).code;
}

// ---- the oracle ------------------------------------------------------------------------------------------------------

export interface TestRange<K> {
  gt?: K;
  gte?: K;
  lt?: K;
  lte?: K;
  prefix?: K;
  reverse?: boolean;
  limit?: number;
}

/** How keys of an encoding compare, which of them begin with a prefix, and what makes two of them the same. */
export interface KeyOrder<K> {
  compare(a: K, b: K): number;
  startsWith(key: K, prefix: K): boolean;
  /** Equal for equal keys only. */
  identity(key: K): string;
}

/** A sorted list of entries: the simplest thing that a store can be compared with. */
export class Oracle<V, K> {
  private readonly order: KeyOrder<K>;
  private readonly map = new Map<string, [K, V]>();
  private sorted: [K, V][] | null = null;

  constructor(order: KeyOrder<K>) {
    this.order = order;
  }
  get size(): number {
    return this.map.size;
  }
  get(key: K): V | undefined {
    return this.map.get(this.order.identity(key))?.[1];
  }
  has(key: K): boolean {
    return this.map.has(this.order.identity(key));
  }
  set(key: K, value: V): void {
    const entry = this.map.get(this.order.identity(key));
    if (entry === undefined) {
      this.map.set(this.order.identity(key), [key, value]);
      this.sorted = null;
    } else entry[1] = value;
  }
  delete(key: K): boolean {
    this.sorted = null;
    return this.map.delete(this.order.identity(key));
  }
  entries(range: TestRange<K> = {}): [K, V][] {
    const { compare, startsWith } = this.order;
    this.sorted ??= [...this.map.values()].sort((a, b) => compare(a[0], b[0]));
    const found = this.sorted.filter(
      ([key]) =>
        (range.gt === undefined || compare(key, range.gt) > 0) &&
        (range.gte === undefined || compare(key, range.gte) >= 0) &&
        (range.lt === undefined || compare(key, range.lt) < 0) &&
        (range.lte === undefined || compare(key, range.lte) <= 0) &&
        (range.prefix === undefined || startsWith(key, range.prefix)),
    );
    if (range.reverse === true) found.reverse();
    return found.slice(0, range.limit ?? found.length).map(([key, value]): [K, V] => [key, value]);
  }
}

export const UTF8: KeyOrder<string> = {
  compare: (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)),
  startsWith: (key, prefix) => key.startsWith(prefix),
  identity: (key) => key,
};

export const BINARY: KeyOrder<Uint8Array> = {
  compare: (a, b) => Buffer.compare(a, b),
  startsWith: (key, prefix) => Buffer.from(key.subarray(0, prefix.length)).equals(prefix),
  identity: (key) => Buffer.from(key).toString("latin1"),
};

/** Compares everything that reads a range with the oracle. */
export function expectRange<V, K>(store: Store<V, K>, oracle: Oracle<V, K>, range: TestRange<K>): void {
  const wanted = oracle.entries(range);
  expect([...store.entries(range)]).toEqual(wanted);
  expect([...store.keys(range)]).toEqual(wanted.map(([key]) => key));
  expect([...store.values(range)]).toEqual(wanted.map(([, value]) => value));
  expect(store.count(range)).toBe(wanted.length);
  expect(store.first(range)).toEqual(wanted[0]);
  const { limit, ...unlimited } = range;
  if (limit === undefined) expect(store.last(range)).toEqual(wanted.at(-1));
  else if (limit > 0) expect(store.last(range)).toEqual(oracle.entries(unlimited).at(-1));
}

/** Compares the whole store with the oracle, and verifies it. */
export function expectEqual<V, K>(store: Store<V, K>, oracle: Oracle<V, K>): void {
  expect(store.size).toBe(oracle.size);
  const wanted = oracle.entries();
  expect([...store]).toEqual(wanted);
  expect([...store.entries({ reverse: true })]).toEqual(wanted.toReversed());
  expect(store.getMany(wanted.map(([key]) => key))).toEqual(wanted.map(([, value]) => value));
  expectSound(store);
}
