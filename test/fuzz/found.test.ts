/** What the damaged files of this suite have found, each by itself: all of them hung, or gave wrong answers, once. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import { BancosError, inspectKey, open } from "../../src/index.ts";
import {
  AUX_SHIFT,
  COUNTS,
  ENTRY_WORD,
  entryCell,
  FIRST_DATA_SLAB,
  INTENT_CHECKED,
  INTENT_STATE,
  N4_CHILDREN,
  N4_DIGITS,
  N256_CHILDREN,
  SB_BOOT_ID,
  SB_CAPACITY,
  SB_CLEAN,
  SB_FREE_SLABS,
  SB_FRONTIER,
  SLAB_BYTES,
  SLOT_WORD,
  slotCell,
} from "../../src/memory/layout.ts";
import { codeOf, finish, freshPath } from "../store/support.ts";
import { forgeLeaf } from "./mutate.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

/** A closed store with `keys`, changed behind its back. */
function damaged(keys: readonly string[], change: (bytes: Buffer) => void): string {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  for (const key of keys) store.set(key, `value of ${key}`);
  finish(store);
  const bytes = readFileSync(path);
  change(bytes);
  writeFileSync(path, bytes);
  return path;
}

const ROOT = FIRST_DATA_SLAB * SLAB_BYTES;

test("a free slab that has a class in the slab table is taken like any other", () => {
  // Whoever looked for a free slab went by its kind, and whoever claimed it by the whole word: again and again.
  const path = damaged(["a"], (bytes) => {
    const slab = bytes.readInt32LE(SB_FRONTIER);
    bytes.writeInt32LE(slab + 1, SB_FRONTIER);
    bytes.writeInt32LE(1, SB_FREE_SLABS);
    bytes.writeInt32LE(42 << 4, entryCell(slab) * 8 + ENTRY_WORD);
  });
  const store = open(path, { flushEvery: 0 });
  for (let i = 0; i < 2000; i++) store.set(`key ${i}`, "x".repeat(i % 300));
  store.set("large", "x".repeat(100_000));
  expect(store.size).toBe(2002);
  finish(store);
});

test("a free slot that has an intent keeps nobody from a backup, is not given out, and verify() names it", async () => {
  // A backup waited half a minute for its change to end.
  const path = damaged(["a"], (bytes) => {
    for (const slot of [1, 2]) {
      bytes.writeInt32LE(INTENT_CHECKED, slotCell(slot) * 8 + INTENT_STATE);
      expect(bytes.readInt32LE(slotCell(slot) * 8 + SLOT_WORD) & 3).toBe(0);
    }
  });
  const store = open(path, { flushEvery: 0 });
  expect(store.stats().participants.map(({ slot }) => slot)).toEqual([3]);
  await store.backup(`${path}.copy`);
  expect(store.verify().problems.map(({ code }) => code)).toContain("INTENT");
  store.close();
  const copy = open(`${path}.copy`);
  expect([...copy]).toEqual([["a", "value of a"]]);
  finish(copy);
});

test("an intent in the slot of the store that makes a backup is CORRUPT, and verify() names it", async () => {
  // The backup waited half a minute for itself.
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  store.set("a", 1);
  store.flushSync();
  const fd = openSync(path, "r+");
  writeSync(fd, Int32Array.of(INTENT_CHECKED), 0, 4, slotCell(1) * 8 + INTENT_STATE);
  await expect(store.backup(`${path}.copy`)).rejects.toMatchObject({ code: "CORRUPT" });
  expect(store.verify().problems.map(({ code }) => code)).toContain("INTENT");
  writeSync(fd, Int32Array.of(0), 0, 4, slotCell(1) * 8 + INTENT_STATE);
  closeSync(fd);
  await store.backup(`${path}.copy`);
  finish(store);
});

test("a walk that comes to the same keys again is CORRUPT, in either direction", () => {
  // All children of the root are one node: each batch began again where the last key really is, for ever.
  const keys = Array.from({ length: 300 }, (_, i) => `a${String(i).padStart(3, "0")}`);
  const path = damaged([...keys, "b"], (bytes) => {
    const child = bytes.readInt32LE(ROOT + N256_CHILDREN + "a".charCodeAt(0) * 4);
    expect(child).not.toBe(0);
    for (let digit = 0; digit < 256; digit++) bytes.writeInt32LE(child, ROOT + N256_CHILDREN + digit * 4);
    bytes.writeInt32LE(256 << 8, ROOT + COUNTS);
  });
  const store = open(path, { flushEvery: 0 });
  for (const reverse of [false, true]) {
    expect(codeOf(() => [...store.entries({ reverse })])).toBe("CORRUPT");
    expect(codeOf(() => [...store.keys({ reverse, limit: 2000 })])).toBe("CORRUPT");
  }
  expect(codeOf(() => store.count({ gte: "a" }))).toBe("CORRUPT");
  expect(store.get("a007")).toBe("value of a007");
  expect(store.verify().ok).toBe(false);
  store.close();
});

test("a circle through a node of impossible depth is CORRUPT", () => {
  // The walk kept depths in 16 bits: 40,000 came back as a negative number, than which every depth is larger.
  const path = damaged(["aa", "ab", "c"], (bytes) => {
    const node = bytes.readInt32LE(ROOT + N256_CHILDREN + "a".charCodeAt(0) * 4);
    const at = (node >>> 0) * 8;
    bytes.writeInt32LE((bytes.readInt32LE(at) & 0x7fff) | (40_000 << AUX_SHIFT), at);
    bytes.writeInt32LE(node, at + N4_CHILDREN);
    bytes.writeInt32LE(node, at + N4_CHILDREN + 4);
  });
  const store = open(path, { flushEvery: 0 });
  for (const reverse of [false, true]) {
    expect(codeOf(() => [...store.entries({ reverse })])).toBe("CORRUPT");
    expect(codeOf(() => [...store.keys({ gte: "ab", reverse })])).toBe("CORRUPT");
  }
  expect(store.verify().ok).toBe(false);
  store.close();
});

test("verify() names an empty slot with the digit of another one, which hides that one's key", () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  for (const key of ["ka", "kb", "kc", "other"]) store.set(key, key);
  store.delete("ka");
  finish(store);
  const bytes = readFileSync(path);
  const node = (bytes.readInt32LE(ROOT + N256_CHILDREN + "k".charCodeAt(0) * 4) >>> 0) * 8;
  expect(bytes.subarray(node + N4_DIGITS, node + N4_DIGITS + 3).toString()).toBe("abc");
  bytes[node + N4_DIGITS] = "c".charCodeAt(0);
  writeFileSync(path, bytes);
  const found = open(path, { flushEvery: 0 });
  expect(found.get("kc")).toBeUndefined();
  expect(found.verify().problems).toMatchObject([{ code: "DIGITS", offset: node }]);
  found.close();
  const rebuilt = open(path, { recover: "rebuild" });
  expect(rebuilt.get("kc")).toBe("kc");
  finish(rebuilt);
});

test("a key with its end in its middle, in a leaf whose checksum is right, ends a backup and a rebuild with an error", async () => {
  // The empty key and one that begins with a terminator differ nowhere below the root: the place of a node between them
  // was looked for above it.
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  store.set("", "empty");
  store.set("b", "other");
  const { offset } = inspectKey(store, "b").leaf!;
  finish(store);
  const bytes = readFileSync(path);
  bytes[offset + 20] = 0;
  forgeLeaf(bytes, offset);
  writeFileSync(path, bytes);
  const found = open(path, { flushEvery: 0 });
  const error: unknown = await found.backup(`${path}.copy`).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(BancosError);
  expect(error).toMatchObject({ code: "CORRUPT" });
  found.close();
});

test("a capacity far beyond the file's end is CORRUPT, and takes no room on the disk", () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  store.set("a", 1);
  finish(store);
  const bytes = readFileSync(path);
  // Ten gigabytes; from another boot, where a file may be shorter than it says.
  bytes.writeInt32LE(655_360, SB_CAPACITY);
  bytes.writeInt32LE(0, SB_CLEAN);
  bytes.fill(7, SB_BOOT_ID, SB_BOOT_ID + 16);
  writeFileSync(path, bytes);
  for (const recover of ["auto", "rebuild"] as const) {
    expect(codeOf(() => open(path, { flushEvery: 0, recover }))).toBe("CORRUPT");
  }
  expect(statSync(path).size).toBe(bytes.length);
});
