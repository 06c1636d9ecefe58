/**
 * Key encoding `utf8`: strings, in the order of their UTF-8 bytes, which is the order of their code points (not that
 * of `<` on strings, which compares UTF-16 code units: they differ above U+D7FF).
 */
import { BancosError } from "../errors.ts";
import { describeType } from "./describe.ts";
import {
  ESCAPE,
  type KeyCodec,
  MAX_KEY_BYTES,
  TERMINATOR,
  tooLong,
  unescapeDigits,
  writeByte,
} from "./digits.ts";
import { decodeUtf8, latin1Slice, scalarAt, writeScalar } from "./unicode.ts";

/** The keys of a batch are decoded in groups of about this many digits. */
const GROUP_DIGITS = 1024;

/** Codec of string keys. Encoding takes no memory. */
export class Utf8KeyCodec implements KeyCodec<string> {
  readonly name = "utf8";
  readonly id = 0;
  /** Bytes of the keys that have escapes. */
  private readonly bytes = Buffer.allocUnsafeSlow(MAX_KEY_BYTES);

  encode(key: unknown, out: Buffer): number {
    if (typeof key !== "string") {
      throw new BancosError("INVALID_KEY", `the key must be a string, not ${describeType(key)}`);
    }
    const length = this.write(key, out);
    out[length] = TERMINATOR;
    return length;
  }

  touch(key: unknown): number {
    return typeof key === "string" && key.length > 0 ? key.charCodeAt(0) : 0;
  }

  encodePrefix(prefix: unknown, out: Buffer): number {
    if (typeof prefix !== "string") {
      throw new BancosError("INVALID_OPTION", `prefix must be a string, not ${describeType(prefix)}`);
    }
    return this.write(prefix, out);
  }

  decode(buf: Buffer, from: number, to: number): string {
    if (to - from > MAX_KEY_BYTES) return this.decodeEscaped(buf, from, to);
    let all = 0;
    for (let i = from; i < to; i++) {
      const digit = buf[i]!;
      if (digit <= ESCAPE) return this.decodeEscaped(buf, from, to);
      all |= digit;
    }
    return all < 0x80 ? latin1Slice(buf, from, to) : decodeUtf8(buf, from, to);
  }

  /**
   * As {@link KeyCodec.decodeBatch}. Keys of one group are substrings of one text, which an engine may keep in memory
   * as long as one of them is alive: hence groups of {@link GROUP_DIGITS}, not whole batches.
   */
  decodeBatch(buf: Buffer, from: number, lengths: ArrayLike<number>, count: number, keys: string[]): void {
    for (let start = 0; start < count; ) {
      let to = from + lengths[start]!;
      let end = start + 1;
      while (end < count && to + lengths[end]! - from <= GROUP_DIGITS) to += lengths[end++]!;
      this.decodeGroup(buf, from, to, lengths, start, end, keys);
      from = to;
      start = end;
    }
  }

  /** Keys `start … end - 1` of a batch, whose digits are `buf[from, to)`. */
  private decodeGroup(
    buf: Buffer,
    from: number,
    to: number,
    lengths: ArrayLike<number>,
    start: number,
    end: number,
    keys: string[],
  ): void {
    const text = end - start > 1 ? buf.toString("utf8", from, to) : "";
    // A byte becomes a code unit of its own if it is ASCII or broken; if broken, U+FFFD.
    const plain = text.length === to - from && !text.includes("\x01") && !text.includes("\0");
    if (plain && !text.includes("\ufffd")) {
      for (let i = start, at = 0; i < end; i++) {
        const next = at + lengths[i]!;
        keys[i] = text.substring(at, next);
        at = next;
      }
    } else {
      for (let i = start; i < end; i++) {
        const next = from + lengths[i]!;
        keys[i] = this.decode(buf, from, next);
        from = next;
      }
    }
  }

  private decodeEscaped(buf: Buffer, from: number, to: number): string {
    return decodeUtf8(this.bytes, 0, unescapeDigits(buf, from, to, this.bytes));
  }

  /** The hot path: ASCII without escapes, one byte store a character. Returns the number of digits. */
  private write(key: string, out: Buffer): number {
    const length = key.length;
    // Each code unit makes a byte at least, so this bounds the loop as well.
    if (length > MAX_KEY_BYTES) throw tooLong(length);
    for (let i = 0; i < length; i++) {
      const unit = key.charCodeAt(i);
      // 2–127, in one comparison.
      if ((unit - 2) >>> 0 > 0x7d) return writeRest(key, i, out);
      out[i] = unit;
    }
    return length;
  }
}

/** Writes what follows the first `done` characters, which were one digit each. Returns the number of digits in all. */
function writeRest(key: string, done: number, out: Buffer): number {
  let at = done;
  let escapes = 0;
  for (let i = done; i < key.length; i++) {
    const scalar = scalarAt(key, i);
    if (scalar > 0x7f) {
      at = writeScalar(out, at, scalar);
      if (scalar > 0xffff) i++;
    } else {
      if (scalar <= ESCAPE) escapes++;
      at = writeByte(out, at, scalar);
    }
    // Checked for each character, so that nothing is written beyond MAX_KEY_DIGITS.
    if (at - escapes > MAX_KEY_BYTES) throw tooLong(at - escapes);
  }
  return at;
}
