/**
 * Leaves that a sync had promised are reused only when the disk holds what came after them. A store that is synced
 * once and then never flushed again grew by every value that was replaced from then on, until all had been.
 */
import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { open } from "../../src/index.ts";
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
