/** The pool: the operations of a store as promises, run by Worker threads. */
import { resolve as resolvePath } from "node:path";
import { codecFor, DIGITS_CAPACITY, type KeyCodec, type KeyEncoding, ValueEncoder } from "../codec/index.ts";
import { BancosError } from "../errors.ts";
import type { VerifyReport } from "../recovery/verify.ts";
import { checkOptions, type OpenOptions } from "../store/options.ts";
import { encodeRange, type Range } from "../store/range.ts";
import type { Stats } from "../store/stats.ts";
import type { Key, Value } from "../store/types.ts";
import { Command, NO_BUCKET } from "./command.ts";
import { Link, type Port } from "./link.ts";
import { BUCKETS, Order } from "./order.ts";
import {
  ADD,
  CLOSE,
  COLLECT,
  COMPARE_AND_SET,
  COUNT,
  DELETE,
  FIRST_VALUE_SHIFT,
  FLUSH,
  GET,
  GET_MANY,
  HAS,
  INSERT,
  JSON_TEXT,
  PLAIN,
  SCAN,
  SCAN_ENTRIES,
  SCAN_KEYS,
  SCAN_VALUES,
  SECOND_VALUE_SHIFT,
  SET,
  SIZE,
  STATS,
  sizeOf,
  VERIFY,
} from "./protocol.ts";

/**
 * Options of {@link openPool}: those of `open`, and the pool's own.
 *
 * @example
 * ```ts
 * import { openPool, type PoolOptions } from "bancos/pool";
 * const small = { readers: 1, writers: 1, durability: "commit" } satisfies PoolOptions;
 * await using pool = await openPool<number>("pool.bancos", small);
 * await Promise.all([pool.set("a", 1), pool.set("b", 2)]); // one sync for both
 * console.log(await pool.size); // → 2
 * ```
 */
export interface PoolOptions extends OpenOptions {
  /** Worker threads that read, 0 to 64 (default 4). With 0, the writing ones read as well. */
  readers?: number;
  /** Worker threads that write, 0 to 64 (default 2; with `readOnly` none). */
  writers?: number;
  /** {@link Pool.ready} waits while more operations than this are under way (default 16,384). */
  queueSize?: number;
  /**
   * Where the Workers' module is, for programs that were bundled. Without the option it is looked for at
   * `node_modules/bancos/src/pool/worker.js`, beside the program, where this puts it:
   * `bun build --compile app.ts node_modules/bancos/src/pool/worker.ts`
   */
  worker?: string | URL;
}

/** Entries that the first message of an iteration brings, and the most that one brings. */
const FIRST_PIECE = 64;
const LARGEST_PIECE = 4096;
/** Keys of `getMany` that one Worker looks up. */
const KEYS_AT_ONCE = 512;
const MOST_WORKERS = 64;

/** A value on its way: how it is written, and as what. */
interface Packed {
  readonly how: number;
  readonly value: unknown;
}

/**
 * An open pool. Made by {@link openPool}. Its methods are those of a store, as promises, and reject with the errors
 * that the store's throw; and with `OUTCOME_UNKNOWN` if a Worker died before it answered.
 *
 * Operations on one key take effect in the order in which they were called. `entries`, `keys`, `values`, `first`,
 * `last`, `count` and `size` see every write that was called before them.
 *
 * Cost of each: what the store's method costs, in a Worker, and the way there and back (some 20 µs for one alone;
 * commands that are called together travel together).
 *
 * @example
 * ```ts
 * import { openPool } from "bancos/pool";
 * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
 * await Promise.all([pool.set("a", 1), pool.set("b", 2), pool.add("a", 10)]);
 * console.log(await pool.getMany(["a", "b", "c"])); // → [ 11, 2, undefined ]
 * ```
 */
export class Pool<V = Value, K = string> implements AsyncIterable<[K, V]> {
  /** Absolute path of the file. */
  readonly path: string;
  /** How keys are encoded; kept in the file. */
  readonly keyEncoding: KeyEncoding;
  private readonly codec: KeyCodec;
  private readonly readers: readonly Link[];
  private readonly writers: readonly Link[];
  private readonly order: Order;
  private readonly queueSize: number;
  private underWay = 0;
  private waiting: PromiseWithResolvers<void> | null = null;
  private drained: (() => void) | null = null;
  private closed: Promise<void> | null = null;
  private readonly digits = Buffer.from(new ArrayBuffer(DIGITS_CAPACITY));
  private readonly checker = new ValueEncoder(Buffer.alloc(0), 0, 0);
  /** Of the last {@link packKey} or {@link pack}. */
  private bucket = 0;

  /** @internal Use {@link openPool}. */
  constructor(
    path: string,
    keyEncoding: KeyEncoding,
    readers: readonly Link[],
    writers: readonly Link[],
    queueSize: number,
  ) {
    this.path = path;
    this.keyEncoding = keyEncoding;
    this.codec = codecFor(keyEncoding);
    this.readers = readers;
    this.writers = writers;
    this.queueSize = queueSize;
    this.order = new Order(
      {
        // A pool without writers leaves it to a reader's store to say so.
        toWriter: (command, bucket) =>
          (writers.length > 0 ? writers[bucket % writers.length]! : readers[0]!).push(command),
        toReader: (command) => this.reader().push(command),
      },
      readers.length > 0 && writers.length > 0,
    );
  }

  /** @internal A command has come to its end; it is told afterwards. */
  ended(command: Command): void {
    this.order.ended(command);
    this.underWay--;
    if (this.waiting !== null && this.underWay <= this.queueSize / 2) {
      this.waiting.resolve();
      this.waiting = null;
    }
    if (this.underWay === 0) this.drained?.();
  }

  // ---- frame -----------------------------------------------------------------------------------------------------------

  /**
   * Operations that have been called and not answered.
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * const done = pool.set("a", 1);
   * console.log(pool.pending); // → 1
   * await done;
   * console.log(pool.pending); // → 0
   * ```
   */
  get pending(): number {
    return this.underWay;
  }

  /**
   * Resolves when the pool takes more: at once while fewer than `queueSize` operations are under way. Whoever calls without
   * waiting for each answer should wait for this, or what was called piles up in memory.
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * for (let i = 0; i < 10_000; i++) {
   *   pool.set(`key ${i}`, i).catch(console.error);
   *   await pool.ready;
   * }
   * console.log(await pool.size); // → 10000
   * ```
   */
  get ready(): Promise<void> {
    if (this.underWay < this.queueSize) return Promise.resolve();
    this.waiting ??= Promise.withResolvers<void>();
    return this.waiting.promise;
  }

  /** @internal The Workers that run now; for tests. */
  get workers(): { readers: readonly (Port | null)[]; writers: readonly (Port | null)[] } {
    return {
      readers: this.readers.map((link) => link.worker),
      writers: this.writers.map((link) => link.worker),
    };
  }

  private reader(): Link {
    const links = this.readers.length > 0 ? this.readers : this.writers;
    let best = links[0]!;
    for (const link of links) if (link.load < best.load) best = link;
    return best;
  }

  private checkOpen(): void {
    if (this.closed === null) return;
    throw new BancosError("CLOSED", `the pool of ${this.path} has been closed; open it again`);
  }

  /** A key as it is sent: nobody can change it any more. Its bucket is in `this.bucket`. */
  private packKey(key: K): unknown {
    if (typeof key === "string" && this.keyEncoding === "utf8") {
      // FNV-1a over code units: whether the key can be encoded, the Worker finds out.
      let hash = 0x811c9dc5;
      for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
      this.bucket = (hash ^ (hash >>> 15)) & (BUCKETS - 1);
      return key;
    }
    const { digits } = this;
    const length = this.codec.encode(key, digits);
    let hash = 0x811c9dc5;
    for (let i = 0; i < length; i++) hash = Math.imul(hash ^ digits[i]!, 0x01000193);
    this.bucket = (hash ^ (hash >>> 15)) & (BUCKETS - 1);
    return copyKey(key);
  }

  /** A value as it is sent: as it is now, whatever the caller does to it later. Throws INVALID_VALUE. */
  private packValue(value: unknown): Packed {
    switch (typeof value) {
      case "number":
      case "string":
      case "boolean":
      case "bigint":
        return { how: PLAIN, value };
      case "object": {
        if (value === null) return { how: PLAIN, value };
        if (value instanceof Uint8Array) return { how: PLAIN, value: new Uint8Array(value) };
        const text = jsonText(value);
        if (text !== undefined) return { how: JSON_TEXT, value: text };
      }
    }
    // Throws what the store would have thrown.
    this.checker.encode(value);
    throw new Error("a value that the store takes and the pool does not");
  }

  /** A range as it is sent. Throws INVALID_OPTION, INVALID_KEY, KEY_TOO_LONG. */
  private packRange(range: Range<K> | undefined): Range | undefined {
    encodeRange(this.codec, range);
    if (range === undefined) return undefined;
    const packed: Range = { ...range };
    for (const bound of ["gt", "gte", "lt", "lte", "prefix"] as const) {
      if (packed[bound] !== undefined) packed[bound] = copyKey(packed[bound]);
    }
    return packed;
  }

  /** An operation on one key. */
  private one<T>(verb: number, isWrite: boolean, key: K, value?: Packed, next?: Packed): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.checkOpen();
      const packed = this.packKey(key);
      const args: unknown[] = [packed];
      let bytes = 8 + sizeOf(packed);
      if (value !== undefined) {
        verb |= value.how << FIRST_VALUE_SHIFT;
        args.push(value.value);
        bytes += sizeOf(value.value);
      }
      if (next !== undefined) {
        verb |= next.how << SECOND_VALUE_SHIFT;
        args.push(next.value);
        bytes += sizeOf(next.value);
      }
      this.underWay++;
      this.order.admit(
        new Command(verb, args, bytes, this.bucket, isWrite, resolve as (result: unknown) => void, reject),
      );
    });
  }

  /** An operation on no key in particular, by a Worker that `choose` names when its turn has come. */
  private other<T>(verb: number, args: readonly unknown[], choose: () => Link): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.checkOpen();
      this.underWay++;
      const command = new Command(
        verb,
        args,
        64,
        NO_BUCKET,
        false,
        resolve as (result: unknown) => void,
        reject,
      );
      this.order.afterWrites(() => choose().push(command));
    });
  }

  // ---- one key ---------------------------------------------------------------------------------------------------------

  /**
   * The key's value, or `undefined`. See {@link Store.get}.
   *
   * @throws BancosError (as a rejection) as {@link Store.get}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await pool.set("a", 1);
   * console.log(await pool.get("a"), await pool.get("b")); // → 1 undefined
   * ```
   */
  get(key: K): Promise<V | undefined> {
    return this.one(GET, false, key);
  }

  /**
   * Is the key there? See {@link Store.has}.
   *
   * @throws BancosError (as a rejection) as {@link Store.has}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await pool.set("a", 1);
   * console.log(await pool.has("a"), await pool.has("b")); // → true false
   * ```
   */
  has(key: K): Promise<boolean> {
    return this.one(HAS, false, key);
  }

  /**
   * Inserts or replaces, atomically. The value is taken as it is at the call. See {@link Store.set}.
   *
   * @throws BancosError (as a rejection) as {@link Store.set}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await pool.set("a", 1);
   * await pool.set("a", 2);
   * console.log(await pool.get("a")); // → 2
   * ```
   */
  async set(key: K, value: V): Promise<void> {
    return this.one(SET, true, key, this.packValue(value));
  }

  /**
   * Inserts; rejects with `DUPLICATE_KEY` if the key is there. See {@link Store.insert}.
   *
   * @throws BancosError (as a rejection) as {@link Store.insert}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await pool.insert("a", 1);
   * console.log(await pool.insert("a", 2).catch((error) => error.code)); // → DUPLICATE_KEY
   * ```
   */
  async insert(key: K, value: V): Promise<void> {
    return this.one(INSERT, true, key, this.packValue(value));
  }

  /**
   * Removes the key. Was it there? See {@link Store.delete}.
   *
   * @throws BancosError (as a rejection) as {@link Store.delete}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await pool.set("a", 1);
   * console.log(await pool.delete("a"), await pool.delete("a")); // → true false
   * ```
   */
  delete(key: K): Promise<boolean> {
    return this.one(DELETE, true, key);
  }

  /**
   * Writes `value` if the key has `expected`, atomically; `undefined` stands for absent, on either side. Was it so? See
   * {@link Store.compareAndSet}.
   *
   * @throws BancosError (as a rejection) as {@link Store.compareAndSet}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * console.log(await pool.compareAndSet("a", undefined, 1)); // → true
   * console.log(await pool.compareAndSet("a", 7, 8)); // → false
   * ```
   */
  async compareAndSet(key: K, expected: V | undefined, value: V | undefined): Promise<boolean> {
    const absent: Packed = { how: PLAIN, value: undefined };
    return this.one(
      COMPARE_AND_SET,
      true,
      key,
      expected === undefined ? absent : this.packValue(expected),
      value === undefined ? absent : this.packValue(value),
    );
  }

  /**
   * Adds to the number at the key, which counts as 0 if it is absent, atomically. See {@link Store.add}.
   *
   * @returns the new number
   * @throws BancosError (as a rejection) as {@link Store.add}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await pool.add("visits", 1);
   * console.log(await pool.add("visits", 2)); // → 3
   * ```
   */
  async add(key: K, delta: number | bigint): Promise<number | bigint> {
    if (typeof delta !== "number" && typeof delta !== "bigint") {
      throw new BancosError("INVALID_VALUE", `add() takes a number or a bigint, not ${typeof delta}`);
    }
    return this.one(ADD, true, key, { how: PLAIN, value: delta });
  }

  // ---- many keys -------------------------------------------------------------------------------------------------------

  /**
   * The values of many keys, in their order; `undefined` for those that are absent. Several Workers share the work. See
   * {@link Store.getMany}.
   *
   * @throws BancosError (as a rejection) as {@link Store.getMany}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await pool.set("b", 2);
   * console.log(await pool.getMany(["a", "b"])); // → [ undefined, 2 ]
   * ```
   */
  async getMany(keys: readonly K[]): Promise<(V | undefined)[]> {
    this.checkOpen();
    const parts: Promise<(V | undefined)[]>[] = [];
    for (let from = 0; from < keys.length; from += KEYS_AT_ONCE) {
      parts.push(this.getSome(keys.slice(from, from + KEYS_AT_ONCE)));
    }
    return (await Promise.all(parts)).flat(1) as (V | undefined)[];
  }

  private async getSome(keys: readonly K[]): Promise<(V | undefined)[]> {
    const buckets: number[] = [];
    const args: unknown[] = [keys.length];
    let bytes = 8;
    for (const key of keys) {
      const packed = this.packKey(key);
      bytes += sizeOf(packed);
      args.push(packed);
      buckets.push(this.bucket);
    }
    if (!this.order.isFree(buckets)) return Promise.all(keys.map((key) => this.get(key)));
    const [, ...values] = await new Promise<unknown[]>((resolve, reject) => {
      this.underWay++;
      this.order.admitReads(
        new Command(GET_MANY, args, bytes, buckets, false, resolve as (result: unknown) => void, reject),
      );
    });
    return values as (V | undefined)[];
  }

  /**
   * Keys and values in a range, in key order; fetched in batches of up to 4,096, the next one while this one is gone
   * through. See {@link Store.entries}.
   *
   * @throws BancosError (as a rejection) as {@link Store.entries}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await Promise.all([pool.set("b", 2), pool.set("a", 1)]);
   * for await (const [key, value] of pool.entries({ limit: 10 })) console.log(key, value);
   * // → a 1
   * // → b 2
   * ```
   */
  async *entries(range?: Range<K>): AsyncGenerator<[K, V], undefined, undefined> {
    for await (const piece of this.pieces(SCAN_ENTRIES, range)) {
      for (let i = 0; i < piece.length; i += 2) yield [piece[i] as K, piece[i + 1] as V];
    }
    return undefined;
  }

  /**
   * The keys in a range. As {@link Pool.entries}.
   *
   * @throws BancosError (as a rejection) as {@link Store.keys}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await Promise.all([pool.set("b", 2), pool.set("a", 1)]);
   * console.log(await Array.fromAsync(pool.keys())); // → [ "a", "b" ]
   * ```
   */
  async *keys(range?: Range<K>): AsyncGenerator<K, undefined, undefined> {
    for await (const piece of this.pieces(SCAN_KEYS, range)) yield* piece as K[];
    return undefined;
  }

  /**
   * The values in a range. As {@link Pool.entries}.
   *
   * @throws BancosError (as a rejection) as {@link Store.values}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await Promise.all([pool.set("b", 2), pool.set("a", 1)]);
   * console.log(await Array.fromAsync(pool.values({ gt: "a" }))); // → [ 2 ]
   * ```
   */
  async *values(range?: Range<K>): AsyncGenerator<V, undefined, undefined> {
    for await (const piece of this.pieces(SCAN_VALUES, range)) yield* piece as V[];
    return undefined;
  }

  /**
   * All entries, in key order. As {@link Pool.entries}.
   *
   * @throws BancosError (as a rejection) as {@link Store.entries}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await pool.set("a", 1);
   * for await (const [key, value] of pool) console.log(key, value); // → a 1
   * ```
   */
  [Symbol.asyncIterator](): AsyncGenerator<[K, V], undefined, undefined> {
    return this.entries();
  }

  private async *pieces(what: number, range: Range<K> | undefined): AsyncGenerator<unknown[]> {
    this.checkOpen();
    const width = what === SCAN_ENTRIES ? 2 : 1;
    let rest: Range = this.packRange(range) ?? {};
    let left = rest.limit ?? Infinity;
    if (left === 0) return;
    let size = FIRST_PIECE;
    let coming = this.fetch(what, rest, Math.min(size, left));
    for (;;) {
      const [, more, ...items] = await coming;
      // Values come with the last key after them.
      const last = what === SCAN_VALUES ? items.pop() : items[items.length - width];
      left -= items.length / width;
      const goesOn = more === true && left > 0;
      if (goesOn) {
        size = Math.min(size * 4, LARGEST_PIECE);
        rest = { ...rest, limit: left, [rest.reverse === true ? "lt" : "gt"]: last };
        coming = this.fetch(what, rest, Math.min(size, left));
        // Who stops early never asks for it.
        coming.catch(() => {});
      }
      yield items;
      if (!goesOn) return;
    }
  }

  private fetch(what: number, range: Range, most: number): Promise<unknown[]> {
    return this.other(SCAN, [what, range, most], () => this.reader());
  }

  /**
   * The first entry of a range (the last one with `reverse`), or `undefined`.
   *
   * @throws BancosError (as a rejection) as {@link Store.first}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await Promise.all([pool.set("b", 2), pool.set("a", 1)]);
   * console.log(await pool.first({ gt: "a" })); // → [ "b", 2 ]
   * ```
   */
  async first(range?: Range<K>): Promise<[K, V] | undefined> {
    const packed = this.packRange(range) ?? {};
    if (packed.limit === 0) return undefined;
    const [, , key, value] = await this.fetch(SCAN_ENTRIES, packed, 1);
    return key === undefined ? undefined : [key as K, value as V];
  }

  /**
   * The last entry of a range (the first one with `reverse`), or `undefined`.
   *
   * @throws BancosError (as a rejection) as {@link Store.last}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await Promise.all([pool.set("b", 2), pool.set("a", 1)]);
   * console.log(await pool.last()); // → [ "b", 2 ]
   * ```
   */
  async last(range?: Range<K>): Promise<[K, V] | undefined> {
    return this.first({ ...range, reverse: range?.reverse !== true });
  }

  /**
   * How many keys are in a range. See {@link Store.count}.
   *
   * @throws BancosError (as a rejection) as {@link Store.count}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await Promise.all([pool.set("b", 2), pool.set("a", 1)]);
   * console.log(await pool.count({ prefix: "a" })); // → 1
   * ```
   */
  async count(range?: Range<K>): Promise<number> {
    return this.other(COUNT, [this.packRange(range)], () => this.reader());
  }

  /**
   * How many keys there are. See {@link Store.size}.
   *
   * @throws BancosError (as a rejection) as {@link Store.size}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await pool.set("a", 1);
   * console.log(await pool.size); // → 1
   * ```
   */
  get size(): Promise<number> {
    return this.other(SIZE, [], () => this.reader());
  }

  // ---- durability, looking after the file --------------------------------------------------------------------------------

  /**
   * Resolves when all that was written before the call is on the disk. See {@link Store.flush}.
   *
   * @throws BancosError (as a rejection) as {@link Store.flush}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await pool.set("order 1", 1);
   * await pool.flush(); // from here on it survives a loss of power
   * console.log(await pool.get("order 1")); // → 1
   * ```
   */
  flush(): Promise<void> {
    return this.other(FLUSH, [], () => this.writers[0] ?? this.reader());
  }

  /**
   * Figures about the file and who uses it: each Worker is a participant. See {@link Store.stats}.
   *
   * @throws BancosError (as a rejection) as {@link Store.stats}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * const { keys, participants } = await pool.stats();
   * console.log(keys, participants.length); // → 0 2
   * ```
   */
  stats(): Promise<Stats> {
    return this.other(STATS, [], () => this.reader());
  }

  /**
   * Checks the whole file. Exact when nobody writes meanwhile. See {@link Store.verify}.
   *
   * @throws BancosError (as a rejection) as {@link Store.verify}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await pool.set("a", 1);
   * console.log((await pool.verify()).ok); // → true
   * ```
   */
  verify(): Promise<VerifyReport> {
    return this.other(VERIFY, [], () => this.reader());
  }

  /**
   * Reclaims now what can be, in all Workers. See {@link Store.collect}.
   *
   * @returns how many cells were freed
   * @throws BancosError (as a rejection) as {@link Store.collect}; `OUTCOME_UNKNOWN`
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * await using pool = await openPool<number>("pool.bancos", { readers: 1, writers: 1 });
   * await pool.set("a", 1);
   * console.log((await pool.collect()) >= 0); // → true
   * ```
   */
  async collect(): Promise<number> {
    const freed = await Promise.all(
      [...this.writers, ...this.readers].map((link) => this.other<number>(COLLECT, [], () => link)),
    );
    return freed.reduce((sum, cells) => sum + cells, 0);
  }

  /**
   * Waits for all that was called, then closes the Workers' stores and ends the Workers. Idempotent; what is called
   * after it rejects with `CLOSED`.
   *
   * @throws BancosError (as a rejection) `IO_ERROR` if the last sync fails; the pool is closed all the same
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * const pool = await openPool("pool.bancos", { readers: 1, writers: 1 });
   * await pool.close();
   * console.log(await pool.get("a").catch((error) => error.code)); // → CLOSED
   * ```
   */
  close(): Promise<void> {
    this.closed ??= this.closeAll();
    return this.closed;
  }

  private async closeAll(): Promise<void> {
    if (this.underWay > 0) {
      await new Promise<void>((resolve) => {
        this.drained = resolve;
      });
      this.drained = null;
    }
    await closeLinks([...this.readers, ...this.writers], (link) => {
      this.underWay++;
      return new Promise<void>((resolve, reject) => {
        link.push(new Command(CLOSE, [], 8, NO_BUCKET, false, resolve as (result: unknown) => void, reject));
      });
    });
  }

  /**
   * {@link Pool.close}, for `await using`.
   *
   * @throws BancosError as {@link Pool.close}
   *
   * @example
   * ```ts
   * import { openPool } from "bancos/pool";
   * {
   *   await using pool = await openPool("pool.bancos", { readers: 1, writers: 1 });
   *   await pool.set("a", 1);
   * } // closed here, also when something throws
   * await using again = await openPool("pool.bancos");
   * console.log(await again.size); // → 1
   * ```
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Closes their stores, ends their Workers; throws the first error of a store after that. */
async function closeLinks(links: readonly Link[], closeStore: (link: Link) => Promise<void>): Promise<void> {
  const open = links.filter((link) => link.worker !== null);
  const results = await Promise.allSettled(open.map(closeStore));
  await Promise.all(open.map((link) => link.stop()));
  for (const result of results) {
    if (result.status === "fulfilled") continue;
    // A Worker that dies while it closes has written all that was asked for: others do without it.
    if (result.reason instanceof BancosError && result.reason.code === "OUTCOME_UNKNOWN") continue;
    throw result.reason;
  }
}

/** A key's own copy. Only arrays and bytes can change after the call. */
function copyKey(key: unknown): unknown {
  if (key instanceof Uint8Array) return new Uint8Array(key);
  return Array.isArray(key) ? key.map(copyKey) : key;
}

/** `undefined` for what the store does not take as JSON: its own check says why. */
function jsonText(value: object): string | undefined {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    return undefined;
  }
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

function workersOption(name: "readers" | "writers", value: unknown, fallback: number): number {
  const number = value ?? fallback;
  if (typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= MOST_WORKERS) {
    return number;
  }
  throw new BancosError(
    "INVALID_OPTION",
    `option ${name} is ${String(value)}; it must be a whole number from 0 to ${MOST_WORKERS}`,
  );
}

/**
 * The Workers' module. In a bundle this file is not where it was: then it is looked for where a bundler puts
 * `node_modules/bancos/src/pool/worker.ts` if that is one of its entry points.
 */
function workerModule(): URL {
  const here = import.meta.url;
  if (here.endsWith("/src/pool/pool.ts")) return new URL("./worker.ts", here);
  const inExecutable = here.includes("/$bunfs/");
  return new URL(`./node_modules/bancos/src/pool/worker.${inExecutable ? "ts" : "js"}`, here);
}

/**
 * Opens the store in the file at `path`, or makes it, in several Worker threads, and returns a pool whose methods they
 * run. A program that has one gains what its own thread would otherwise spend in the store; a single operation takes
 * longer than with `open`, by the way to the Worker and back (some 20 µs).
 *
 * An idle pool does not keep its process alive.
 *
 * Cost: starting the Workers, some milliseconds each.
 *
 * @throws BancosError (as a rejection) as {@link open}
 *
 * @example
 * ```ts
 * import { openPool } from "bancos/pool";
 * await using pool = await openPool("mail.bancos", { readers: 4, writers: 2 });
 * await pool.set("alice@example.org", 42);
 * console.log(await pool.get("alice@example.org")); // → 42
 * for await (const [key, value] of pool.entries({ prefix: "al" })) console.log(key, value);
 * // → alice@example.org 42
 * ```
 */
export function openPool<V = Value>(
  path: string,
  options: PoolOptions & { keyEncoding: "binary" },
): Promise<Pool<V, Uint8Array>>;
export function openPool<V = Value>(
  path: string,
  options: PoolOptions & { keyEncoding: "ordered" },
): Promise<Pool<V, Key>>;
export function openPool<V = Value>(
  path: string,
  options?: PoolOptions & { keyEncoding?: "utf8" },
): Promise<Pool<V, string>>;
export function openPool<V = Value>(
  path: string,
  options: PoolOptions & { keyEncoding: KeyEncoding },
): Promise<Pool<V, Key>>;
export function openPool<V = Value>(path: string, options?: PoolOptions): Promise<Pool<V, string>>;
export async function openPool<V = Value>(path: string, options: PoolOptions = {}): Promise<Pool<V, never>> {
  if (typeof options !== "object" || options === null) {
    throw new BancosError("INVALID_OPTION", "the options of openPool() must be an object");
  }
  const { readers: r, writers: w, queueSize = 16_384, worker = workerModule(), ...openOptions } = options;
  checkOptions(openOptions);
  const readerCount = workersOption("readers", r, 4);
  const writerCount = openOptions.readOnly === true ? 0 : workersOption("writers", w, 2);
  if (readerCount + writerCount === 0) {
    throw new BancosError("INVALID_OPTION", "a pool needs a Worker: option readers or writers must not be 0");
  }
  if (!(typeof queueSize === "number" && queueSize >= 1)) {
    throw new BancosError("INVALID_OPTION", `option queueSize is ${String(queueSize)}; it must be 1 or more`);
  }
  if (typeof path !== "string" || path === "" || path.includes("\0")) {
    throw new BancosError(
      "INVALID_OPTION",
      "the path of a store must be a string that is not empty and has no NUL in it",
    );
  }
  const absolute = resolvePath(path);
  let pool: Pool<V, never> | null = null;
  let isFirst = true;
  const newLink = (readOnly: boolean): Link =>
    new Link({
      newWorker: () => new Worker(worker, { name: "bancos" }) as unknown as Port,
      // The first one makes or rebuilds the file, as asked; those that come later find it there.
      opening: () => ({
        path: absolute,
        options: isFirst
          ? { ...openOptions, readOnly }
          : { ...openOptions, readOnly, create: false, recover: "auto" },
      }),
      ended: (command) => pool?.ended(command),
    });
  const writers = Array.from({ length: writerCount }, () => newLink(false));
  const readers = Array.from({ length: readerCount }, () => newLink(true));
  const [first, ...others] = [...writers, ...readers];
  try {
    const { keyEncoding } = await first!.start();
    isFirst = false;
    await Promise.all(others.map((link) => link.start()));
    pool = new Pool<V, never>(absolute, keyEncoding!, readers, writers, queueSize);
    return pool;
  } catch (error) {
    await Promise.all([...writers, ...readers].map((link) => link.stop()));
    throw error;
  }
}
