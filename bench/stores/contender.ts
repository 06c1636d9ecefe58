/** What every store that is compared can do, behind one set of verbs. */
import type { Key } from "../data.ts";

export type Value = number | string;
/** Some stores answer at once, some by a promise. */
export type Soon<T> = T | Promise<T>;

/**
 * A store under measurement. Verbs over many keys are methods of their own, since each store has its own best way;
 * those here are for the stores that have none. Only one kind of store runs in a process, so that the loops below stay
 * as fast for each as its own would be.
 */
export abstract class Contender<K extends Key = string> {
  abstract readonly name: string;

  /** The value, or `undefined`. */
  abstract get(key: K): Value | undefined;

  has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  /** Reads `keys` together; how many were there. */
  getMany(keys: readonly K[]): Soon<number> {
    let found = 0;
    for (const key of keys) if (this.get(key) !== undefined) found++;
    return found;
  }

  abstract set(key: K, value: Value): Soon<void>;

  /** One call, and with most stores one transaction, for each key. */
  setEach(keys: readonly K[], values: readonly Value[]): Soon<void> {
    for (let i = 0; i < keys.length; i++) this.set(keys[i] as K, values[i] as Value);
  }

  /** In the fastest way that the store has for many writes by one caller. */
  setAll(keys: readonly K[], values: readonly Value[]): Soon<void> {
    return this.setEach(keys, values);
  }

  abstract delete(key: K): Soon<void>;

  deleteEach(keys: readonly K[]): Soon<void> {
    for (const key of keys) this.delete(key);
  }

  deleteAll(keys: readonly K[]): Soon<void> {
    return this.deleteEach(keys);
  }

  /** Adds 1 to a number that is there. */
  abstract add(key: K): Soon<void>;

  addEach(keys: readonly K[]): Soon<void> {
    for (const key of keys) this.add(key);
  }

  addAll(keys: readonly K[]): Soon<void> {
    return this.addEach(keys);
  }

  /** Reads all keys, in their order if the store has one; how many. */
  abstract scanKeys(): Soon<number>;

  /** Reads all keys and values; how many. */
  abstract scan(): Soon<number>;

  /** Reads up to `limit` entries from `start` on; how many. */
  abstract range(start: K, limit: number): Soon<number>;

  /** How many keys begin with `prefix`. */
  abstract count(prefix: K): Soon<number>;

  /** {@link range} for each of `starts`; how many entries in all. */
  ranges(starts: readonly K[], limit: number): Soon<number> {
    let read = 0;
    for (const start of starts) read += this.range(start, limit) as number;
    return read;
  }

  /** {@link count} for each of `prefixes`; how many keys in all. */
  counts(prefixes: readonly K[]): Soon<number> {
    let counted = 0;
    for (const prefix of prefixes) counted += this.count(prefix) as number;
    return counted;
  }

  /** Bytes of its file that are in use, if it can tell. */
  usedBytes(): number | undefined {
    return undefined;
  }

  abstract close(): Soon<void>;
}

/** The least key that begins with none of the keys that begin with `prefix` and comes after them. */
export function after<K extends Key>(prefix: K): K {
  if (typeof prefix === "string") return `${prefix}\u{10ffff}` as K;
  return Buffer.concat([prefix, Buffer.alloc(16, 0xff)]) as Uint8Array as K;
}

/**
 * A package of bench/node_modules. Named by a variable, so that the project is type-checked without them: they are
 * installed by `make bench` alone.
 */
export async function rival(name: string): Promise<unknown> {
  return await import(name);
}
