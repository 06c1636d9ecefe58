/**
 * Key encoding `ordered`: null < false < true < numbers < bigints < strings < Uint8Arrays < arrays of them, each type
 * in its own order, arrays element by element with the shorter one first.
 *
 * A key is a string of bytes 2–255, so none needs the escape of digits: bytes and digits are the same. Each value is
 * one type byte and its content, and ends itself, so that the values of an array can follow one another:
 *
 * | type | byte | content |
 * |---|---|---|
 * | null, false, true | 10 20 21 | |
 * | number < 0 or -0 | 30 | groups of \|x\| as FE - group, without zero groups at the end; FF |
 * | number ≥ 0 | 31 | groups of x as 03 + group, without zero groups at the end; 02 |
 * | bigint < 0 | 40 | as the next row for -x, each byte b as 101 - b |
 * | bigint ≥ 0 | 41 | number of groups n (n < 70: 02 + n; else 80 + n / 80, 02 + n mod 80); groups as 02 + group |
 * | string | 50 | UTF-8, bytes 0–3 as 03 and 04 + byte; 02 |
 * | Uint8Array | 60 | bytes, 0–3 as 03 and 04 + byte; 02 |
 * | array | 70 | the elements; 02 |
 *
 * (All in hexadecimal.) A group is 7 bits, the most significant first. A number has nine: the 63 bits of an IEEE 754
 * double without its sign, whose order is that of the magnitude. Leaving out the zero groups at the end keeps the
 * order, because the end mark sorts below every group (above, for negative ones, where all is reversed), and makes
 * small integers 3 to 5 bytes. -0 stands between the negative numbers and 0 and comes back as -0.
 *
 * The end mark 02 of the outermost value is left out: the terminator says the same, and sorts below everything too.
 */
import { BancosError } from "../errors.ts";
import { describeType } from "./describe.ts";
import { decodeEach, type KeyCodec, MAX_KEY_BYTES, malformed, TERMINATOR, tooLong } from "./digits.ts";
import { decodeUtf8, scalarAt, writeScalar } from "./unicode.ts";

/** What a store with the key encoding `ordered` has as keys. */
export type OrderedKey = null | boolean | number | bigint | string | Uint8Array | readonly OrderedKey[];

const NULL = 0x10;
const FALSE = 0x20;
const TRUE = 0x21;
const NEGATIVE_NUMBER = 0x30;
const NUMBER = 0x31;
const NEGATIVE_BIGINT = 0x40;
const BIGINT = 0x41;
const STRING = 0x50;
const BYTES = 0x60;
const ARRAY = 0x70;

const END = 0x02;
const NEGATIVE_END = 0xff;
/** In strings and Uint8Arrays, bytes up to this one are written as this one and byte + 4. */
const INNER_ESCAPE = 0x03;
const INNER_SHIFT = 0x04;
const MAX_DEPTH = 64;

const GROUP_BITS = 7;
const GROUP_MASK = 0x7f;
/** Group 0 of a number that is not negative, and of one that is. */
const FIRST = 0x03;
const NEGATIVE_FIRST = 0xfe;
/** The lowest digit that is no terminator or escape: 0 in a bigint. What it and the highest one add up to turns the order round. */
const LOWEST = 0x02;
const REVERSED = LOWEST + 0xff;
const SIGN = 0x80000000;
const NUMBER_GROUPS = 9;
/** 28 bits: the most groups that make whole hexadecimal digits and fit an int32. */
const CHUNK_GROUPS = 4;
const CHUNK_HEX = 7;
/** Group counts from here on take two bytes. */
const LONG_COUNT = 0x70;
const LONG_COUNT_LEAD = 0x80;

// One double seen as its halves, little-endian.
const float = new Float64Array(1);
const halves = new Uint32Array(float.buffer);

/** Codec of ordered keys. */
export class OrderedKeyCodec implements KeyCodec<OrderedKey> {
  readonly name = "ordered";
  readonly id = 2;

  /** Cursor of the decoder. */
  private at = 0;
  /** An array's elements are being read, which can run code of the caller (a Proxy, an accessor). */
  private busy = false;
  /** Bytes of a string or Uint8Array that had escapes. */
  private readonly bytes = Buffer.allocUnsafeSlow(MAX_KEY_BYTES);

  encode(key: unknown, out: Buffer): number {
    const length = this.write(key, out, true);
    out[length] = TERMINATOR;
    return length;
  }

  touch(key: unknown): number {
    return typeof key === "string" ? key.length : 0;
  }

  encodePrefix(prefix: unknown, out: Buffer): number {
    if (typeof prefix !== "string" && !(prefix instanceof Uint8Array) && !Array.isArray(prefix)) {
      throw new BancosError(
        "INVALID_OPTION",
        `prefix must be a string, a Uint8Array or an array, not ${describeType(prefix)}: other keys have no prefixes`,
      );
    }
    // Without the end mark of the outermost value this is just what longer ones begin with.
    return this.write(prefix, out, true);
  }

  decode(buf: Buffer, from: number, to: number): OrderedKey {
    if (to - from > MAX_KEY_BYTES) throw malformed("too long");
    this.at = from;
    const key = this.read(buf, to, 0);
    if (this.at !== to) throw malformed("bytes after the end");
    return key;
  }

  decodeBatch(
    buf: Buffer,
    from: number,
    lengths: ArrayLike<number>,
    count: number,
    keys: OrderedKey[],
  ): void {
    decodeEach(this, buf, from, lengths, count, keys);
  }

  private write(key: unknown, out: Buffer, outermost: boolean): number {
    if (this.busy) {
      // Both calls would write to the same scratch.
      throw new BancosError("INVALID_OPERATION", "an accessor of a key used the store that encodes the key");
    }
    if (!Array.isArray(key)) return checked(writeValue(key, out, 0, outermost, 0));
    this.busy = true;
    try {
      return writeArray(key, out, 0, outermost, 1);
    } finally {
      this.busy = false;
    }
  }

  /** Reads the value at the cursor; `depth` is the number of arrays around it. */
  private read(buf: Buffer, to: number, depth: number): OrderedKey {
    const outermost = depth === 0;
    if (this.at >= to) throw malformed("cut off");
    const type = buf[this.at++];
    switch (type) {
      case NULL:
        return null;
      case FALSE:
        return false;
      case TRUE:
        return true;
      case NEGATIVE_NUMBER:
      case NUMBER:
        return this.readNumber(buf, to, type === NEGATIVE_NUMBER, outermost);
      case NEGATIVE_BIGINT:
      case BIGINT:
        return this.readBigint(buf, to, type === NEGATIVE_BIGINT);
      case STRING:
        return decodeUtf8(this.bytes, 0, this.readContent(buf, to, outermost));
      case BYTES:
        return Uint8Array.from(this.bytes.subarray(0, this.readContent(buf, to, outermost)));
      case ARRAY:
        return this.readArray(buf, to, depth + 1);
      default:
        throw malformed(`no type has the byte ${type}`);
    }
  }

  private readNumber(buf: Buffer, to: number, negative: boolean, outermost: boolean): number {
    let high = 0; // the upper 31 of 63 bits
    let low = 0;
    let zeros = 0; // zero groups since the last other one
    let shift = (NUMBER_GROUPS - 1) * GROUP_BITS;
    for (; ; shift -= GROUP_BITS) {
      if (this.at >= to) {
        if (outermost && !negative) break;
        throw malformed("cut off");
      }
      const byte = buf[this.at++]!;
      if (negative ? byte === NEGATIVE_END : byte === END && !outermost) break;
      const group = negative ? NEGATIVE_FIRST - byte : byte - FIRST;
      if (group < 0 || group > GROUP_MASK || shift < 0) throw malformed("not a number");
      if (shift >= 32) high |= group << (shift - 32);
      else low |= group << shift;
      // The one group that lies across the halves: its upper bits were shifted out of the lower one.
      if (shift < 32 && shift + GROUP_BITS > 32) high |= group >>> (32 - shift);
      if (group === 0) zeros++;
      else zeros = 0;
    }
    if (zeros > 0) throw malformed("a number with zero groups at its end");
    halves[0] = low;
    halves[1] = negative ? high | SIGN : high;
    const value = float[0]!;
    if (Number.isNaN(value)) throw malformed("not a number");
    return value;
  }

  private readBigint(buf: Buffer, to: number, negative: boolean): bigint {
    const groups = this.readCount(buf, to, negative);
    if (this.at + groups > to) throw malformed("cut off");
    let hex = "0x0";
    let chunk = 0;
    for (let left = groups; left > 0; left--) {
      const byte = negative ? REVERSED - buf[this.at++]! : buf[this.at++]!;
      const group = byte - LOWEST;
      if (group < 0 || group > GROUP_MASK || (left === groups && group === 0))
        throw malformed("not a bigint");
      chunk = (chunk << GROUP_BITS) | group;
      if (left % CHUNK_GROUPS === 1) {
        hex += chunk.toString(16).padStart(CHUNK_HEX, "0");
        chunk = 0;
      }
    }
    if (negative && groups === 0) throw malformed("not a bigint");
    return negative ? -BigInt(hex) : BigInt(hex);
  }

  /** The number of groups of a bigint. */
  private readCount(buf: Buffer, to: number, negative: boolean): number {
    if (this.at >= to) throw malformed("cut off");
    const first = negative ? REVERSED - buf[this.at++]! : buf[this.at++]!;
    if (first >= LOWEST && first < LOWEST + LONG_COUNT) return first - LOWEST;
    if (this.at >= to) throw malformed("cut off");
    const second = negative ? REVERSED - buf[this.at++]! : buf[this.at++]!;
    const count = ((first - LONG_COUNT_LEAD) << GROUP_BITS) | (second - LOWEST);
    if (first < LONG_COUNT_LEAD || second < LOWEST || second - LOWEST > GROUP_MASK || count < LONG_COUNT) {
      throw malformed("not a bigint");
    }
    return count;
  }

  /**
   * Reads the content of a string or Uint8Array, and its end, into `this.bytes`; returns its length in bytes.
   */
  private readContent(buf: Buffer, to: number, outermost: boolean): number {
    const bytes = this.bytes;
    let n = 0;
    for (;;) {
      if (this.at >= to) {
        if (outermost) return n;
        throw malformed("cut off");
      }
      let byte = buf[this.at++]!;
      if (byte <= INNER_ESCAPE) {
        if (byte === END && !outermost) return n;
        const next = this.at < to ? buf[this.at++]! : 0;
        if (byte !== INNER_ESCAPE || next < INNER_SHIFT || next > INNER_SHIFT + INNER_ESCAPE)
          throw malformed("an escape is broken");
        byte = next - INNER_SHIFT;
      }
      bytes[n++] = byte;
    }
  }

  private readArray(buf: Buffer, to: number, depth: number): OrderedKey[] {
    if (depth > MAX_DEPTH) throw malformed("arrays nested too deep");
    const elements: OrderedKey[] = [];
    const outermost = depth === 1;
    for (;;) {
      if (this.at >= to) {
        if (outermost) return elements;
        throw malformed("cut off");
      }
      if (buf[this.at] === END && !outermost) {
        this.at++;
        return elements;
      }
      elements.push(this.read(buf, to, depth));
    }
  }
}

/**
 * Writes one value from index `at` and returns the index after it. `depth` is the number of arrays around it.
 * May go beyond MAX_KEY_BYTES by one value's bytes, never beyond the room of `out`; the caller checks.
 */
function writeValue(value: unknown, out: Buffer, at: number, outermost: boolean, depth: number): number {
  switch (typeof value) {
    case "string":
      out[at] = STRING;
      return end(writeString(value, out, at + 1), out, outermost);
    case "number":
      return writeNumber(value, out, at, outermost);
    case "bigint":
      return writeBigint(value, out, at);
    case "boolean":
      out[at] = value ? TRUE : FALSE;
      return at + 1;
    case "object":
      if (value === null) {
        out[at] = NULL;
        return at + 1;
      }
      if (value instanceof Uint8Array) {
        out[at] = BYTES;
        return end(writeBytes(value, out, at + 1), out, outermost);
      }
      if (Array.isArray(value)) return writeArray(value, out, at, outermost, depth + 1);
  }
  throw new BancosError(
    "INVALID_KEY",
    `the key must be null, a boolean, number, bigint, string, Uint8Array or an array of them; ${depth > 0 ? "an element is" : "it is"} ${describeType(value)}`,
  );
}

/** `depth` counts this array. */
function writeArray(
  array: readonly unknown[],
  out: Buffer,
  at: number,
  outermost: boolean,
  depth: number,
): number {
  if (depth > MAX_DEPTH) {
    throw new BancosError(
      "INVALID_KEY",
      `the key has arrays nested more than ${MAX_DEPTH} deep, or in a cycle`,
    );
  }
  out[at++] = ARRAY;
  for (let i = 0; i < array.length; i++) {
    at = checked(writeValue(array[i], out, at, false, depth));
  }
  return checked(end(at, out, outermost));
}

function checked(bytes: number): number {
  if (bytes > MAX_KEY_BYTES) throw tooLong(bytes);
  return bytes;
}

function end(at: number, out: Buffer, outermost: boolean): number {
  if (outermost) return at;
  out[at] = END;
  return at + 1;
}

function writeString(text: string, out: Buffer, at: number): number {
  const length = text.length;
  if (length > MAX_KEY_BYTES) throw tooLong(length);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit <= INNER_ESCAPE) {
      out[at++] = INNER_ESCAPE;
      out[at++] = unit + INNER_SHIFT;
    } else if (unit < 0x80) {
      out[at++] = unit;
    } else {
      const scalar = scalarAt(text, i);
      if (scalar > 0xffff) i++;
      at = writeScalar(out, at, scalar);
    }
    if (at > MAX_KEY_BYTES) throw tooLong(at);
  }
  return at;
}

function writeBytes(bytes: Uint8Array, out: Buffer, at: number): number {
  const length = bytes.length;
  if (length > MAX_KEY_BYTES) throw tooLong(length);
  for (let i = 0; i < length; i++) {
    const byte = bytes[i]!;
    if (byte <= INNER_ESCAPE) {
      out[at++] = INNER_ESCAPE;
      out[at++] = byte + INNER_SHIFT;
    } else {
      out[at++] = byte;
    }
    if (at > MAX_KEY_BYTES) throw tooLong(at);
  }
  return at;
}

function writeNumber(value: number, out: Buffer, at: number, outermost: boolean): number {
  if (Number.isNaN(value))
    throw new BancosError("INVALID_KEY", "NaN is not a key: it has no place in the order");
  float[0] = value;
  const negative = halves[1]! >= SIGN;
  out[at++] = negative ? NEGATIVE_NUMBER : NUMBER;
  // The bits still to write, from the top; the sign is shifted out.
  let upper = (halves[1]! << 1) | (halves[0]! >>> 31);
  let lower = halves[0]! << 1;
  while ((upper | lower) !== 0) {
    const group = upper >>> (32 - GROUP_BITS);
    out[at++] = negative ? NEGATIVE_FIRST - group : FIRST + group;
    upper = (upper << GROUP_BITS) | (lower >>> (32 - GROUP_BITS));
    lower <<= GROUP_BITS;
  }
  if (negative) {
    out[at] = NEGATIVE_END;
    return at + 1;
  }
  return end(at, out, outermost);
}

function writeBigint(value: bigint, out: Buffer, at: number): number {
  const negative = value < 0n;
  const hex = (negative ? -value : value).toString(16);
  const chunks = Math.ceil(hex.length / CHUNK_HEX);
  if (chunks > MAX_KEY_BYTES / CHUNK_GROUPS) throw tooLong((chunks - 1) * CHUNK_GROUPS);
  let end = hex.length - (chunks - 1) * CHUNK_HEX;
  let chunk = Number.parseInt(hex.slice(0, end), 16);
  // Zero groups at the start are left out, so 0n has none at all.
  let left = Math.ceil((32 - Math.clz32(chunk)) / GROUP_BITS);
  const count = left + (chunks - 1) * CHUNK_GROUPS;
  if (at + count > MAX_KEY_BYTES) throw tooLong(at + count);

  out[at++] = negative ? NEGATIVE_BIGINT : BIGINT;
  if (count < LONG_COUNT) {
    at = writeDigit(out, at, LOWEST + count, negative);
  } else {
    at = writeDigit(out, at, LONG_COUNT_LEAD + (count >>> GROUP_BITS), negative);
    at = writeDigit(out, at, LOWEST + (count & GROUP_MASK), negative);
  }
  for (;;) {
    while (left-- > 0) {
      at = writeDigit(out, at, LOWEST + ((chunk >>> (left * GROUP_BITS)) & GROUP_MASK), negative);
    }
    if (end === hex.length) return at;
    chunk = Number.parseInt(hex.slice(end, end + CHUNK_HEX), 16);
    end += CHUNK_HEX;
    left = CHUNK_GROUPS;
  }
}

function writeDigit(out: Buffer, at: number, digit: number, reversed: boolean): number {
  out[at] = reversed ? REVERSED - digit : digit;
  return at + 1;
}
