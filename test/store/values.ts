/** Values of every type, with the ones at which encodings go wrong. */
import fc from "fast-check";
import type { Value } from "../../src/index.ts";

export const numbers: fc.Arbitrary<number> = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -0, Number.NaN, 2 ** 53, -(2 ** 53) - 2, 5e-324, Number.MAX_VALUE, 1 / 0, -1 / 0),
);

export const bigints: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(0n, -1n, 2n ** 53n, -(2n ** 63n), 2n ** 63n - 1n),
);

const strings = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom("", "\0", "\ud800", "a\udfffb", "é", "😀", "x".repeat(63), "ÿ".repeat(64), "€".repeat(700)),
);

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.nat(20_000).map((length) => new Uint8Array(length).fill(length & 0xff)),
);

// -0 is 0 in JSON, by the rules of JSON.stringify.
const json = fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)) as Value);

export const values: fc.Arbitrary<Value> = fc.oneof(numbers, bigints, strings, bytes, json);
