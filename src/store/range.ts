/** Ranges of keys: the caller's bounds as digits. */
import type { KeyCodec } from "../codec/index.ts";
import { DIGITS_CAPACITY } from "../codec/index.ts";
import { BancosError } from "../errors.ts";

/**
 * Which keys, in which order. Bounds may be combined; keys must satisfy all of them.
 *
 * @example
 * ```ts
 * import { open } from "bancos";
 * using store = open("fruit.bancos");
 * store.set("apple", 1).set("banana", 2).set("cherry", 3);
 * console.log([...store.keys({ gte: "b", reverse: true, limit: 10 })]); // → [ "cherry", "banana" ]
 * ```
 */
export interface Range<K = unknown> {
  /** Only keys after this one. */
  gt?: K;
  /** Only this key and those after it. */
  gte?: K;
  /** Only keys before this one. */
  lt?: K;
  /** Only this key and those before it. */
  lte?: K;
  /** Only keys that begin so: the first characters, bytes, or (ordered keys) elements of an array. */
  prefix?: K;
  /** From the last key to the first. */
  reverse?: boolean;
  /** At most this many: a whole number, 0 or more. */
  limit?: number;
}

/** A bound as digits. For a whole key the terminator is one of them; a prefix has none. */
export interface Bound {
  readonly digits: Buffer;
  /** Digits without the terminator. */
  readonly length: number;
  readonly inclusive: boolean;
  readonly isPrefix: boolean;
}

/** A range, checked and encoded. */
export interface EncodedRange {
  /** Where the walk starts: null at the end of the tree. */
  readonly start: Bound | null;
  /** What every key must satisfy that the start does not see to; null: nothing. */
  readonly end: Bound | null;
  /** How many digits all keys of the range share with each other: those of the prefix. */
  readonly shared: number;
  readonly reverse: boolean;
  readonly limit: number;
}

const KNOWN: ReadonlySet<string> = new Set(["gt", "gte", "lt", "lte", "prefix", "reverse", "limit"]);
const buffer = Buffer.from(new ArrayBuffer(DIGITS_CAPACITY + 64));

function encodeBound(codec: KeyCodec, key: unknown, inclusive: boolean, isPrefix: boolean): Bound {
  const length = isPrefix ? codec.encodePrefix(key, buffer) : codec.encode(key, buffer);
  return { digits: Buffer.from(buffer.subarray(0, length)), length, inclusive, isPrefix };
}

/** The stricter of two bounds at the low end (`sign` 1) or the high end (-1). */
function stricter(a: Bound | null, b: Bound, sign: 1 | -1): Bound {
  if (a === null) return b;
  // As low ends a prefix stands before all keys that begin so; as high ends it stands after them.
  if (b.isPrefix && beginsWith(a, b)) return a;
  if (a.isPrefix && beginsWith(b, a)) return b;
  const order = Buffer.compare(a.digits, b.digits) * sign;
  if (order !== 0) return order > 0 ? a : b;
  return a.inclusive ? b : a;
}

/** Do the bound's digits begin with those of `prefix`? */
function beginsWith(bound: Bound, prefix: Bound): boolean {
  return bound === prefix || bound.digits.subarray(0, prefix.length).equals(prefix.digits);
}

/** Checks a range and encodes its bounds. Throws INVALID_OPTION, INVALID_KEY, KEY_TOO_LONG. */
export function encodeRange(codec: KeyCodec, range: Range | undefined): EncodedRange {
  if (range === undefined) return { start: null, end: null, shared: 0, reverse: false, limit: Infinity };
  if (typeof range !== "object" || range === null) {
    throw new BancosError("INVALID_OPTION", 'a range must be an object such as { gte: "a", lt: "b" }');
  }
  for (const name of Object.keys(range)) {
    if (!KNOWN.has(name)) {
      throw new BancosError("INVALID_OPTION", `a range has no ${name}; it has ${[...KNOWN].join(", ")}`);
    }
  }
  const { reverse = false, limit = Infinity } = range;
  if (typeof reverse !== "boolean") throw new BancosError("INVALID_OPTION", "reverse must be true or false");
  if (typeof limit !== "number" || !(limit >= 0) || (limit !== Infinity && !Number.isInteger(limit))) {
    throw new BancosError(
      "INVALID_OPTION",
      `limit is ${String(limit)}; it must be a whole number, 0 or more`,
    );
  }
  const prefix = range.prefix === undefined ? null : encodeBound(codec, range.prefix, true, true);
  let low = prefix;
  let high = prefix;
  if (range.gte !== undefined) low = stricter(low, encodeBound(codec, range.gte, true, false), 1);
  if (range.gt !== undefined) low = stricter(low, encodeBound(codec, range.gt, false, false), 1);
  if (range.lte !== undefined) high = stricter(high, encodeBound(codec, range.lte, true, false), -1);
  if (range.lt !== undefined) high = stricter(high, encodeBound(codec, range.lt, false, false), -1);
  const start = reverse ? high : low;
  let end = reverse ? low : high;
  // A walk that begins below the prefix stays there.
  if (end !== null && end === prefix && start !== null && beginsWith(start, prefix)) end = null;
  return { start, end, shared: prefix?.length ?? 0, reverse, limit };
}

/** Is a key, by its digits in `buf[from, to)`, within an end of a walk? */
export function isWithin(end: Bound, reverse: boolean, buf: Buffer, from: number, to: number): boolean {
  if (end.isPrefix) {
    const stop = Math.min(to, from + end.length);
    const order = buf.compare(end.digits, 0, end.length, from, stop);
    return reverse ? order >= 0 : order <= 0;
  }
  const order = buf.compare(end.digits, 0, end.length, from, to);
  if (order === 0) return end.inclusive;
  return reverse ? order > 0 : order < 0;
}
