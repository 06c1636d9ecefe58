/** Values and keys as text and JSON come back as what they were, with their type; likewise through each format. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { FormatName, ReaderOptions } from "../../src/cli/formats/format.ts";
import { readerOf, writerOf } from "../../src/cli/formats/index.ts";
import {
  jsonOfKey,
  jsonOfValue,
  keyOfJson,
  parseKey,
  parseValue,
  showKey,
  showValue,
  textOfKey,
  textOfValue,
  valueOfJson,
} from "../../src/cli/text.ts";
import type { Key, KeyEncoding, Value } from "../../src/index.ts";
import { budget } from "../store/support.ts";

const trickyText = fc.constantFrom(
  "",
  "42",
  "-0",
  "42n",
  "-1n",
  "true",
  "null",
  " 42",
  "42 ",
  '"',
  '"a"',
  '"a',
  "{",
  "{}",
  "[]",
  "[",
  "0x12",
  "n",
  "t",
  "NaN",
  '{"$bigint":"1"}',
  "\n",
  "\t",
  "\\",
  "\\t",
  ",",
  '","',
  "a,b",
  "\r",
  "a\r",
  "\u001b[31m",
  "\u2028",
  "\u00a0",
  "\u0085",
  "#",
  "# x",
); // prettier-ignore
const wellFormed = fc.oneof(trickyText, fc.string(), fc.string({ unit: "binary" }));
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const bytes = fc.uint8Array({ maxLength: 20 });
// As JSON has them: a value that was stored comes back from JSON.parse.
const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as Value);
const wrapperLike = fc
  .tuple(fc.constantFrom("$bigint", "$bytes", "$number", "$json", "$other"), fc.oneof(json, wellFormed))
  .map(([name, content]) => ({ [name]: content }) as Value);
const value: fc.Arbitrary<Value> = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(
    -0,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    2 ** 53,
    -(2 ** 53) - 2,
    1e21,
    1e300,
  ),
  int64,
  wellFormed,
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
  bytes,
  fc.boolean(),
  fc.constant(null),
  json,
  wrapperLike,
);
const element: fc.Arbitrary<Key> = fc.letrec<{ key: Key }>((tie) => ({
  key: fc.oneof(
    { maxDepth: 2 },
    fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.double({ noNaN: true }),
      int64,
      wellFormed,
      bytes,
    ) as fc.Arbitrary<Key>,
    fc.array(tie("key"), { maxLength: 3 }),
  ),
})).key;
const keys: Record<KeyEncoding, fc.Arbitrary<Key>> = { utf8: wellFormed, binary: bytes, ordered: element };
const ENCODINGS = ["utf8", "binary", "ordered"] as const;

const check = <T>(arbitrary: fc.Arbitrary<T>, predicate: (value: T) => void): void => {
  fc.assert(fc.property(arbitrary, predicate), { ...budget(), interruptAfterTimeLimit: 500 });
};

describe("values", () => {
  test("come back from JSON, which is one line", () => {
    check(value, (v) => {
      const text = jsonOfValue(v);
      expect(text).not.toContain("\n");
      expect(valueOfJson(JSON.parse(text))).toEqual(v);
    });
  });

  test("come back from text", () => {
    check(value, (v) => {
      expect(parseValue(textOfValue(v), "auto")).toEqual(v);
    });
  });

  test("come back from what people are shown, which is one printable line", () => {
    check(value, (v) => {
      const text = showValue(v);
      expect(text).not.toMatch(/[\p{Cc}\p{Cs}\u2028\u2029]/u);
      expect(parseValue(text, "auto")).toEqual(v);
    });
  });
});

describe.each(ENCODINGS)("keys, %s", (encoding) => {
  test("come back from JSON", () => {
    check(keys[encoding], (key) => {
      expect(keyOfJson(encoding, JSON.parse(jsonOfKey(key)))).toEqual(key);
    });
  });

  test("come back from text, and are shown in one printable line", () => {
    check(keys[encoding], (key) => {
      expect(showKey(encoding, key)).not.toMatch(/[\p{Cc}\p{Cs}\u2028\u2029]/u);
      expect(parseKey(encoding, textOfKey(encoding, key))).toEqual(key);
    });
  });
});

describe.each(ENCODINGS)("formats, %s keys", (encoding) => {
  const options: ReaderOptions = {
    encoding,
    type: "auto",
    header: false,
    key: undefined,
    value: undefined,
    constant: undefined,
  };
  const integer = fc.oneof(
    fc.maxSafeInteger(),
    int64.filter((n) => !Number.isSafeInteger(Number(n))),
  );

  test.each([
    ["jsonl", value],
    ["csv", value],
    ["tsv", value],
    ["script", integer],
  ] as [FormatName, fc.Arbitrary<Value>][])("%s gives back what it was given", (format, values) => {
    check(fc.array(fc.tuple(keys[encoding], values), { maxLength: 5 }), (entries) => {
      for (const header of format === "csv" || format === "tsv" ? [false, true] : [false]) {
        const writer = writerOf(format, encoding, header);
        const text = writer.head + entries.map(([k, v]) => writer.entry(k, v)).join("");
        const reader = readerOf(format, { ...options, header });
        const back = text
          .split("\n")
          .slice(0, -1)
          .flatMap((line) => reader.line(line) ?? []);
        reader.end();
        expect(back).toEqual(entries.map(([k, v]) => ({ key: k, value: v })));
      }
    });
  });
});
