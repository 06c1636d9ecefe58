/** Which pages a participant knows to have been written to, and what it lets go of around a sync. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { open } from "../../src/index.ts";
import { SB, SB_S, SLAB_BYTES } from "../../src/memory/layout.ts";
import { Pages, WINDOW_BYTES } from "../../src/memory/pages.ts";
import { fetchAdd64 } from "../../src/memory/primitives.ts";
import type { Region } from "../../src/memory/region.ts";
import { closeOpened, openFileAsStore } from "../../src/store/open.ts";
import { checkOptions } from "../../src/store/options.ts";
import { expectSound, finish, freshPath, memoryFolder, quickPath } from "../store/support.ts";

setDefaultTimeout(60_000);

const PAGE_UNITS = 4096 / 8;
const WINDOW_UNITS = WINDOW_BYTES / 8;
const WINDOW_PAGES = WINDOW_BYTES / 4096;

/** Calls `use` with a file of at least four windows. */
function withRegion(path: string, use: (region: Region) => void): void {
  const store = open<string>(path);
  for (let i = 0; i < 50; i++) store.set(`key ${i}`, "v".repeat(100_000));
  finish(store);
  const opened = openFileAsStore(path, checkOptions({}));
  expect(opened.region.capacity * SLAB_BYTES).toBeGreaterThan(4 * WINDOW_BYTES);
  use(opened.region);
  closeOpened(opened);
}

/** Touches every `step`th page of window `window`. */
function touch(pages: Pages, window: number, step: number): void {
  for (let page = 0; page < WINDOW_PAGES; page += step)
    pages.touch(window * WINDOW_UNITS + page * PAGE_UNITS);
}

test("a window is dense when an eighth of its pages were written to since the last sync", () => {
  withRegion(freshPath(), (region) => {
    const pages = new Pages(region);
    expect(pages.dense()).toEqual([]);
    touch(pages, 1, 8);
    touch(pages, 2, 9);
    // The same pages again are no more of them.
    touch(pages, 2, 9);
    pages.touchAll(3 * WINDOW_UNITS, WINDOW_BYTES);
    expect(pages.dense()).toEqual([WINDOW_UNITS, 3 * WINDOW_UNITS]);
    for (let syncs = 0; syncs < 600; syncs++) {
      pages.forget();
      expect(pages.dense()).toEqual([]);
    }
    touch(pages, 2, 1);
    expect(pages.dense()).toEqual([2 * WINDOW_UNITS]);
    const last = Math.floor((region.capacity * SLAB_BYTES - 1) / WINDOW_BYTES) * WINDOW_UNITS;
    expect(pages.windowBytes(last)).toBe(region.capacity * SLAB_BYTES - last * 8);
    expect(pages.windowBytes(0)).toBe(WINDOW_BYTES);
  });
});

test("a sync that another has begun is noticed once", () => {
  withRegion(freshPath(), (region) => {
    const pages = new Pages(region);
    pages.notice();
    touch(pages, 1, 1);
    pages.notice();
    expect(pages.dense()).toEqual([WINDOW_UNITS]);
    fetchAdd64(region.h, SB, SB_S, 1);
    pages.notice();
    expect(pages.dense()).toEqual([]);
    touch(pages, 1, 1);
    pages.notice();
    expect(pages.dense()).toEqual([WINDOW_UNITS]);
  });
});

/** Bytes of the file at `path` that this process has mapped. */
function resident(path: string): number {
  const maps = readFileSync("/proc/self/smaps", "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const own = maps.filter((map) => map.slice(0, map.indexOf("\n")).endsWith(path));
  expect(own).not.toBeEmpty();
  return own.reduce((sum, map) => sum + Number(/^Rss:\s+(\d+) kB/m.exec(map)?.[1]) * 1024, 0);
}

test("a sync in this thread lets go of what was written to, and loses nothing", () => {
  const path = freshPath();
  let store = open<string>(path, { flushEvery: 0 });
  const write = (): void => {
    for (let i = 0; i < 30_000; i++) store.set(`key ${i}`, `${i}`.padEnd(400, "."));
  };
  const expectAll = (): void => {
    for (let i = 0; i < 30_000; i++) expect(store.get(`key ${i}`)).toBe(`${i}`.padEnd(400, "."));
  };
  write();
  expect(resident(path)).toBeGreaterThan(12_000_000);
  store.flushSync();
  expect(resident(path)).toBeLessThan(4_000_000);
  expectAll();
  write();
  store.close();
  store = open<string>(path, { flushEvery: 0 });
  expectAll();
  expectSound(store);
  finish(store);
});

test.skipIf(memoryFolder !== "/dev/shm")("nothing is let go of where files are in memory", () => {
  withRegion(quickPath(), (region) => {
    const pages = new Pages(region);
    touch(pages, 1, 1);
    expect(pages.dense()).toEqual([]);
  });
});

test("syncs in the background and by another, beside a writer of many pages, lose nothing", async () => {
  const path = freshPath();
  const store = open<string>(path, { flushEvery: 0 });
  const other = open<string>(path, { flushEvery: 0 });
  const KEYS = 20_000;
  const value = (key: number, round: number): string => `${round}:${key}`.padEnd(300, ".");
  const newest = new Array<number>(KEYS);
  let flushes: Promise<void>[] = [];
  for (let round = 0; round < 6; round++) {
    for (let key = 0; key < KEYS; key++) {
      (key % 2 === 0 ? store : other).set(`key ${key}`, value(key, round));
      newest[key] = round;
      if (key % 5000 === 2500) flushes.push((round % 2 === 0 ? store : other).flush());
      if (key % 1000 === 0) await new Promise<void>((done) => setImmediate(done));
    }
    await Promise.all(flushes);
    flushes = [];
  }
  for (let key = 0; key < KEYS; key++)
    expect(store.get(`key ${key}`)).toBe(value(key, newest[key] as number));
  other.close();
  expectSound(store);
  finish(store);
});

test("a store closes while a background sync has its pages written", async () => {
  const path = freshPath();
  const store = open<string>(path, { flushEvery: 0 });
  for (let i = 0; i < 60_000; i++) store.set(`key ${i}`, "x".repeat(200));
  const flush = store.flush();
  await new Promise<void>((done) => setImmediate(done));
  store.close();
  await flush;
  const again = open<string>(path);
  expect(again.size).toBe(60_000);
  expectSound(again);
  finish(again);
});
