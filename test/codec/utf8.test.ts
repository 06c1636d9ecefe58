/** Promises of the key encoding `utf8`: round trip, order of code points, prefixes, limits, errors that say where. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Utf8KeyCodec } from "../../src/codec/index.ts";
import {
  beginsWith,
  check,
  codeOf,
  compareDigits,
  compareText,
  decodeAmid,
  digitsOf,
  errorOf,
  neitherBeginsTheOther,
  prefixDigitsOf,
  scratch,
  survivesDamage,
  text,
} from "./support.ts";

const codec = new Utf8KeyCodec();

describe("utf8 keys", () => {
  test("every text comes back as it was", () => {
    check(
      fc.property(text, (key) => expect(decodeAmid(codec, digitsOf(codec, key))).toBe(key)),
      5000,
    );
  });

  test("the digits are those of the UTF-8 bytes, 0 as 1 1 and 1 as 1 2", () => {
    check(
      fc.property(text, (key) => {
        const expected = [...new TextEncoder().encode(key)].flatMap((byte) =>
          byte < 2 ? [1, byte + 1] : [byte],
        );
        expect([...digitsOf(codec, key)]).toEqual(expected);
      }),
    );
  });

  test("ASCII of every length up to 70 comes back, wherever one other character stands in it", () => {
    for (let length = 0; length <= 70; length++) {
      const key = Array.from({ length }, (_, i) => String.fromCharCode(33 + ((i * 7 + length) % 94))).join(
        "",
      );
      expect(digitsOf(codec, key).toString("latin1")).toBe(key);
      for (let at = 0; at < length; at++) {
        for (const other of ["\0", "\u0001", "\x7f", "\x80", "é", "€", "😀"]) {
          const mixed = key.slice(0, at) + other + key.slice(at + 1);
          expect(decodeAmid(codec, digitsOf(codec, mixed))).toBe(mixed);
        }
      }
    }
  });

  test("keys sort by code point, also where UTF-16 code units sort otherwise", () => {
    check(
      fc.property(text, text, (a, b) => expect(compareDigits(codec, a, b)).toBe(compareText(a, b))),
      5000,
    );
    expect("\uffff" > "😀").toBe(true);
    expect(compareDigits(codec, "\uffff", "😀")).toBe(-1);
  });

  test("no key's digits begin another's", () => {
    check(
      fc.property(text, text, (a, b) => expect(a === b || neitherBeginsTheOther(codec, a, b)).toBe(true)),
    );
    for (const [a, b] of [
      ["", "\0"],
      ["a", "a\0"],
      ["a", "ab"],
      ["\0", "\0\0"],
      ["\u0001", "\u0001\u0001"],
    ]) {
      expect(neitherBeginsTheOther(codec, a, b)).toBe(true);
    }
  });

  test("a prefix's digits begin the keys that start with it, and no others", () => {
    check(
      fc.property(text, text, text, (a, b, c) => {
        expect(beginsWith(codec, a + b, a)).toBe(true);
        expect(beginsWith(codec, c, a)).toBe(c.startsWith(a));
      }),
    );
    expect(prefixDigitsOf(codec, "")).toHaveLength(0);
  });

  test("4,096 bytes are a key, 4,097 are KEY_TOO_LONG, of whatever characters", () => {
    for (const unit of ["a", "\0", "\u0001", "é", "€", "😀"]) {
      const width = Buffer.byteLength(unit);
      const rest = 4096 % width;
      const longest = unit.repeat((4096 - rest) / width) + "x".repeat(rest);
      expect(Buffer.byteLength(longest)).toBe(4096);
      expect(decodeAmid(codec, digitsOf(codec, longest))).toBe(longest);
      for (const key of [
        `${longest}x`,
        `x${longest}`,
        unit.repeat(5000),
        "a".repeat(4094) + unit.repeat(3000),
      ]) {
        expect(codeOf(() => codec.encode(key, scratch()))).toBe("KEY_TOO_LONG");
        expect(codeOf(() => codec.encodePrefix(key, scratch()))).toBe("KEY_TOO_LONG");
      }
    }
    expect(digitsOf(codec, "\0".repeat(4096))).toHaveLength(8192);
  });

  test("a lone surrogate is INVALID_KEY and the message says where it is", () => {
    for (const [key, at] of [
      ["\ud800", 0],
      ["ab\udc00", 2],
      ["\udc00\udc01", 0],
      ["a\ud800\ud801\udc00", 1],
      ["ab\ud800c", 2],
      ["😀\ude00", 2],
      ["x\ud83d\ud83d\ude00", 1],
      ["abcdefg\ud800", 7],
    ] as const) {
      const error = errorOf(() => codec.encode(key, scratch()));
      expect(error.code).toBe("INVALID_KEY");
      expect(error.message).toContain(`index ${at}:`);
      expect(codeOf(() => codec.encodePrefix(key, scratch()))).toBe("INVALID_KEY");
    }
  });

  test("what is no string is INVALID_KEY, a prefix INVALID_OPTION, and the message says what it was", () => {
    for (const [key, what] of [
      [1, "a number"],
      [1n, "a bigint"],
      [null, "null"],
      [undefined, "undefined"],
      [true, "a boolean"],
      [["a"], "an array"],
      [{}, "an object"],
      [Buffer.from("a"), "a Uint8Array"],
      [Symbol("a"), "a symbol"],
      [() => "a", "a function"],
    ] as const) {
      const error = errorOf(() => codec.encode(key, scratch()));
      expect([error.code, error.message]).toEqual(["INVALID_KEY", `the key must be a string, not ${what}`]);
      expect(codeOf(() => codec.encodePrefix(key, scratch()))).toBe("INVALID_OPTION");
    }
  });

  test("a batch gives the keys that decode gives, one by one", () => {
    check(
      fc.property(
        fc.array(fc.oneof(text, fc.string({ unit: "binary-ascii", maxLength: 30 })), { maxLength: 12 }),
        (keys) => {
          const all = keys.map((key) => digitsOf(codec, key));
          const buf = Buffer.concat([Buffer.from([0, 1]), ...all, Buffer.from([0, 0xff])]);
          const got: string[] = [];
          codec.decodeBatch(
            buf,
            2,
            all.map((digits) => digits.length),
            keys.length,
            got,
          );
          expect(got).toEqual(keys);
        },
      ),
    );
  });

  test("damaged digits give CORRUPT or the key they spell, and in a batch too", () => {
    survivesDamage(codec, text);
    for (const digits of [
      [0],
      [1],
      [1, 0],
      [1, 3],
      [0x61, 0],
      [0xff],
      [0xc3],
      [0xc0, 0x80],
      [0xed, 0xa0, 0x80],
    ]) {
      expect(codeOf(() => decodeAmid(codec, Buffer.from(digits)))).toBe("CORRUPT");
      const buf = Buffer.from([0x61, ...digits, 0x62]);
      expect(codeOf(() => codec.decodeBatch(buf, 0, [1, digits.length, 1], 3, []))).toBe("CORRUPT");
    }
    expect(codeOf(() => decodeAmid(codec, Buffer.alloc(4097, 0x61)))).toBe("CORRUPT");
    expect(codeOf(() => decodeAmid(codec, Buffer.alloc(8194, 1)))).toBe("CORRUPT");
  });
});
