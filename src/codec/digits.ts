/**
 * Digits: what the tree sees of a key.
 *
 * A key is first a string of bytes, then a string of digits 0–255 that ends with the terminator:
 *
 * | byte | digits |
 * |---|---|
 * | 0 | 1, 1 |
 * | 1 | 1, 2 |
 * | 2–255 | the byte itself |
 * | end of the key | 0 |
 *
 * Two properties follow, and the tree rests on both. The order of the digit strings is the order of the byte
 * strings: the terminator sorts below every digit a byte can become, and 1,1 < 1,2 < 2. And no key's digits are a
 * prefix of another's, since the terminator stands only at an end; so every leaf has a branching point.
 */
import { BancosError } from "../errors.ts";

/** The digit after the last one of every key. */
export const TERMINATOR = 0;
/** The first of the two digits that stand for byte 0 or byte 1. */
export const ESCAPE = 1;
/** Keys have at most this many bytes, before the escape. */
export const MAX_KEY_BYTES = 4096;
/** Keys have at most this many digits, without the terminator: every byte escaped. */
export const MAX_KEY_DIGITS = 2 * MAX_KEY_BYTES;
/** A Buffer given to `encode` has at least this many bytes: room for the digits, the terminator and a little more. */
export const DIGITS_CAPACITY = MAX_KEY_DIGITS + 8;

/**
 * Turns between a store's keys and digits. Pure: nothing but the Buffers given is read or written, except that
 * `ordered` keeps a cursor while it works.
 */
export interface KeyCodec<K = unknown> {
  /** The store option `keyEncoding`. */
  readonly name: KeyEncoding;
  /** What the file records. */
  readonly id: 0 | 1 | 2;

  /**
   * Writes the digits of `key` and the terminator into `out` from index 0; `out` has at least
   * {@link DIGITS_CAPACITY} bytes.
   *
   * @returns the number of digits, without the terminator
   * @throws BancosError `INVALID_KEY`, `KEY_TOO_LONG`; what `out` then holds is undefined
   */
  encode(key: unknown, out: Buffer): number;

  /**
   * Looks at the key, whatever it is, and says nothing of it: who is about to encode several begins to wait for all of them
   * out of memory at once.
   */
  touch(key: unknown): number;

  /**
   * Gives back the key whose digits, without the terminator, are in `buf[from, to)`.
   *
   * @throws BancosError `CORRUPT`, without an offset (only the caller knows it): no key has these digits
   */
  decode(buf: Buffer, from: number, to: number): K;

  /**
   * Gives back `count` keys whose digits, without terminators, follow one another in `buf` from `from`, the i-th
   * with `lengths[i]` digits, into `keys[0 … count)`. Cheaper per key than {@link decode}.
   *
   * @throws BancosError as {@link decode}
   */
  decodeBatch(buf: Buffer, from: number, lengths: ArrayLike<number>, count: number, keys: K[]): void;

  /**
   * Writes the digits, without a terminator, that the keys with this prefix begin with, and no others.
   *
   * @returns the number of digits; 0 means every key
   * @throws BancosError `INVALID_OPTION` for a type that has no prefixes, `INVALID_KEY`, `KEY_TOO_LONG`
   */
  encodePrefix(prefix: unknown, out: Buffer): number;
}

/**
 * The key encodings, in the order of their ids in the file.
 *
 * @example
 * ```ts
 * import { KEY_ENCODINGS } from "bancos";
 * console.log(KEY_ENCODINGS); // → [ "utf8", "binary", "ordered" ]
 * ```
 */
export const KEY_ENCODINGS = ["utf8", "binary", "ordered"] as const;

/**
 * The option `keyEncoding` of {@link open}; kept in the file.
 *
 * - `"utf8"`: keys are strings, in the order of their UTF-8 bytes (of their code points). No lone surrogates.
 * - `"binary"`: keys are `Uint8Array`, in the order of their bytes.
 * - `"ordered"`: keys are `null`, booleans, numbers, bigints, strings, `Uint8Array`, and arrays of them; sorted by type in
 *   this order, then by value.
 *
 * @example
 * ```ts
 * import { open } from "bancos";
 * using store = open("bytes.bancos", { keyEncoding: "binary" });
 * store.set(Uint8Array.of(255, 0), "last").set(Uint8Array.of(1), "first");
 * console.log(store.first()?.[1], store.keyEncoding); // → first binary
 * ```
 */
export type KeyEncoding = (typeof KEY_ENCODINGS)[number];

/** Appends the digits of one byte at `at`; returns the index after them. */
export function writeByte(out: Buffer, at: number, byte: number): number {
  if (byte > ESCAPE) {
    out[at] = byte;
    return at + 1;
  }
  out[at] = ESCAPE;
  out[at + 1] = byte + 1;
  return at + 2;
}

/**
 * Undoes the escape of `buf[from, to)` into `out` from index 0; returns the number of bytes.
 * What `out` has no room for is lost but counted.
 *
 * @throws BancosError `CORRUPT` for a terminator inside, an escape with nothing or another digit than 1 or 2
 * after it, more than {@link MAX_KEY_BYTES} bytes
 */
export function unescapeDigits(buf: Buffer, from: number, to: number, out: Uint8Array): number {
  let n = 0;
  for (let i = from; i < to; i++) {
    let byte = buf[i]!;
    if (byte <= ESCAPE) {
      const next = i + 1 < to ? buf[i + 1]! : 0;
      if (byte !== ESCAPE || (next !== 1 && next !== 2)) throw malformed("an escape is broken");
      byte = next - 1;
      i++;
    }
    out[n++] = byte;
  }
  if (n > MAX_KEY_BYTES) throw malformed("too long");
  return n;
}

/** The error of a decoder: no key has the digits it was given. The caller knows where they stand and adds it. */
export function malformed(what: string): BancosError {
  return new BancosError("CORRUPT", `the file is damaged: the digits of a key make no sense: ${what}`);
}

/** The error of an encoder whose key is too long. `bytes` is what is known of its length: at least that many. */
export function tooLong(bytes: number): BancosError {
  return new BancosError(
    "KEY_TOO_LONG",
    `the key has at least ${bytes} bytes once encoded; ${MAX_KEY_BYTES} are allowed`,
  );
}

/** {@link KeyCodec.decodeBatch} for codecs that have no better way: one key at a time. */
export function decodeEach<K>(
  codec: KeyCodec<K>,
  buf: Buffer,
  from: number,
  lengths: ArrayLike<number>,
  count: number,
  keys: K[],
): void {
  for (let i = 0; i < count; i++) {
    const to = from + lengths[i]!;
    keys[i] = codec.decode(buf, from, to);
    from = to;
  }
}
