/** Hints (src/rowex/hints.ts) on the real memory: what they must not be deceived by. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { open, type Store } from "../../src/index.ts";
import { CLASS_BYTES, leafClass } from "../../src/memory/classes.ts";
import {
  AUX_SHIFT,
  COUNTS,
  ENTRY_WORD,
  entryCell,
  IDENTITY_MASK,
  KIND_MASK,
  LEAF,
  LEAF_KEY,
  LIVE,
  LIVE_SHIFT,
  lengthOffset,
  N4_BYTES,
  N4_CHILDREN,
  N4_DIGITS,
  NODE4,
  SLAB_CELLS,
  SLAB_SHIFT,
  SLAB_UNITS,
  TAG,
} from "../../src/memory/layout.ts";
import { load32 } from "../../src/memory/primitives.ts";
import { entryKind, entryOwner } from "../../src/memory/slabs.ts";
import type { Participant } from "../../src/reclaim/participant.ts";
import { descend } from "../../src/rowex/place.ts";
import { expectSound, finish, quickPath } from "../store/support.ts";

setDefaultTimeout(300_000);

/** Where `key` is: the node above its leaf, that node's tag, the leaf. */
function placeOf(
  store: Store<string> | Store<string | Uint8Array>,
  key: string,
): { p: Participant; node: number; tag: number; leaf: number } {
  const p = store.participant();
  p.keyLength = store.codec.encode(key, p.key);
  descend(p);
  return { p, node: p.path[p.pathLength - 1]!, tag: p.pathTag[p.pathLength - 1]!, leaf: p.leaf };
}

test("a value that looks like the node that a hint names, where that node was, deceives nobody", () => {
  const path = quickPath();
  const store = open<string>(path, { flushEvery: 0, maxSize: 64 << 20 });
  const reader = open<string>(path, { flushEvery: 0 });
  // Pairs, each below a Node4 of its own; more than one slab has room for, so that nobody owns the first slab.
  const pairs = Array.from({ length: 1500 }, (_, i) => `p${i}`);
  for (const pair of pairs) for (const half of ["/1", "/2"]) store.set(pair + half, "old");
  // A leaf that a sync has promised waits for the next before its cell is used again.
  store.flushSync();
  const cellBytes = CLASS_BYTES.find((bytes) => bytes >= 1024 && bytes % N4_BYTES === 0)!;
  const valueAt = lengthOffset("f0000".length) + 4;
  // One pair in each slab that nobody owns: which of the slabs becomes free is the allocator's affair.
  const victims = new Map<
    number,
    { key: string; node: number; leaf: number; identity: number; digit: number }
  >();
  for (const pair of pairs) {
    const key = `${pair}/1`;
    const { p, node, tag, leaf } = placeOf(store, key);
    const slab = node >>> SLAB_SHIFT;
    const word = load32(p.h, entryCell(slab), ENTRY_WORD);
    const offset = ((node & (SLAB_UNITS - 1)) * 8) % cellBytes;
    if ((tag & KIND_MASK) !== NODE4 || entryKind(word) !== SLAB_CELLS || entryOwner(word) !== 0) continue;
    if (offset < valueAt + N4_BYTES || offset + N4_BYTES >= cellBytes) continue;
    const depth = tag >>> AUX_SHIFT;
    victims.set(slab, {
      key,
      node,
      leaf,
      identity: NODE4 | LIVE | (depth << AUX_SHIFT),
      digit: p.key[depth]!,
    });
  }
  // Who changes keys takes hints of nodes.
  for (const { key } of victims.values()) {
    expect(reader.compareAndSet(key, "other", "no")).toBe(false);
    expect(reader.get(key)).toBe("old");
  }

  // The nodes go, and with them whole slabs; the leaves stay, and are replaced.
  const kept = new Set([...victims.values()].map(({ key }) => key));
  for (const pair of pairs) {
    for (const half of ["/1", "/2"]) if (!kept.has(pair + half)) store.delete(pair + half);
  }
  for (let i = 0; i < 4; i++) store.collect();
  for (const key of kept) store.set(key, "new");

  // Values full of what would be such a node, with the old leaf as its child, take the slabs.
  let deceived = 0;
  let next = 0;
  for (const { key, node, leaf, identity, digit } of victims.values()) {
    const fake = Buffer.alloc(N4_BYTES);
    fake.writeInt32LE(identity, TAG);
    fake.writeInt32LE(1 | (1 << LIVE_SHIFT), COUNTS);
    fake[N4_DIGITS] = digit;
    fake.writeInt32LE(leaf, N4_CHILDREN);
    const value = Buffer.alloc(cellBytes - valueAt);
    for (let at = N4_BYTES - (valueAt % N4_BYTES); at + N4_BYTES <= value.length; at += N4_BYTES) {
      fake.copy(value, at);
    }
    const text = value.toString("latin1");
    const first = next;
    const h = store.participant().h;
    while (next < first + 400 && load32(h, node, TAG) !== identity) {
      store.set(`f${String(next++).padStart(4, "0")}`, text);
    }
    if (load32(h, node, TAG) === identity) deceived++;
    expect(reader.compareAndSet(key, "new", "newer")).toBe(true);
    expect(reader.get(key)).toBe("newer");
    for (let i = first; i < next; i++) store.delete(`f${String(i).padStart(4, "0")}`);
    for (let i = 0; i < 3; i++) store.collect();
  }
  // At least one trap was set, or this has tested nothing.
  expect(deceived).toBeGreaterThan(0);
  expectSound(store);
  reader.close();
  finish(store);
});

test("a value that looks like the leaf that a hint names, where that leaf was, deceives nobody", () => {
  const path = quickPath();
  const store = open<string | Uint8Array>(path, { flushEvery: 0, maxSize: 64 << 20 });
  const reader = open<string | Uint8Array>(path, { flushEvery: 0 });
  const keys = Array.from({ length: 4000 }, (_, i) => `k${String(i).padStart(4, "0")}`);
  for (const key of keys) store.set(key, "old");
  store.flushSync();
  const valueAt = lengthOffset("f0000".length) + 4;
  const bytes = lengthOffset("k0000".length) + 4 + "old".length;
  const cellBytes = CLASS_BYTES.find(
    (size) => size >= 1024 && size % CLASS_BYTES[leafClass(bytes)]! !== 0,
  ) as number;
  // One leaf in each slab that nobody owns, where a value of a larger leaf will lie.
  const victims = new Map<number, { key: string; leaf: number; tag: number; at: number }>();
  for (const key of keys) {
    const { p, leaf } = placeOf(store, key);
    const slab = leaf >>> SLAB_SHIFT;
    const word = load32(p.h, entryCell(slab), ENTRY_WORD);
    const at = ((leaf & (SLAB_UNITS - 1)) * 8) % cellBytes;
    if (entryKind(word) !== SLAB_CELLS || entryOwner(word) !== 0 || victims.has(slab)) continue;
    if (at < valueAt || at + bytes + 8 >= cellBytes) continue;
    victims.set(slab, { key, leaf, tag: (p.leafTag & IDENTITY_MASK) | LEAF | LIVE, at });
  }
  for (const { key } of victims.values()) expect(reader.get(key)).toBe("old");

  // The leaves go, and with them whole slabs; those of the victims are replaced by such as lie elsewhere.
  const newValue = "new".repeat(30);
  const kept = new Set([...victims.values()].map(({ key }) => key));
  for (const key of keys) if (!kept.has(key)) store.delete(key);
  for (const key of kept) store.set(key, newValue);
  // A leaf that a sync has promised waits for the next.
  const empty = (): void => {
    for (let i = 0; i < 3; i++) {
      store.flushSync();
      store.collect();
    }
  };
  empty();

  let deceived = 0;
  let next = 0;
  for (const { key, leaf, tag, at } of victims.values()) {
    const value = Buffer.alloc(cellBytes - valueAt);
    const fake = value.subarray(at - valueAt);
    fake.writeInt32LE(tag, TAG);
    fake.write(key, LEAF_KEY);
    fake.writeInt32LE(3, lengthOffset(key.length));
    fake.write("old", lengthOffset(key.length) + 4);
    const first = next;
    const h = store.participant().h;
    while (next < first + 400 && load32(h, leaf, TAG) !== tag) {
      store.set(`f${String(next++).padStart(4, "0")}`, value);
    }
    if (load32(h, leaf, TAG) === tag) deceived++;
    expect(reader.get(key)).toBe(newValue);
    expect(reader.getMany([key])).toEqual([newValue]);
    for (let i = first; i < next; i++) store.delete(`f${String(i).padStart(4, "0")}`);
    empty();
  }
  expect(deceived).toBeGreaterThan(0);
  expectSound(store);
  reader.close();
  finish(store);
});
