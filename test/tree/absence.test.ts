/** What a store concludes to be absent without a look at the tree (src/rowex/README.md, "Absence"). */
import { expect, test } from "bun:test";
import { open, type Store } from "../../src/index.ts";
import { SB, SB_LAST_START, SB_Q } from "../../src/memory/layout.ts";
import { fetchAdd64, store64 } from "../../src/memory/primitives.ts";
import { expectSound, finish, quickPath } from "../store/support.ts";

interface Inside {
  hints: { provesAbsent(p: unknown): boolean };
}

/** How many of the searches in `use` for absent keys a table has answered. */
function provenIn(store: Store<number>, use: () => void): number {
  const { hints } = store as unknown as Inside;
  const own = hints.provesAbsent;
  let proven = 0;
  hints.provesAbsent = (p) => {
    const answer = own.call(hints, p);
    if (answer) proven++;
    return answer;
  };
  use();
  hints.provesAbsent = own;
  return proven;
}

const KEYS = 3000;
const key = (i: number): string => `key ${(i * 7919) % 100_003}`;
const missing = (i: number): string => `${key(i)}~`;

/** A store with keys that has searched until it knows where all are. */
function learned(path: string): Store<number> {
  const store = open<number>(path, { flushEvery: 0 });
  for (let i = 0; store.size < KEYS; i++) store.set(key(i), i);
  for (let i = 0; i < KEYS; i++) {
    if (store.get(missing(i)) !== undefined) throw new Error("made up");
  }
  expect(provenIn(store, () => store.get("absent"))).toBe(1);
  return store;
}

test("a key that is absent costs no search, until somebody else has put a leaf into the tree", () => {
  const path = quickPath();
  const store = learned(path);
  const other = open<number>(path, { flushEvery: 0 });
  expect(provenIn(store, () => expect(store.get("new")).toBeUndefined())).toBe(1);
  other.set("new", 1);
  expect(provenIn(store, () => expect(store.get("newer")).toBeUndefined())).toBe(0);
  expect(store.get("new")).toBe(1);
  expect(store.has("new")).toBe(true);
  // What others remove, or change in place, is no leaf more: but the count of them is what is looked at.
  const patient = provenIn(store, () => {
    for (let i = 0; i < 20_000; i++) expect(store.get(missing(i))).toBeUndefined();
  });
  // Another sweep was worth it.
  expect(patient).toBeGreaterThan(10_000);
  other.delete("new");
  other.set(key(1), 5);
  expect(provenIn(store, () => expect(store.get("new")).toBeUndefined())).toBeGreaterThanOrEqual(0);
  expect(store.get(key(1))).toBe(5);
  other.close();
  expectSound(store);
  finish(store);
});

test("its own changes keep what a store knows, and are known", () => {
  const store = learned(quickPath());
  const proven = provenIn(store, () => {
    for (let i = 0; i < 300; i++) {
      store.set(`own ${i}`, i);
      expect(store.get(`own ${i}`)).toBe(i);
      expect(store.get(`own ${i}~`)).toBeUndefined();
      if (i % 3 === 0) {
        expect(store.delete(`own ${i}`)).toBe(true);
        expect(store.get(`own ${i}`)).toBeUndefined();
      }
      if (i % 5 === 0) store.compareAndSet(`own ${i}`, undefined, 4);
      if (i % 7 === 0) store.add(`counter ${i}`, 1);
      expect(store.has(`counter ${i}`)).toBe(i % 7 === 0);
    }
  });
  expect(proven).toBeGreaterThan(600);
  expectSound(store);
  finish(store);
});

test("a sync takes a number that is no leaf's", () => {
  const store = learned(quickPath());
  for (let i = 0; i < 20; i++) {
    store.flushSync();
    expect(provenIn(store, () => expect(store.get("absent")).toBeUndefined())).toBe(1);
    store.set(`more ${i}`, i);
    store.flushSync();
    store.set(`and more ${i}`, i);
    expect(provenIn(store, () => expect(store.get("absent")).toBeUndefined())).toBe(1);
  }
  finish(store);
});

test("getMany knows it too", () => {
  const store = learned(quickPath());
  const asked = Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? key(i) : missing(i)));
  const expected = asked.map((_, i) => (i % 2 === 0 ? i : undefined));
  expect(store.getMany(asked)).toEqual(expected);
  const other = open<number>(store.path, { flushEvery: 0 });
  for (let i = 1; i < 200; i += 2) other.set(missing(i), -i);
  expect(store.getMany(asked)).toEqual(asked.map((_, i) => (i % 2 === 0 ? i : -i)));
  other.close();
  finish(store);
});

test("who looks a few keys up does not learn where all are", () => {
  const path = quickPath();
  learned(path).close();
  const store = open<number>(path, { flushEvery: 0 });
  const { hints } = store as unknown as { hints: { table: object | null } };
  for (let i = 0; i < KEYS / 16 - 1; i++) expect(store.get(key(i))).toBe(i);
  expect(hints.table).toBeNull();
  for (let i = 0; i < KEYS / 16; i++) expect(store.get(key(i))).toBe(i);
  expect(hints.table).not.toBeNull();
  finish(store);
});

test("what was learned of an empty store, or is being learned while many keys come, does not stay", () => {
  for (const before of [0, 2000]) {
    const store = open<number>(quickPath(), { flushEvery: 0 });
    for (let i = 0; i < before; i++) store.set(`before ${i}`, i);
    // The sweep has begun, and is not through.
    for (let i = 0; i <= before / 16; i++) expect(store.has(missing(i))).toBe(false);
    for (let i = 0; i < KEYS * 10; i++) store.set(`grown ${i}`, i);
    for (let i = 0; i < KEYS * 10; i++) expect(store.get(`grown ${i}~`)).toBeUndefined();
    for (let i = 0; i < KEYS * 10; i++) expect(store.get(`grown ${i}`)).toBe(i);
    const proven = provenIn(store, () => {
      for (let i = 0; i < 1000; i++) expect(store.get(`grown ${i}~`)).toBeUndefined();
    });
    expect(proven).toBeGreaterThan(800);
    expectSound(store);
    finish(store);
  }
});

test("a store whose keys become ten times as many learns anew, and knows all", () => {
  const store = learned(quickPath());
  for (let i = 0; i < KEYS * 10; i++) {
    store.set(`grown ${i}`, i);
    if (i % 7 === 0) expect(store.get(`grown ${i}~`)).toBeUndefined();
    if (i % 11 === 0) expect(store.get(`grown ${i >>> 1}`)).toBe(i >>> 1);
  }
  for (let i = 0; i < KEYS * 10; i++) expect(store.get(`grown ${i}`)).toBe(i);
  expect(provenIn(store, () => store.get("absent"))).toBe(1);
  expectSound(store);
  finish(store);
});

test("a table that is replaced in the middle of a sync does not know what the old one did", () => {
  const store = learned(quickPath());
  const other = open<number>(store.path, { flushEvery: 0 });
  for (let i = 0; i < KEYS * 3; i++) other.set(`other ${i}`, i);
  const { hints } = store as unknown as { hints: { table: object } };
  // Learned anew, in the table that is too small by now.
  const { table } = hints;
  const { h } = store.participant();
  // A sync has taken its number, and has not said so yet.
  const number = fetchAdd64(h, SB, SB_Q, 1);
  store64(h, SB, SB_LAST_START, Number.MAX_SAFE_INTEGER);
  for (let i = 0; i < 200_000 && hints.table === table; i++) store.get(missing(i));
  expect(hints.table).not.toBe(table);
  store64(h, SB, SB_LAST_START, number);
  for (let i = 0; i < KEYS; i++) expect(store.get(key(i))).toBe(i);
  for (let i = 0; i < KEYS * 3; i++) expect(store.get(`other ${i}`)).toBe(i);
  other.close();
  finish(store);
});

test("what another store replaces again and again does not fill the table", () => {
  const store = learned(quickPath());
  const other = open<string>(store.path, { flushEvery: 0 });
  const { hints } = store as unknown as { hints: { table: object } };
  const { table } = hints;
  for (let i = 0; i < 2000; i++) {
    other.set("hot", `value ${i}`);
    expect(store.get("hot") as unknown).toBe(`value ${i}`);
  }
  // A full one would have been replaced.
  expect(hints.table === table).toBe(true);
  other.close();
  finish(store);
});

test("getMany of an array whose accessors use the store", () => {
  const store = learned(quickPath());
  const asked = [key(0), key(1), key(2)];
  Object.defineProperty(asked, 1, {
    get: () => {
      expect(store.getMany([key(7), key(8), key(9)])).toEqual([7, 8, 9]);
      return key(1);
    },
  });
  expect(store.getMany(asked)).toEqual([0, 1, 2]);
  finish(store);
});

test("keys too long for a hint, values too large for a slab, the empty key", () => {
  const store = open<string>(quickPath(), { flushEvery: 0 });
  const long = "k".repeat(600);
  const keys = ["", long, "large", "small"];
  for (const each of keys) store.set(each, each === "large" ? "v".repeat(50_000) : `value of ${each.length}`);
  for (let i = 0; i < 3000; i++) {
    for (const each of keys) expect(store.get(each)?.length).toBeGreaterThan(5);
    expect(store.get(`absent ${i}`)).toBeUndefined();
    expect(store.has(`${long}${i % 10}`)).toBe(false);
  }
  store.set(`${long}1`, "there");
  expect(store.has(`${long}1`)).toBe(true);
  finish(store);
});
