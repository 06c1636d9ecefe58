/** The store: the public verbs, each on the tree's own. */
import { fdatasync } from "node:fs";
import { type KeyCodec, type KeyEncoding, ValueEncoder } from "../codec/index.ts";
import { BancosError } from "../errors.ts";
import {
  lengthOffset,
  numberOffset,
  SB,
  SB_EPOCH,
  SB_NO_IN_PLACE,
  SB_ORPHANS,
  SB_SLOTS_USED,
  SLOT_BYTES,
  SLOT_KEY_COUNT,
  slotCell,
} from "../memory/layout.ts";
import { closeFile, closeHandle, openFile, sleepMs } from "../memory/platform.ts";
import { load32, load64, loadF64, sum64 } from "../memory/primitives.ts";
import type { Region } from "../memory/region.ts";
import { LANES, SCRATCH_VALUE, SCRATCH_VALUE_BYTES } from "../memory/scratch.ts";
import { equalBytes } from "../node/bytes.ts";
import { hasKey, isNumber, TYPE_FLOAT64, typeOf } from "../node/leaf.ts";
import { enter, leave, slotHoldingBack } from "../reclaim/epoch.ts";
import type { Participant } from "../reclaim/participant.ts";
import { RECLAIM_EVERY, RECLAIM_MOST, reclaim, tooMuchWaits } from "../reclaim/reclaim.ts";
import { ROLE_READER } from "../reclaim/registry.ts";
import { syncOwner, syncUnlock, trySyncLock } from "../reclaim/synclock.ts";
import { endBackup } from "../recovery/backup.ts";
import { collectOrphans, recoverIntent, recoverSlot, recoverTheDead } from "../recovery/recover.ts";
import {
  beginSync,
  checkSyncError,
  endSync,
  failSync,
  isSynced,
  syncHolding,
  syncNow,
  syncTicket,
} from "../recovery/sync.ts";
import { type VerifyReport, verifyRegion } from "../recovery/verify.ts";
import { LANE_DIGITS, Lanes } from "../rowex/lookup-many.ts";
import { lookup } from "../rowex/place.ts";
import { REMOVED, remove } from "../rowex/remove.ts";
import { add, updateIf } from "../rowex/update.ts";
import { ALWAYS, IF_ABSENT, type Payload, write } from "../rowex/write.ts";
import { backupTo, type CopyOptions, type CopyReport } from "./backup.ts";
import { Cursor, ENTRIES, KEYS, StoreIterator, VALUES } from "./cursor.ts";
import { closeOpened, type Opened, openFileAsStore } from "./open.ts";
import { checkOptions, type OpenOptions } from "./options.ts";
import { encodeRange, type Range } from "./range.ts";
import { type Stats, statsOf } from "./stats.ts";
import { canHold, readValue } from "./value.ts";

/** What a JSON value can be. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json | undefined };
/** What a store holds. `get` gives back what `set` was given, with its type. */
export type Value = number | bigint | string | boolean | null | Uint8Array | Json;
/** What can be a key; which of these depends on the store's key encoding. */
export type Key = null | boolean | number | bigint | string | Uint8Array | readonly Key[];

/** The reading half of a store: what `reader(fn)` hands to its function. */
export interface Reader<V = Value, K = string> {
  get(key: K): V | undefined;
  has(key: K): boolean;
  getMany(keys: readonly K[]): (V | undefined)[];
  entries(range?: Range<K>): IterableIterator<[K, V]>;
  keys(range?: Range<K>): IterableIterator<K>;
  values(range?: Range<K>): IterableIterator<V>;
  first(range?: Range<K>): [K, V] | undefined;
  last(range?: Range<K>): [K, V] | undefined;
  count(range?: Range<K>): number;
  readonly size: number;
}

/** The writing half as well: what `writer(fn)` hands to its function. */
export interface Writer<V = Value, K = string> extends Reader<V, K> {
  set(key: K, value: V): this;
  insert(key: K, value: V): void;
  delete(key: K): boolean;
  compareAndSet(key: K, expected: V | undefined, value: V | undefined): boolean;
  add(key: K, delta: number | bigint): number | bigint;
}

/** Reclamations between two looks at other participants, and cells in limbo from which on one is held up. */
const LOOK_AT_OTHERS_EVERY = 16;
const HELD_UP = 4096;
/** Milliseconds, about, that a write without room waits until what is retired can be reused. */
const MOST_ROUNDS = 20;
/** How often it tries again then. */
const MOST_TRIES = 10;

const NO_BYTES = new Uint8Array(0);

/**
 * Stores that were forgotten without being closed (`bun --hot` does that at each reload): when one is collected its file
 * is let go, and the next to open it recovers the slot as that of the dead. Kept by the global object, which outlives a
 * reload. It holds nothing but the number of the handle.
 */
const REGISTRY = Symbol.for("bancos.forgotten");
const globals = globalThis as { [REGISTRY]?: FinalizationRegistry<number> };
globals[REGISTRY] ??= new FinalizationRegistry<number>((h) => closeHandle(h));
const forgotten = globals[REGISTRY];

/**
 * An open store. Made by {@link open}; one per thread that wants it, as many as there are slots (512) for one file.
 * All methods are synchronous but {@link Store.flush} and {@link Store.backup}.
 */
export class Store<V = Value, K = string> implements Writer<V, K> {
  /** Absolute path of the file. */
  readonly path: string;
  /** How keys are encoded; kept in the file. */
  readonly keyEncoding: KeyEncoding;
  /** @internal */
  readonly codec: KeyCodec;
  private readonly opened: Opened;
  private participantOrNull: Participant | null;
  private readonly readOnly: boolean;
  /** @internal */
  readonly verifyReads: boolean;
  private readonly commit: boolean;
  private readonly flushEvery: number;
  private readonly payload: ValueEncoder;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private syncing: Promise<void> | null = null;
  /** Calls of flush() that have not come to their end. */
  private flushing = 0;
  /** With durability "commit": a group has written something. */
  private unsynced = false;
  /** Settles when the last backup that was asked for has. */
  private backups: Promise<unknown> = Promise.resolve();
  private reclaimed = 0;
  private lanes: Lanes | null = null;

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
    this.commit = checked.commit;
    this.flushEvery = checked.flushEvery;
    this.payload = new ValueEncoder(this.opened.region.scratch, SCRATCH_VALUE, SCRATCH_VALUE_BYTES);
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
    if (p.announced) this.abort(p);
    if (this.readOnly) {
      throw new BancosError("READ_ONLY", `${this.path} was opened with readOnly; open it without to write`);
    }
    return p;
  }

  /** @internal Value of a leaf, in an epoch. */
  readValue(p: Participant, leaf: number, tag: number): unknown {
    return readValue(p, leaf, tag, this.verifyReads);
  }

  /** An exception in the middle of a change: what was begun is undone, or finished, as for the dead. */
  private abort(p: Participant): void {
    // First of all, lest a failure here leaves them to the next change.
    p.newLeaf = 0;
    p.newNode = 0;
    p.newLeafHasRun = false;
    p.lock0 = 0;
    p.lock1 = 0;
    recoverIntent(p.region, p.slot, (cell) => p.heap.free(cell));
    p.announced = false;
    p.limbo.reload();
    p.waiting.reload();
    p.keyCount = load64(p.h, p.me, SLOT_KEY_COUNT);
  }

  /**
   * After `error` undid a change: if it was for want of room and there are retired cells of ours, reclaims them, and
   * the change is worth another try. Two syncs, where they only wait for the disk. In an epoch. Throws `error` otherwise.
   */
  private makeRoom(p: Participant, error: unknown): void {
    const noRoom = error instanceof BancosError && (error.code === "FULL" || error.code === "NO_SPACE");
    if (!noRoom || p.limbo.length + p.waiting.length === 0) throw error;
    if (p.waiting.length > 0) this.flushSync();
    if (p.waiting.length > 0) this.flushSync();
    let freed = 0;
    for (let round = 0; round < 3 || (freed === 0 && round < MOST_ROUNDS); round++) {
      freed += reclaim(p, Number.MAX_SAFE_INTEGER);
      // No pointer is held: on to the present epoch, so that our own does not stand in the way.
      enter(p);
      leave(p);
      // Somebody else is in an operation; seldom for long.
      if (round >= 2 && freed === 0) sleepMs(1);
    }
    if (freed === 0) throw error;
  }

  /** Tries a change again, after `error` undid it, as often as there is more room to be made. In an epoch. */
  private again<T>(p: Participant, error: unknown, change: () => T): T {
    for (let tries = 1, last = error; ; tries++) {
      this.makeRoom(p, last);
      try {
        return change();
      } catch (again) {
        this.abort(p);
        if (tries >= MOST_TRIES) throw again;
        last = again;
      }
    }
  }

  /** After every write: durability, reclamation. */
  private afterWrite(p: Participant): void {
    this.payload.external = null;
    if (p.retired >= RECLAIM_EVERY) this.reclaimNow(p);
    if (this.commit) {
      // In a group: at its end.
      if (p.entered === 0) this.flushSync();
      else this.unsynced = true;
    } else if (this.timer === null && this.flushEvery > 0) {
      this.scheduleFlush();
    }
  }

  private reclaimNow(p: Participant): void {
    p.retired = 0;
    if (tooMuchWaits(p)) this.syncForRoom();
    reclaim(p, RECLAIM_MOST);
    if (++this.reclaimed % LOOK_AT_OTHERS_EVERY !== 0) return;
    // Now and then: what the gone have left, and whether who holds us back is dead.
    if (load32(p.h, SB, SB_ORPHANS) > 0) collectOrphans(p, RECLAIM_MOST);
    const backup = load32(p.h, SB, SB_NO_IN_PLACE);
    if (backup !== 0) recoverSlot(p.region, backup, p.slot);
    if (p.limbo.length > HELD_UP) {
      recoverSlot(p.region, slotHoldingBack(p.h, load32(p.h, SB, SB_EPOCH)), p.slot);
    }
  }

  /** Two syncs: the second puts on the disk that the first has ended, which is what retired leaves wait for. */
  private syncForRoom(): void {
    try {
      this.flushSync();
      this.flushSync();
    } catch (error) {
      // The write is done. The error is remembered in the file and thrown to whoever flushes or closes.
      if (!(error instanceof BancosError) || error.code !== "IO_ERROR") throw error;
    }
  }

  private scheduleFlush(): void {
    this.timer = setTimeout(() => {
      this.timer = null;
      // An error is remembered in the file and thrown to whoever flushes or closes.
      if (this.participantOrNull !== null) this.flush().catch(() => {});
    }, this.flushEvery);
    this.timer.unref?.();
  }

  /** An array as a key may have accessors, which are the caller's code and may close the store. */
  private encodeKey(p: Participant, key: K): void {
    p.keyLength = this.codec.encode(key, p.key);
    if (this.participantOrNull !== p) throw this.closed();
  }

  private put(key: K, value: unknown, condition: number): boolean {
    // The value first: its toJSON may use this store, or close it.
    this.payload.encode(value);
    const p = this.writing();
    this.encodeKey(p, key);
    enter(p);
    let done: boolean;
    try {
      done = write(p, this.payload, condition);
    } catch (error) {
      this.abort(p);
      done = this.again(p, error, () => write(p, this.payload, condition));
    } finally {
      leave(p);
    }
    this.afterWrite(p);
    return done;
  }

  // ---- one key -----------------------------------------------------------------------------------------------------

  /**
   * The key's value, or `undefined`. Cost: six to nine cache misses on a large store.
   *
   * @throws BancosError `INVALID_KEY`, `KEY_TOO_LONG`, `CORRUPT`, `CLOSED`
   */
  get(key: K): V | undefined {
    const p = this.participant();
    p.keyLength = this.codec.encode(key, p.key);
    enter(p);
    try {
      const leaf = lookup(p);
      if (leaf === 0 || !hasKey(p.h, leaf, p.leafTag, p.keyLength)) return undefined;
      return readValue(p, leaf, p.leafTag, this.verifyReads) as V;
    } finally {
      leave(p);
    }
  }

  /** Is the key there? Errors and cost as of {@link Store.get}. */
  has(key: K): boolean {
    const p = this.participant();
    p.keyLength = this.codec.encode(key, p.key);
    enter(p);
    try {
      const leaf = lookup(p);
      return leaf !== 0 && hasKey(p.h, leaf, p.leafTag, p.keyLength);
    } finally {
      leave(p);
    }
  }

  /** The values of many keys, in their order; `undefined` for those that are absent. */
  getMany(keys: readonly K[]): (V | undefined)[] {
    const p = this.participant();
    const result: (V | undefined)[] = new Array(keys.length);
    this.lanes ??= new Lanes(p.scratch);
    const { codec, lanes, verifyReads } = this;
    for (let from = 0; from < keys.length; from += LANES) {
      const count = Math.min(LANES, keys.length - from);
      let long = 0;
      for (let i = 0; i < count; i++) {
        const length = codec.encode(keys[from + i], lanes.keys[i]!);
        lanes.lengths[i] = length;
        if (length >= LANE_DIGITS) long++;
      }
      if (long > 0) {
        for (let i = from; i < from + count; i++) result[i] = this.get(keys[i]!);
        continue;
      }
      enter(p);
      try {
        lanes.lookup(p, count);
        for (let i = 0; i < count; i++) {
          const leaf = lanes.leaves[i]!;
          result[from + i] = leaf === 0 ? undefined : (readValue(p, leaf, lanes.tags[i]!, verifyReads) as V);
        }
      } finally {
        leave(p);
      }
    }
    return result;
  }

  /**
   * Inserts or replaces, atomically.
   *
   * @throws BancosError `INVALID_KEY`, `KEY_TOO_LONG`, `INVALID_VALUE`, `VALUE_TOO_LARGE`, `FULL`, `NO_SPACE`,
   * `IO_ERROR`, `READ_ONLY`, `CORRUPT`, `CLOSED`; nothing was changed then
   */
  set(key: K, value: V): this {
    this.put(key, value, ALWAYS);
    return this;
  }

  /** Inserts; throws `DUPLICATE_KEY` if the key is there. Other errors as of {@link Store.set}. */
  insert(key: K, value: V): void {
    if (!this.put(key, value, IF_ABSENT)) {
      throw new BancosError("DUPLICATE_KEY", `the key ${show(key)} is there already; set() replaces it`);
    }
  }

  /** Removes the key. Returns whether it was there. Errors as of {@link Store.set}. */
  delete(key: K): boolean {
    return this.removeIf(key, null) === REMOVED;
  }

  private removeIf(key: K, condition: ((p: Participant) => boolean) | null): number {
    const p = this.writing();
    this.encodeKey(p, key);
    enter(p);
    let done: number;
    try {
      done = remove(p, condition);
    } catch (error) {
      this.abort(p);
      done = this.again(p, error, () => remove(p, condition));
    } finally {
      leave(p);
    }
    this.afterWrite(p);
    return done;
  }

  /**
   * Writes `value` if the key has `expected`, atomically; `undefined` stands for absent, on either side. Values are
   * compared by type and encoded bytes: 1 and 1n differ, as do 0 and -0; NaN equals NaN. Returns whether it was so.
   * Errors as of {@link Store.set}.
   */
  compareAndSet(key: K, expected: V | undefined, value: V | undefined): boolean {
    if (expected === undefined) {
      if (value === undefined) return !this.has(key);
      return this.put(key, value, IF_ABSENT);
    }
    const payload = this.payload;
    payload.encode(expected);
    const { type, length, number, lo, hi } = payload;
    const bytes = isNumber(type)
      ? NO_BYTES
      : (payload.external ??
        Uint8Array.from(this.opened.region.scratch.subarray(SCRATCH_VALUE, SCRATCH_VALUE + length)));
    const matches = (q: Participant): boolean => {
      if (typeOf(q.leafTag) !== type) return false;
      if (type === TYPE_FLOAT64) return Object.is(loadF64(q.h, q.leaf, numberOffset(q.keyLength)), number);
      if (isNumber(type)) {
        const at = numberOffset(q.keyLength);
        return load32(q.h, q.leaf, at) === lo && load32(q.h, q.leaf, at + 4) === hi;
      }
      const at = lengthOffset(q.keyLength);
      if (load32(q.h, q.leaf, at) !== length) return false;
      return canHold(q, q.leaf, length) && equalBytes(q.h, q.leaf, at + 4, bytes);
    };
    if (value === undefined) return this.removeIf(key, matches) === REMOVED;
    payload.encode(value);
    const p = this.writing();
    this.encodeKey(p, key);
    enter(p);
    let done: boolean;
    try {
      done = updateIf(p, payload, matches);
    } catch (error) {
      this.abort(p);
      done = this.again(p, error, () => updateIf(p, payload, matches));
    } finally {
      leave(p);
    }
    this.afterWrite(p);
    return done;
  }

  /**
   * Adds to the number at the key, which counts as 0 if it is absent, atomically between all processes. The type of
   * the stored number is kept; a new one has the type of `delta`. Returns the new number.
   *
   * @throws BancosError `INVALID_VALUE` if something else than a number is there, if a fraction is to be added to a
   * bigint, or if the sum does not fit in 64 bits; else as {@link Store.set}
   */
  add(key: K, delta: number | bigint): number | bigint {
    const p = this.writing();
    if (typeof delta !== "number" && typeof delta !== "bigint") {
      throw new BancosError("INVALID_VALUE", `add() takes a number or a bigint, not ${typeof delta}`);
    }
    this.payload.encode(delta);
    this.encodeKey(p, key);
    const { type, length, number, lo, hi } = this.payload;
    const payload: Payload = { type, length, number, lo, hi, external: null };
    const whole = typeof delta === "bigint" ? delta : Number.isSafeInteger(delta) ? BigInt(delta) : undefined;
    const both = { number: Number(delta), bigint: whole, payload };
    enter(p);
    let sum: number | bigint;
    try {
      sum = add(p, both, show(key));
    } catch (error) {
      this.abort(p);
      sum = this.again(p, error, () => add(p, both, show(key)));
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
   * happen meanwhile, in the loop's own body too, may or may not be seen. Cost: one descent per batch of up to 1,024.
   *
   * @throws BancosError `INVALID_OPTION`, `INVALID_KEY`, `KEY_TOO_LONG`, `CLOSED`, `CORRUPT`
   */
  entries(range?: Range<K>): IterableIterator<[K, V]> {
    return new StoreIterator<[K, V]>(this.cursor(range, ENTRIES), ENTRIES);
  }

  /** The keys in a range; no value is read. As {@link Store.entries}. */
  keys(range?: Range<K>): IterableIterator<K> {
    return new StoreIterator<K>(this.cursor(range, KEYS), KEYS);
  }

  /** The values in a range. As {@link Store.entries}. */
  values(range?: Range<K>): IterableIterator<V> {
    return new StoreIterator<V>(this.cursor(range, VALUES), VALUES);
  }

  /** All entries, in key order. */
  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries();
  }

  /** The first entry of a range (the last one with `reverse`), or `undefined`. */
  first(range?: Range<K>): [K, V] | undefined {
    const result = this.entries({ ...range, limit: Math.min(1, range?.limit ?? 1) }).next();
    return result.done === true ? undefined : result.value;
  }

  /** The last entry of a range (the first one with `reverse`), or `undefined`. */
  last(range?: Range<K>): [K, V] | undefined {
    return this.first({ ...range, reverse: range?.reverse !== true });
  }

  /** How many keys are in a range. Cost: a walk over them; without a range see {@link Store.size}. */
  count(range?: Range<K>): number {
    if (range === undefined) return this.size;
    const cursor = this.cursor(range, 0);
    let count = 0;
    while (cursor.next()) count += cursor.count;
    return count;
  }

  /** How many keys there are. Cost: one word per participant slot ever used. */
  get size(): number {
    const { h } = this.participant();
    return sum64(h, slotCell(1), SLOT_KEY_COUNT, SLOT_BYTES, load32(h, SB, SB_SLOTS_USED));
  }

  // ---- groups ----------------------------------------------------------------------------------------------------------

  /**
   * Runs `fn` with a reader: a group of reads under one epoch, which is cheaper than each on its own. Not a snapshot.
   * Returns what `fn` returns, throws what it throws.
   *
   * @throws BancosError `INVALID_OPERATION` if `fn` returns a promise
   */
  reader<T>(fn: (reader: Reader<V, K>) => T): T {
    return this.group(this.participant(), fn);
  }

  /**
   * Runs `fn` with a writer: a group of operations under one epoch. Not a transaction: each write is visible and
   * permanent at once, also when `fn` then throws. With durability "commit" the group shares one sync, at its end.
   *
   * @throws BancosError `READ_ONLY`; `INVALID_OPERATION` if `fn` returns a promise
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
        this.flushSync();
      }
    }
  }

  // ---- durability --------------------------------------------------------------------------------------------------------

  /**
   * Resolves when all that was written before the call is on the disk. The sync runs off the event loop; all who wait,
   * in all processes, share it. Rejects with `IO_ERROR`, `CLOSED`.
   */
  async flush(): Promise<void> {
    const { region, slot, h } = this.participant();
    // Whoever can't write has written nothing.
    if (!this.opened.registered) return;
    region.checkLength();
    this.flushing++;
    try {
      await this.flushFrom(syncTicket(h), region, slot, h);
    } finally {
      this.flushing--;
    }
  }

  private async flushFrom(ticket: number, region: Region, slot: number, h: number): Promise<void> {
    for (let round = 0; ; round++) {
      // Closing has synced, since this call was waiting.
      if (this.participantOrNull === null) return;
      checkSyncError(region);
      if (isSynced(h, ticket)) return;
      if (this.syncing !== null) {
        await this.syncing;
      } else if (trySyncLock(h, slot)) {
        this.syncing = this.syncInBackground();
        try {
          await this.syncing;
        } finally {
          this.syncing = null;
        }
      } else {
        await Bun.sleep(1);
        if (round % 16 === 15 && this.participantOrNull !== null) recoverSlot(region, syncOwner(h), slot);
      }
    }
  }

  /** The caller holds the sync lock. A descriptor of its own, so that closing the store can't pull it away. */
  private async syncInBackground(): Promise<void> {
    const { region, participant } = this.opened;
    let fd: number;
    try {
      fd = openFile(`/proc/self/fd/${region.fd}`, { write: true });
    } catch {
      // No descriptor to spare, or no /proc: then in this thread, with the one that we have.
      try {
        syncHolding(region, participant.slot);
      } finally {
        syncUnlock(region.h, participant.slot);
      }
      return;
    }
    const sync = beginSync(region, participant.slot);
    let failure: unknown = null;
    try {
      await new Promise<void>((done, failed) => fdatasync(fd, (error) => (error ? failed(error) : done())));
    } catch (error) {
      failure = error;
    }
    closeFile(fd);
    // Closed meanwhile: closing has synced and given the lock back.
    if (this.participantOrNull === null) return;
    try {
      if (failure !== null) throw failSync(region, failure);
      endSync(region.h, sync);
    } finally {
      syncUnlock(region.h, participant.slot);
    }
  }

  /** Returns when all that was written before the call is on the disk. Throws `IO_ERROR`, `CLOSED`. */
  flushSync(): void {
    const { region, slot } = this.participant();
    if (!this.opened.registered) return;
    region.checkLength();
    checkSyncError(region);
    // A background flush of this store holds the lock and can't go on while we are here: sync under its lock.
    if (this.syncing !== null) syncHolding(region, slot);
    else syncNow(region, slot, (owner) => recoverSlot(region, owner, slot));
  }

  /**
   * Writes a compact copy of the store as it is at one point in time to the new file `path`, while others go on
   * writing. The file appears when it is complete; one that is there is never replaced. Until then no memory that the
   * copy may need is reused, so that the store may grow. One backup at a time; another waits for it.
   *
   * Rejects with `INVALID_OPERATION` if there is a file at `path` already, or somebody is stopped in the middle of a
   * change; `NO_SPACE`, `IO_ERROR`, `NOT_FOUND`; `CORRUPT` (then see `bancos repair`); `CLOSED`.
   */
  async backup(path: string): Promise<void> {
    await this.backupWith(path);
  }

  /** @internal {@link Store.backup} with progress, and a report. */
  backupWith(path: string, options: CopyOptions = {}): Promise<CopyReport> {
    const p = this.participant();
    const isOpen = (): boolean => this.participantOrNull === p;
    const begin = async (): Promise<CopyReport> => {
      // A background flush of ours holds the sync lock, which the backup needs for a moment.
      if (this.syncing !== null) await this.syncing.catch(() => {});
      return backupTo(this.opened, path, isOpen, options);
    };
    const done = this.backups.then(begin);
    this.backups = done.catch(() => {});
    return done;
  }

  // ---- looking after the file ------------------------------------------------------------------------------------------

  /** Figures about the file and who uses it. Cost: a pass over all cells' tags. */
  stats(): Stats {
    this.participant();
    return statsOf(this.opened, this.size, this.verifyReads);
  }

  /** Checks the whole file. Cost: a pass over everything. Exact when nobody else writes. */
  verify(): VerifyReport {
    return verifyRegion(this.participant());
  }

  /** Reclaims now what can be: this store's retired cells and those of the dead. Returns how many cells were freed. */
  collect(): number {
    const p = this.participant();
    if (!this.opened.registered || this.readOnly) return 0;
    recoverTheDead(p.region, p.slot);
    let freed = 0;
    // Twice: the first moves the epoch on, so that the second can free what was retired in it.
    for (let round = 0; round < 2; round++) {
      freed += reclaim(p, Number.MAX_SAFE_INTEGER) + collectOrphans(p, Number.MAX_SAFE_INTEGER);
    }
    return freed;
  }

  /**
   * Closes the store. Idempotent; later calls of other methods throw `CLOSED`. The last writer to close a file syncs
   * it. Throws `IO_ERROR` if that fails, and is closed all the same.
   */
  close(): void {
    const p = this.participantOrNull;
    if (p === null) return;
    if (p.entered > 0) {
      throw new BancosError("INVALID_OPERATION", "close() inside reader() or writer(): close after it");
    }
    if (this.timer !== null) clearTimeout(this.timer);
    forgotten.unregister(this);
    try {
      p.region.checkLength();
    } catch (error) {
      this.participantOrNull = null;
      p.region.close();
      throw error;
    }
    if (this.opened.registered) endBackup(p.region, p.slot);
    // What a background flush of this store holds passes to the sync that closing does.
    try {
      if (this.flushing > 0) this.flushSync();
      // Who only reads leaves a file that was closed in order as it is.
      if (!this.readOnly) reclaim(p, Number.MAX_SAFE_INTEGER);
    } finally {
      if (this.syncing !== null) syncUnlock(p.h, p.slot);
      this.participantOrNull = null;
      closeOpened(this.opened);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A key in a message, not at length. */
function show(key: unknown): string {
  const text = typeof key === "string" ? JSON.stringify(key) : String(key);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/**
 * Opens the store in the file at `path`, or makes it. Nothing is to be started or configured; any number of processes
 * and Workers may have it open, up to 512 at a time.
 *
 * @throws BancosError `NOT_FOUND`, `NOT_A_STORE`, `VERSION`, `KEY_ENCODING`, `CORRUPT`, `NO_SPACE`, `IO_ERROR`,
 * `TOO_MANY_PARTICIPANTS`, `UNSUPPORTED_PLATFORM`, `UNSUPPORTED_FILESYSTEM`, `NATIVE_LOAD`, `INVALID_OPTION`
 *
 * @example
 * ```ts
 * import { open } from "bancos";
 * using store = open("mail.bancos");
 * store.set("alice@example.org", 42);
 * console.log(store.get("alice@example.org")); // 42
 * for (const [key, value] of store.entries({ prefix: "al", limit: 10 })) console.log(key, value);
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
export function open<V = Value>(path: string, options?: OpenOptions): Store<V, string>;
export function open<V = Value>(path: string, options: OpenOptions = {}): Store<V, never> {
  return new Store<V, never>(path, options);
}
