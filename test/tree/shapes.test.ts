/**
 * Every shape that a node can have: each kind at each count, up and down, in three orders and at several depths; a
 * key split at every offset; first and last child of every kind.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { open, type Store } from "../../src/index.ts";
import { BINARY, expectSound, finish, Oracle, quickPath, random, seed } from "../store/support.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

type Bytes = Store<number, Uint8Array>;

const openBytes = (path = quickPath()): Bytes =>
  open<number>(path, { keyEncoding: "binary", flushEvery: 0, maxSize: 64 << 20 });

/** The keys of all children that a node below `depth` bytes of 7 can have, one for each digit, in order. */
function fan(depth: number): Uint8Array[] {
  const prefix = new Uint8Array(depth).fill(7);
  const withByte = (byte: number): Uint8Array => Uint8Array.from([...prefix, byte]);
  // Digit 0 is the terminator: the prefix itself. Digit 1 begins the escape of bytes 0 and 1.
  const keys = [prefix, withByte(0)];
  for (let byte = 2; byte < 256; byte++) keys.push(withByte(byte));
  return keys;
}

const ORDERS = ["ascending", "descending", "shuffled"] as const;

function arrange<T>(list: readonly T[], order: (typeof ORDERS)[number]): T[] {
  if (order === "ascending") return [...list];
  if (order === "descending") return list.toReversed();
  const pick = random(seed);
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = pick(i + 1);
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}

/** Nodes but the root: [Node4, Node16, Node48, Node256]. */
function nodes(store: Bytes): number[] {
  const { node4, node16, node48, node256 } = store.stats().cells;
  return [node4.used, node16.used, node48.used, node256.used - 1];
}

/** Kind (0 to 3) of the smallest node with room for `children`. */
const smallest = (children: number): number => [4, 16, 48, 256].findIndex((room) => children <= room);

function expectKeys(store: Bytes, keys: readonly Uint8Array[], values: Map<Uint8Array, number>): void {
  for (const key of keys) expect(store.get(key)).toBe(values.get(key));
  const there = keys.filter((key) => values.has(key)).sort(BINARY.compare);
  expect([...store.keys()]).toEqual(there);
  expect([...store.keys({ reverse: true })]).toEqual(there.toReversed());
  expect(store.size).toBe(there.length);
}

describe("a node holds 1 to 256 children in the kind that fits", () => {
  for (const depth of [1, 8, 60]) {
    for (const order of ORDERS) {
      test(`below ${depth} bytes, filled and emptied in ${order} order`, () => {
        const store = openBytes();
        const keys = fan(depth);
        const values = new Map<Uint8Array, number>();
        for (const [i, key] of arrange(keys, order).entries()) {
          store.insert(key, i);
          values.set(key, i);
          const wanted = [0, 0, 0, 0];
          if (i > 0) wanted[smallest(i + 1)] = 1;
          expect(nodes(store)).toEqual(wanted);
          expectKeys(store, keys, values);
          expectSound(store);
        }
        for (const key of arrange(keys, order === "ascending" ? "shuffled" : order)) {
          expect(store.delete(key)).toBe(true);
          expect(store.delete(key)).toBe(false);
          values.delete(key);
          const left = values.size;
          const now = nodes(store);
          expect(now.reduce((sum, count) => sum + count)).toBe(left > 1 ? 1 : 0);
          // Not the next larger kind for ever: the bound at which each kind must have gone.
          if (left > 1)
            expect(now.indexOf(1)).toBeLessThanOrEqual([3, 12, 40, 256].findIndex((most) => left <= most));
          expectKeys(store, keys, values);
          expectSound(store);
        }
        finish(store);
      });
    }
  }

  test("at the border between two kinds, back and forth, the file does not grow", () => {
    for (const border of [1, 2, 3, 4, 5, 12, 13, 16, 17, 40, 41, 48, 49]) {
      const store = openBytes();
      const keys = fan(5).slice(0, border + 1);
      for (const key of keys.slice(0, border)) store.set(key, 1);
      const round = (): void => {
        store.insert(keys[border]!, 2);
        expect(store.delete(keys[border]!)).toBe(true);
      };
      for (let i = 0; i < 200; i++) round();
      store.collect();
      const before = store.stats().bytes.free;
      for (let i = 0; i < 2000; i++) round();
      store.collect();
      expect(store.stats().bytes.free).toBe(before);
      expect(store.size).toBe(border);
      finish(store);
    }
  });

  test("the root holds all 256 digits and none", () => {
    const store = openBytes();
    const values = new Map<Uint8Array, number>();
    const keys = fan(0);
    for (const [i, key] of keys.entries()) {
      store.set(key, i);
      values.set(key, i);
    }
    expect(nodes(store)).toEqual([0, 0, 0, 0]);
    expectKeys(store, keys, values);
    for (const key of keys) {
      store.delete(key);
      values.delete(key);
    }
    expectKeys(store, keys, values);
    finish(store);
  });
});

describe("first and last of every kind of node", () => {
  for (const count of [2, 4, 5, 16, 17, 48, 49, 256]) {
    test(`of ${count} children`, () => {
      const store = openBytes();
      const oracle = new Oracle<number, Uint8Array>(BINARY);
      const all = fan(3);
      // The outermost digits are among them, the others lie anywhere between.
      const inner = arrange(all.slice(1, -1), "shuffled").slice(0, count - 2);
      const keys = [all[0]!, all.at(-1)!, ...inner];
      for (const [i, key] of keys.entries()) {
        store.set(key, i);
        oracle.set(key, i);
      }
      // Neighbours that are beside, above and below the node.
      const around = [new Uint8Array([7, 7]), new Uint8Array([7, 7, 6, 255]), new Uint8Array([7, 7, 8])];
      const bounds = [...all, ...around];
      for (const extra of [[], around]) {
        for (const key of extra) {
          store.set(key, -1);
          oracle.set(key, -1);
        }
        expect(store.first()).toEqual(oracle.entries()[0]);
        expect(store.last()).toEqual(oracle.entries().at(-1));
        for (const bound of bounds) {
          for (const [name, reverse] of [
            ["gt", false],
            ["gte", false],
            ["lt", true],
            ["lte", true],
          ] as const) {
            const [wanted] = oracle.entries({ [name]: bound, reverse, limit: 1 });
            expect(store.first({ [name]: bound, reverse })).toEqual(wanted);
            const [other] = oracle.entries({ [name]: bound, reverse: !reverse, limit: 1 });
            expect(store.first({ [name]: bound, reverse: !reverse })).toEqual(other);
          }
        }
      }
      finish(store);
    });
  }
});

describe("an edge splits at every offset", () => {
  for (const [name, other] of [
    ["a smaller digit", 5],
    ["a larger digit", 9],
    ["byte 0", 0],
    ["byte 1", 1],
    ["nothing: the key is a prefix", -1],
  ] as const) {
    test(`by ${name}`, () => {
      for (const length of [1, 2, 20, 60]) {
        const long = new Uint8Array(length).fill(7);
        const branches = Array.from({ length }, (_, i) =>
          other < 0 ? long.slice(0, i) : Uint8Array.from([...long.subarray(0, i), other]),
        );
        const store = openBytes();
        const none = nodes(store);
        // One branch at a time: one split and one collapse.
        for (const branch of branches) {
          store.set(long, 1);
          store.insert(branch, 2);
          expect([store.get(long), store.get(branch), store.size]).toEqual([1, 2, 2]);
          expect(store.delete(long)).toBe(true);
          expect([store.get(long), store.get(branch), store.size]).toEqual([undefined, 2, 1]);
          expect(store.delete(branch)).toBe(true);
        }
        expectSound(store);
        // All of them, in every order: each insert splits an edge above, below or beside another.
        for (const order of ORDERS) {
          const keys = arrange([long, ...branches], order);
          const values = new Map<Uint8Array, number>();
          for (const [i, key] of keys.entries()) {
            store.insert(key, i);
            values.set(key, i);
          }
          expectKeys(store, keys, values);
          expectSound(store);
          for (const key of arrange(keys, "shuffled")) {
            expect(store.delete(key)).toBe(true);
            values.delete(key);
            expectKeys(store, keys, values);
          }
          expectSound(store);
        }
        expect(nodes(store)).toEqual(none);
        finish(store);
      }
    });
  }

  test("of the longest keys, at both ends and in the middle", () => {
    const store = openBytes();
    const oracle = new Oracle<number, Uint8Array>(BINARY);
    for (const at of [0, 1, 2047, 2048, 4094, 4095]) {
      for (const byte of [0, 1, 2, 8, 255]) {
        const key = new Uint8Array(4096).fill(7);
        key[at] = byte;
        store.set(key, at);
        oracle.set(key, at);
      }
    }
    // 4,096 bytes that are escaped, all of them: 8,192 digits.
    for (const byte of [0, 1]) {
      store.set(new Uint8Array(4096).fill(byte), byte);
      oracle.set(new Uint8Array(4096).fill(byte), byte);
    }
    expect([...store]).toEqual(oracle.entries());
    for (const [key, value] of oracle.entries()) expect(store.get(key)).toBe(value);
    for (const [key] of oracle.entries()) expect(store.delete(key)).toBe(true);
    expect(store.size).toBe(0);
    finish(store);
  });

  test("a chain of prefixes from 0 to 4,096 bytes is 4,097 keys and the deepest path", () => {
    const store = openBytes();
    const long = new Uint8Array(4096).fill(0);
    for (let length = 0; length <= 4096; length++) store.set(long.subarray(0, length), length);
    expect(store.size).toBe(4097);
    for (let length = 0; length <= 4096; length += 13)
      expect(store.get(long.subarray(0, length))).toBe(length);
    let next = 0;
    for (const [key, value] of store) expect([key.length, value]).toEqual([next, next++]);
    expect(next).toBe(4097);
    for (let length = 4096; length >= 0; length -= 2)
      expect(store.delete(long.subarray(0, length))).toBe(true);
    expect(store.size).toBe(2048);
    finish(store);
  });
});
