/**
 * A lazy walk over keys, in batches. Between batches nothing is held; the next one goes on after the last key, whether
 * that key is still there or not.
 */
import type { KeyCodec } from "../codec/index.ts";
import { corrupt } from "../errors.ts";
import { LEAF_KEY, TAG } from "../memory/layout.ts";
import { CHECK_ASCENDING, CHECK_DESCENDING, CHECK_SUMS, gather, load32 } from "../memory/primitives.ts";
import {
  MOST_LEAVES,
  SCRATCH_KEYS,
  SCRATCH_KEYS_BYTES,
  SCRATCH_LEAVES,
  SCRATCH_NUMBERS,
} from "../memory/scratch.ts";
import { readToScratch } from "../node/bytes.ts";
import { keyLengthOf, TYPE_FLOAT64, typeOf } from "../node/leaf.ts";
import { enter, leave } from "../reclaim/epoch.ts";
import type { Participant } from "../reclaim/participant.ts";
import { nextLeaves, type Seek, walkAll, walkFrom } from "../rowex/iterate.ts";
import type { EncodedRange } from "./range.ts";
import { isWithin } from "./range.ts";

/** What an open store lends to its cursors. */
export interface CursorHost {
  /** The participant; throws CLOSED. */
  participant(): Participant;
  readonly codec: KeyCodec;
  /** Are checksums to be verified? */
  readonly verifyReads: boolean;
  /** Value of a leaf with tag `tag`. In an epoch. */
  readValue(p: Participant, leaf: number, tag: number): unknown;
}

export const KEYS = 1;
export const VALUES = 2;
export const ENTRIES = 3;

/** The first leaf of a batch, in words. */
const LEAVES = SCRATCH_LEAVES / 4;
const NONE: Buffer = Buffer.alloc(0);
const FIRST_BATCH = 32;
/** Leaves that are only counted cost less than another seek. */
const FIRST_COUNT = 256;
const BAD_LEAF = "a leaf's checksum is wrong, or it is out of order or reaches beyond the file,";

/** One batch after the other of the keys in a range. */
export class Cursor {
  /** The present batch: keys, values or pairs, as many as `count`. */
  items: unknown[] = [];
  count = 0;
  private readonly host: CursorHost;
  private readonly range: EncodedRange;
  private readonly what: number;
  private left: number;
  private batch = FIRST_BATCH;
  private done = false;
  private started = false;
  /** Digits of the last key given. */
  private last: Buffer = NONE;
  private lastLength = 0;
  private readonly seek: Seek;

  constructor(host: CursorHost, range: EncodedRange, what: number) {
    this.host = host;
    this.range = range;
    this.what = what;
    this.left = range.limit;
    this.seek = { length: 0, reverse: range.reverse, inclusive: false, shared: range.shared };
    // Without an end none is counted in vain.
    if (what === 0) this.batch = range.end === null ? MOST_LEAVES : FIRST_COUNT;
  }

  /** Fetches the next batch; false at the end. Throws CLOSED, CORRUPT. */
  next(): boolean {
    if (this.done || this.left <= 0) return false;
    const p = this.host.participant();
    // Who says how many wants them at once; who does not may stop after a few.
    const most = Math.min(this.left < MOST_LEAVES ? this.left : this.batch, MOST_LEAVES);
    if (this.batch < MOST_LEAVES) this.batch *= 4;
    enter(p);
    try {
      this.fill(p, most);
    } finally {
      leave(p);
    }
    this.left -= this.count;
    return this.count > 0;
  }

  /** Finds the place in the tree; the next leaves come from there. */
  private startWalk(p: Participant): void {
    const { start } = this.range;
    const seek = this.seek;
    if (this.started) {
      this.last.copy(p.key, 0, 0, this.lastLength);
      p.key[this.lastLength] = 0;
      seek.length = this.lastLength + 1;
      seek.inclusive = false;
      walkFrom(p, seek);
    } else if (start === null) {
      walkAll(p);
    } else {
      start.digits.copy(p.key);
      p.key[start.length] = 0;
      seek.length = start.isPrefix ? start.length : start.length + 1;
      seek.inclusive = start.inclusive;
      walkFrom(p, seek);
    }
  }

  private fill(p: Participant, most: number): void {
    const { reverse, end } = this.range;
    this.startWalk(p);
    const found = nextLeaves(p, reverse, most, this.what === 0);
    const { words, lengths } = p;
    if (found < most) this.done = true;
    if (this.what === 0) {
      this.countLeaves(p, found);
      return;
    }
    const wantsValues = (this.what & VALUES) !== 0;
    let count = gather(
      p.h,
      SCRATCH_LEAVES,
      found,
      SCRATCH_KEYS,
      SCRATCH_KEYS_BYTES,
      wantsValues ? SCRATCH_NUMBERS : -1,
      p.region.salt,
      (this.host.verifyReads ? CHECK_SUMS : 0) | (reverse ? CHECK_DESCENDING : CHECK_ASCENDING),
    );
    if (count < found) {
      this.done = false;
      if (count === 0) throw corrupt("a leaf's key reaches beyond the file", words[LEAVES]!);
    }
    // The tags follow the cells.
    const buf = p.scratch;
    let at = SCRATCH_KEYS;
    for (let i = 0; i < count; i++) {
      const tag = words[LEAVES + found + i]!;
      if (tag === 0) throw corrupt(BAD_LEAF, words[LEAVES + i]!);
      const length = keyLengthOf(tag);
      lengths[i] = length;
      at += length;
    }
    // A damaged file must not lead back to where the walk has been.
    if (this.started && count > 0) {
      const order = buf.compare(this.last, 0, this.lastLength, SCRATCH_KEYS, SCRATCH_KEYS + lengths[0]!);
      if (reverse ? order >= 0 : order <= 0) throw corrupt(BAD_LEAF, words[LEAVES]!);
    }
    // Keys come in order: if the last one is within, all are.
    while (end !== null && count > 0) {
      const length = lengths[count - 1]!;
      if (isWithin(end, reverse, buf, at - length, at)) break;
      at -= length;
      count--;
      this.done = true;
    }
    this.count = count;
    if (count === 0) {
      this.done = true;
      return;
    }
    const length = lengths[count - 1]!;
    if (!this.done && this.left > count) this.keepLast(buf, at - length, length);
    if (this.items.length < count) this.items = new Array<unknown>(count);
    const { items } = this;
    const wantsKeys = (this.what & KEYS) !== 0;
    if (wantsKeys) this.host.codec.decodeBatch(buf, SCRATCH_KEYS, lengths, count, items);
    if (!wantsValues) return;
    for (let i = 0; i < count; i++) {
      const tag = words[LEAVES + found + i]!;
      const value =
        typeOf(tag) === TYPE_FLOAT64
          ? p.doubles[SCRATCH_NUMBERS / 8 + i]!
          : this.host.readValue(p, words[LEAVES + i]!, tag);
      items[i] = wantsKeys ? [items[i], value] : value;
    }
  }

  /** A batch of which nothing is wanted but how many they are: only the keys at its end are read. */
  private countLeaves(p: Participant, found: number): void {
    const { reverse, end } = this.range;
    const { words, scratch: buf } = p;
    let count = found;
    // Keys come in order: the first `low` of them are within, those from `count` on are not.
    let low = end === null ? count : 0;
    for (let at = count - 1; end !== null && low < count; at = (low + count) >>> 1) {
      const length = readKey(p, words[LEAVES + at]!);
      if (isWithin(end, reverse, buf, SCRATCH_KEYS, SCRATCH_KEYS + length)) low = at + 1;
      else count = at;
    }
    if (count < found) this.done = true;
    this.count = count;
    if (count === 0) {
      this.done = true;
      return;
    }
    // The last key matters only to another batch.
    if (this.done || this.left <= count) return;
    const length = readKey(p, words[LEAVES + count - 1]!);
    if (this.started) {
      const order = buf.compare(this.last, 0, this.lastLength, SCRATCH_KEYS, SCRATCH_KEYS + length);
      if (reverse ? order >= 0 : order <= 0) throw corrupt(BAD_LEAF, words[LEAVES + count - 1]!);
    }
    this.keepLast(buf, SCRATCH_KEYS, length);
  }

  /** Keeps the digits of the last key given, which are in `buf` from `at` on. */
  private keepLast(buf: Buffer, at: number, length: number): void {
    this.started = true;
    this.lastLength = length;
    if (this.last.length < length) this.last = Buffer.alloc(Math.max(64, length * 2));
    buf.copy(this.last, 0, at, at + length);
  }
}

/** Reads the digits of a leaf's key to SCRATCH_KEYS; returns how many they are. Throws CORRUPT. */
function readKey(p: Participant, leaf: number): number {
  const length = keyLengthOf(load32(p.h, leaf, TAG));
  readToScratch(p.h, leaf, LEAF_KEY, SCRATCH_KEYS, length);
  return length;
}

/** What `entries()`, `keys()` and `values()` return. */
export class StoreIterator<T> implements IterableIterator<T> {
  private readonly cursor: Cursor;
  private at = 0;

  constructor(cursor: Cursor) {
    this.cursor = cursor;
  }

  next(): IteratorResult<T, undefined> {
    const cursor = this.cursor;
    if (this.at >= cursor.count) {
      if (this.at < 0 || !cursor.next()) {
        this.return();
        return { done: true, value: undefined };
      }
      this.at = 0;
    }
    return { done: false, value: cursor.items[this.at++] as T };
  }

  return(): IteratorResult<T, undefined> {
    this.at = -1;
    this.cursor.count = -1;
    return { done: true, value: undefined };
  }

  [Symbol.iterator](): this {
    return this;
  }
}
