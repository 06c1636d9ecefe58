/** Promises of the key encoding `binary`: round trip in fresh memory, order of bytes, prefixes, limits. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BinaryKeyCodec } from "../../src/codec/index.ts";
import {
  beginsWith,
  bytes,
  check,
  codeOf,
  compareBytes,
  compareDigits,
  decodeAmid,
  digitsOf,
  errorOf,
  neitherBeginsTheOther,
  prefixDigitsOf,
  scratch,
  survivesDamage,
} from "./support.ts";

const codec = new BinaryKeyCodec();

describe("binary keys", () => {
  test("every byte string comes back as it was", () => {
    check(
      fc.property(bytes, (key) => expect(decodeAmid(codec, digitsOf(codec, key))).toEqual(key)),
      5000,
    );
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(decodeAmid(codec, digitsOf(codec, all))).toEqual(all);
  });

  test("a decoded key is a plain Uint8Array of its own memory, not a view of the scratch", () => {
    const buf = Buffer.from([5, 6, 7]);
    const key = codec.decode(buf, 0, 3);
    buf.fill(9);
    expect(Object.getPrototypeOf(key)).toBe(Uint8Array.prototype);
    expect([...key]).toEqual([5, 6, 7]);
    expect(key.buffer.byteLength).toBe(3);
  });

  test("a Buffer and a view with an offset are keys by their bytes", () => {
    expect(digitsOf(codec, Buffer.from("ab")).toString()).toBe("ab");
    expect([...digitsOf(codec, new Uint8Array([9, 8, 0, 7]).subarray(1))]).toEqual([8, 1, 1, 7]);
  });

  test("keys sort by their bytes, and none begins another", () => {
    check(
      fc.property(bytes, bytes, (a, b) => {
        const order = compareBytes(a, b);
        expect(compareDigits(codec, a, b)).toBe(order);
        expect(order === 0 || neitherBeginsTheOther(codec, a, b)).toBe(true);
      }),
      5000,
    );
  });

  test("a prefix's digits begin the keys that start with it, and no others", () => {
    check(
      fc.property(bytes, bytes, (prefix, key) => {
        expect(beginsWith(codec, Uint8Array.from([...prefix, ...key]), prefix)).toBe(true);
        const starts = prefix.length <= key.length && prefix.every((byte, i) => byte === key[i]);
        expect(beginsWith(codec, key, prefix)).toBe(starts);
      }),
    );
    expect(prefixDigitsOf(codec, new Uint8Array())).toHaveLength(0);
  });

  test("4,096 bytes are a key, 4,097 are KEY_TOO_LONG, of whatever bytes", () => {
    for (const byte of [0, 1, 2, 255]) {
      const longest = new Uint8Array(4096).fill(byte);
      expect(decodeAmid(codec, digitsOf(codec, longest))).toEqual(longest);
      const longer = new Uint8Array(4097).fill(byte);
      expect(codeOf(() => codec.encode(longer, scratch()))).toBe("KEY_TOO_LONG");
      expect(codeOf(() => codec.encodePrefix(longer, scratch()))).toBe("KEY_TOO_LONG");
    }
  });

  test("what is no Uint8Array is INVALID_KEY, a prefix INVALID_OPTION, and the message says what it was", () => {
    for (const [key, what] of [
      ["a", "a string"],
      [[1], "an array"],
      [new Uint16Array(1), "a Uint16Array"],
      [new Uint8ClampedArray(1), "a Uint8ClampedArray"],
      [new Int8Array(1), "an Int8Array"],
      [new DataView(new ArrayBuffer(1)), "a DataView"],
      [new ArrayBuffer(1), "an ArrayBuffer"],
      [new SharedArrayBuffer(1), "a SharedArrayBuffer"],
      [null, "null"],
    ] as const) {
      const error = errorOf(() => codec.encode(key, scratch()));
      expect([error.code, error.message]).toEqual([
        "INVALID_KEY",
        `the key must be a Uint8Array, not ${what}`,
      ]);
      expect(codeOf(() => codec.encodePrefix(key, scratch()))).toBe("INVALID_OPTION");
    }
  });

  test("a batch gives the keys that decode gives, one by one", () => {
    check(
      fc.property(fc.array(bytes, { maxLength: 8 }), (keys) => {
        const all = keys.map((key) => digitsOf(codec, key));
        const got: Uint8Array[] = [];
        codec.decodeBatch(
          Buffer.concat(all),
          0,
          all.map((digits) => digits.length),
          keys.length,
          got,
        );
        expect(got).toEqual(keys);
      }),
      200,
    );
  });

  test("damaged digits give CORRUPT or the key they spell", () => {
    survivesDamage(codec, bytes);
    for (const digits of [[0], [1], [1, 0], [1, 3], [7, 0, 7], [1, 1, 1]]) {
      expect(codeOf(() => decodeAmid(codec, Buffer.from(digits)))).toBe("CORRUPT");
    }
    expect(codeOf(() => decodeAmid(codec, Buffer.alloc(4097, 7)))).toBe("CORRUPT");
  });
});
