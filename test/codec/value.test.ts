/** Promises of values: what comes back is what was given, equal values have equal bytes, what cannot be kept is refused. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  decodeValue,
  int64FromHalves,
  MAX_VALUE_BYTES,
  ValueEncoder,
  ValueType,
} from "../../src/codec/index.ts";
import { bytes, check, codeOf, errorOf } from "./support.ts";

const AT = 40;
const SIZE = 1024;

/** A value after encoding: its type and its payload, in memory of its own. */
interface Encoded {
  readonly type: number;
  readonly payload: Buffer;
  readonly external: boolean;
}

/** Encodes with scratch memory of its own and checks that nothing beside the region was written. */
function encode(value: unknown, size = SIZE): Encoded {
  const scratch = Buffer.alloc(AT + size + 40, 0xaa);
  const encoder = new ValueEncoder(scratch, AT, size);
  encoder.encode(value);
  expect(scratch.subarray(0, AT).every((byte) => byte === 0xaa)).toBe(true);
  expect(scratch.subarray(AT + size).every((byte) => byte === 0xaa)).toBe(true);
  let payload: Buffer;
  if (encoder.type === ValueType.FLOAT64) {
    payload = Buffer.alloc(8);
    payload.writeDoubleLE(encoder.number);
  } else if (encoder.type === ValueType.INT64) {
    payload = Buffer.alloc(8);
    payload.writeInt32LE(encoder.lo, 0);
    payload.writeInt32LE(encoder.hi, 4);
  } else {
    payload = Buffer.from(encoder.external ?? scratch.subarray(AT, AT + encoder.length));
  }
  expect(payload).toHaveLength(encoder.length);
  return { type: encoder.type, payload, external: encoder.external !== null };
}

/** Decodes from the middle of a Buffer. */
function decode({ type, payload }: Encoded): unknown {
  if (type === ValueType.FLOAT64) return payload.readDoubleLE();
  if (type === ValueType.INT64) return int64FromHalves(payload.readInt32LE(0), payload.readInt32LE(4));
  const buf = Buffer.concat([Buffer.from([0xff, 0x22]), payload, Buffer.from([0x22, 0xff])]);
  return decodeValue(type, buf, 2, 2 + payload.length);
}

const anyString = fc.oneof(
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.string({ unit: "binary-ascii", maxLength: 200 }),
  fc.string({
    unit: fc.integer({ min: 0, max: 0xff }).map((unit) => String.fromCharCode(unit)),
    maxLength: 200,
  }),
  fc.string({
    unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    maxLength: 80,
  }),
);

describe("values", () => {
  test("numbers are float64, NaN, infinities and -0 among them", () => {
    const special = [
      0,
      -0,
      Number.NaN,
      Infinity,
      -Infinity,
      Number.MIN_VALUE,
      1e308,
      2 ** 53,
      2 ** 53 + 2,
      0.1,
    ];
    for (const value of special) {
      const encoded = encode(value);
      expect(encoded.type).toBe(ValueType.FLOAT64);
      expect(Object.is(decode(encoded), value)).toBe(true);
    }
    check(fc.property(fc.double(), (value) => expect(Object.is(decode(encode(value)), value)).toBe(true)));
  });

  test("NaN has the same bytes however it came about", () => {
    const zero = Number("0");
    const bits = new BigUint64Array(1);
    bits[0] = 0xfff8_0000_0000_0001n;
    const patterned = new Float64Array(bits.buffer)[0]!;
    const nan = encode(Number.NaN).payload;
    for (let i = 0; i < 1000; i++) {
      // Often enough that compiled code, which keeps another sign bit, is seen as well.
      for (const value of [zero / zero, -(zero / zero), Math.sqrt(zero - 1), Number("x"), patterned]) {
        if (!encode(value).payload.equals(nan)) throw new Error(`another NaN in round ${i}`);
      }
    }
    expect(nan.readBigUInt64LE()).toBe(0x7ff8_0000_0000_0000n);
  });

  test("bigints are int64, halves in two's complement", () => {
    check(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const encoded = encode(value);
        expect(encoded.type).toBe(ValueType.INT64);
        expect(encoded.payload.readBigInt64LE()).toBe(value);
        expect(decode(encoded)).toBe(value);
      }),
    );
    for (const value of [
      0n,
      1n,
      -1n,
      2n ** 31n,
      -(2n ** 31n),
      2n ** 32n - 1n,
      2n ** 63n - 1n,
      -(2n ** 63n),
    ]) {
      expect(decode(encode(value))).toBe(value);
    }
    // Halves that came as uint32.
    expect(int64FromHalves(0xffffffff, 0xffffffff)).toBe(-1n);
    expect(int64FromHalves(0, 0x80000000)).toBe(-(2n ** 63n));
  });

  test("bigints beyond 64 bits are INVALID_VALUE", () => {
    for (const value of [2n ** 63n, -(2n ** 63n) - 1n, 2n ** 64n, 2n ** 64n + 1n, -(2n ** 200n)]) {
      expect(codeOf(() => encode(value))).toBe("INVALID_VALUE");
    }
  });

  test("every string comes back, lone surrogates, NUL and BOM included, with the type that its content asks for", () => {
    check(
      fc.property(anyString, (value) => {
        const encoded = encode(value);
        expect(decode(encoded)).toBe(value);
        const latin1 = [...value].every((char) => char.codePointAt(0)! <= 0xff);
        const type = latin1 ? ValueType.LATIN1 : value.isWellFormed() ? ValueType.UTF8 : ValueType.UTF16;
        expect(encoded.type).toBe(type);
      }),
      5000,
    );
    for (const value of [
      "",
      "\0",
      "\ufeff",
      "\ufeffx",
      "a\ufffd",
      "\ud800",
      "\udc00\ud800",
      "é",
      "ÿ",
      "Ā",
      "😀",
    ]) {
      expect(decode(encode(value))).toBe(value);
    }
  });

  test("equal strings have equal bytes however they were made", () => {
    check(
      fc.property(anyString, fc.nat(200), (value, cut) => {
        const joined = value.slice(0, cut) + value.slice(cut);
        const narrowed = `\u{1f600}${value}`.slice(2); // a 16-bit string of 8-bit characters, for the engine
        const { type, payload } = encode(value);
        for (const other of [joined, narrowed]) {
          expect(encode(other).type).toBe(type);
          expect(encode(other).payload.equals(payload)).toBe(true);
        }
      }),
      2000,
    );
  });

  test("strings around each limit come back, from the scratch region if they fit", () => {
    for (const unit of ["a", "ÿ", "Ā", "€", "😀", "\ud800"]) {
      for (const length of [
        1, 62, 63, 64, 65, 255, 256, 257, 341, 342, 511, 512, 513, 1023, 1024, 1025, 5000,
      ]) {
        const value = unit.repeat(length);
        const encoded = encode(value);
        expect(decode(encoded)).toBe(value);
        expect(encoded.external).toBe(encoded.payload.length > SIZE);
        expect(encoded.type).toBe(
          unit <= "ÿ" ? ValueType.LATIN1 : unit.isWellFormed() ? ValueType.UTF8 : ValueType.UTF16,
        );
        const mixed = `${"a".repeat(length)}${unit}`;
        expect(decode(encode(mixed))).toBe(mixed);
      }
    }
    for (const size of [0, 1, 5]) {
      for (const value of ["", "a", "abcdef", "Ā", "Āā€", "\ud800", null, [1, 2, 3]]) {
        expect(decode(encode(value, size))).toEqual(value);
      }
    }
  });

  test("Uint8Arrays come back as plain ones with memory of their own", () => {
    check(
      fc.property(bytes, (value) => {
        const encoded = encode(value);
        expect(encoded.type).toBe(ValueType.BYTES);
        expect(decode(encoded)).toEqual(value);
      }),
    );
    const buf = Buffer.from([1, 2, 3]);
    const value = decodeValue(ValueType.BYTES, buf, 0, 3) as Uint8Array;
    buf.fill(9);
    expect([...value]).toEqual([1, 2, 3]);
    expect(Object.getPrototypeOf(value)).toBe(Uint8Array.prototype);
    expect(value.buffer.byteLength).toBe(3);
    expect(decode(encode(Buffer.from("abc")))).toEqual(new Uint8Array([97, 98, 99]));
    expect(decode(encode(new Uint8Array([9, 8, 7]).subarray(1)))).toEqual(new Uint8Array([8, 7]));
  });

  test("a large Uint8Array is not copied, unless other threads can write to it", () => {
    const encoder = new ValueEncoder(Buffer.alloc(64), 0, 64);
    const large = new Uint8Array(65).fill(7);
    encoder.encode(large);
    expect(encoder.external).toBe(large);
    const shared = new Uint8Array(new SharedArrayBuffer(65)).fill(7);
    encoder.encode(shared);
    expect(encoder.external).toEqual(large);
    expect(encoder.external).not.toBe(shared);
    encoder.encode("small");
    expect(encoder.external).toBe(null);
  });

  test("null, booleans, arrays and objects come back by the rules of JSON", () => {
    check(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(typeof value !== "number" && typeof value !== "string");
        const encoded = encode(value);
        expect(encoded.type).toBe(ValueType.JSON);
        expect(encoded.payload.toString()).toBe(JSON.stringify(value));
        expect(decode(encoded)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    expect(decode(encode(null))).toBe(null);
    expect(decode(encode(true))).toBe(true);
    expect(decode(encode(false))).toBe(false);
    expect(decode(encode({ a: undefined, b: [undefined, "\ud800", "é€😀"] }))).toEqual({
      b: [null, "\ud800", "é€😀"],
    });
    expect(decode(encode(new Date(0)))).toBe("1970-01-01T00:00:00.000Z");
    expect(decode(encode({ toJSON: () => ({ seven: 7 }) }))).toEqual({ seven: 7 });
    const large = { text: "€".repeat(2000) };
    expect(encode(large).external).toBe(true);
    expect(decode(encode(large))).toEqual(large);
  });

  test("strings of every length around those that are looked at as a whole, with an odd character in each place", () => {
    const odd = ["\x7f", "\x80", "é", "ÿ", "Ā", "€", "😀", "\ud800", "\udc00"];
    const lengths = [22, 23, 24, 25, 26, 60, 90, 91, 92, 93, 94, 95, 96, 97, 100];
    for (const length of lengths) {
      const plain = Array.from({ length }, (_, i) => String.fromCharCode(32 + (i % 90))).join("");
      const ascii = encode(plain, 96);
      expect(ascii.type).toBe(ValueType.LATIN1);
      expect(decode(ascii)).toBe(plain);
      for (const character of odd) {
        for (let at = 0; at <= length - character.length; at++) {
          // A rope, as it comes from an addition, and a flat string.
          const rope = `${plain.slice(0, at)}${character}${plain.slice(at + character.length)}`;
          for (const text of [rope, structuredClone(rope)]) {
            const encoded = encode(text, 96);
            expect(decode(encoded)).toBe(text);
            const wide = /[^\0-\xff]/.test(text);
            const expected = !wide
              ? ValueType.LATIN1
              : text.isWellFormed()
                ? ValueType.UTF8
                : ValueType.UTF16;
            expect(encoded.type).toBe(expected);
          }
        }
      }
    }
  });

  test("a __proto__ in JSON is a property like any other", () => {
    const value = decode(encode(JSON.parse('{"__proto__":{"admin":true}}')));
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value as object)).toEqual(["__proto__"]);
  });

  test("what no store can give back is INVALID_VALUE, with advice", () => {
    for (const value of [
      undefined,
      () => 1,
      Symbol("a"),
      new ArrayBuffer(8),
      new SharedArrayBuffer(8),
      new DataView(new ArrayBuffer(8)),
      new Float64Array(1),
      new Int8Array(1),
      new Uint8ClampedArray(1),
      new BigInt64Array(1),
      { toJSON: () => undefined },
    ]) {
      expect(errorOf(() => encode(value)).code).toBe("INVALID_VALUE");
    }
    expect(errorOf(() => encode(new Float64Array(1))).message).toBe(
      "a Float64Array is not a value that can be stored: store its bytes as a Uint8Array",
    );
  });

  test("a bigint or cycle inside, or a toJSON that throws, is INVALID_VALUE with the cause", () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    const thrown = new RangeError("mine");
    const throws = {
      toJSON: () => {
        throw thrown;
      },
    };
    for (const value of [{ a: 1n }, cycle, throws]) {
      const error = errorOf(() => encode(value));
      expect(error.code).toBe("INVALID_VALUE");
      expect(error.cause).toBeInstanceOf(Error);
    }
    expect(errorOf(() => encode(throws)).cause).toBe(thrown);
  });

  test("an encoder works on after an error, and after a value of each type", () => {
    const scratch = Buffer.alloc(256);
    const encoder = new ValueEncoder(scratch, 8, 200);
    const seen = ["abc", 1.5, 7n, "Ā", "\ud800", new Uint8Array([5]), { a: 1 }, null, "x".repeat(500)];
    for (const value of [...seen, ...seen.reverse()]) {
      expect(codeOf(() => encoder.encode(undefined))).toBe("INVALID_VALUE");
      encoder.encode(value);
      if (encoder.type === ValueType.FLOAT64) expect(encoder.number).toBe(value as number);
      else if (encoder.type === ValueType.INT64)
        expect(int64FromHalves(encoder.lo, encoder.hi)).toBe(value as bigint);
      else {
        const payload = Buffer.from(encoder.external ?? scratch.subarray(8, 8 + encoder.length));
        expect(decodeValue(encoder.type, payload, 0, payload.length)).toEqual(value);
      }
    }
  });

  test("more than 1 GiB encoded is VALUE_TOO_LARGE, before any memory is taken for it", () => {
    expect(MAX_VALUE_BYTES).toBe(1_073_741_824);
    // Claims a length without having the memory: what counts is that the limit is checked first.
    const huge = new Uint8Array(16);
    Object.defineProperty(huge, "length", { value: MAX_VALUE_BYTES + 1 });
    expect(codeOf(() => encode(huge))).toBe("VALUE_TOO_LARGE");
    // A string put together of halves takes no memory as long as nobody looks at its characters.
    let long = "a";
    while (long.length < MAX_VALUE_BYTES) long += long;
    expect(codeOf(() => encode(`${long}a`))).toBe("VALUE_TOO_LARGE");
  });

  test("a damaged payload is CORRUPT", () => {
    for (const [type, payload] of [
      [ValueType.JSON, "{"],
      [ValueType.JSON, ""],
      [ValueType.UTF16, "abc"],
      [0, "abc"],
      [8, "abc"],
    ] as const) {
      expect(codeOf(() => decodeValue(type, Buffer.from(payload), 0, payload.length))).toBe("CORRUPT");
    }
  });
});
