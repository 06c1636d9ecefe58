/** What repair() saves of damaged files: all that is whole, and nothing that was never there. */
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { inspectKey, open, repair, type Store, type Value } from "../../src/index.ts";
import {
  ENTRY_BYTES,
  FIRST_DATA_SLAB,
  FIRST_TABLE_SLAB,
  SB_CAPACITY,
  SB_END,
  SB_KEY_ENCODING,
  SB_MAGIC,
  SB_SALT,
  SLAB_BYTES,
} from "../../src/memory/layout.ts";
import { random } from "../random.ts";
import { finish, freshPath, seconds, seed } from "../store/support.ts";

interface Sample {
  readonly bytes: Buffer;
  readonly content: ReadonlyMap<string, Value>;
  /** Of each key: where its leaf begins and ends in the file. */
  readonly places: ReadonlyMap<string, readonly [number, number]>;
}

function leafBytesOf(value: Value): number {
  return (
    40 +
    (typeof value === "string" ? Buffer.byteLength(value) : value instanceof Uint8Array ? value.length : 8)
  );
}

/** A store with keys that were replaced and deleted, some of that after a sync, and large values. */
async function sample(start: number): Promise<Sample> {
  const path = freshPath();
  const pick = random(start);
  const store = open(path, { flushEvery: 0 });
  const content = new Map<string, Value>();
  const change = (i: number): void => {
    const key = `key ${pick(400)}`;
    if (pick(4) === 0) {
      store.delete(key);
      content.delete(key);
      return;
    }
    // Numbers change in place, outside of the checksum: there is no telling a damaged one.
    const value = pick(3) === 0 ? BigInt(i) : `${i} ${"v".repeat(pick(pick(30) === 0 ? 30_000 : 500))}`;
    store.set(key, value);
    content.set(key, value);
  };
  for (let i = 0; i < 1500; i++) {
    change(i);
    if (pick(400) === 0) store.flushSync();
  }
  const places = new Map<string, readonly [number, number]>();
  for (const [key, value] of content) {
    const { offset } = inspectKey(store, key).leaf!;
    places.set(key, [offset, offset + key.length + leafBytesOf(value)]);
  }
  finish(store);
  return { bytes: readFileSync(path), content, places };
}

async function repaired(
  bytes: Uint8Array,
): Promise<{ report: Awaited<ReturnType<typeof repair>>; store: Store }> {
  const path = freshPath();
  writeFileSync(path, bytes);
  const report = await repair(path, `${path}.new`);
  expect(readFileSync(path).equals(bytes)).toBe(true);
  const store = open(`${path}.new`, { flushEvery: 0 });
  expect(store.size).toBe(report.keys);
  return { report, store };
}

test("a file that is whole is saved whole", async () => {
  const { bytes, content } = await sample(seed);
  const { report, store } = await repaired(bytes);
  expect(new Map(store.entries())).toEqual(new Map(content));
  expect(report).toMatchObject({
    lostCount: 0,
    outdated: 0,
    unsoundSlabs: 0,
    missingBytes: 0,
    saltRecovered: false,
  });
  expect(report.expectedKeys).toBe(content.size);
  finish(store);
});

test("with a superblock of noise everything is saved: the slab table gives the salt", async () => {
  const { bytes, content } = await sample(seed);
  const pick = random(seed);
  for (let at = SB_MAGIC; at < SB_END; at++) bytes[at] = pick(256);
  const { report, store } = await repaired(bytes);
  expect(new Map(store.entries())).toEqual(new Map(content));
  expect(report.saltRecovered).toBe(true);
  finish(store);
});

test("with a damaged key encoding in the superblock, keys are what they were: its checksum tells which it was", async () => {
  for (const keyEncoding of ["utf8", "binary", "ordered"] as const) {
    const path = freshPath();
    const store = open(path, { keyEncoding: keyEncoding as "ordered", flushEvery: 0 });
    const keys = Array.from({ length: 20 }, (_, i) =>
      keyEncoding === "utf8" ? `\u0001${i + 100}` : Uint8Array.of(1, 1, i),
    );
    for (const key of keys) store.set(key, `value ${key}`);
    finish(store);
    for (const damaged of [0, 1, 2, 7]) {
      const bytes = readFileSync(path);
      bytes.writeInt32LE(damaged, SB_KEY_ENCODING);
      // With the salt damaged as well.
      if (damaged === 7) bytes.writeInt32LE(7, SB_SALT);
      const { report, store: found } = await repaired(bytes);
      expect(found.keyEncoding).toBe(keyEncoding);
      expect([...found.keys()] as unknown[]).toEqual(keys);
      expect(report.keys).toBe(20);
      finish(found);
    }
  }
});

test("with a slab table of noise, and a superblock that is damaged but for the salt, everything is saved", async () => {
  const { bytes, content } = await sample(seed);
  const pick = random(seed);
  const table = FIRST_TABLE_SLAB * SLAB_BYTES;
  for (let at = FIRST_DATA_SLAB * ENTRY_BYTES; at < SLAB_BYTES; at++) bytes[table + at] = pick(256);
  for (let at = SB_CAPACITY; at < SB_END; at++) bytes[at] = pick(256);
  const { report, store } = await repaired(bytes);
  expect(new Map(store.entries())).toEqual(new Map(content));
  expect(report.unsoundSlabs).toBeGreaterThan(0);
  finish(store);
});

test("without salt and slab table nothing can be checked, and the error says so", async () => {
  const { bytes } = await sample(seed);
  bytes[SB_SALT]! ^= 1;
  bytes.fill(0xff, FIRST_TABLE_SLAB * SLAB_BYTES, (FIRST_TABLE_SLAB + 1) * SLAB_BYTES);
  const path = freshPath();
  writeFileSync(path, bytes);
  const error = await repair(path, `${path}.new`).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "CORRUPT" });
  expect(String(error)).toContain("no checksum can be checked");
});

test("of a file that is damaged anywhere, every leaf that is whole is saved, and no other value appears", async () => {
  const until = performance.now() + seconds * 1500;
  let files = 0;
  let keys = 0;
  let lost = 0;
  for (let start = seed; performance.now() < until || files < 3; start++) {
    const { bytes, content, places } = await sample(start);
    for (let round = 0; round < 6; round++, files++) {
      const pick = random(start * 31 + round);
      const damaged = Buffer.from(bytes);
      const holes: [number, number][] = [];
      for (let i = pick(12); i >= 0; i--) {
        // The salt and one or the other copy of it stay.
        const from = SB_END + pick(bytes.length - SB_END);
        const to = Math.min(bytes.length, from + 1 + pick(pick(3) === 0 ? 20_000 : 64));
        for (let at = from; at < to; at++) damaged[at] = pick(256);
        holes.push([from, to]);
      }
      const cut = pick(4) === 0 ? bytes.length - pick(bytes.length / 3) : bytes.length;
      holes.push([cut, bytes.length]);
      const { report, store } = await repaired(damaged.subarray(0, cut));
      for (const [key, value] of store.entries()) {
        if (content.get(key) !== value) throw new Error(`seed ${start}, round ${round}: ${key} is wrong`);
      }
      for (const [key, [from, to]] of places) {
        const isHit = holes.some(([a, b]) => a < to && from < b);
        if (!isHit && !store.has(key)) throw new Error(`seed ${start}, round ${round}: ${key} is lost`);
      }
      keys += report.keys;
      lost += content.size - report.keys;
      finish(store);
    }
  }
  console.log(`${files} damaged files: ${keys} keys saved, ${lost} lost`);
});
