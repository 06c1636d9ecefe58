/** Key encoding `binary`: Uint8Arrays, in the order of their bytes, a prefix before what it begins. */
import { BancosError } from "../errors.ts";
import { describeType } from "./describe.ts";
import {
  decodeEach,
  ESCAPE,
  type KeyCodec,
  MAX_KEY_BYTES,
  TERMINATOR,
  tooLong,
  unescapeDigits,
  writeByte,
} from "./digits.ts";

/** Codec of Uint8Array keys (a Buffer is one). Decoding gives a fresh Uint8Array each time. */
export class BinaryKeyCodec implements KeyCodec<Uint8Array> {
  readonly name = "binary";
  readonly id = 1;

  encode(key: unknown, out: Buffer): number {
    if (!(key instanceof Uint8Array)) {
      throw new BancosError("INVALID_KEY", `the key must be a Uint8Array, not ${describeType(key)}`);
    }
    const length = write(key, out);
    out[length] = TERMINATOR;
    return length;
  }

  touch(key: unknown): number {
    return key instanceof Uint8Array && key.length > 0 ? key[0]! : 0;
  }

  encodePrefix(prefix: unknown, out: Buffer): number {
    if (!(prefix instanceof Uint8Array)) {
      throw new BancosError("INVALID_OPTION", `prefix must be a Uint8Array, not ${describeType(prefix)}`);
    }
    return write(prefix, out);
  }

  decode(buf: Buffer, from: number, to: number): Uint8Array {
    let escapes = 0;
    // The digit after an escape is 1 or 2; a 1 there must not count again.
    for (let i = from; i < to; i++) {
      if (buf[i] === ESCAPE) {
        escapes++;
        i++;
      }
    }
    const bytes = new Uint8Array(Math.max(0, to - from - escapes));
    unescapeDigits(buf, from, to, bytes);
    return bytes;
  }

  decodeBatch(
    buf: Buffer,
    from: number,
    lengths: ArrayLike<number>,
    count: number,
    keys: Uint8Array[],
  ): void {
    decodeEach(this, buf, from, lengths, count, keys);
  }
}

function write(key: Uint8Array, out: Buffer): number {
  const length = key.length;
  if (length > MAX_KEY_BYTES) throw tooLong(length);
  let at = 0;
  for (let i = 0; i < length; i++) {
    const byte = key[i]!;
    if (byte > ESCAPE) out[at++] = byte;
    else at = writeByte(out, at, byte);
  }
  return at;
}
