/**
 * A store as a database of the Level family.
 *
 * Keys are bytes (key encoding `binary`), so that sublevels and all encodings of Level have Level's order. Values are
 * strings or bytes, whichever they are written as, and are converted if they are read as the other.
 */
import { existsSync } from "node:fs";
import {
  type AbstractBatchOperation,
  type AbstractBatchOptions,
  type AbstractChainedBatch,
  type AbstractDatabaseOptions,
  type AbstractDelOptions,
  AbstractIterator,
  type AbstractIteratorOptions,
  AbstractKeyIterator,
  type AbstractKeyIteratorOptions,
  AbstractLevel,
  type AbstractPutOptions,
  AbstractValueIterator,
  type AbstractValueIteratorOptions,
} from "abstract-level";
import { MAX_KEY_BYTES } from "../codec/index.ts";
import { BancosError } from "../errors.ts";
import type { OpenOptions } from "../store/options.ts";
import type { Range } from "../store/range.ts";
import { Store } from "../store/store.ts";

/** What Level hands over and asks for: encoded keys and values. */
type Format = "utf8" | "buffer" | "view";
type Encoded = string | Uint8Array;

/** Options of {@link BancosLevel}: those of Level, and those of `open` that don't have another name here. */
export interface BancosLevelOptions<K, V>
  extends AbstractDatabaseOptions<K, V>,
    Pick<OpenOptions, "readOnly" | "maxSize" | "durability" | "flushEvery" | "verifyReads" | "recover"> {}

/** An option of every write. */
export interface SyncOption {
  /** Wait until the write is on the disk (default false). With `durability: "commit"` it always is. */
  sync?: boolean | undefined;
}

interface Encodings {
  readonly keyEncoding: Format;
  readonly valueEncoding: Format;
}

interface LevelRange {
  readonly gt?: Encoded;
  readonly gte?: Encoded;
  readonly lt?: Encoded;
  readonly lte?: Encoded;
  readonly reverse: boolean;
  /** -1: none. */
  readonly limit: number;
}

type Operation =
  | { readonly type: "put"; readonly key: Encoded; readonly value: Encoded }
  | { readonly type: "del"; readonly key: Encoded };

/** What it can do, as abstract-level and its tests want to know. */
const MANIFEST = {
  encodings: { buffer: true, view: true, utf8: true },
  permanence: true,
  createIfMissing: true,
  errorIfExists: true,
  seek: true,
  has: true,
  getSync: true,
  implicitSnapshots: false,
  explicitSnapshots: false,
};

/** Writes in one group: enough to share the cost, few enough not to hold back the reuse of memory for long. */
const WRITES_AT_ONCE = 1000;

// Several times as fast as what Buffer has for it.
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function bytesOf(data: Encoded): Uint8Array {
  return typeof data === "string" ? encoder.encode(data) : data;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A key or value in the form that was asked for. Throws `INVALID_VALUE` for what Level could not have written. */
function inFormat(data: unknown, format: Format): Encoded {
  if (typeof data === "string") return format === "utf8" ? data : Buffer.from(data, "utf8");
  if (!(data instanceof Uint8Array)) {
    throw new BancosError(
      "INVALID_VALUE",
      `the value is a ${data === null ? "null" : typeof data}, which was not written by Level; use open() to read it`,
    );
  }
  if (format === "utf8") return decoder.decode(data);
  return format === "buffer" ? asBuffer(data) : data;
}

/** Level's bounds as ours. Of `gte` and `gt`, and of `lte` and `lt`, the inclusive one counts if there are both. */
function rangeOf(options: LevelRange): Range<Uint8Array> {
  const range: Range<Uint8Array> = {};
  if (options.gte !== undefined) range.gte = bytesOf(options.gte);
  else if (options.gt !== undefined) range.gt = bytesOf(options.gt);
  if (options.lte !== undefined) range.lte = bytesOf(options.lte);
  else if (options.lt !== undefined) range.lt = bytesOf(options.lt);
  if (options.reverse) range.reverse = true;
  return range;
}

function isInRange(key: Uint8Array, { gt, gte, lt, lte }: Range<Uint8Array>): boolean {
  if (gte !== undefined && Buffer.compare(key, gte) < 0) return false;
  if (gt !== undefined && Buffer.compare(key, gt) <= 0) return false;
  if (lte !== undefined && Buffer.compare(key, lte) > 0) return false;
  return lt === undefined || Buffer.compare(key, lt) < 0;
}

/** What the three kinds of iterators share: a walk over what the store has (`S`), which can be moved, and gives `T`s. */
class Walk<S, T> {
  private readonly range: Range<Uint8Array>;
  private readonly start: (range: Range<Uint8Array>) => IterableIterator<S>;
  private readonly convert: (found: S) => T;
  private found: IterableIterator<S> | null = null;
  private from: Uint8Array | null = null;

  constructor(
    options: LevelRange,
    start: (range: Range<Uint8Array>) => IterableIterator<S>,
    convert: (found: S) => T,
  ) {
    this.range = rangeOf(options);
    this.start = start;
    this.convert = convert;
  }

  /** The next one; undefined at the end. `left`: the iterator's limit, less what it has given. */
  next(left: number): T | undefined {
    this.found ??= this.begin(left);
    const { done, value } = this.found.next();
    return done === true ? undefined : this.convert(value);
  }

  /** Up to `most` more. */
  nextMany(most: number, left: number): T[] {
    this.found ??= this.begin(left);
    const many: T[] = [];
    while (many.length < most) {
      const { done, value } = this.found.next();
      if (done === true) break;
      many.push(this.convert(value));
    }
    return many;
  }

  /** The next one will be the one at `target`, or the first behind it in the direction of the walk. */
  seek(target: Uint8Array): void {
    this.found = null;
    this.from = target;
  }

  private begin(left: number): IterableIterator<S> {
    const { range, from } = this;
    const limited = left === Infinity ? range : { ...range, limit: left };
    if (from === null) return this.start(limited);
    if (!isInRange(from, range)) return [].values();
    // The target lies within the bounds, so it is the nearer one.
    return this.start(range.reverse === true ? { ...limited, lte: from } : { ...limited, gte: from });
  }
}

/** Keys as entries; no value is read. */
function* withoutValues(keys: IterableIterator<Uint8Array>): Generator<[unknown, unknown], undefined> {
  for (const key of keys) yield [key, undefined];
}

type Database = BancosLevel<unknown, unknown>;

class EntryIterator extends AbstractIterator<Database, Encoded, Encoded> {
  private readonly walk: Walk<[unknown, unknown], [unknown, unknown]>;

  constructor(db: Database, options: LevelRange & Encodings & { keys: boolean; values: boolean }) {
    super(db, options as unknown as AbstractIteratorOptions<Encoded, Encoded>);
    const { keyEncoding, valueEncoding, keys, values } = options;
    this.walk = new Walk(
      options,
      (range) => (values ? db.store.entries(range) : withoutValues(db.store.keys(range))),
      // The store makes an array for each entry and keeps none.
      (entry) => {
        entry[0] = keys ? inFormat(entry[0], keyEncoding) : undefined;
        entry[1] = values ? inFormat(entry[1], valueEncoding) : undefined;
        return entry;
      },
    );
  }

  async _next() {
    return this.walk.next(this.limit - this.count);
  }

  async _nextv(size: number) {
    return this.walk.nextMany(size, this.limit - this.count);
  }

  async _all() {
    const left = this.limit - this.count;
    return this.walk.nextMany(left, left);
  }

  _seek(target: Encoded): void {
    this.walk.seek(bytesOf(target));
  }
}

class KeyIterator extends AbstractKeyIterator<Database, Encoded> {
  private readonly walk: Walk<Uint8Array, Encoded>;

  constructor(db: Database, options: LevelRange & Encodings) {
    super(db, options as unknown as AbstractKeyIteratorOptions<Encoded>);
    const { keyEncoding } = options;
    this.walk = new Walk(
      options,
      (range) => db.store.keys(range),
      (key) => inFormat(key, keyEncoding),
    );
  }

  async _next() {
    return this.walk.next(this.limit - this.count);
  }

  async _nextv(size: number) {
    return this.walk.nextMany(size, this.limit - this.count);
  }

  async _all() {
    const left = this.limit - this.count;
    return this.walk.nextMany(left, left);
  }

  _seek(target: Encoded): void {
    this.walk.seek(bytesOf(target));
  }
}

class ValueIterator extends AbstractValueIterator<Database, Encoded, Encoded> {
  private readonly walk: Walk<Encoded, Encoded>;

  constructor(db: Database, options: LevelRange & Encodings) {
    super(db, options as unknown as AbstractValueIteratorOptions<Encoded, Encoded>);
    const { valueEncoding } = options;
    this.walk = new Walk(
      options,
      (range) => db.store.values(range),
      (value) => inFormat(value, valueEncoding),
    );
  }

  async _next() {
    return this.walk.next(this.limit - this.count);
  }

  async _nextv(size: number) {
    return this.walk.nextMany(size, this.limit - this.count);
  }

  async _all() {
    const left = this.limit - this.count;
    return this.walk.nextMany(left, left);
  }

  _seek(target: Encoded): void {
    this.walk.seek(bytesOf(target));
  }
}

/**
 * A bancos store with the interface of Level: use it where a program has `Level`, `ClassicLevel` or `MemoryLevel`.
 * Encodings, sublevels, hooks and events are those of `abstract-level`, which must be installed. Methods whose names
 * begin with `_` are called by it.
 *
 * What differs from LevelDB:
 * - the location is a file, not a folder, and any number of processes may have it open at once;
 * - **a batch is not atomic across a crash**, nor for other processes and Workers: its operations are done in their
 *   order, and whoever dies in between leaves the first of them. In its own thread nobody sees a part of it;
 * - there are no snapshots: an iterator may or may not see what is written while it is in use (each key that is there
 *   throughout comes once), and `clear()` of a range may miss keys that another process puts meanwhile;
 * - keys have at most 4,096 bytes, sublevel prefixes included (`KEY_TOO_LONG`).
 *
 * Errors of the store are {@link BancosError}s; one of opening is the `cause` of Level's `LEVEL_DATABASE_NOT_OPEN`.
 * Calls work at once in the calling thread; the promises are Level's.
 *
 * @example
 * ```ts
 * import { BancosLevel } from "bancos/level";
 * const db = new BancosLevel<string, { n: number }>("level.bancos", { valueEncoding: "json" });
 * await db.put("a", { n: 1 });
 * await db.batch([{ type: "put", key: "b", value: { n: 2 } }, { type: "del", key: "a" }]);
 * for await (const [key, value] of db.iterator({ gte: "a" })) console.log(key, value.n); // → b 2
 * await db.close();
 * ```
 */
export class BancosLevel<K = string, V = string> extends AbstractLevel<Encoded, K, V> {
  /** Path of the file, as it was given. */
  readonly location: string;
  private opened: Store<Encoded, Uint8Array> | null = null;
  private readonly openOptions: OpenOptions;

  /**
   * Opens the file at `location` in the background, or makes it.
   *
   * @param options `createIfMissing` (default true), `errorIfExists` (default false), `keyEncoding` and
   * `valueEncoding` (default `"utf8"`) are Level's; the others are those of `open`
   * @throws BancosError `INVALID_OPTION` if `location` is not a string that says something
   */
  constructor(location: string, options: BancosLevelOptions<K, V> = {}) {
    if (typeof location !== "string" || location === "") {
      throw new BancosError("INVALID_OPTION", "the location must be the path of a file");
    }
    const { readOnly, maxSize, durability, flushEvery, verifyReads, recover, ...levelOptions } = options;
    super(MANIFEST, levelOptions);
    this.location = location;
    this.openOptions = { keyEncoding: "binary" };
    if (readOnly !== undefined) this.openOptions.readOnly = readOnly;
    if (maxSize !== undefined) this.openOptions.maxSize = maxSize;
    if (durability !== undefined) this.openOptions.durability = durability;
    if (flushEvery !== undefined) this.openOptions.flushEvery = flushEvery;
    if (verifyReads !== undefined) this.openOptions.verifyReads = verifyReads;
    if (recover !== undefined) this.openOptions.recover = recover;
  }

  /**
   * The store underneath, for what Level has no name for: `flush`, `backup`, `stats`, `verify`. Closed with the
   * database.
   *
   * @throws BancosError `CLOSED` while the database is not open
   */
  get store(): Store<Encoded, Uint8Array> {
    if (this.opened === null) throw new BancosError("CLOSED", `${this.location} is not open`);
    return this.opened;
  }

  // ---- public methods that take one more option --------------------------------------------------------------------

  /** Inserts or replaces. */
  override put(key: K, value: V): Promise<void>;
  override put<K2 = K, V2 = V>(
    key: K2,
    value: V2,
    options: AbstractPutOptions<K2, V2> & SyncOption,
  ): Promise<void>;
  override put(key: K, value: V, options?: AbstractPutOptions<K, V>): Promise<void> {
    return options === undefined ? super.put(key, value) : super.put(key, value, options);
  }

  /** Deletes; nothing happens if the key is absent. */
  override del(key: K): Promise<void>;
  override del<K2 = K>(key: K2, options: AbstractDelOptions<K2> & SyncOption): Promise<void>;
  override del(key: K, options?: AbstractDelOptions<K>): Promise<void> {
    return options === undefined ? super.del(key) : super.del(key, options);
  }

  /**
   * Puts and deletes, in their order. Not atomic across a crash; see {@link BancosLevel}. Nothing is written if a key is
   * too long.
   */
  override batch(operations: AbstractBatchOperation<typeof this, K, V>[]): Promise<void>;
  override batch<K2 = K, V2 = V>(
    operations: AbstractBatchOperation<typeof this, K2, V2>[],
    options: AbstractBatchOptions<K2, V2> & SyncOption,
  ): Promise<void>;
  override batch(): AbstractChainedBatch<typeof this, K, V>;
  override batch(
    ...args: [AbstractBatchOperation<typeof this, K, V>[]?, AbstractBatchOptions<K, V>?]
  ): Promise<void> | AbstractChainedBatch<typeof this, K, V> {
    // Without an argument it is another method; what else there is abstract-level checks.
    return super.batch(
      ...(args as [AbstractBatchOperation<typeof this, K, V>[], AbstractBatchOptions<K, V>]),
    );
  }

  // ---- what abstract-level calls --------------------------------------------------------------------------------------

  /** @internal */
  async _open(options: { createIfMissing: boolean; errorIfExists: boolean }): Promise<void> {
    const { location } = this;
    if (options.errorIfExists && existsSync(location)) {
      throw new BancosError("INVALID_OPERATION", `${location} exists, and errorIfExists is true`);
    }
    try {
      this.opened = new Store(location, { ...this.openOptions, create: options.createIfMissing });
    } catch (error) {
      if (!(error instanceof BancosError) || error.code !== "NOT_FOUND") throw error;
      const message = `${location} does not exist, and createIfMissing is false`;
      throw new BancosError("NOT_FOUND", message, { cause: error });
    }
  }

  /** @internal */
  async _close(): Promise<void> {
    const store = this.opened;
    this.opened = null;
    store?.close();
  }

  /** @internal */
  async _get(key: Encoded, options: Encodings): Promise<Encoded | undefined> {
    return this._getSync(key, options);
  }

  /** @internal */
  _getSync(key: Encoded, options: Encodings): Encoded | undefined {
    const value = this.store.get(bytesOf(key));
    return value === undefined ? undefined : inFormat(value, options.valueEncoding);
  }

  /** @internal */
  async _getMany(keys: readonly Encoded[], options: Encodings): Promise<(Encoded | undefined)[]> {
    return this.store
      .getMany(keys.map(bytesOf))
      .map((value) => (value === undefined ? undefined : inFormat(value, options.valueEncoding)));
  }

  /** @internal */
  async _has(key: Encoded): Promise<boolean> {
    return this.store.has(bytesOf(key));
  }

  /** @internal */
  async _hasMany(keys: readonly Encoded[]): Promise<boolean[]> {
    return this.store.reader((reader) => keys.map((key) => reader.has(bytesOf(key))));
  }

  /** @internal */
  async _put(key: Encoded, value: Encoded, options: SyncOption): Promise<void> {
    this.store.set(bytesOf(key), value);
    if (options.sync === true) await this.store.flush();
  }

  /** @internal */
  async _del(key: Encoded, options: SyncOption): Promise<void> {
    this.store.delete(bytesOf(key));
    if (options.sync === true) await this.store.flush();
  }

  /** @internal */
  async _batch(operations: readonly Operation[], options: SyncOption): Promise<void> {
    const { store } = this;
    const keys = operations.map(({ key }) => bytesOf(key));
    // A key that is too long is found before the first write.
    for (const key of keys) if (key.length > MAX_KEY_BYTES) store.has(key);
    for (let from = 0; from < keys.length; from += WRITES_AT_ONCE) {
      store.writer((writer) => {
        for (let i = from; i < Math.min(keys.length, from + WRITES_AT_ONCE); i++) {
          const operation = operations[i]!;
          if (operation.type === "put") writer.set(keys[i]!, operation.value);
          else writer.delete(keys[i]!);
        }
      });
    }
    if (options.sync === true) await store.flush();
  }

  /** @internal */
  async _clear(options: LevelRange): Promise<void> {
    const { store } = this;
    const range = rangeOf(options);
    if (options.limit >= 0) range.limit = options.limit;
    const keys = store.keys(range);
    for (let more = true; more; ) {
      store.writer((writer) => {
        for (let i = 0; more && i < WRITES_AT_ONCE; i++) {
          const { done, value } = keys.next();
          if (done === true) more = false;
          else writer.delete(value);
        }
      });
    }
  }

  /** @internal */
  _iterator(options: ConstructorParameters<typeof EntryIterator>[1]): EntryIterator {
    return new EntryIterator(this as unknown as Database, options);
  }

  /** @internal */
  _keys(options: ConstructorParameters<typeof KeyIterator>[1]): KeyIterator {
    return new KeyIterator(this as unknown as Database, options);
  }

  /** @internal */
  _values(options: ConstructorParameters<typeof ValueIterator>[1]): ValueIterator {
    return new ValueIterator(this as unknown as Database, options);
  }
}
