/** The counters of syncs in the superblock, damaged: nothing spins, nothing is believed, and a rebuild saves all keys. */
import { expect, test } from "bun:test";
import { closeSync, openSync, writeSync } from "node:fs";
import { open } from "../../src/index.ts";
import { SB_DONE, SB_S, SB_W, SB_W_DISK } from "../../src/memory/layout.ts";
import { expectSound, freshPath } from "../store/support.ts";

const FIELDS = { S: SB_S, done: SB_DONE, W: SB_W, W_DISK: SB_W_DISK };
const DAMAGED = {
  "below zero": -(1n << 62n) + 1n,
  "too high": 1n << 40n,
  "more than a number holds": (1n << 62n) + 1n,
};

function damage(path: string, offset: number, value: bigint): void {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  const file = openSync(path, "r+");
  writeSync(file, bytes, 0, 8, offset);
  closeSync(file);
}

for (const [field, offset] of Object.entries(FIELDS)) {
  for (const [how, value] of Object.entries(DAMAGED)) {
    test(`${field} ${how}: opening says so, and a rebuild mends it`, () => {
      const path = freshPath();
      const store = open<number>(path, { flushEvery: 0 });
      for (let i = 0; i < 200; i++) store.set(`key ${i % 150}`, i);
      for (let i = 0; i < 20; i++) store.delete(`key ${i}`);
      const content = [...store.entries()];
      store.close();
      damage(path, offset, value);
      expect(() => open(path)).toThrow(expect.objectContaining({ code: "CORRUPT", offset: SB_S }));

      const mended = open<number>(path, { recover: "rebuild", flushEvery: 0 });
      expect([...mended.entries()]).toEqual(content);
      mended.set("more", 1);
      mended.flushSync();
      expectSound(mended);
      mended.close();
      const again = open<number>(path, { flushEvery: 0 });
      expect(again.stats().recovery.found).toBe("clean");
      expect(again.size).toBe(content.length + 1);
      again.close();
    });

    test(`${field} ${how} while the store is open: every call ends`, () => {
      const path = freshPath();
      const store = open<number>(path, { flushEvery: 0 });
      for (let i = 0; i < 200; i++) store.set(`key ${i}`, i);
      damage(path, offset, value);
      for (let i = 0; i < 100; i++) store.delete(`key ${i}`);
      store.flushSync();
      expect(store.size).toBe(100);
      store.close();
    });
  }
}
