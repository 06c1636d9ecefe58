import { describeKey } from "../codec/describe.ts";
import { type KeyCodec, type KeyEncoding, ValueEncoder } from "../codec/index.ts";
import { BancosError } from "../errors.ts";
import { CHECK_SUMS } from "../memory/primitives.ts";
import {
  LANES,
  SCRATCH_FOUND,
  SCRATCH_FOUND_LEAF,
  SCRATCH_VALUE,
  SCRATCH_VALUE_BYTES,
} from "../memory/scratch.ts";
import { hasKey, TYPE_FLOAT64 } from "../node/leaf.ts";
import { enter, leave } from "../reclaim/epoch.ts";
import type { Participant } from "../reclaim/participant.ts";
import { reclaim } from "../reclaim/reclaim.ts";
import { countKeys, ROLE_READER } from "../reclaim/registry.ts";
import { endBackup } from "../recovery/backup.ts";
import { collectOrphans, recoverTheDead } from "../recovery/recover.ts";
import { type VerifyProgress, type VerifyReport, verifyRegion } from "../recovery/verify.ts";
import { Hints, NOT_FOUND } from "../rowex/hints.ts";
import { LANE_DIGITS, Lanes } from "../rowex/lookup-many.ts";
import { lookup } from "../rowex/place.ts";
import { REMOVED, remove } from "../rowex/remove.ts";
import { add, type Delta, updateIf } from "../rowex/update.ts";
import { ALWAYS, IF_ABSENT, write } from "../rowex/write.ts";
import { backupTo, type CopyOptions, type CopyReport } from "./backup.ts";
import { Cursor, ENTRIES, KEYS, StoreIterator, VALUES } from "./cursor.ts";
import { type Encoded, Expected, keepEncoded } from "./expected.ts";
import { Flusher } from "./flusher.ts";
import { forgotten } from "./forgotten.ts";
import { beginToWrite, closeOpened, type Opened, openFileAsStore } from "./open.ts";
import { checkOptions, type OpenOptions } from "./options.ts";
import { encodeRange, type Range } from "./range.ts";
import { type Stats, statsOf } from "./stats.ts";
import type { Key, Reader, Value, Writer } from "./types.ts";
import { abort, Upkeep } from "./upkeep.ts";
import { readValue } from "./value.ts";

const FOUND = SCRATCH_FOUND >>> 3;
const FOUND_LEAF = SCRATCH_FOUND_LEAF >>> 2;
const NO_VALUE = -1;

/**
 * An open store. Made by {@link open}; one per thread that wants it, as many as there are slots (512) for one file.
 * All methods are synchronous but {@link Store.flush} and {@link Store.backup}. `V` is what the program means to store, `K`
 * what can be a key; neither is checked at run time beyond what the file can hold.
 *
 * @example
 * ```ts
 * import { open, type Store } from "bancos";
 * const countVisit = (store: Store<number>, page: string) => store.add(page, 1);
 *
 * using visits = open<number>("visits.bancos");
 * countVisit(visits, "/");
 * console.log(countVisit(visits, "/")); // → 2
 * ```
 */
export class Store<V = Value, K = string> implements Writer<V, K> {
  /** Absolute path of the file. */
  readonly path: string;
  /** How keys are encoded; kept in the file, and so the same for all who open it. */
  readonly keyEncoding: KeyEncoding;
  /** @internal */
  readonly codec: KeyCodec;
  private readonly opened: Opened;
  private participantOrNull: Participant | null;
  private readonly readOnly: boolean;
  /** @internal */
  readonly verifyReads: boolean;
  /** What a look-up verifies. */
  private readonly checks: number;
  private readonly commit: boolean;
  private readonly payload: ValueEncoder;
  private readonly flusher: Flusher;
  private readonly upkeep: Upkeep;
  /** With durability "commit": a group has written something. */
  private unsynced = false;
  /** Settles when the last backup that was asked for has. */
  private backups: Promise<unknown> = Promise.resolve();
  private lanes: Lanes | null = null;
  private readonly hints = new Hints();
  private readonly expected = new Expected();
  /** What {@link Store.add} adds. */
  private readonly delta: Delta;

  /** @internal Use {@link open}. */
  constructor(path: string, options: OpenOptions = {}) {
    const checked = checkOptions(options);
    this.opened = openFileAsStore(path, checked);
    this.path = this.opened.region.path;
    this.codec = this.opened.codec;
    this.keyEncoding = this.opened.keyEncoding;
    this.participantOrNull = this.opened.participant;
    this.readOnly = this.opened.role === ROLE_READER;
    this.verifyReads = checked.verifyReads;
    this.checks = checked.verifyReads ? CHECK_SUMS : 0;
    this.commit = checked.commit;
    this.flusher = new Flusher(this.opened, checked.flushEvery);
    this.upkeep = new Upkeep(this.flusher);
    const { participant } = this.opened;
    participant.heap.beforeGrowth = (sizeClass) => this.upkeep.beforeGrowth(participant, sizeClass);
    const isOpen = (): boolean => this.participantOrNull === participant;
    this.flusher.onRoom = () => this.upkeep.afterSync(participant, isOpen);
    this.payload = new ValueEncoder(this.opened.region.scratch, SCRATCH_VALUE, SCRATCH_VALUE_BYTES);
    // Made anew of its digits: an array of the caller's may run code when it is shown.
    const key = (): string => describeKey(this.codec.decode(participant.key, 0, participant.keyLength));
    this.delta = { number: 0, bigint: undefined, payload: this.payload, key };
    forgotten.register(this, this.opened.region.h, this);
  }

  // ---- frame -------------------------------------------------------------------------------------------------------

  /** @internal The participant of an open store. Throws CLOSED. */
  participant(): Participant {
    const p = this.participantOrNull;
    if (p === null) throw this.closed();
    return p;
  }

  private closed(): BancosError {
    return new BancosError("CLOSED", `the store ${this.path} has been closed; open it again`);
  }

  /** The participant, for a write. Throws CLOSED, READ_ONLY. */
  private writing(): Participant {
    const p = this.participantOrNull;
    if (p === null) throw this.closed();
    // An exception left an intent, and the clean-up after it failed too.
    if (p.announced) abort(p);
    if (this.readOnly) {
      throw new BancosError("READ_ONLY", `${this.path} was opened with readOnly; open it without to write`);
    }
    if (!p.unclean) beginToWrite(this.opened);
    return p;
  }

  /** @internal Value of a leaf, in an epoch. */
  readValue(p: Participant, leaf: number, tag: number): unknown {
    return readValue(p, leaf, tag, this.verifyReads);
  }

  /** After every write: durability, reclamation. */
  private afterWrite(p: Participant): void {
    this.payload.external = null;
    if (this.commit) {
      // In a group: at its end.
      if (p.entered === 0) this.flusher.flushSync();
      else this.unsynced = true;
    } else {
      this.flusher.schedule();
    }
    if (p.retired >= this.upkeep.every) this.upkeep.reclaim(p);
  }

  /** An array as a key may have accessors, which are the caller's code and may close the store. */
  private encodeKey(p: Participant, key: K): void {
    p.keyLength = this.codec.encode(key, p.key);
    if (this.participantOrNull !== p) throw this.closed();
  }

  /** As {@link encodeKey}, after the payload was encoded, which such an accessor must not have put another in place of. */
  private encodeKeyOnly(p: Participant, key: K): void {
    const { encodings } = this.payload;
    this.encodeKey(p, key);
    if (this.payload.encodings === encodings) return;
    throw new BancosError(
      "INVALID_KEY",
      "an accessor of the key has written to the store that the key is for",
    );
  }

  private put(key: K, value: unknown, condition: number): boolean {
    // The value first: its toJSON may use this store, or close it.
    this.payload.encode(value);
    const p = this.writing();
    this.encodeKeyOnly(p, key);
    enter(p);
    let done: boolean;
    try {
      const found = this.hints.find(p, this.payload.type === TYPE_FLOAT64);
      done = write(p, this.payload, condition, found);
      if (done) this.hints.noteChange(p, found);
    } catch (error) {
      abort(p);
      done = this.upkeep.again(p, error, () => write(p, this.payload, condition, NOT_FOUND));
    } finally {
      leave(p);
    }
    this.afterWrite(p);
    return done;
  }

  // ---- one key -----------------------------------------------------------------------------------------------------

  /**
   * The key's value, or `undefined` if it is absent. A copy: nobody can change it, and changing it changes no store.
   *
   * Cost: no lock, no wait; six to nine cache misses on a large store, and about 3 ns per 8 bytes of a large value.
   *
   * @throws BancosError `INVALID_KEY`, `KEY_TOO_LONG`, `CORRUPT`, `CLOSED`
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open("mail.bancos");
   * store.set("alice@example.org", 42);
   * console.log(store.get("alice@example.org"), store.get("nobody@example.org")); // → 42 undefined
   * ```
   */
  get(key: K): V | undefined {
    const p = this.participant();
    this.encodeKey(p, key);
    enter(p);
    try {
      const leaf = this.find(p, SCRATCH_FOUND);
      if (leaf === 0) return undefined;
      if (p.words[FOUND_LEAF] === leaf) return p.doubles[FOUND]! as V;
      return readValue(p, leaf, p.leafTag, this.verifyReads) as V;
    } finally {
      leave(p);
    }
  }

  /**
   * Is the key there? Cost: as of {@link Store.get}, but no value is read.
   *
   * @throws BancosError `INVALID_KEY`, `KEY_TOO_LONG`, `CORRUPT`, `CLOSED`
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open("mail.bancos");
   * store.set("alice@example.org", null);
   * console.log(store.has("alice@example.org"), store.has("bob@example.org")); // → true false
   * ```
   */
  has(key: K): boolean {
    const p = this.participant();
    this.encodeKey(p, key);
    enter(p);
    try {
      return this.find(p, NO_VALUE) !== 0;
    } finally {
      leave(p);
    }
  }

  /**
   * The leaf of the key in the scratch buffer, or 0; `p.leafTag` is its tag. In an epoch. Its number may be found with it: then
   * it is at `valueOff` of the scratch buffer, and the leaf's cell behind it.
   */
  private find(p: Participant, valueOff: number): number {
    const { hints } = this;
    const hinted = hints.leafOf(p, valueOff, this.checks);
    if (hinted !== 0) return hinted;
    p.words[FOUND_LEAF] = 0;
    if (hints.provesAbsent(p)) return 0;
    let leaf = lookup(p);
    if (leaf !== 0 && !hasKey(p.h, leaf, p.leafTag, p.keyLength)) leaf = 0;
    hints.learn(p, p.leafNode, leaf);
    return leaf;
  }

  /**
   * The values of many keys, in their order; `undefined` for those that are absent. Not a snapshot: each key is looked up on
   * its own.
   *
   * Cost: cheaper per key than {@link Store.get}, since sixteen descents overlap and share their waits for memory.
   *
   * @throws BancosError `INVALID_KEY`, `KEY_TOO_LONG`, `CORRUPT`, `CLOSED`
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open<number>("stock.bancos");
   * store.set("apples", 3).set("pears", 5);
   * console.log(store.getMany(["pears", "plums", "apples"])); // → [ 5, undefined, 3 ]
   * ```
   */
  getMany(keys: readonly K[]): (V | undefined)[] {
    const p = this.participant();
    const result: (V | undefined)[] = new Array(keys.length);
    this.lanes ??= new Lanes(p.scratch);
    const { codec, lanes, verifyReads } = this;
    // Of this call alone: an array may have accessors, and those use this store.
    const asked: K[] = [];
    for (let from = 0; from < keys.length; from += LANES) {
      const count = Math.min(LANES, keys.length - from);
      let touched = 0;
      // Before the first is encoded.
      for (let i = 0; i < count; i++) asked[i] = keys[from + i]!;
      for (let i = 0; i < count; i++) touched ^= codec.touch(asked[i]);
      lanes.touched = touched;
      let long = 0;
      for (let i = 0; i < count; i++) {
        const length = codec.encode(asked[i], lanes.keys[i]!);
        lanes.lengths[i] = length;
        if (length >= LANE_DIGITS) long++;
      }
      if (this.participantOrNull !== p) throw this.closed();
      if (long > 0) {
        for (let i = 0; i < count; i++) result[from + i] = this.get(asked[i]!);
        continue;
      }
      enter(p);
      try {
        lanes.lookup(p, count, this.hints, this.checks);
        for (let i = 0; i < count; i++) {
          const leaf = lanes.leaves[i]!;
          let value: unknown;
          if (leaf !== 0) {
            if (lanes.hasNumber(p, i)) value = lanes.numberOf(p, i);
            else value = readValue(p, leaf, lanes.tags[i]!, verifyReads);
          }
          result[from + i] = value as V | undefined;
        }
      } finally {
        leave(p);
      }
    }
    return result;
  }

  /**
   * Inserts or replaces, atomically: others see the old value or the new one. The new one is visible to all threads and
   * processes, and survives the death of any, when the call returns.
   *
   * Cost: a descent, one new cell and a lock on one node (two where a node is replaced) and on the leaf that is replaced; a
   * number that replaces a number changes in place, with a lock on its leaf alone. No system call, but with durability
   * `"commit"` one sync of the disk.
   *
   * @returns the store, so that calls can be chained
   * @throws BancosError `INVALID_KEY`, `KEY_TOO_LONG`, `INVALID_VALUE`, `VALUE_TOO_LARGE`, `FULL`, `NO_SPACE`,
   * `IO_ERROR`, `READ_ONLY`, `CORRUPT`, `CLOSED`; nothing was changed then
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open("mail.bancos");
   * store.set("alice@example.org", 42).set("albert@example.org", { name: "Albert" });
   * console.log(store.get("albert@example.org")); // → { name: "Albert" }
   * ```
   */
  set(key: K, value: V): this {
    this.put(key, value, ALWAYS);
    return this;
  }

  /**
   * Inserts a key that is not there yet, atomically: of several callers who race for one key, one succeeds. Cost: as of
   * {@link Store.set}.
   *
   * @throws BancosError `DUPLICATE_KEY` if the key is there; else as {@link Store.set}
   *
   * @example
   * ```ts
   * import { BancosError, open } from "bancos";
   * using store = open("users.bancos");
   * store.insert("ann", 1);
   * try {
   *   store.insert("ann", 2);
   * } catch (error) {
   *   console.log(error instanceof BancosError && error.code, store.get("ann")); // → DUPLICATE_KEY 1
   * }
   * ```
   */
  insert(key: K, value: V): void {
    if (!this.put(key, value, IF_ABSENT)) {
      throw new BancosError(
        "DUPLICATE_KEY",
        `the key ${describeKey(key)} is there already; set() replaces it`,
      );
    }
  }

  /**
   * Removes the key, atomically. Needs no room, so that it works on a full disk.
   *
   * Cost: as of {@link Store.set}; the memory is used again when nobody can be reading it any more.
   *
   * @returns whether the key was there: `true` to exactly one of several callers who race for it
   * @throws BancosError `INVALID_KEY`, `KEY_TOO_LONG`, `IO_ERROR`, `READ_ONLY`, `CORRUPT`, `CLOSED`
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open("mail.bancos");
   * store.set("alice@example.org", 42);
   * console.log(store.delete("alice@example.org"), store.delete("alice@example.org")); // → true false
   * ```
   */
  delete(key: K): boolean {
    return this.removeIf(key, null) === REMOVED;
  }

  private removeIf(key: K, expected: Encoded | null): number {
    const p = this.writing();
    this.encodeKey(p, key);
    if (expected !== null) this.expected.set(expected);
    const condition = expected === null ? null : this.expected.matches;
    enter(p);
    let done: number;
    try {
      this.hints.prefetch(p);
      done = remove(p, condition);
      if (done === REMOVED) this.hints.noteRemoval(p);
    } catch (error) {
      abort(p);
      done = this.upkeep.again(p, error, () => remove(p, condition));
    } finally {
      this.expected.clear();
      leave(p);
    }
    this.afterWrite(p);
    return done;
  }

  /**
   * Writes `value` if the key has `expected`, atomically; `undefined` stands for absent, on either side. Values are
   * compared by type and encoded bytes: 1 and 1n differ, as do 0 and -0; NaN equals NaN; of an object the `JSON.stringify`
   * counts, and so the order of its fields.
   *
   * Cost: as of {@link Store.set}, and a comparison of the encoded values.
   *
   * @returns whether the key had `expected`, and so has `value` now
   * @throws BancosError as {@link Store.set}
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open("jobs.bancos");
   * console.log(store.compareAndSet("job 1", undefined, "free")); // → true
   * console.log(store.compareAndSet("job 1", "free", "mine")); // → true
   * console.log(store.compareAndSet("job 1", "free", "mine too")); // → false
   * console.log(store.compareAndSet("job 1", "mine", undefined), store.has("job 1")); // → true false
   * ```
   */
  compareAndSet(key: K, expected: V | undefined, value: V | undefined): boolean {
    if (expected === undefined) {
      if (value === undefined) return !this.has(key);
      return this.put(key, value, IF_ABSENT);
    }
    const { payload, expected: condition } = this;
    payload.encode(expected);
    const encoded = keepEncoded(payload, this.opened.region.scratch);
    if (value === undefined) return this.removeIf(key, encoded) === REMOVED;
    payload.encode(value);
    const p = this.writing();
    this.encodeKeyOnly(p, key);
    condition.set(encoded);
    const { matches } = condition;
    enter(p);
    let done: boolean;
    try {
      const found = this.hints.find(p, payload.type === TYPE_FLOAT64);
      done = updateIf(p, payload, matches, found);
      if (done) this.hints.noteChange(p, found);
    } catch (error) {
      abort(p);
      done = this.upkeep.again(p, error, () => updateIf(p, payload, matches, NOT_FOUND));
    } finally {
      condition.clear();
      leave(p);
    }
    this.afterWrite(p);
    return done;
  }

  /**
   * Adds to the number at the key, which counts as 0 if it is absent, atomically between all processes. The type of
   * the stored number is kept; a new one has the type of `delta`. Numbers count exactly to 2^53, bigints to 64 bits.
   *
   * Cost: less than {@link Store.set}: where it can, the number is changed in its place.
   *
   * @returns the new number
   * @throws BancosError `INVALID_VALUE` if something else than a number is there, if a fraction is to be added to a
   * bigint, or if the sum does not fit in 64 bits; else as {@link Store.set}
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open<number>("visits.bancos");
   * store.add("home", 1);
   * console.log(store.add("home", 2), store.add("about", -1)); // → 3 -1
   * ```
   */
  add(key: K, delta: number | bigint): number | bigint {
    const p = this.writing();
    if (typeof delta !== "number" && typeof delta !== "bigint") {
      throw new BancosError("INVALID_VALUE", `add() takes a number or a bigint, not ${typeof delta}`);
    }
    this.encodeKey(p, key);
    // Behind the key, which can be an array with accessors that use this store.
    this.payload.encode(delta);
    const both = this.delta;
    both.number = Number(delta);
    both.bigint = typeof delta === "bigint" ? delta : undefined;
    enter(p);
    let sum: number | bigint;
    try {
      const found = this.hints.find(p, true);
      sum = add(p, both, found);
      this.hints.noteChange(p, found);
    } catch (error) {
      abort(p);
      sum = this.upkeep.again(p, error, () => add(p, both, NOT_FOUND));
    } finally {
      leave(p);
    }
    this.afterWrite(p);
    return sum;
  }

  // ---- many keys -----------------------------------------------------------------------------------------------------

  private cursor(range: Range<K> | undefined, what: number): Cursor {
    this.participant();
    return new Cursor(this, encodeRange(this.codec, range), what);
  }

  /**
   * Keys and values in a range, lazily, in key order. Keys that are there throughout come exactly once; writes that
   * happen meanwhile, in the loop's own body too, may or may not be seen. Nothing is held between two steps: stop when you
   * like.
   *
   * Cost: one descent per batch of up to 1,024 entries, then a walk over neighbours.
   *
   * @throws BancosError `INVALID_OPTION`, `INVALID_KEY`, `KEY_TOO_LONG` at the call; `CLOSED`, `CORRUPT` at any step
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open<number>("fruit.bancos");
   * store.set("apple", 1).set("apricot", 2).set("banana", 3);
   * for (const [key, value] of store.entries({ prefix: "ap", reverse: true })) console.log(key, value);
   * // → apricot 2
   * // → apple 1
   * ```
   */
  entries(range?: Range<K>): IterableIterator<[K, V]> {
    return new StoreIterator<[K, V]>(this.cursor(range, ENTRIES));
  }

  /**
   * The keys in a range; no value is read. Order, cost and errors as of {@link Store.entries}.
   *
   * @throws BancosError as {@link Store.entries}
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open<number>("fruit.bancos");
   * store.set("apple", 1).set("banana", 2).set("cherry", 3);
   * console.log([...store.keys({ gte: "b", limit: 10 })]); // → [ "banana", "cherry" ]
   * ```
   */
  keys(range?: Range<K>): IterableIterator<K> {
    return new StoreIterator<K>(this.cursor(range, KEYS));
  }

  /**
   * The values in a range. Order, cost and errors as of {@link Store.entries}.
   *
   * @throws BancosError as {@link Store.entries}
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open<number>("fruit.bancos");
   * store.set("apple", 1).set("banana", 2).set("cherry", 3);
   * console.log([...store.values({ lt: "cherry" })]); // → [ 1, 2 ]
   * ```
   */
  values(range?: Range<K>): IterableIterator<V> {
    return new StoreIterator<V>(this.cursor(range, VALUES));
  }

  /**
   * All entries, in key order: {@link Store.entries} without a range.
   *
   * @throws BancosError `CLOSED`, `CORRUPT`
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open<number>("fruit.bancos");
   * store.set("banana", 2).set("apple", 1);
   * console.log(new Map(store)); // → Map(2) { "apple": 1, "banana": 2 }
   * ```
   */
  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries();
  }

  /**
   * The first entry of a range (the last one with `reverse`), or `undefined`. Cost: one descent.
   *
   * @throws BancosError as {@link Store.entries}
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open<number>("fruit.bancos");
   * store.set("apple", 1).set("banana", 2);
   * console.log(store.first({ gt: "apple" }), store.first({ gt: "z" })); // → [ "banana", 2 ] undefined
   * ```
   */
  first(range?: Range<K>): [K, V] | undefined {
    const result = this.entries({ ...range, limit: Math.min(1, range?.limit ?? 1) }).next();
    return result.done === true ? undefined : result.value;
  }

  /**
   * The last entry of a range (the first one with `reverse`), or `undefined`. Cost: one descent.
   *
   * @throws BancosError as {@link Store.entries}
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open<number>("fruit.bancos");
   * store.set("apple", 1).set("banana", 2);
   * console.log(store.last(), store.last({ lt: "b" })); // → [ "banana", 2 ] [ "apple", 1 ]
   * ```
   */
  last(range?: Range<K>): [K, V] | undefined {
    return this.first({ ...range, reverse: range?.reverse !== true });
  }

  /**
   * How many keys are in a range. Cost: a walk over them; without a range that of {@link Store.size}.
   *
   * @throws BancosError as {@link Store.entries}
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open<number>("fruit.bancos");
   * store.set("apple", 1).set("apricot", 2).set("banana", 3);
   * console.log(store.count({ prefix: "ap" }), store.count()); // → 2 3
   * ```
   */
  count(range?: Range<K>): number {
    if (range === undefined) return this.size;
    const cursor = this.cursor(range, 0);
    let count = 0;
    while (cursor.next()) count += cursor.count;
    return count;
  }

  /**
   * How many keys there are. Cost: one word of memory for each participant slot ever used; no walk.
   *
   * @throws BancosError `CLOSED`
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open<number>("fruit.bancos");
   * store.set("apple", 1).set("banana", 2).delete("apple");
   * console.log(store.size); // → 1
   * ```
   */
  get size(): number {
    const { h } = this.participant();
    return countKeys(h);
  }

  // ---- groups ----------------------------------------------------------------------------------------------------------

  /**
   * Runs `fn` with a reader: a group of reads under one epoch, which is cheaper than each on its own. Not a snapshot. Groups
   * may be nested. As long as `fn` runs, no memory that was retired since can be used again: don't wait in it.
   *
   * @returns what `fn` returns; throws what it throws
   * @throws BancosError `INVALID_OPERATION` if `fn` returns a promise; `CLOSED`
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open<number>("fruit.bancos");
   * store.set("apple", 1).set("banana", 2);
   * console.log(store.reader((r) => (r.get("apple") ?? 0) + (r.get("banana") ?? 0))); // → 3
   * ```
   */
  reader<T>(fn: (reader: Reader<V, K>) => T): T {
    return this.group(this.participant(), fn);
  }

  /**
   * Runs `fn` with a writer: a group of operations under one epoch. Not a transaction: each write is visible and
   * permanent at once, also when `fn` then throws. With durability `"commit"` the group shares one sync, at its end.
   *
   * @returns what `fn` returns; throws what it throws
   * @throws BancosError `READ_ONLY`, `CLOSED`; `INVALID_OPERATION` if `fn` returns a promise; `IO_ERROR` of the sync at the
   * end
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open<number>("items.bancos", { durability: "commit" });
   * store.writer((w) => {
   *   for (let i = 0; i < 100; i++) w.set(`item ${i}`, i);
   * });
   * console.log(store.size); // → 100
   * ```
   */
  writer<T>(fn: (writer: Writer<V, K>) => T): T {
    return this.group(this.writing(), fn);
  }

  private group<T>(p: Participant, fn: (store: this) => T): T {
    if (typeof fn !== "function")
      throw new BancosError("INVALID_OPERATION", "reader() and writer() take a function");
    enter(p);
    try {
      const result = fn(this);
      if (typeof (result as { then?: unknown } | null | undefined)?.then === "function") {
        throw new BancosError(
          "INVALID_OPERATION",
          "the function given to reader() or writer() must not be async: a group ends when it returns",
        );
      }
      return result;
    } finally {
      leave(p);
      if (this.unsynced && p.entered === 0) {
        this.unsynced = false;
        this.flusher.flushSync();
      }
    }
  }

  // ---- durability --------------------------------------------------------------------------------------------------------

  /**
   * Resolves when all that was written before the call, by anybody, is on the disk. Cost: one sync, which runs off the event
   * loop; all who wait for one, in all processes, share it.
   *
   * @throws BancosError (as a rejection) `IO_ERROR`: what the disk holds is not known any more, and every later flush fails
   * too until the file is rebuilt; `CLOSED`
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open("orders.bancos");
   * store.set("order 1", { paid: true });
   * await store.flush(); // from here on it survives a loss of power
   * console.log(store.size); // → 1
   * ```
   */
  async flush(): Promise<void> {
    this.participant();
    await this.flusher.flush();
  }

  /**
   * Returns when all that was written before the call, by anybody, is on the disk. Blocks the thread meanwhile; see
   * {@link Store.flush}.
   *
   * @throws BancosError `IO_ERROR`, `CLOSED`
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open("orders.bancos", { flushEvery: 0 });
   * store.set("order 1", { paid: true });
   * store.flushSync();
   * console.log(store.get("order 1")); // → { paid: true }
   * ```
   */
  flushSync(): void {
    this.participant();
    this.flusher.flushSync();
  }

  /**
   * Writes a compact copy of the store as it is at one point in time to the new file `path`, while others go on
   * writing. The file appears when it is complete; one that is there is never replaced. Until then no memory that the
   * copy may need is reused, so that the store may grow. One backup at a time; another waits for it.
   *
   * Cost: a pass over everything, in pieces between which the event loop goes on, and one sync.
   *
   * @throws BancosError (as a rejection) `INVALID_OPERATION` if there is a file at `path` already, or somebody is stopped in
   * the middle of a change; `NO_SPACE`, `IO_ERROR`, `NOT_FOUND`; `CORRUPT` (then see {@link repair}); `CLOSED`
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open<number>("live.bancos");
   * store.set("a", 1);
   * await store.backup("copy.bancos");
   * store.set("b", 2);
   * using copy = open<number>("copy.bancos");
   * console.log([...copy.keys()], [...store.keys()]); // → [ "a" ] [ "a", "b" ]
   * ```
   */
  async backup(path: string): Promise<void> {
    await this.backupWith(path);
  }

  /** @internal {@link Store.backup} with progress, and a report. */
  backupWith(path: string, options: CopyOptions = {}): Promise<CopyReport> {
    const p = this.participant();
    const isOpen = (): boolean => this.participantOrNull === p;
    const begin = (): Promise<CopyReport> => backupTo(this.opened, path, isOpen, options);
    const done = this.backups.then(begin);
    this.backups = done.catch(() => {});
    return done;
  }

  // ---- looking after the file ------------------------------------------------------------------------------------------

  /**
   * Figures about the file and who uses it. Cost: a pass over all cells' tags; others may write meanwhile.
   *
   * @throws BancosError `CLOSED`
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open("mail.bancos");
   * store.set("alice@example.org", 42);
   * const { keys, bytes, participants } = store.stats();
   * console.log(keys, bytes.file, participants.length); // → 1 1048576 1
   * ```
   */
  stats(): Stats {
    this.participant();
    return statsOf(this.opened, this.size, this.verifyReads);
  }

  /**
   * Checks the whole file: every pointer, count and checksum, and that each cell is in exactly one place. Exact when nobody
   * else writes; under writes what looks wrong is looked at again. What writers that died left half done is finished or undone
   * first, unless the store is `readOnly`. Cost: a pass over everything.
   *
   * @returns what was found; damage is in `problems`, not thrown
   * @throws BancosError `CLOSED`
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open("mail.bancos");
   * store.set("alice@example.org", 42);
   * console.log(store.verify().ok, store.verify().problems); // → true []
   * ```
   */
  verify(): VerifyReport {
    return this.verifyWith(null);
  }

  /** @internal {@link Store.verify} with progress. */
  verifyWith(onProgress: VerifyProgress | null): VerifyReport {
    return verifyRegion(this.participant(), this.recovers, onProgress);
  }

  /** Does it finish what the dead left? */
  private get recovers(): boolean {
    return this.opened.registered && !this.readOnly;
  }

  /**
   * Reclaims now what can be: this store's retired cells and those of the dead. Writes do that by themselves now and then; it
   * is for a program that is about to be idle, or wants to know. What readers may still see, and what waits for a flush, stays.
   *
   * Cost: time in proportion to what is retired.
   *
   * @returns how many cells were freed; 0 for a store opened with `readOnly`
   * @throws BancosError `IO_ERROR`, `CLOSED`, `CORRUPT`
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * using store = open("churn.bancos");
   * for (let i = 0; i < 100; i++) store.set("key", `value ${i}`);
   * store.flushSync();
   * store.flushSync();
   * console.log(store.collect() > 0, store.stats().bytes.limbo); // → true 0
   * ```
   */
  collect(): number {
    const p = this.participant();
    if (!this.recovers) return 0;
    if (!p.unclean) beginToWrite(this.opened);
    recoverTheDead(p.region, p.slot);
    let freed = 0;
    // Twice: the first moves the epoch on, so that the second can free what was retired in it.
    for (let round = 0; round < 2; round++) {
      freed += reclaim(p, Number.MAX_SAFE_INTEGER) + collectOrphans(p, Number.MAX_SAFE_INTEGER);
    }
    return freed;
  }

  /**
   * Closes the store. Idempotent; later calls of other methods throw `CLOSED`. The last writer to close a file that was
   * written to syncs it. A process that ends without closing loses nothing.
   *
   * @throws BancosError `IO_ERROR` if that sync fails (the store is closed all the same); `INVALID_OPERATION` inside
   * `reader(fn)` or `writer(fn)`
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * const store = open("mail.bancos");
   * store.set("alice@example.org", 42);
   * store.close();
   * store.close();
   * console.log(open("mail.bancos").get("alice@example.org")); // → 42
   * ```
   */
  close(): void {
    const p = this.participantOrNull;
    if (p === null) return;
    if (p.entered > 0) {
      throw new BancosError("INVALID_OPERATION", "close() inside reader() or writer(): close after it");
    }
    this.flusher.cancel();
    forgotten.unregister(this);
    try {
      p.region.checkLength();
    } catch (error) {
      this.participantOrNull = null;
      this.flusher.close(error);
      p.region.close();
      throw error;
    }
    if (this.opened.registered) endBackup(p.region, p.slot);
    let failure: unknown;
    try {
      this.flusher.finish();
      // Who only reads leaves a file that was closed in order as it is.
      if (!this.readOnly && p.unclean) reclaim(p, Number.MAX_SAFE_INTEGER);
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      this.flusher.close(failure);
      this.participantOrNull = null;
      closeOpened(this.opened);
    }
  }

  /**
   * {@link Store.close}, for `using`.
   *
   * @throws BancosError as {@link Store.close}
   *
   * @example
   * ```ts
   * import { open } from "bancos";
   * {
   *   using store = open("mail.bancos");
   *   store.set("alice@example.org", 42);
   * } // closed here, also when something throws
   * console.log(open("mail.bancos").size); // → 1
   * ```
   */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Opens the store in the file at `path`, or makes it. Nothing is to be started or configured; any number of processes
 * and Workers may have it open, up to 512 at a time. Synchronous.
 *
 * `V` is the type that the program means to store. The type of the keys follows from the option `keyEncoding`: without
 * it strings. An existing file keeps its own encoding, so name it where the file is not `"utf8"`: then the types are
 * right, and a file with another one is an error.
 *
 * Cost: some system calls, a page or two of the file. After a loss of power, once, a pass over the whole file.
 *
 * @throws BancosError `NOT_FOUND`, `NOT_A_STORE`, `VERSION`, `KEY_ENCODING`, `CORRUPT`, `NO_SPACE`, `IO_ERROR`,
 * `TOO_MANY_PARTICIPANTS`, `UNSUPPORTED_PLATFORM`, `UNSUPPORTED_FILESYSTEM`, `NATIVE_LOAD`, `INVALID_OPTION`
 *
 * @example
 * ```ts
 * import { open } from "bancos";
 * using store = open("mail.bancos");
 * store.set("alice@example.org", 42);
 * console.log(store.get("alice@example.org")); // → 42
 * for (const [key, value] of store.entries({ prefix: "al", limit: 10 })) console.log(key, value);
 * // → alice@example.org 42
 * ```
 */
export function open<V = Value>(
  path: string,
  options: OpenOptions & { keyEncoding: "binary" },
): Store<V, Uint8Array>;
export function open<V = Value>(
  path: string,
  options: OpenOptions & { keyEncoding: "ordered" },
): Store<V, Key>;
export function open<V = Value>(
  path: string,
  options?: OpenOptions & { keyEncoding?: "utf8" },
): Store<V, string>;
export function open<V = Value>(
  path: string,
  options: OpenOptions & { keyEncoding: KeyEncoding },
): Store<V, Key>;
export function open<V = Value>(path: string, options?: OpenOptions): Store<V, string>;
export function open<V = Value>(path: string, options: OpenOptions = {}): Store<V, never> {
  return new Store<V, never>(path, options);
}
