/** The data sets and the chance of the benchmarks: repeatable, and what they say they are. */
import { expect, test } from "bun:test";
import {
  absent,
  compareKeys,
  DATA,
  dataSet,
  fresh,
  generatedKey,
  type Key,
  parseCount,
  prefixes,
} from "../../bench/data.ts";
import { median } from "../../bench/measure.ts";
import { random, zipf } from "../../bench/random.ts";

// The names of the npm packages are installed by `make bench` only.
const HERE = DATA.filter((name) => name !== "npm");
const text = (key: Key): string => (typeof key === "string" ? key : Buffer.from(key).toString("hex"));

test.each(HERE)("%s: no key comes twice, and every run has the same ones in the same order", async (name) => {
  const one = await dataSet(`${name}:5k`);
  const two = await dataSet(`${name}:5k`);
  expect(one.keys.length).toBe(5000);
  expect(new Set(one.keys.map(text)).size).toBe(5000);
  expect(one.keys.map(text)).toEqual(two.keys.map(text));
  const sorted = [...one.keys].sort(compareKeys);
  expect(one.keys.map(text)).not.toEqual(sorted.map(text));
});

test.each(HERE)("%s: keys asked for that are absent are absent, fresh ones are equal", async (name) => {
  const { keys } = await dataSet(`${name}:3k`);
  const there = new Set(keys.map(text));
  for (const key of keys) expect(there.has(text(absent(key)))).toBe(false);
  expect(fresh(keys).map(text)).toEqual(keys.map(text));
});

test.each(HERE)("%s: each prefix is shared by 20 to 1,000 keys", async (name) => {
  const { keys } = await dataSet(`${name}:20k`);
  const sorted = [...keys].sort(compareKeys);
  const found = prefixes(sorted, 20);
  console.log(`${name}: ${found.length} prefixes`);
  for (const prefix of found) {
    const count = sorted.filter((key) => text(key).startsWith(text(prefix))).length;
    expect(count).toBeGreaterThan(20);
    expect(count).toBeLessThanOrEqual(1001);
  }
});

test("an unknown data set, and what is no number, are errors that say what there is", () => {
  expect(dataSet("nothing")).rejects.toThrow("there are words");
  expect(() => parseCount("many")).toThrow("250k");
  expect([parseCount("250"), parseCount("1.5k"), parseCount("10m")]).toEqual([250, 1500, 10_000_000]);
});

test("generated keys are all different, far beyond what a run uses", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 200_000; i++) seen.add(generatedKey(i * 20_011));
  expect(seen.size).toBe(200_000);
});

test("Zipf draws the first items most often and stays in range", () => {
  const next = zipf(1000, random(42));
  const counts = new Int32Array(1000);
  for (let i = 0; i < 100_000; i++) counts[next()]!++;
  expect(counts.reduce((a, b) => a + b, 0)).toBe(100_000);
  expect(counts[0]).toBeGreaterThan(counts[9]!);
  expect(counts[9]).toBeGreaterThan(counts[500]!);
  console.log(`seed 42: the first of 1,000 was drawn ${counts[0]} of 100,000 times`);
});

test("the median is the middle one", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([5])).toBe(5);
  expect(median([])).toBeNaN();
});
