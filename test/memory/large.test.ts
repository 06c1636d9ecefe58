/** Runs of slabs, slab tables, and slabs that change class: where memory comes from and where it goes. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { open, type Store } from "../../src/index.ts";
import { REGION_SLABS, SLAB_BYTES } from "../../src/memory/layout.ts";
import { expectSound, finish, freshPath, quickPath, random, seed } from "../store/support.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

const quiet = (path = quickPath()): Store<Uint8Array> =>
  open<Uint8Array>(path, { flushEvery: 0, maxSize: 2 ** 31 });

function stamped(length: number, stamp: number): Uint8Array {
  const value = new Uint8Array(length);
  const words = new Uint32Array(value.buffer, 0, length >>> 2);
  for (let i = 0; i < words.length; i += 64) words[i] = Math.imul(stamp, 0x85ebca6b) + i;
  return value;
}

describe("runs of slabs", () => {
  // Values of 8 to 64 KiB pass through the scratch buffer: they were written across the table.
  test("step over the slab tables with values of every size", () => {
    const pick = random(seed);
    const store = open<string>(freshPath(), { flushEvery: 0, maxSize: 2 ** 31 });
    const written = new Map<string, string>();
    const set = (key: string): void => {
      const value = String(written.size % 10).repeat(7_000 + pick(pick(4) === 0 ? 90_000 : 57_000));
      store.set(key, value);
      written.set(key, value);
    };
    // Three regions, and keys as long as they can be: these push the value into the second slab.
    for (let i = 0; i < 1200; i++) set(i % 3 === 0 ? `${i} ${"\x01".repeat(4000)}` : `key ${i}`);
    for (let i = 0; i < 400; i++) {
      const key = `key ${pick(1200)}`;
      if (store.delete(key)) written.delete(key);
      set(`key ${pick(1200)}`);
      if (i % 50 === 0) store.collect();
    }
    for (const [key, value] of written) expect(store.get(key) === value).toBe(true);
    expect(store.stats().bytes.file).toBeGreaterThan(48 << 20);
    expectSound(store);
    finish(store);
  });

  test("step over the slab tables at every 16 MiB, wherever they begin", () => {
    const store = quiet(freshPath());
    // 18 slabs are taken before: the runs come to lie across tables at ever different offsets.
    const sizes = [3, 5, 7, 11, 15, 33].map((mib) => mib * 1024 * 1024 - 1000);
    for (let round = 0; round < 2; round++) {
      for (const [i, size] of sizes.entries()) store.set(`run ${round} ${i}`, stamped(size, round * 100 + i));
    }
    for (let round = 0; round < 2; round++) {
      for (const [i, size] of sizes.entries()) {
        expect(Buffer.compare(store.get(`run ${round} ${i}`)!, stamped(size, round * 100 + i))).toBe(0);
      }
    }
    const { overhead, file } = store.stats().bytes;
    expect(overhead / SLAB_BYTES).toBeGreaterThanOrEqual(
      18 + Math.floor(file / SLAB_BYTES / REGION_SLABS) - 1,
    );
    expectSound(store);
    for (let i = 0; i < sizes.length; i += 2) expect(store.delete(`run 0 ${i}`)).toBe(true);
    store.collect();
    expectSound(store);
    // First fit: what is a little smaller goes where something was.
    for (let i = 0; i < sizes.length; i += 2) store.set(`again ${i}`, stamped(sizes[i]! - 50_000, i));
    expect(store.stats().bytes.file).toBe(file);
    for (let i = 0; i < sizes.length; i += 2) {
      expect(Buffer.compare(store.get(`again ${i}`)!, stamped(sizes[i]! - 50_000, i))).toBe(0);
    }
    const path = store.path;
    finish(store);
    const rebuilt = open<Uint8Array>(path, { recover: "rebuild" });
    for (const [i, size] of sizes.entries()) {
      expect(Buffer.compare(rebuilt.get(`run 1 ${i}`)!, stamped(size, 100 + i))).toBe(0);
    }
    expect(rebuilt.size).toBe(12);
    finish(rebuilt);
  });

  test("of all lengths come and go for ever in a file of steady size", () => {
    const store = quiet();
    const pick = random(seed);
    const lengths = new Map<string, [number, number]>();
    let bytes = 0;
    let peak = 0;
    for (let i = 0; i < 1500; i++) {
      const key = `run ${pick(40)}`;
      bytes -= lengths.get(key)?.[0] ?? 0;
      if (pick(3) === 0) {
        expect(store.delete(key)).toBe(lengths.delete(key));
      } else {
        const length = 9000 + pick(pick(4) === 0 ? 900_000 : 60_000);
        store.set(key, stamped(length, i));
        lengths.set(key, [length, i]);
        bytes += length;
      }
      peak = Math.max(peak, bytes);
      if (i % 10 === 0) store.collect();
    }
    for (const [key, [length, stamp]] of lengths) {
      expect(Buffer.compare(store.get(key)!, stamped(length, stamp))).toBe(0);
    }
    expect(store.size).toBe(lengths.size);
    // First fit wastes some; it must not be without bound.
    expect(store.stats().bytes.file).toBeLessThan(peak * 3 + (4 << 20));
    finish(store);
  });
});

describe("slabs", () => {
  test("emptied by one size class serve another", () => {
    const store = quiet();
    const value = (size: number): Uint8Array => new Uint8Array(size).fill(size & 0xff);
    let file = 0;
    for (const [round, size] of [20, 700, 3000, 60, 200, 32_000, 1500, 8000].entries()) {
      const count = Math.floor((4 << 20) / (size + 40));
      for (let i = 0; i < count; i++) store.set(`key ${i}`, value(size));
      for (let i = 0; i < count; i += 97) expect(store.get(`key ${i}`)).toEqual(value(size));
      expectSound(store);
      for (let i = 0; i < count; i++) expect(store.delete(`key ${i}`)).toBe(true);
      store.collect();
      expectSound(store);
      expect(store.size).toBe(0);
      // The first round has the most nodes; what the others take more is what their size classes round up.
      if (round === 0) file = store.stats().bytes.file;
      expect(store.stats().bytes.file).toBeLessThanOrEqual(file * 1.5);
      expect(store.stats().bytes.leaves).toBe(0);
    }
    finish(store);
  });

  test("of a store that closed are adopted by the next: opening again and again does not make a file grow", () => {
    const path = quickPath();
    let file = 0;
    for (let round = 0; round < 60; round++) {
      const store = quiet(path);
      for (let i = 0; i < 50; i++) store.set(`key ${i}`, stamped(20 + ((i * 37 + round) % 500), round));
      store.flushSync();
      store.collect();
      if (round === 20) file = store.stats().bytes.file;
      if (round > 20) expect(store.stats().bytes.file).toBe(file);
      finish(store);
    }
  });

  test("cells given up by several stores on one file are used by all of them", () => {
    const path = quickPath();
    const stores = Array.from({ length: 4 }, () => quiet(path));
    let file = 0;
    for (let round = 0; round < 40; round++) {
      // Each deletes what another wrote: cells come back to slabs of somebody else.
      for (const [i, store] of stores.entries()) {
        for (let j = 0; j < 200; j++) store.set(`${i} ${j}`, stamped(30 + (j % 90), round));
      }
      for (const [i, store] of stores.entries()) {
        for (let j = 0; j < 200; j++) expect(store.delete(`${(i + round) % 4} ${j}`)).toBe(true);
      }
      for (const store of stores) store.collect();
      if (round === 15) file = stores[0]!.stats().bytes.file;
      if (round > 15) expect(stores[0]!.stats().bytes.file).toBe(file);
    }
    expectSound(stores[0]!);
    for (const store of stores.slice(1)) store.close();
    finish(stores[0]!);
  });
});
