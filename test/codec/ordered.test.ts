/** Promises of the key encoding `ordered`: round trip with types, one total order over all types, prefixes, limits. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type OrderedKey, OrderedKeyCodec } from "../../src/codec/index.ts";
import {
  beginsWith,
  bytes,
  check,
  codeOf,
  compareBytes,
  compareDigits,
  compareLists,
  compareText,
  decodeAmid,
  digitsOf,
  errorOf,
  neitherBeginsTheOther,
  scratch,
  survivesDamage,
  text,
} from "./support.ts";

const codec = new OrderedKeyCodec();

const numbers: fc.Arbitrary<number> = fc.oneof(
  fc.double({ noNaN: true }),
  fc.integer(),
  fc.integer({ min: -20, max: 20 }),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -0, Number.MIN_VALUE, -Number.MIN_VALUE, 1e308, -1e308, 2 ** 53, 2 ** -1022, 2 ** -1023),
);

const bigints: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt(),
  fc.bigInt({ min: -300n, max: 300n }),
  fc.tuple(fc.nat(900), fc.constantFrom(-1n, 0n, 1n), fc.boolean()).map(([bits, delta, negative]) => {
    const magnitude = (1n << BigInt(bits)) + delta;
    return negative ? -magnitude : magnitude;
  }),
);

const scalars: fc.Arbitrary<OrderedKey> = fc.oneof(
  fc.constantFrom(null, false, true),
  numbers,
  bigints,
  text,
  bytes,
);

const keys: fc.Arbitrary<OrderedKey> = fc.letrec<{ key: OrderedKey }>((tie) => ({
  key: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalars,
    fc.array(tie("key"), { maxLength: 4 }),
    fc.array(fc.constantFrom<OrderedKey>(null, 0, "", "a", [], [[]]), { maxLength: 3 }),
  ),
})).key;

const RANKS = ["null", "false", "true", "number", "bigint", "string", "Uint8Array", "array"];

function rank(key: OrderedKey): number {
  if (Array.isArray(key)) return RANKS.indexOf("array");
  if (key instanceof Uint8Array) return RANKS.indexOf("Uint8Array");
  if (key === null || typeof key === "boolean") return RANKS.indexOf(String(key));
  return RANKS.indexOf(typeof key);
}

/** The order as the interface promises it, written over values rather than bytes. */
function compareKeys(a: OrderedKey, b: OrderedKey): number {
  if (rank(a) !== rank(b)) return Math.sign(rank(a) - rank(b));
  if (typeof a === "number" && typeof b === "number") {
    if (a === 0 && b === 0) return Math.sign(Number(Object.is(b, -0)) - Number(Object.is(a, -0)));
    return a < b ? -1 : Number(a > b);
  }
  if (typeof a === "bigint" && typeof b === "bigint") return a < b ? -1 : Number(a > b);
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b);
  if (Array.isArray(a) && Array.isArray(b)) return compareLists<OrderedKey>(a, b, compareKeys);
  return 0;
}

/** Equal in type and content; -0 is not 0. */
function same(a: OrderedKey, b: OrderedKey): boolean {
  return rank(a) === rank(b) && compareKeys(a, b) === 0;
}

/** One of each place where the encoding changes, in order. */
const LADDER: readonly OrderedKey[] = [
  null,
  false,
  true,
  Number.NEGATIVE_INFINITY,
  -Number.MAX_VALUE,
  -1e308,
  -(2 ** 53) - 2,
  -(2 ** 53),
  -(2 ** 53) + 1,
  -(2 ** 32),
  -1.5,
  -1 - Number.EPSILON,
  -1,
  -0.1,
  -(2 ** -1022),
  -(2 ** -1022) + Number.MIN_VALUE,
  -Number.MIN_VALUE,
  -0,
  0,
  Number.MIN_VALUE,
  2 * Number.MIN_VALUE,
  2 ** -1022 - Number.MIN_VALUE,
  2 ** -1022,
  0.1,
  1,
  1 + Number.EPSILON,
  1.5,
  2,
  15,
  16,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 53 + 2,
  1e308,
  Number.MAX_VALUE,
  Number.POSITIVE_INFINITY,
  -(1n << 7000n),
  -(1n << 784n),
  1n - (1n << 784n),
  -(1n << 777n),
  1n - (1n << 777n),
  -(2n ** 64n),
  -(2n ** 63n),
  -(2n ** 53n) - 1n,
  -(2n ** 28n),
  1n - 2n ** 28n,
  -128n,
  -127n,
  -1n,
  0n,
  1n,
  127n,
  128n,
  2n ** 28n - 1n,
  2n ** 28n,
  2n ** 53n + 1n,
  2n ** 63n,
  2n ** 64n,
  (1n << 777n) - 1n,
  1n << 777n,
  (1n << 784n) - 1n,
  1n << 784n,
  1n << 7000n,
  "",
  "\0",
  "\0\0",
  "\0a",
  "\u0001",
  "\u0002",
  "\u0003",
  "\u0003\u0003",
  "\u0004",
  "a",
  "a\0",
  "a\u0002",
  "a\u0003",
  "a\u0004",
  "ab",
  "b",
  "é",
  "\uffff",
  "😀",
  new Uint8Array([]),
  new Uint8Array([0]),
  new Uint8Array([0, 0]),
  new Uint8Array([1]),
  new Uint8Array([2]),
  new Uint8Array([3]),
  new Uint8Array([4]),
  new Uint8Array([255]),
  new Uint8Array([255, 255]),
  [],
  [null],
  [null, null],
  [false],
  [-1],
  [-1, null],
  [-1, []],
  [-0],
  [0],
  [0, 0],
  [1],
  [1, "a"],
  [1, "a", 1],
  [1, "a\0"],
  [1, "ab"],
  [1n],
  [""],
  ["", ""],
  ["a"],
  ["a", null],
  ["a", "b"],
  ["a\0"],
  ["ab"],
  [new Uint8Array([])],
  [new Uint8Array([2])],
  [[]],
  [[], null],
  [[], []],
  [[null]],
  [["a"], "b"],
  [["a", "b"]],
  [[[]]],
];

describe("ordered keys", () => {
  test("every key comes back with its type, -0 as -0", () => {
    check(
      fc.property(keys, (key) => {
        const back = decodeAmid(codec, digitsOf(codec, key));
        expect(back).toEqual(key as never);
        expect(same(back, key)).toBe(true);
      }),
      5000,
    );
    for (const key of LADDER) expect(same(decodeAmid(codec, digitsOf(codec, key)), key)).toBe(true);
  });

  test("the ladder of boundary keys sorts as written", () => {
    for (let i = 0; i < LADDER.length; i++) {
      for (let j = 0; j < LADDER.length; j++) {
        const order = compareDigits(codec, LADDER[i], LADDER[j]);
        if (order !== Math.sign(i - j))
          throw new Error(`${i} and ${j}: ${Bun.inspect([LADDER[i], LADDER[j], order])}`);
      }
    }
  });

  test("any two keys sort as their values do, and none begins another", () => {
    check(
      fc.property(keys, keys, (a, b) => {
        const order = compareKeys(a, b);
        expect(compareDigits(codec, a, b)).toBe(order);
        expect(order === 0 || neitherBeginsTheOther(codec, a, b)).toBe(true);
      }),
      10_000,
    );
  });

  test("numbers and bigints sort as their values do", () => {
    check(
      fc.property(numbers, numbers, (a, b) => expect(compareDigits(codec, a, b)).toBe(compareKeys(a, b))),
      10_000,
    );
    check(
      fc.property(bigints, bigints, (a, b) => expect(compareDigits(codec, a, b)).toBe(compareKeys(a, b))),
      10_000,
    );
  });

  test("neighbouring doubles stay apart and in order, in arrays too", () => {
    const view = new DataView(new ArrayBuffer(8));
    check(
      fc.property(numbers, (a) => {
        fc.pre(Number.isFinite(a) && !Object.is(a, -0));
        view.setFloat64(0, a);
        view.setBigUint64(0, view.getBigUint64(0) + 1n);
        const next = view.getFloat64(0);
        const order = Math.sign(a - next) || (a < 0 ? 1 : -1);
        expect(compareDigits(codec, a, next)).toBe(order);
        expect(compareDigits(codec, [a, null], [next])).toBe(order);
      }),
      5000,
    );
  });

  test("the bytes are those of the table in ordered.ts, which files keep", () => {
    for (const [key, hex] of [
      [null, "10"],
      [false, "20"],
      [true, "21"],
      [-1, "30 bf 86 ff"],
      [-0, "30 ff"],
      [0, "31"],
      [1, "31 42 7b"],
      [1.5, "31 42 7f"],
      [Number.MIN_VALUE, "31 03 03 03 03 03 03 03 03 04"],
      [Number.POSITIVE_INFINITY, "31 82 7b"],
      [-1n, "40 fe fe"],
      [0n, "41 02"],
      [5n, "41 03 07"],
      [300n, "41 04 04 2e"],
      [1n << 784n, `41 80 73 03${" 02".repeat(112)}`],
      ["a\0é", "50 61 03 04 c3 a9"],
      [new Uint8Array([0, 3, 4, 255]), "60 03 04 03 07 04 ff"],
      [[], "70"],
      [["a", 1, -1, [null], new Uint8Array([9])], "70 50 61 02 31 42 7b 02 30 bf 86 ff 70 10 02 60 09 02"],
    ] as const) {
      expect(digitsOf(codec, key).toString("hex")).toBe(hex.replaceAll(" ", ""));
    }
  });

  test("small integers are short, and no digit needs an escape", () => {
    expect(digitsOf(codec, 0)).toHaveLength(1);
    expect(digitsOf(codec, 1)).toHaveLength(3);
    expect(digitsOf(codec, 1000).length).toBeLessThanOrEqual(4);
    expect(digitsOf(codec, 5n)).toHaveLength(3);
    check(fc.property(keys, (key) => expect(digitsOf(codec, key).includes(1)).toBe(false)));
  });

  test("a prefix of text, bytes or elements selects just what starts with it", () => {
    check(
      fc.property(text, text, (prefix, key) => {
        expect(beginsWith(codec, prefix + key, prefix)).toBe(true);
        expect(beginsWith(codec, key, prefix)).toBe(key.startsWith(prefix));
        expect(beginsWith(codec, [prefix], prefix)).toBe(false);
      }),
    );
    check(
      fc.property(bytes, bytes, (prefix, key) => {
        expect(beginsWith(codec, Uint8Array.from([...prefix, ...key]), prefix)).toBe(true);
        const starts = prefix.length <= key.length && prefix.every((byte, i) => byte === key[i]);
        expect(beginsWith(codec, key, prefix)).toBe(starts);
      }),
    );
    check(
      fc.property(fc.array(keys, { maxLength: 3 }), fc.array(keys, { maxLength: 3 }), (prefix, key) => {
        expect(beginsWith(codec, [...prefix, ...key], prefix)).toBe(true);
        const starts = prefix.length <= key.length && prefix.every((element, i) => same(element, key[i]!));
        expect(beginsWith(codec, key, prefix)).toBe(starts);
      }),
      3000,
    );
    expect(beginsWith(codec, ["ab"], ["a"])).toBe(false);
    expect(beginsWith(codec, [10], [1])).toBe(false);
  });

  test("a prefix of another type is INVALID_OPTION", () => {
    for (const prefix of [null, true, 1, 1n, undefined, {}, Symbol("a")]) {
      expect(codeOf(() => codec.encodePrefix(prefix, scratch()))).toBe("INVALID_OPTION");
    }
  });

  test("4,096 encoded bytes are a key, one more is KEY_TOO_LONG", () => {
    const longest: readonly OrderedKey[] = [
      "a".repeat(4095),
      `${"é".repeat(2047)}a`,
      `${"\0".repeat(2047)}a`,
      new Uint8Array(4095).fill(9),
      [new Uint8Array(4093).fill(9)],
      ["a".repeat(2000), "b".repeat(2091)],
      Array.from({ length: 4095 }, () => null),
      (1n << BigInt(4093 * 7)) - 1n,
      -((1n << BigInt(4093 * 7)) - 1n),
    ];
    for (const key of longest) {
      expect(digitsOf(codec, key)).toHaveLength(4096);
      expect(same(decodeAmid(codec, digitsOf(codec, key)), key)).toBe(true);
    }
    const longer: readonly OrderedKey[] = [
      "a".repeat(4096),
      "a".repeat(1_000_000),
      "é".repeat(2048),
      "\0".repeat(2048),
      "\0".repeat(4096),
      new Uint8Array(4096).fill(9),
      new Uint8Array(4096),
      new Uint8Array(1_000_000),
      [new Uint8Array(4094).fill(9)],
      ["a".repeat(2000), "b".repeat(2092)],
      Array.from({ length: 4096 }, () => null),
      Array.from({ length: 100_000 }, () => "abc"),
      1n << BigInt(4093 * 7),
      -(1n << BigInt(4093 * 7)),
      1n << 1_000_000n,
      [1n << BigInt(4092 * 7)],
    ];
    for (const key of longer) expect(codeOf(() => codec.encode(key, scratch()))).toBe("KEY_TOO_LONG");
  });

  test("arrays nest 64 deep; deeper, or in a cycle, is INVALID_KEY", () => {
    const nest = (depth: number): OrderedKey => {
      let key: OrderedKey = [];
      for (let i = 1; i < depth; i++) key = [key];
      return key;
    };
    expect(decodeAmid(codec, digitsOf(codec, nest(64)))).toEqual(nest(64) as never);
    expect(codeOf(() => codec.encode(nest(65), scratch()))).toBe("INVALID_KEY");
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(codeOf(() => codec.encode(cycle, scratch()))).toBe("INVALID_KEY");
    expect(codeOf(() => decodeAmid(codec, Buffer.alloc(65, 0x70)))).toBe("CORRUPT");
    expect(codeOf(() => decodeAmid(codec, Buffer.alloc(4096, 0x70)))).toBe("CORRUPT");
  });

  test("NaN, undefined, objects, symbols, holes and lone surrogates are INVALID_KEY, at any depth", () => {
    const hole: unknown[] = [];
    hole.length = 1;
    for (const key of [
      Number.NaN,
      undefined,
      {},
      Symbol("a"),
      () => 1,
      new Map(),
      new Date(0),
      "\ud800",
      hole,
    ]) {
      expect(codeOf(() => codec.encode(key, scratch()))).toBe("INVALID_KEY");
      expect(codeOf(() => codec.encode([1, key], scratch()))).toBe("INVALID_KEY");
      expect(codeOf(() => codec.encode([["a", [key]]], scratch()))).toBe("INVALID_KEY");
    }
    expect(errorOf(() => codec.encode(["a\udc00"], scratch())).message).toContain("index 1:");
  });

  test("a key whose accessor uses the same codec is an error, and the codec works on", () => {
    const out = scratch();
    const key: unknown[] = ["a", 1];
    Object.defineProperty(key, 1, { get: () => codec.encode("other", out) });
    expect(codeOf(() => codec.encode(key, out))).toBe("INVALID_OPERATION");
    expect(decodeAmid(codec, digitsOf(codec, ["a", 1]))).toEqual(["a", 1]);
  });

  test("a batch gives the keys that decode gives, one by one", () => {
    const all = LADDER.map((key) => digitsOf(codec, key));
    const got: OrderedKey[] = [];
    codec.decodeBatch(
      Buffer.concat(all),
      0,
      all.map((digits) => digits.length),
      all.length,
      got,
    );
    expect(got.every((key, i) => same(key, LADDER[i]!))).toBe(true);
  });

  test("damaged digits give CORRUPT or the key they spell", () => {
    survivesDamage(codec, keys);
    const nan = [0x31, ...Array.from({ length: 9 }, () => 0x82)];
    for (const digits of [
      [],
      [0x11],
      [0x10, 0x10],
      [0x30],
      [0x30, 0xfe, 0xff],
      [0x31, 0x02],
      [0x31, 0x03],
      [0x31, 0x04, 0x03],
      [0x31, 0x83],
      [0x31, ...Array.from({ length: 10 }, () => 0x04)],
      nan,
      [0x40],
      [0x40, 0xff],
      [0x41, 0x03],
      [0x41, 0x03, 0x02],
      [0x41, 0x72],
      [0x41, 0x80],
      [0x41, 0x80, 0x02],
      [0x50, 0x02],
      [0x50, 0x03],
      [0x50, 0x03, 0x08],
      [0x50, 0xff],
      [0x60, 0x00],
      [0x70, 0x02],
      [0x70, 0x50, 0x61],
      [0x70, 0x70],
      [0x70, 0x31],
    ]) {
      expect(codeOf(() => decodeAmid(codec, Buffer.from(digits)))).toBe("CORRUPT");
    }
    expect(
      codeOf(() => decodeAmid(codec, Buffer.concat([Buffer.from([0x50]), Buffer.alloc(4096, 0x61)]))),
    ).toBe("CORRUPT");
  });
});
