/**
 * Leaves that a sync had promised are reused only when the disk holds what came after them. A store that is synced
 * once and then never flushed again grew by every value that was replaced from then on, until all had been. So whoever
 * needs memory that the file does not have syncs, and nobody else.
 */
import { expect, test } from "bun:test";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { open } from "../../src/index.ts";
import { SB_S } from "../../src/memory/layout.ts";
import { random } from "../random.ts";
import { finish, freshPath, seed } from "../store/support.ts";

const MIB = 1 << 20;

test("a store that never flushes does not grow with what waits for the disk", () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  const keys = 60_000;
  for (let i = 0; i < keys; i++) store.set(`key ${i}`, "x".repeat(900));
  store.flushSync();
  const loaded = statSync(path).size;
  const pick = random(seed);
  const sizes: number[] = [];
  for (let i = 1; i <= keys * 3; i++) {
    store.set(`key ${pick(keys)}`, `${i}${"y".repeat(900)}`);
    if (i % (keys / 2) === 0) sizes.push(statSync(path).size);
  }
  console.log(`${loaded >> 20} MiB loaded, then ${sizes.map((size) => size >> 20).join(", ")} MiB`);
  // What may wait: 4 MiB, or a quarter of what is live; then growth goes by sixteenths.
  expect(sizes.at(-1)!).toBeLessThan((loaded + Math.max(4 * MIB, loaded / 4)) * 1.2);
  expect(sizes.at(-1)!).toBe(sizes.at(-3)!);
  store.flushSync();
  store.flushSync();
  store.collect();
  finish(store);
});

/** How many syncs of the file have been started. */
function syncsOf(path: string): number {
  const bytes = Buffer.alloc(8);
  const fd = openSync(path, "r");
  readSync(fd, bytes, 0, 8, SB_S);
  closeSync(fd);
  return Number(bytes.readBigUInt64LE());
}

test("who deletes waits for no disk; who writes afterwards, once, and finds the room", () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  const keys = 60_000;
  const write = (round: number): void => {
    for (let i = 0; i < keys; i++) store.set(`key ${round} ${i}`, `${round}`.padEnd(400, "x"));
  };
  write(0);
  const sizes: number[] = [];
  const syncs: number[] = [];
  for (let round = 0; round < 6; round++) {
    store.flushSync();
    const before = syncsOf(path);
    for (let i = 0; i < keys; i++) expect(store.delete(`key ${round} ${i}`)).toBe(true);
    expect(syncsOf(path)).toBe(before);
    expect(store.size).toBe(0);
    write(round + 1);
    syncs.push(syncsOf(path) - before);
    sizes.push(statSync(path).size);
  }
  console.log(`deleted and written anew: ${sizes.map((size) => size >> 20).join(", ")} MiB, ${syncs} syncs`);
  expect(Math.max(...syncs)).toBeLessThan(4);
  expect(sizes[0]!).toBeLessThan(keys * 400 * 1.4);
  expect(sizes.at(-1)!).toBe(sizes[1]!);
  finish(store);
});

test("nor does who deletes in any order, for the smaller nodes that this takes", () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  const pick = random(seed);
  const keys = Array.from({ length: 60_000 }, () => pick(2 ** 31).toString(36));
  for (const key of keys) store.set(key, "x".repeat(200));
  store.flushSync();
  const before = syncsOf(path);
  const size = statSync(path).size;
  for (const key of keys) store.delete(key);
  expect(store.size).toBe(0);
  expect(syncsOf(path)).toBe(before);
  expect(statSync(path).size).toBeLessThan(size * 1.1);
  finish(store);
});

test("what waits for the disk when a program has nothing to do is free some time later", async () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  const keys = 40_000;
  for (let i = 0; i < keys; i++) store.set(`key ${i}`, "x".repeat(200));
  store.flushSync();
  for (let i = 0; i < keys; i++) store.delete(`key ${i}`);
  const { limbo } = store.stats().bytes;
  expect(limbo).toBeGreaterThan(4 * MIB);
  // Nobody writes, flushes or collects any more. What was retired in the last epoch stays.
  while (store.stats().bytes.limbo > limbo / 100) await Bun.sleep(20);
  finish(store);
});

test("large values that are replaced and removed leave the file as large as it was", () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  const value = new Uint8Array(3 * MIB);
  for (let i = 0; i < 5; i++) store.set(`key ${i}`, value);
  store.flushSync();
  const sizes: number[] = [];
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 5; i++) {
      if ((round + i) % 7 === 0) store.delete(`key ${i}`);
      else store.set(`key ${i}`, value);
      if (round % 9 === i) store.flushSync();
    }
    sizes.push(statSync(path).size);
  }
  console.log(`${sizes[0]! >> 20} to ${sizes.at(-1)! >> 20} MiB`);
  expect(sizes.at(-1)!).toBeLessThan(80 * MIB);
  expect(sizes.at(-1)!).toBe(sizes.at(-15)!);
  finish(store);
});
