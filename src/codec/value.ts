/**
 * Values to bytes and back.
 *
 * | type | payload |
 * |---|---|
 * | FLOAT64 | a number: 8 bytes, aligned, replaced in place by the store |
 * | INT64 | a bigint: 8 bytes |
 * | LATIN1 | a string of code units up to FF: one byte each |
 * | UTF8 | another well-formed string |
 * | UTF16 | a string with lone surrogates: two bytes a code unit, little-endian |
 * | BYTES | a Uint8Array |
 * | JSON | everything else, and null, true, false: the text of `JSON.stringify` as UTF-8 |
 *
 * The type depends on nothing but the value, so equal values have equal bytes: `compareAndSet` compares those.
 */
import { BancosError } from "../errors.ts";
import { describeType } from "./describe.ts";
import { latin1Slice, latin1Write, utf8Write } from "./unicode.ts";

/** How a leaf's value is written; 3 bits of the leaf. */
export const ValueType = {
  FLOAT64: 1,
  INT64: 2,
  LATIN1: 3,
  UTF8: 4,
  UTF16: 5,
  BYTES: 6,
  JSON: 7,
} as const;

/** Values have at most this many bytes: 1 GiB. */
export const MAX_VALUE_BYTES = 2 ** 30;

/** From this length on, strings are checked and copied by Bun's own code rather than a character at a time. */
const LONG_STRING = 24;
/** Bytes of UTF-8 that one code point takes at most. */
const LARGEST_CHARACTER = 4;
/** Up to this length, Uint8Arrays are copied a byte at a time. */
const SHORT_BYTES = 32;

// One int64 seen as its halves, little-endian.
const int64 = new BigInt64Array(1);
const int64Halves = new Int32Array(int64.buffer);

/**
 * Encodes one value at a time; each store has one. The result is in the fields until the next call. Numbers, short strings
 * and ASCII strings that fit the scratch buffer take no memory.
 *
 * Encode the value before the key: `JSON.stringify` can run code of the caller that uses the same store.
 */
export class ValueEncoder {
  /** Calls of {@link encode}: who lets other code run meanwhile sees whether his value is still the last. */
  encodings = 0;
  /** One of {@link ValueType}. */
  type = 0;
  /** Bytes of the payload; 8 for numbers and bigints, which are in the next fields. */
  length = 0;
  /** The value, for FLOAT64; NaN is always the same NaN. */
  number = 0;
  /** The lower 32 bits, as an int32, for INT64. */
  lo = 0;
  /** The upper 32 bits, as an int32, for INT64. */
  hi = 0;
  /**
   * The payload if it is not in the scratch region: it was too large, and may be the caller's own Uint8Array. Set it
   * to null when done, or it stays in memory until the next call.
   */
  external: Uint8Array | null = null;

  private readonly scratch: Buffer;
  private readonly at: number;
  private readonly size: number;

  /** Payloads of up to `size` bytes are written to `scratch` from byte `at`. */
  constructor(scratch: Buffer, at: number, size: number) {
    this.scratch = scratch;
    this.at = at;
    this.size = size;
  }

  /**
   * Encodes `value` into the fields and the scratch region.
   *
   * @throws BancosError `INVALID_VALUE`, `VALUE_TOO_LARGE`; the fields then mean nothing
   */
  encode(value: unknown): void {
    this.encodings++;
    this.external = null;
    switch (typeof value) {
      case "number":
        this.type = ValueType.FLOAT64;
        this.length = 8;
        // 0 / 0 has another sign bit than NaN on x86-64; equal values have equal bytes.
        this.number = Number.isNaN(value) ? Number.NaN : value;
        return;
      case "string":
        this.encodeString(value);
        return;
      case "bigint":
        this.encodeBigint(value);
        return;
      case "boolean":
        this.encodeJson(value ? "true" : "false");
        return;
      case "object":
        if (value === null) this.encodeJson("null");
        else if (value instanceof Uint8Array) this.encodeBytes(value);
        else {
          const text = jsonOf(value);
          // Its toJSON may have used the same store, and left a value of that.
          this.external = null;
          this.encodeJson(text);
        }
        return;
      default:
        throw notAValue(value, "use null, or delete the key");
    }
  }

  private encodeBigint(value: bigint): void {
    int64[0] = value;
    if (int64[0] !== value) {
      throw new BancosError(
        "INVALID_VALUE",
        "a bigint value must fit in 64 bits with sign: -(2n ** 63n) to 2n ** 63n - 1n; store a larger one as a string",
      );
    }
    this.type = ValueType.INT64;
    this.length = 8;
    this.lo = int64Halves[0]!;
    this.hi = int64Halves[1]!;
  }

  private encodeString(value: string): void {
    const length = value.length;
    if (length >= LONG_STRING || length > this.size) {
      this.encodeLongString(value);
      return;
    }
    const { scratch, at } = this;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0xff) {
        this.encodeWideString(value);
        return;
      }
      scratch[at + i] = unit;
    }
    this.type = ValueType.LATIN1;
    this.length = length;
  }

  private encodeLongString(value: string): void {
    const { length } = value;
    // Each code unit takes a byte at least: nothing else needs to be looked at.
    checkLength(length);
    if (value.charCodeAt(0) > 0xff) {
      // Spares most texts in other alphabets the trials below.
      this.encodeWideString(value);
      return;
    }
    // As many bytes as code units, where there was room for more: all are ASCII. No string is made for it.
    const room = length + LARGEST_CHARACTER;
    if (room <= this.size && utf8Write(this.scratch, value, this.at, room) === length) {
      this.type = ValueType.LATIN1;
      this.length = length;
      return;
    }
    // Bun says whether the characters fit only by what comes back; still twice as fast as looking at each.
    const fits = length <= this.size;
    const bytes = fits ? this.scratch : Buffer.allocUnsafeSlow(length);
    const at = fits ? this.at : 0;
    latin1Write(bytes, value, at);
    if (latin1Slice(bytes, at, at + length) !== value) {
      this.encodeWideString(value);
      return;
    }
    this.type = ValueType.LATIN1;
    this.length = length;
    if (!fits) this.external = bytes;
  }

  /** A string that LATIN1 cannot hold. */
  private encodeWideString(value: string): void {
    if (value.isWellFormed()) {
      this.type = ValueType.UTF8;
      this.encodeUtf8(value);
      return;
    }
    const bytes = value.length * 2;
    checkLength(bytes);
    this.type = ValueType.UTF16;
    this.length = bytes;
    if (bytes <= this.size) this.scratch.write(value, this.at, "utf16le");
    else this.external = Buffer.from(value, "utf16le");
  }

  private encodeJson(text: string): void {
    this.type = ValueType.JSON;
    this.encodeUtf8(text);
  }

  private encodeUtf8(text: string): void {
    // Three bytes a code unit at most: where that fits there is no need to count first.
    const bytes = text.length * 3 <= this.size ? 0 : Buffer.byteLength(text, "utf8");
    if (bytes <= this.size) {
      this.length = utf8Write(this.scratch, text, this.at, this.size);
      return;
    }
    checkLength(bytes);
    this.length = bytes;
    this.external = Buffer.from(text, "utf8");
  }

  private encodeBytes(value: Uint8Array): void {
    checkLength(value.length);
    this.type = ValueType.BYTES;
    this.length = value.length;
    if (value.length <= this.size) this.scratch.set(value, this.at);
    // Another thread could change it between the checksum and the copy.
    else this.external = value.buffer instanceof SharedArrayBuffer ? new Uint8Array(value) : value;
  }
}

/**
 * The value of a payload `buf[from, to)` of type LATIN1, UTF8, UTF16, BYTES or JSON. A Uint8Array is a copy.
 *
 * @throws BancosError `CORRUPT`, without an offset (only the caller knows it): no value has this type and payload
 */
export function decodeValue(type: number, buf: Buffer, from: number, to: number): unknown {
  switch (type) {
    case ValueType.LATIN1:
      return latin1Slice(buf, from, to);
    case ValueType.UTF8:
      return buf.toString("utf8", from, to);
    case ValueType.UTF16:
      if ((to - from) % 2 !== 0) throw malformedValue("UTF-16 with an odd number of bytes");
      return buf.toString("utf16le", from, to);
    case ValueType.BYTES:
      return copyOf(buf, from, to);
    case ValueType.JSON:
      try {
        return JSON.parse(buf.toString("utf8", from, to)) as unknown;
      } catch (cause) {
        // Anything else is about this process (no memory, no stack), not about the file.
        if (!(cause instanceof SyntaxError)) throw cause;
        throw malformedValue("not JSON", cause);
      }
    default:
      throw malformedValue(`no value has type ${type}`);
  }
}

/** The bigint of an INT64 payload's halves, given as int32 or uint32. */
export function int64FromHalves(lo: number, hi: number): bigint {
  int64Halves[0] = lo;
  int64Halves[1] = hi;
  return int64[0]!;
}

function jsonOf(value: object): string {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    throw notAValue(value, "store its bytes as a Uint8Array");
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new BancosError("INVALID_VALUE", `the value cannot be written as JSON: ${why}`, { cause });
  }
  if (text === undefined) throw notAValue(value, "its toJSON gives nothing");
  return text;
}

function copyOf(buf: Buffer, from: number, to: number): Uint8Array {
  // A typed array as the source makes a copy; its own view costs more than a few bytes do.
  if (to - from > SHORT_BYTES) return new Uint8Array(buf.subarray(from, to));
  const copy = new Uint8Array(to - from);
  for (let i = from; i < to; i++) copy[i - from] = buf[i]!;
  return copy;
}

function checkLength(bytes: number): void {
  if (bytes > MAX_VALUE_BYTES) {
    throw new BancosError(
      "VALUE_TOO_LARGE",
      `the value has ${bytes} bytes once encoded; ${MAX_VALUE_BYTES} (1 GiB) are allowed`,
    );
  }
}

function notAValue(value: unknown, advice: string): BancosError {
  return new BancosError(
    "INVALID_VALUE",
    `${describeType(value)} is not a value that can be stored: ${advice}`,
  );
}

function malformedValue(what: string, cause?: unknown): BancosError {
  return new BancosError("CORRUPT", `the file is damaged: a value makes no sense: ${what}`, { cause });
}
