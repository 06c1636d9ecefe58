/**
 * Which numbers change in their place: those that lie in one sector of the disk with their leaf's header. And what is
 * needed for it: the leaf and its lock, no node.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { open, type Store } from "../../src/index.ts";
import { numberOffset, SLOT_MASK, TAG } from "../../src/memory/layout.ts";
import { load32 } from "../../src/memory/primitives.ts";
import { enter, leave } from "../../src/reclaim/epoch.ts";
import type { Participant } from "../../src/reclaim/participant.ts";
import { descend } from "../../src/rowex/place.ts";
import { changeNumber, IN_PLACE_DONE, IN_PLACE_REFUSED, IN_PLACE_RETRY } from "../../src/rowex/write.ts";
import { finish, quickPath } from "../store/support.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

const SECTOR_BYTES = 512;

test("a number changes in place only if no sector ends between its leaf's header and its value", () => {
  const store = open<number>(quickPath(), { flushEvery: 0 });
  const leafOf = (key: string): number => {
    const p = store.participant();
    p.keyLength = store.codec.encode(key, p.key);
    descend(p);
    return p.leaf;
  };
  let across = 0;
  for (let i = 0; i < 400; i++) {
    const key = `${i}`.padStart(20 + (i % 40), "k");
    // No integer: a float64.
    store.set(key, i + 0.5);
    const leaf = leafOf(key);
    const first = (leaf << 3) & (SECTOR_BYTES - 1);
    const isInOne = first + numberOffset(key.length) + 8 <= SECTOR_BYTES;
    if (!isInOne) across++;
    store.set(key, i + 0.25);
    expect(leafOf(key) === leaf).toBe(isInOne);
    expect(store.get(key)).toBe(i + 0.25);
  }
  expect(across).toBeGreaterThan(10);
  finish(store);
});

/** Finds the key's leaf, as an index would that knows nothing of nodes: the path is gone. In an epoch. */
function findLeaf(store: Store<number>, key: string): Participant {
  const p = store.participant();
  p.keyLength = store.codec.encode(key, p.key);
  descend(p);
  p.path.fill(0, 0, p.pathLength);
  p.pathLength = 0;
  return p;
}

test("a number changes in place with nothing known but its leaf, wherever that hangs by then", () => {
  const path = quickPath();
  const store = open<number>(path, { flushEvery: 0 });
  const other = open<number>(path, { flushEvery: 0 });
  store.set("key", 1.5);
  store.set("kez", 2.5);
  const steps: (() => void)[] = [
    () => {},
    // A node above it, more than one, larger ones; smaller ones and fewer.
    () => other.set("keyA", 1.5),
    () => other.set("kA", 1.5),
    () => {
      for (let i = 0; i < 60; i++) other.set(`ke${String.fromCharCode(33 + i)}`, i + 0.5);
    },
    () => {
      for (let i = 0; i < 60; i++) other.delete(`ke${String.fromCharCode(33 + i)}`);
    },
    () => other.delete("kez"),
    () => other.delete("keyA"),
    () => other.delete("kA"),
  ];
  for (const [i, step] of steps.entries()) {
    const p = store.participant();
    enter(p);
    try {
      findLeaf(store, "key");
      step();
      expect(changeNumber(p, i + 0.25, 0, null)).toBe(IN_PLACE_DONE);
    } finally {
      leave(p);
    }
    expect(other.get("key")).toBe(i + 0.25);
    expect(load32(p.h, p.leaf, TAG) & SLOT_MASK).toBe(0);
  }
  finish(other);
  finish(store);
});

test("a number does not change in a leaf that has been replaced or removed, nor if the condition says no", () => {
  const path = quickPath();
  const store = open<number>(path, { flushEvery: 0 });
  const other = open<unknown>(path, { flushEvery: 0 });
  const p = store.participant();
  const attempt = (meanwhile: () => void, condition: (() => boolean) | null): number => {
    store.set("key", 1.5);
    enter(p);
    try {
      findLeaf(store, "key");
      meanwhile();
      return changeNumber(p, 7.5, 0, condition);
    } finally {
      leave(p);
    }
  };
  expect(attempt(() => other.set("key", "a text"), null)).toBe(IN_PLACE_RETRY);
  expect(other.get("key")).toBe("a text");
  expect(attempt(() => other.delete("key"), null)).toBe(IN_PLACE_RETRY);
  expect(other.get("key")).toBeUndefined();
  expect(
    attempt(
      () => {},
      () => false,
    ),
  ).toBe(IN_PLACE_REFUSED);
  expect(other.get("key")).toBe(1.5);
  // Nothing is locked or announced any more.
  store.set("key", 2.5);
  expect(other.get("key")).toBe(2.5);
  finish(other);
  finish(store);
});

const child = (...args: string[]): string[] => [
  process.execPath,
  join(import.meta.dir, "number.ts"),
  ...args,
];

test("two processes add to neighbouring numbers and to one, beside a third that changes the nodes", async () => {
  const path = quickPath();
  const count = 20_000;
  const store = open<number>(path, { flushEvery: 0 });
  store.set("pkA", 0).set("pkB", 0).set("shared", 0);
  const adders = ["pkA", "pkB"].map((key) => Bun.spawn(child("add", path, key, `${count}`)));
  const ended = Promise.all(adders.map(({ exited }) => exited));
  let codes: number[] | null = null;
  void ended.then((all) => {
    codes = all;
  });
  for (let i = 0; codes === null; i++) {
    // A child beside them, a node between, a node with one child less: and away again.
    for (const key of ["pkC", "pX", "pkAx", "sharee"]) {
      if (i % 2 === 0) store.set(key, i);
      else store.delete(key);
    }
    if (i % 100 === 99) await Bun.sleep(0);
  }
  expect(await ended).toEqual([0, 0]);
  expect(["pkA", "pkB", "shared"].map((key) => store.get(key))).toEqual([count, count, 2 * count]);
  finish(store);
});

for (const [what, name] of [
  ["hold", "changed its number"],
  ["take", "was taking it out"],
] as const) {
  test(`a leaf is locked by a process that ${name} and was killed: the next who wants it recovers the dead`, () => {
    const path = quickPath();
    const store = open<number>(path, { flushEvery: 0 });
    store.set("key", 1.5).set("kez", 2.5);
    for (const change of [
      () => expect(store.add("key", 1)).toBe(2.5),
      () => expect(store.delete("key")).toBe(true),
      () => store.set("key", 3.5),
    ]) {
      store.set("key", 1.5);
      const before = store.stats().recoveries;
      const { signalCode } = Bun.spawnSync(child(what, path, "key"));
      expect(signalCode).toBe("SIGKILL");
      // Whoever only reads needs no lock, and recovers nobody.
      expect(store.get("key")).toBe(1.5);
      const p = findLeaf(store, "key");
      const holder = store.stats().participants.find(({ self }) => !self)!;
      expect(holder.locks).toContain((p.leaf >>> 0) * 8);
      expect(load32(p.h, p.leaf, TAG) & SLOT_MASK).not.toBe(0);
      change();
      expect(store.stats().recoveries).toBe(before + 1);
    }
    finish(store);
  });
}
