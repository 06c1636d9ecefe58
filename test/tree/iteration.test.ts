/** Iteration: exact bounds, batch borders, and loops whose own bodies write. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { open, type Store } from "../../src/index.ts";
import {
  codeOf,
  expectRange,
  finish,
  Oracle,
  quickPath,
  random,
  seed,
  type TestRange,
  UTF8,
} from "../store/support.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

const openNumbers = (): Store<number> => open<number>(quickPath(), { flushEvery: 0, maxSize: 256 << 20 });

const name = (i: number): string => `key ${String(i).padStart(6, "0")}`;

function filled(count: number, step = 1): { store: Store<number>; oracle: Oracle<number, string> } {
  const store = openNumbers();
  const oracle = new Oracle<number, string>(UTF8);
  for (let i = 0; i < count; i++) {
    store.set(name(i * step), i);
    oracle.set(name(i * step), i);
  }
  return { store, oracle };
}

describe("batches", () => {
  // The first four batches have 32, 128, 512 and 1,024 keys: they end at these counts.
  const borders = [32, 160, 672, 1696, 2720];

  for (const border of borders) {
    test(`an iteration over about ${border} keys crosses the border of a batch`, () => {
      for (const count of [border - 1, border, border + 1]) {
        const { store, oracle } = filled(count);
        for (const reverse of [false, true]) {
          expectRange(store, oracle, { reverse });
          for (const limit of [border - 1, border, border + 1, Number.POSITIVE_INFINITY]) {
            expect([...store.keys({ reverse, limit })].length).toBe(Math.min(limit, count));
            expect(store.count({ reverse, limit })).toBe(Math.min(limit, count));
          }
          // An end that is the last or first of a batch.
          for (const end of [border - 2, border - 1, border]) {
            expectRange(store, oracle, reverse ? { reverse, gt: name(count - 1 - end) } : { lt: name(end) });
            expectRange(
              store,
              oracle,
              reverse ? { reverse, gte: name(count - 1 - end) } : { lte: name(end) },
            );
          }
        }
        finish(store);
      }
    });
  }

  test("keys of 4,096 bytes: fewer fit into a batch than were asked for", () => {
    const store = openNumbers();
    const keys = Array.from({ length: 300 }, (_, i) => `${String(i).padStart(6, "0")}${"k".repeat(4090)}`);
    for (const [i, key] of keys.entries()) store.set(key, i);
    expect([...store.keys()]).toEqual(keys);
    expect([...store.keys({ reverse: true })]).toEqual(keys.toReversed());
    expect([...store.values({ gt: keys[17]!, lte: keys[280]! })].length).toBe(263);
    expect(store.count({ limit: 299 })).toBe(299);
    finish(store);
  });

  test("an empty store and a single key", () => {
    const store = openNumbers();
    expect([...store]).toEqual([]);
    expect([store.first(), store.last(), store.count({}), store.size]).toEqual([undefined, undefined, 0, 0]);
    store.set("", 1);
    expect([...store.entries({ gte: "" })]).toEqual([["", 1]]);
    expect([...store.entries({ gt: "" })]).toEqual([]);
    expect([...store.entries({ lt: "" })]).toEqual([]);
    expect([...store.entries({ lte: "", reverse: true })]).toEqual([["", 1]]);
    expect([...store.entries({ prefix: "" })]).toEqual([["", 1]]);
    expect([...store.entries({ limit: 0 })]).toEqual([]);
    finish(store);
  });
});

describe("ranges over 5,000 keys", () => {
  test("every combination of bounds, present and absent, both ways, with and without limit", () => {
    // Every third number is a key: a bound may be a key, beside one, or beyond all.
    const { store, oracle } = filled(5000, 3);
    const pick = random(seed);
    for (let which = 0; which < 32; which++) {
      for (const reverse of [false, true]) {
        for (let round = 0; round < 3; round++) {
          const range: TestRange<string> = { reverse };
          const place = (): string => name(pick(15_600) - 300);
          if (which & 1) range.gt = place();
          if (which & 2) range.gte = place();
          if (which & 4) range.lt = place();
          if (which & 8) range.lte = place();
          if (which & 16) range.prefix = place().slice(0, 5 + pick(6));
          if (round === 2) range.limit = pick(200);
          expectRange(store, oracle, range);
        }
      }
    }
    finish(store);
  });
});

describe("a loop whose body writes", () => {
  for (const reverse of [false, true]) {
    const direction = reverse ? "backwards" : "forwards";

    test(`gives every key that is there throughout exactly once, in order, ${direction}`, () => {
      const { store } = filled(3000, 2);
      const pick = random(seed);
      const stay = new Set<string>();
      for (let i = 0; i < 3000; i += 3) stay.add(name(i * 2));
      const seen: string[] = [];
      for (const [key, value] of store.entries({ reverse })) {
        seen.push(key);
        if (stay.has(key)) expect(value * 2).toBe(Number(key.slice(4)));
        // Odd numbers come and go, even ones that need not stay go: before, at and behind the present place.
        for (let j = 0; j < 4; j++) {
          const other = name(pick(6200));
          if (stay.has(other)) store.set(other, Number(other.slice(4)) / 2);
          else if (pick(2) === 0) store.delete(other);
          else store.set(other, 0);
        }
      }
      const sorted = seen.toSorted(UTF8.compare);
      expect(seen).toEqual(reverse ? sorted.toReversed() : sorted);
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen.filter((key) => stay.has(key)).length).toBe(stay.size);
      finish(store);
    });

    test(`may delete what it is given, ${direction}`, () => {
      const { store } = filled(2500);
      let count = 0;
      for (const key of store.keys({ reverse })) {
        expect(store.delete(key)).toBe(true);
        count++;
      }
      expect(count).toBe(2500);
      expect(store.size).toBe(0);
      finish(store);
    });

    test(`may delete everything at its first key, and then ends, ${direction}`, () => {
      const { store } = filled(2500);
      let count = 0;
      for (const _ of store.keys({ reverse })) {
        if (count++ === 0) for (let i = 0; i < 2500; i++) store.delete(name(i));
      }
      // What was in the first batch still comes: 32 keys.
      expect(count).toBeLessThanOrEqual(32);
      finish(store);
    });

    test(`may take each node apart and put it together again, ${direction}`, () => {
      const { store } = filled(700);
      const seen: string[] = [];
      for (const key of store.keys({ reverse })) {
        seen.push(key);
        const i = Number(key.slice(4));
        // The ten neighbours that share a node: they go, the node collapses, and they come back.
        const ten = Array.from({ length: 10 }, (_, j) => name(i - (i % 10) + j)).filter(
          (other) => other !== key,
        );
        for (const other of ten) store.delete(other);
        for (const other of ten) store.set(other, 1);
      }
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen.length).toBe(700);
      finish(store);
    });
  }

  test("that appends behind its place goes on as long as it appends", () => {
    const { store } = filled(1);
    let count = 0;
    for (const key of store.keys()) {
      count++;
      const next = Number(key.slice(4)) + 1;
      if (next < 500) store.set(name(next), next);
    }
    // Keys that come meanwhile may or may not be seen; those in later batches are.
    expect(count).toBeGreaterThanOrEqual(1);
    expect(count).toBeLessThanOrEqual(500);
    finish(store);
  });

  test("another store on the same file may write meanwhile", () => {
    const { store } = filled(2000);
    const other = open<number>(store.path);
    const seen: string[] = [];
    for (const key of store.keys()) {
      seen.push(key);
      other.delete(name(Number(key.slice(4)) + 1001));
      other.set(`${key} and more`, 1);
    }
    expect(seen.filter((key) => key.length === 10 && Number(key.slice(4)) <= 1000).length).toBe(1001);
    expect(seen).toEqual(seen.toSorted(UTF8.compare));
    other.close();
    finish(store);
  });
});

describe("an iterator that is left alone", () => {
  test("holds no epoch, and memory is reused behind its back", () => {
    const { store } = filled(1000);
    const forgotten = store.entries();
    expect(forgotten.next().done).toBe(false);
    expect(store.stats().heldBackBy).toBe(null);
    for (let round = 0; round < 20; round++) for (let i = 0; i < 1000; i += 7) store.delete(name(i));
    for (let i = 0; i < 1000; i += 7) store.set(name(i), i);
    store.flushSync();
    store.flushSync();
    store.collect();
    expect(store.stats().bytes.limbo).toBe(0);
    // It goes on where it was.
    let count = 1;
    for (const _ of forgotten) count++;
    expect(count).toBe(1000);
    finish(store);
  });

  test("can be stopped early, and says CLOSED after the store was closed", () => {
    const { store } = filled(500);
    const stopped = store.keys();
    for (const _ of stopped) break;
    expect(stopped.next()).toEqual({ done: true, value: undefined });
    const late = store.keys();
    late.next();
    finish(store);
    expect(codeOf(() => [...late])).toBe("CLOSED");
    expect(codeOf(() => store.keys())).toBe("CLOSED");
  });
});
