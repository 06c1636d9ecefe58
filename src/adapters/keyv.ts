/**
 * A store as a storage adapter of Keyv, versions 5 and 6.
 *
 * ## Keys
 *
 * | key | value |
 * |---|---|
 * | `["value", key]` | the record: what Keyv gave, and when it expires |
 * | `["expires", time, key]` | `true`: at that time, look whether the record has expired |
 *
 * The second one lets expired records be found without a look at all. It is written before the record, so that a death
 * in between leaves an entry that finds nothing, never a record that nothing finds. A record that is replaced keeps its
 * older entries until their time comes: what counts is the time in the record.
 *
 * ## Records
 *
 * What Keyv gives is most often a string. It is kept as one, `EXPIRES:TEXT`, the time in milliseconds or nothing before
 * the colon; bytes as 8 bytes of time (a float64, little-endian, Infinity for never) and the bytes; everything else as
 * `{ value, expires }`.
 *
 * ## Namespaces
 *
 * Keyv puts its namespace before the key, by `:` (version 5) or `::` (version 6), and tells the adapter of it when it
 * clears or iterates. Version 5 sets the property `namespace` for that. Version 6 would leave the prefix out if it found
 * that property here, so it is not declared with a value: there the two are told apart.
 */
import { EventEmitter } from "node:events";
import type { Range } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import type { Json, Key } from "../store/types.ts";
import { borrow, type Lent, type StoreSource } from "./lent.ts";

/** Where the entries are kept: `path` to open a file, with the options of `open`, or an open `store` with ordered keys. */
export interface BancosKeyvOptions extends StoreSource<Key> {}

type Stored = string | Uint8Array | true | { readonly value: Json; readonly expires?: number };

interface Entry {
  readonly key: string;
  readonly value: unknown;
  /** Milliseconds from now. */
  readonly ttl?: number | undefined;
}

interface Kept {
  readonly value: unknown;
  /** Milliseconds since 1970; Infinity: never. */
  readonly expires: number;
}

const VALUE = "value";
const EXPIRES = "expires";
const TIME_BYTES = 8;

/** After as many writes that expire, a sweep of at most this many records. */
const SWEEP_EVERY = 64;
const SWEEP_MOST = 256;
/** Deletes in one group. */
const WRITES_AT_ONCE = 1000;

function toStored(value: unknown, expires: number): Stored {
  if (typeof value === "string") return `${expires === Infinity ? "" : expires}:${value}`;
  if (value instanceof Uint8Array) {
    const bytes = Buffer.alloc(TIME_BYTES + value.length);
    bytes.writeDoubleLE(expires, 0);
    bytes.set(value, TIME_BYTES);
    return bytes;
  }
  // What it can't hold the store says.
  return expires === Infinity ? { value: value as Json } : { value: value as Json, expires };
}

function fromStored(stored: Stored): Kept {
  if (typeof stored === "string") {
    const colon = stored.indexOf(":");
    return {
      value: stored.slice(colon + 1),
      expires: colon === 0 ? Infinity : Number(stored.slice(0, colon)),
    };
  }
  if (stored instanceof Uint8Array) {
    const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
    return { value: bytes.subarray(TIME_BYTES), expires: bytes.readDoubleLE(0) };
  }
  if (stored === true) return { value: undefined, expires: Infinity };
  return { value: stored.value, expires: stored.expires ?? Infinity };
}

/** Is the time over? As Keyv sees it. */
const isOver = (expires: number): boolean => expires < Date.now();

/** The keys of a namespace: those that begin with it and a colon, so those before the character that follows a colon. */
function rangeOf(namespace: string | undefined): Range<Key> {
  if (namespace === undefined || namespace === "") return { prefix: [VALUE] };
  return { gte: [VALUE, `${namespace}:`], lt: [VALUE, `${namespace};`] };
}

/**
 * A storage adapter for Keyv 5 and 6: `new Keyv({ store: new BancosKeyv({ path: "cache.bancos" }) })`. Several Keyv of
 * different namespaces may share one adapter with Keyv 6; with Keyv 5 give each an adapter of its own on one `store`,
 * since that version has the adapter remember the last namespace. Any number of processes may use the file.
 *
 * What has expired is not given any more, and is removed little by little while others are set with a time to live, or
 * all at once by {@link BancosKeyv.sweep}. `setMany` and `deleteMany` are not atomic across a crash: whoever dies in
 * between leaves the first of them done. A key has at most about 4,000 bytes, its namespace included.
 *
 * Each call works at once in the calling thread, at the cost of the store's own; the promises are Keyv's custom. They
 * reject with what the store throws.
 *
 * @example
 * ```ts
 * import { BancosKeyv } from "bancos/keyv";
 * import Keyv from "keyv";
 * const keyv = new Keyv({ store: new BancosKeyv({ path: "cache.bancos" }), namespace: "users" });
 * await keyv.set("ann", { age: 30 }, 60_000);
 * console.log(await keyv.get("ann")); // → { age: 30 }
 * await keyv.disconnect();
 * ```
 */
export class BancosKeyv extends EventEmitter {
  /**
   * What Keyv reads of an adapter's options. Version 5 iterates only over adapters whose dialect it knows, so one of
   * those is named; nothing else is done with it.
   */
  readonly opts: { [name: string]: unknown } = { dialect: "sqlite" };
  /** Set by Keyv 5: what `clear` and `iterator` are about; `undefined`: everything. */
  declare namespace?: string | undefined;
  private readonly lent: Lent<Stored, Key>;
  private untilSweep = SWEEP_EVERY;

  /**
   * Opens the file, or takes the open store.
   *
   * @throws BancosError `INVALID_OPTION`, `KEY_ENCODING`; what `open` throws
   */
  constructor(options: BancosKeyvOptions) {
    super();
    this.lent = borrow<Stored, Key>(options, "ordered");
  }

  /** The store underneath, for what Keyv has no name for: `flush`, `backup`, `stats`, `verify`. */
  get store(): Store<Stored, Key> {
    return this.lent.store;
  }

  /** The value; `undefined` if it is absent or has expired. Cost: one lookup. */
  async get<Value>(key: string): Promise<Value | undefined> {
    return this.current(key, this.store.get([VALUE, key])) as Value | undefined;
  }

  /** The values in the order of the keys. Cost: one lookup each, several at a time. */
  async getMany<Value>(keys: string[]): Promise<(Value | undefined)[]> {
    const found = this.store.getMany(keys.map((key) => [VALUE, key]));
    return keys.map((key, i) => this.current(key, found[i]) as Value | undefined);
  }

  /** Is the key there, and has not expired? */
  async has(key: string): Promise<boolean> {
    const stored = this.store.get([VALUE, key]);
    return stored !== undefined && !isOver(fromStored(stored).expires);
  }

  /** {@link BancosKeyv.has} for each key. */
  async hasMany(keys: string[]): Promise<boolean[]> {
    return this.store
      .getMany(keys.map((key) => [VALUE, key]))
      .map((stored) => stored !== undefined && !isOver(fromStored(stored).expires));
  }

  /**
   * Inserts or replaces.
   *
   * @param ttl milliseconds from now, after which it is gone; `undefined` or 0: it stays
   * @returns true
   */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    this.put({ key, value, ttl });
    return true;
  }

  /** Inserts or replaces several. Not atomic across a crash. */
  async setMany(entries: Entry[]): Promise<boolean[]> {
    for (let from = 0; from < entries.length; from += WRITES_AT_ONCE) {
      this.store.writer(() => {
        for (const entry of entries.slice(from, from + WRITES_AT_ONCE)) this.put(entry);
      });
    }
    return entries.map(() => true);
  }

  /** Removes the key. Was it there? */
  async delete(key: string): Promise<boolean> {
    return this.remove(key);
  }

  /** Removes the keys. Was any of them there? Not atomic across a crash. */
  async deleteMany(keys: string[]): Promise<boolean> {
    let removed = false;
    for (const key of keys) if (this.remove(key)) removed = true;
    return removed;
  }

  /** Removes what is in the namespace that Keyv has set; everything if there is none. Cost: a walk over it. */
  async clear(): Promise<void> {
    const { store, namespace } = this;
    this.inGroups(store.keys(rangeOf(namespace)), (key) => this.remove(textOf(key, 1)));
    // What is left of replaced records.
    if (rangeOf(namespace).prefix !== undefined) {
      this.inGroups(store.keys({ prefix: [EXPIRES] }), (key) => store.delete(key));
    }
  }

  /**
   * Keys and values in the order of the keys, without what has expired. A key that is there throughout comes once;
   * what is written meanwhile may come or not.
   *
   * @param namespace only of this namespace
   */
  async *iterator<Value>(namespace?: string): AsyncGenerator<[string, Awaited<Value>], void> {
    for (const [key, stored] of this.store.entries(rangeOf(namespace))) {
      const { value, expires } = fromStored(stored);
      if (!isOver(expires)) yield [textOf(key, 1), value as Awaited<Value>];
    }
  }

  /**
   * Removes what has expired. Any process may do it, and several at once.
   *
   * @param most at most this many entries are looked at
   * @returns how many records it removed
   */
  sweep(most = Infinity): number {
    const { store } = this;
    let removed = 0;
    const range = { gt: [EXPIRES], lt: [EXPIRES, Date.now()], limit: most };
    this.inGroups(store.keys(range), (entry) => {
      const key = [VALUE, textOf(entry, 2)];
      const stored = store.get(key);
      // It may have been set again, and another process may do so right now: only what was looked at is removed.
      if (stored !== undefined && isOver(fromStored(stored).expires)) {
        if (store.compareAndSet(key, stored, undefined)) removed++;
      }
      store.delete(entry);
    });
    return removed;
  }

  /** Closes the store, unless it was lent. */
  async disconnect(): Promise<void> {
    this.lent.release();
  }

  // ---- records -----------------------------------------------------------------------------------------------------

  private put({ key, value, ttl }: Entry): void {
    const { store } = this;
    const expires = ttl === undefined || ttl === 0 || Number.isNaN(ttl) ? Infinity : Date.now() + ttl;
    if (expires !== Infinity) store.set([EXPIRES, expires, key], true);
    store.set([VALUE, key], toStored(value, expires));
    if (expires !== Infinity && --this.untilSweep <= 0) {
      this.untilSweep = SWEEP_EVERY;
      this.sweep(SWEEP_MOST);
    }
  }

  /** Deletes a record, and then what it would be found by. */
  private remove(key: string): boolean {
    const { store } = this;
    const stored = store.get([VALUE, key]);
    if (stored === undefined) return false;
    const { expires } = fromStored(stored);
    const removed = store.delete([VALUE, key]);
    if (expires !== Infinity) store.delete([EXPIRES, expires, key]);
    return removed && !isOver(expires);
  }

  /** The value of what was found at a key. */
  private current(key: string, stored: Stored | undefined): unknown {
    if (stored === undefined) return undefined;
    const { value, expires } = fromStored(stored);
    if (!isOver(expires)) return value;
    if (this.store.compareAndSet([VALUE, key], stored, undefined)) this.store.delete([EXPIRES, expires, key]);
    return undefined;
  }

  private inGroups(keys: IterableIterator<Key>, work: (key: Key) => void): void {
    for (let more = true; more; ) {
      this.store.writer(() => {
        for (let i = 0; more && i < WRITES_AT_ONCE; i++) {
          const { done, value } = keys.next();
          if (done === true) more = false;
          else work(value);
        }
      });
    }
  }
}

/** An element of a key that is a string. */
function textOf(key: Key, at: number): string {
  return String((key as readonly Key[])[at]);
}
