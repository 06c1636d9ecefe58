/**
 * The store against an oracle: a Map beside a sorted list. Random operations on keys whose shapes force every kind of
 * node, long common prefixes, keys that are prefixes of others, and escapes; interleaved with closing, reopening and
 * rebuilding. The file is verified after each case.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { type Key, type KeyEncoding, open, type Store, type Value } from "../../src/index.ts";
import {
  BINARY,
  budget,
  codeOf,
  expectEqual,
  expectRange,
  type KeyOrder,
  Oracle,
  quickPath,
  remove,
  type TestRange,
  UTF8,
} from "./support.ts";
import { values } from "./values.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

type Op =
  | { op: "set" | "insert"; key: number; value: Value }
  | { op: "delete" | "get"; key: number }
  | { op: "cas"; key: number; guess: boolean; expected: Value; value: Value | undefined }
  | { op: "add"; key: number; delta: number | bigint }
  | { op: "range"; bounds: number[]; which: number; reverse: boolean; limit: number | undefined }
  | { op: "fill"; from: number; count: number; drop: boolean }
  | { op: "group" | "close" | "rebuild" | "collect" | "flush" };

const index = fc.nat(1000);
const few = { depthSize: "small" } as const;
const ops: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ op: fc.constant("set" as const), key: index, value: values }) },
    { weight: 3, arbitrary: fc.record({ op: fc.constant("insert" as const), key: index, value: values }) },
    { weight: 5, arbitrary: fc.record({ op: fc.constant("delete" as const), key: index }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("get" as const), key: index }) },
    {
      weight: 2,
      arbitrary: fc.record({
        op: fc.constant("cas" as const),
        key: index,
        guess: fc.boolean(),
        expected: values,
        value: fc.option(values, { nil: undefined }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        op: fc.constant("add" as const),
        key: index,
        delta: fc.oneof(fc.integer({ min: -9, max: 9 }), fc.bigInt({ min: -9n, max: 9n }), fc.constant(0.5)),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        op: fc.constant("range" as const),
        bounds: fc.array(index, { minLength: 5, maxLength: 5 }),
        which: fc.nat(31),
        reverse: fc.boolean(),
        limit: fc.option(fc.nat(5), { nil: undefined }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        op: fc.constant("fill" as const),
        from: index,
        count: fc.nat(70),
        drop: fc.boolean(),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        op: fc.constantFrom(
          "group" as const,
          "close" as const,
          "rebuild" as const,
          "collect" as const,
          "flush" as const,
        ),
      }),
    },
  ),
  { maxLength: 60, ...few },
);

/** Equality of values as compareAndSet has it: by type and encoded bytes. */
function sameValue(a: Value | undefined, b: Value | undefined): boolean {
  if (typeof a !== typeof b) return false;
  if (typeof a === "number" || typeof a === "string" || typeof a === "bigint") return Object.is(a, b);
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  }
  return JSON.stringify(a) === JSON.stringify(b);
}

function run<K>(
  keyEncoding: KeyEncoding,
  order: KeyOrder<K>,
  keys: readonly K[],
  steps: readonly Op[],
  prefixable: (key: K) => boolean,
): void {
  const path = quickPath();
  const oracle = new Oracle<Value, K>(order);
  const reopen = (rebuild: boolean): Store<Value, K> =>
    open(path, {
      keyEncoding: keyEncoding as "ordered",
      flushEvery: 0,
      maxSize: 64 << 20,
      recover: rebuild ? "rebuild" : "auto",
    }) as unknown as Store<Value, K>;
  let store = reopen(false);
  const at = (i: number): K => keys[i % keys.length]!;
  for (const step of steps) {
    switch (step.op) {
      case "set":
        expect(store.set(at(step.key), step.value)).toBe(store);
        oracle.set(at(step.key), step.value);
        break;
      case "insert":
        if (oracle.has(at(step.key))) {
          expect(codeOf(() => store.insert(at(step.key), step.value))).toBe("DUPLICATE_KEY");
        } else {
          store.insert(at(step.key), step.value);
          oracle.set(at(step.key), step.value);
        }
        break;
      case "delete":
        expect(store.delete(at(step.key))).toBe(oracle.delete(at(step.key)));
        break;
      case "get":
        expect(store.get(at(step.key))).toEqual(oracle.get(at(step.key)));
        expect(store.has(at(step.key))).toBe(oracle.has(at(step.key)));
        break;
      case "cas": {
        const key = at(step.key);
        const now = oracle.get(key);
        const expected = step.guess ? now : step.expected;
        const agrees = sameValue(now, expected);
        expect(store.compareAndSet(key, expected, step.value)).toBe(agrees);
        if (agrees && step.value !== undefined) oracle.set(key, step.value);
        else if (agrees) oracle.delete(key);
        break;
      }
      case "add": {
        const key = at(step.key);
        const now = oracle.get(key);
        const { delta } = step;
        let sum: number | bigint | undefined;
        if (now === undefined) sum = delta;
        else if (typeof now === "number") sum = now + Number(delta);
        else if (typeof now === "bigint" && Number.isInteger(Number(delta))) sum = now + BigInt(delta);
        if (typeof sum === "bigint" && BigInt.asIntN(64, sum) !== sum) sum = undefined;
        if (sum === undefined) expect(codeOf(() => store.add(key, delta))).toBe("INVALID_VALUE");
        else {
          expect(store.add(key, delta)).toBe(sum);
          oracle.set(key, sum);
        }
        break;
      }
      case "range": {
        const range: TestRange<K> = { reverse: step.reverse };
        if (step.which & 1) range.gt = at(step.bounds[0]!);
        if (step.which & 2) range.gte = at(step.bounds[1]!);
        if (step.which & 4) range.lt = at(step.bounds[2]!);
        if (step.which & 8) range.lte = at(step.bounds[3]!);
        if (step.which & 16 && prefixable(at(step.bounds[4]!))) range.prefix = at(step.bounds[4]!);
        if (step.limit !== undefined) range.limit = step.limit;
        expectRange(store, oracle, range);
        break;
      }
      case "fill":
        // Many neighbours at once, so that nodes of every kind fill and empty.
        for (let i = step.from; i < step.from + step.count; i++) {
          if (step.drop) expect(store.delete(at(i))).toBe(oracle.delete(at(i)));
          else {
            store.set(at(i), i);
            oracle.set(at(i), i);
          }
        }
        break;
      case "group":
        store.writer((writer) => {
          writer.set(at(0), "in a group");
          expect(writer.get(at(0))).toBe("in a group");
        });
        oracle.set(at(0), "in a group");
        expect(store.reader((reader) => [...reader.keys()].length)).toBe(oracle.size);
        break;
      case "close":
        store.close();
        store = reopen(false);
        expect(store.stats().recovery.found).toBe("clean");
        break;
      case "rebuild":
        store.close();
        store = reopen(true);
        expect(store.stats().recovery.rebuild?.keys).toBe(oracle.size);
        break;
      case "collect":
        store.collect();
        break;
      case "flush":
        store.flushSync();
        break;
    }
    expect(store.size).toBe(oracle.size);
  }
  expectEqual(store, oracle);
  store.close();
  remove(path);
}

// ---- shapes of keys --------------------------------------------------------------------------------------------------

/** Keys of few letters: many are prefixes of others, and bytes 0 and 1 are escaped. */
const fewLetters = fc.uniqueArray(
  fc.string({ unit: fc.constantFrom("a", "b", "\0", "\u0001", "\u0002", "é", "\uffff", "😀"), maxLength: 5 }),
  { minLength: 1, maxLength: 40 },
);

/** Keys that share 0 to 60 characters and then fan out in one place: every kind of node at every depth. */
const fans = fc
  .tuple(fc.nat(60), fc.integer({ min: 1, max: 140 }), fc.nat(127), fc.string({ maxLength: 3 }))
  .map(([depth, width, start, tail]) =>
    Array.from(
      { length: width },
      (_, i) => "p".repeat(depth) + String.fromCharCode((start + i) & 0x7f) + (i & 1 ? tail : ""),
    ),
  )
  .map((keys) => [...new Set(keys)]);

/** Keys that leave one long key at every offset: splits everywhere. */
const splits = fc
  .tuple(fc.integer({ min: 1, max: 60 }), fc.constantFrom("q", "o", "\0", "\u0001", ""))
  .map(([length, other]) => {
    const long = "p".repeat(length);
    return [...new Set([long, ...Array.from({ length }, (_, i) => long.slice(0, i) + other)])];
  });

/** Keys of the greatest length that differ at their ends and in their middles. */
const longest = fc
  .array(fc.tuple(fc.constantFrom(0, 1, 60, 2048, 4094, 4095), fc.constantFrom("a", "b")), {
    minLength: 1,
    maxLength: 6,
  })
  .map((places) => [
    ...new Set(places.map(([at, letter]) => `${"k".repeat(at)}${letter}${"k".repeat(4095 - at)}`)),
  ]);

const textKeys = fc.oneof(
  fewLetters,
  fans,
  splits,
  longest,
  fc.tuple(fewLetters, fans).map(([a, b]) => [...new Set([...a, ...b])]),
);

const binaryKeys = fc.oneof(
  fc.uniqueArray(fc.uint8Array({ maxLength: 4, max: 3 }), {
    minLength: 1,
    maxLength: 40,
    selector: BINARY.identity,
  }),
  // All 256 digits below one node: the escapes of bytes 0 and 1 stand among them.
  fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 256 }), fc.nat(255)).map(([depth, width, start]) =>
    Array.from({ length: width }, (_, i) => {
      const key = new Uint8Array(depth + 1).fill(7);
      key[depth] = (start + i) & 0xff;
      return key;
    }),
  ),
  textKeys.map((keys) => keys.map((key): Uint8Array => new Uint8Array(Buffer.from(key)))),
);

const plainOrdered: fc.Arbitrary<Key> = fc.oneof(
  fc.constantFrom<Key>(null, false, true, 0, -0, "", new Uint8Array(), []),
  fc.double({ noNaN: true }),
  fc.integer({ min: -300, max: 300 }),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.string({ unit: fc.constantFrom("a", "b", "\0", "\u0001", "\u0002", "\u0003"), maxLength: 4 }),
  fc.uint8Array({ maxLength: 3, max: 5 }),
);
const orderedKey = fc.oneof(
  { weight: 3, arbitrary: plainOrdered },
  { weight: 1, arbitrary: fc.array(plainOrdered, { maxLength: 3 }) },
);

const RANKS = ["null", "boolean", "number", "bigint", "string", "bytes", "array"];
function rank(key: Key): number {
  const type =
    key === null ? "null" : key instanceof Uint8Array ? "bytes" : Array.isArray(key) ? "array" : typeof key;
  return RANKS.indexOf(type);
}

function compareOrdered(a: Key, b: Key): number {
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (typeof a === "number" && a === 0 && b === 0) return Number(Object.is(b, -0)) - Number(Object.is(a, -0));
  if (typeof a === "string") return UTF8.compare(a, b as string);
  if (a instanceof Uint8Array) return BINARY.compare(a, b as Uint8Array);
  if (Array.isArray(a)) {
    const other = b as readonly Key[];
    for (let i = 0; i < Math.min(a.length, other.length); i++) {
      const order = compareOrdered(a[i] as Key, other[i]!);
      if (order !== 0) return order;
    }
    return a.length - other.length;
  }
  if (a === b) return 0;
  return (a as number) < (b as number) ? -1 : 1;
}

function identityOf(key: Key): string {
  if (key instanceof Uint8Array) return `bytes ${BINARY.identity(key)}`;
  if (Array.isArray(key)) return `[${key.map((part) => JSON.stringify(identityOf(part as Key))).join()}]`;
  return `${typeof key} ${Object.is(key, -0) ? "-0" : String(key)}`;
}

const ORDERED: KeyOrder<Key> = {
  compare: compareOrdered,
  identity: identityOf,
  startsWith(key, prefix) {
    if (rank(key) !== rank(prefix)) return false;
    if (typeof key === "string") return key.startsWith(prefix as string);
    if (key instanceof Uint8Array) return BINARY.startsWith(key, prefix as Uint8Array);
    const list = prefix as readonly Key[];
    return compareOrdered((key as readonly Key[]).slice(0, list.length), list) === 0;
  },
};

// ---- the promises ----------------------------------------------------------------------------------------------------

describe("a store does what a Map and a sorted list do", () => {
  test("with string keys", () => {
    fc.assert(
      fc.property(textKeys, ops, (keys, steps) => run("utf8", UTF8, keys, steps, () => true)),
      budget(),
    );
  });

  test("with binary keys", () => {
    fc.assert(
      fc.property(binaryKeys, ops, (keys, steps) => run("binary", BINARY, keys, steps, () => true)),
      budget(),
    );
  });

  test("with ordered keys", () => {
    const keys = fc.uniqueArray(orderedKey, { minLength: 1, maxLength: 60, selector: identityOf });
    fc.assert(
      fc.property(keys, ops, (some, steps) => run("ordered", ORDERED, some, steps, (key) => rank(key) >= 4)),
      budget(),
    );
  });
});
