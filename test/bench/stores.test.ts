/**
 * The stores of the comparison give the same answers to the same questions: otherwise their times could not be compared.
 * Those whose packages `make bench` has not installed are left out, and said to be.
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compareKeys, dataSet, generatedKey, type Key, prefixes } from "../../bench/data.ts";
import { stepOf, valueFor, WORKS } from "../../bench/processes/works.ts";
import { ABILITIES, available, contender, NAMES, type Name } from "../../bench/stores/index.ts";
import { open } from "../../src/index.ts";

const { names, missing } = await available(NAMES);
for (const name of missing.keys()) console.log(`${name} is not installed`);

function verify(folder: string): void {
  using store = open(join(folder, "store.bancos"));
  expect(store.verify().problems).toEqual([]);
}

/** What `name` answers, in the order of the questions. */
async function answers(name: Name, spec: string, folder: string): Promise<unknown[]> {
  const { keys, kind } = await dataSet(spec);
  const { ordered } = ABILITIES[name];
  const sorted = [...keys].sort(compareKeys);
  const starts = keys.slice(0, 20);
  const beginnings = prefixes(sorted, 20);
  const store = await contender<Key>(name, folder, kind);
  const found: unknown[] = [];
  const half = keys.length >> 1;
  const values = keys.map((_, i) => i);
  await store.setAll(keys.slice(0, half), values.slice(0, half));
  // Few, since a store may sync each of them.
  await store.setEach(keys.slice(half, half + 50), values.slice(half, half + 50));
  await store.setAll(keys.slice(half + 50), values.slice(half + 50));
  found.push(keys.slice(0, 100).map((key) => store.get(key)));
  found.push(await store.scan(), await store.scanKeys(), await store.getMany(keys.slice(0, 500)));
  await store.addEach(keys.slice(0, 20));
  await store.addAll(keys.slice(10, 30));
  found.push(keys.slice(0, 40).map((key) => store.get(key)));
  await store.setAll(keys.slice(0, 10), Array(10).fill("text"));
  await store.deleteEach(keys.slice(5, 15));
  await store.deleteAll(keys.slice(15, 25));
  found.push(keys.slice(0, 30).map((key) => [store.get(key), store.has(key)]));
  found.push(await store.scan());
  if (ordered) found.push(await store.ranges(starts, 100), await store.counts(beginnings));
  await store.close();
  return found;
}

test.each([
  ["words:2k", names],
  ["binary:2k", names.filter((name) => ABILITIES[name].bytes)],
] as const)("on %s all stores answer alike", async (spec, asked) => {
  const folder = mkdtempSync(join(tmpdir(), "bancos-test-"));
  try {
    const own = mkdtempSync(join(folder, "own-"));
    const expected = await answers("bancos", spec, own);
    for (const name of asked) {
      if (name === "bancos") continue;
      const given = await answers(name, spec, mkdtempSync(join(folder, "store-")));
      expect({ name, given }).toEqual({ name, given: expected.slice(0, given.length) });
    }
    console.log(`${spec}: ${asked.join(", ")}`);
    verify(own);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each(WORKS)("work %s finds every key that it asks for", async (work) => {
  const folder = mkdtempSync(join(tmpdir(), "bancos-test-"));
  try {
    const store = await contender("bancos", folder);
    const keys = Array.from({ length: 500 }, (_, i) => generatedKey(i));
    await store.setAll(
      keys,
      keys.map((_, i) => valueFor(work, i)),
    );
    for (const id of [1, 2]) {
      const step = stepOf(work, store, keys.length, id);
      for (let i = 0; i < 2000; i++) step(i);
    }
    await store.close();
    verify(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
