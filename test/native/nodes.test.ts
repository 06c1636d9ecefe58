/**
 * The steps over nodes and leaves that C does at once, each against the same done word by word in TypeScript: both
 * sides know the layout, and these tests hold them together.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readlinkSync } from "node:fs";
import { CLASS_BYTES, FIRST_LEAF_CLASS, leafClass } from "../../src/memory/classes.ts";
import {
  AUX_SHIFT,
  COUNTS,
  ENTRY_WORD,
  entryCell,
  KIND_MASK,
  LEAF,
  LEAF_CHECKSUM,
  LEAF_KEY,
  LEAF_MARK_HIGH,
  LEAF_SEQ,
  LIVE,
  MARK_SEQ_SHIFT,
  NODE4,
  NODE16,
  NODE48,
  NODE256,
  numberOffset,
  PRIVATE,
  RETIRED,
  SLAB_BYTES,
  SLAB_CELLS,
  SLAB_CLAIMED,
  SLAB_RUN,
  SLAB_SHIFT,
  SLAB_UNITS,
  SLOT_SHIFT,
  STATE_MASK,
  TAG,
  TYPE_SHIFT,
} from "../../src/memory/layout.ts";
import { hashDigits } from "../../src/memory/mix.ts";
import {
  closeFile,
  closeHandle,
  handleInfo,
  lockRange,
  openFile,
  rangeHeld,
  takeHandle,
  unlockRange,
} from "../../src/memory/platform.ts";
import * as m from "../../src/memory/primitives.ts";
import { entryWord } from "../../src/memory/slabs.ts";
import { changesInPlace, contentHash, finishChecksum, TYPE_FLOAT64 } from "../../src/node/leaf.ts";
import { clearNode, countsOf, NODE_CAPACITY, place } from "../../src/node/node.ts";
import { type Mapped, mapNew } from "./support.ts";

const BYTES = 1 << 20;
const NODE = 1000;
const CHILD = 20_000;
const LIST = 0;
const TAG_AT = 60_000;

let file: Mapped;
beforeAll(() => {
  file = mapNew(BYTES);
});
afterAll(() => file.close());

const words = (at: number, count: number): number[] => [...new Int32Array(file.scratch.buffer, at, count)];

/** A node of `kind` at depth 3 with these digits, in this order; their children are cells with tags of their own. */
function makeNode(kind: number, digits: readonly number[]): number {
  const tag = kind | LIVE | (3 << AUX_SHIFT);
  clearNode(file.h, kind, NODE);
  m.store32(file.h, NODE, TAG, tag);
  digits.forEach((digit, i) => {
    const child = CHILD + digit * 8;
    m.store32(file.h, child, TAG, LEAF | LIVE | (digit << AUX_SHIFT));
    place(file.h, kind, NODE, i, digit, child);
  });
  m.store32(file.h, NODE, COUNTS, countsOf(kind === NODE256 ? 0 : digits.length, digits.length));
  return tag;
}

const KINDS = [NODE4, NODE16, NODE48, NODE256];

/** `count` different digits, 0 and 255 among them, in no order. */
const someDigits = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => (count === 256 ? i * 77 : i * 85 + (i >> 1) * 31) & 255).filter(
    (digit, i, all) => all.indexOf(digit) === i,
  );

describe("childOf and listChildren", () => {
  for (const kind of KINDS) {
    test(`kind ${kind}: every digit, present or absent, from none to all slots in use`, () => {
      for (let count = 0; count <= (NODE_CAPACITY[kind] ?? 0); count += kind === NODE256 ? 37 : 1) {
        const digits = someDigits(count);
        const tag = makeNode(kind, digits);
        for (let digit = 0; digit < 256; digit++) {
          const expected = digits.includes(digit) ? CHILD + digit * 8 : 0;
          expect(m.childOf(file.h, NODE, tag, digit, TAG_AT)).toBe(expected);
          if (expected !== 0) expect(words(TAG_AT, 1)).toEqual([LEAF | LIVE | (digit << AUX_SHIFT)]);
        }
        const sorted = [...digits].sort((a, b) => a - b);
        expect(m.listChildren(file.h, NODE, tag, LIST)).toBe(digits.length);
        expect(words(LIST, digits.length)).toEqual(sorted.map((digit) => CHILD + digit * 8));
        expect([...file.scratch.subarray(LIST + 1024, LIST + 1024 + digits.length)]).toEqual(sorted);
      }
    });
  }

  test("what lies beyond the used count is not seen, nor is an empty slot", () => {
    for (const kind of [NODE4, NODE16]) {
      const tag = makeNode(kind, [5, 0, 9]);
      m.store32(file.h, NODE, COUNTS, countsOf(2, 2));
      expect(m.childOf(file.h, NODE, tag, 9, TAG_AT)).toBe(0);
      expect(m.listChildren(file.h, NODE, tag, LIST)).toBe(2);
      place(file.h, kind, NODE, 0, 5, 0);
      expect(m.childOf(file.h, NODE, tag, 5, TAG_AT)).toBe(0);
      expect(m.listChildren(file.h, NODE, tag, LIST)).toBe(1);
      expect(words(LIST, 1)).toEqual([CHILD]);
    }
  });

  test("no kind, a node or a child beyond the file, a scratch that is too small: nothing, and no crash", () => {
    const tag = makeNode(NODE4, [1, 2]);
    for (const kind of [0, LEAF, 6, 7]) {
      expect(m.childOf(file.h, NODE, (tag & ~7) | kind, 1, TAG_AT)).toBe(0);
      expect(m.listChildren(file.h, NODE, (tag & ~7) | kind, LIST)).toBe(-1);
    }
    for (const node of [BYTES / 8 - 1, -1, 2 ** 31 - 1]) {
      expect(m.childOf(file.h, node, tag, 1, TAG_AT)).toBe(0);
      expect(m.listChildren(file.h, node, tag, LIST)).toBe(-1);
    }
    expect(m.childOf(file.h, NODE, tag, 1, 65_535)).toBe(0);
    expect(m.listChildren(file.h, NODE, tag, 65_000)).toBe(-1);
    place(file.h, NODE4, NODE, 0, 1, -5);
    expect(m.childOf(file.h, NODE, tag, 1, TAG_AT)).toBe(-5);
    expect(words(TAG_AT, 1)).toEqual([0]);
    // A damaged index byte leads to a slot of the same node.
    const indexed = makeNode(NODE48, [7]);
    m.store8(file.h, NODE, 8 + 7, 255);
    expect([0, CHILD + 7 * 8]).toContain(m.childOf(file.h, NODE, indexed, 7, TAG_AT));
  });
});

test("childOf with no place for the tag gives the same child", () => {
  for (const kind of KINDS) {
    const tag = makeNode(kind, [4, 0, 255]);
    for (let digit = 0; digit < 256; digit++) {
      expect(m.childOf(file.h, NODE, tag, digit, -1)).toBe(m.childOf(file.h, NODE, tag, digit, TAG_AT));
    }
  }
});

test("storeWords and loadWords carry words both ways, and refuse what is out of range", () => {
  const view = new Int32Array(file.scratch.buffer, 128, 13);
  view.forEach((_, i) => {
    view[i] = i * 0x1234567;
  });
  expect(m.storeWords(file.h, NODE, 16, 128, 13)).toBe(1);
  for (let i = 0; i < 13; i++) expect(m.load32(file.h, NODE, 16 + i * 4)).toBe((i * 0x1234567) | 0);
  expect(m.loadWords(file.h, NODE, 16, 512, 13)).toBe(1);
  expect(words(512, 13)).toEqual([...view]);
  for (const [cell, off, at, count] of [
    [BYTES / 8 - 1, 0, 0, 3],
    [NODE, 0, 65_533, 1],
    [NODE, 0, 0, 0],
    [NODE, 0, 0, -1],
    [-1, 0, 0, 1],
  ] as const) {
    expect(m.storeWords(file.h, cell, off, at, count)).toBe(0);
    expect(m.loadWords(file.h, cell, off, at, count)).toBe(0);
  }
});

describe("leaves", () => {
  const SALT = 0x5eed;

  /** A float64 leaf at `cell`, finished as the tree finishes it. */
  function makeLeaf(cell: number, key: string, value: number): number {
    const digits = key.length;
    const tag = LEAF | LIVE | (digits << AUX_SHIFT) | (TYPE_FLOAT64 << TYPE_SHIFT);
    m.store32(file.h, cell, TAG, tag);
    m.copyInFrom(file.h, cell, LEAF_KEY, Buffer.from(key), digits);
    m.storeF64(file.h, cell, numberOffset(digits), value);
    const contents = contentHash(file.h, SALT, cell, digits, TYPE_FLOAT64, numberOffset(digits) + 8);
    const seqHigh = 5;
    m.store32(file.h, cell, LEAF_SEQ, 77);
    m.store32(file.h, cell, LEAF_MARK_HIGH, seqHigh << MARK_SEQ_SHIFT);
    m.store32(file.h, cell, LEAF_CHECKSUM, finishChecksum(contents, 77, seqHigh));
    return tag;
  }

  test("C and TypeScript agree on the checksum of a leaf, wherever it lies in its sector", () => {
    for (let cell = 4096; cell < 4096 + 64; cell++) {
      const key = "abcdefghij".slice(0, cell % 11);
      const tag = makeLeaf(cell, key, cell / 3);
      const digits = key.length;
      const end = changesInPlace(cell, digits, TYPE_FLOAT64) ? LEAF_KEY + digits : numberOffset(digits) + 8;
      expect(m.leafIsSound(file.h, cell, tag, SALT, end)).toBe(1);
      expect(m.leafIsSound(file.h, cell, tag, SALT + 1, end)).toBe(0);
      new Int32Array(file.scratch.buffer, 0, 1)[0] = cell;
      expect(m.gather(file.h, 0, 1, 4096, 1000, 2048, SALT, 1)).toBe(1);
      expect(words(4, 1)).toEqual([tag]);
      expect(new Float64Array(file.scratch.buffer, 2048, 1)[0]).toBe(cell / 3);
      expect(Buffer.from(file.scratch.subarray(4096, 4096 + digits)).toString()).toBe(key);
      // The value is under the checksum just where it can't change in place.
      m.storeF64(file.h, cell, numberOffset(digits), -1);
      expect(m.gather(file.h, 0, 1, 4096, 1000, 2048, SALT, 1)).toBe(1);
      expect(words(4, 1)).toEqual([changesInPlace(cell, digits, TYPE_FLOAT64) ? tag : 0]);
      expect(m.gather(file.h, 0, 1, 4096, 1000, 2048, SALT, 0)).toBe(1);
      expect(words(4, 1)).toEqual([tag]);
    }
  });

  /** Says in the slab table that the slab of `cell` is cut into leaves of `bytes`, or is a run (0). */
  function cutSlab(cell: number, bytes: number): void {
    const sizeClass = bytes === 0 ? 0 : leafClass(bytes);
    m.store32(
      file.h,
      entryCell(cell >>> SLAB_SHIFT),
      ENTRY_WORD,
      entryWord(bytes === 0 ? SLAB_RUN : SLAB_CELLS, sizeClass, 0),
    );
  }

  /** What findLeaf says of the key, and of the number and the cell that it leaves in the scratch buffer. */
  function findKey(cell: number, key: string, salt = SALT): { tag: number; value: number; leaf: number } {
    Buffer.from(key).copy(file.scratch, 20);
    new Int32Array(file.scratch.buffer, 2056, 1)[0] = -7;
    const tag = m.findLeaf(file.h, cell, 20, key.length, 2048, salt, m.CHECK_SUMS);
    expect(m.findLeaf(file.h, cell, 20, key.length, -1, salt, 0)).toBe(tag);
    const leaf = new Int32Array(file.scratch.buffer, 2056, 1)[0]!;
    return { tag, value: new Float64Array(file.scratch.buffer, 2048, 1)[0]!, leaf };
  }

  const SLAB = 40;
  const FIRST = SLAB << SLAB_SHIFT;
  const NONE = { tag: 0, value: expect.anything(), leaf: -7 };

  test("findLeaf finds a leaf just where one of the slab's size begins, in the tree, unlocked, with that key", () => {
    for (const bytes of CLASS_BYTES.slice(FIRST_LEAF_CLASS)) {
      const units = bytes >>> 3;
      if (bytes < 48) continue;
      cutSlab(FIRST, bytes);
      for (const index of [0, 1, Math.floor(SLAB_BYTES / bytes) - 1]) {
        const cell = FIRST + index * units;
        const tag = makeLeaf(cell, "the key", index);
        expect(findKey(cell, "the key")).toEqual({ tag, value: index, leaf: cell });
        expect(findKey(cell, "the key", SALT + 1)).toEqual({ tag, value: index, leaf: 0 });
        expect(findKey(cell, "the kez")).toEqual(NONE);
        expect(findKey(cell, "the ke")).toEqual(NONE);
        makeLeaf(cell + 1, "the key", 1);
        expect(findKey(cell + 1, "the key")).toEqual(NONE);
      }
      // The rest of a slab that no cell fills.
      const rest = FIRST + Math.floor(SLAB_BYTES / bytes) * units;
      if (rest + units > FIRST + SLAB_UNITS && rest + 6 <= FIRST + SLAB_UNITS) {
        makeLeaf(rest, "the key", 1);
        expect(findKey(rest, "the key")).toEqual(NONE);
      }
    }
    cutSlab(FIRST, 48);
    const tag = makeLeaf(FIRST, "the key", 4);
    for (const wrong of [
      tag | (3 << SLOT_SHIFT),
      (tag & ~STATE_MASK) | RETIRED,
      (tag & ~STATE_MASK) | PRIVATE,
      (tag & ~KIND_MASK) | NODE4,
    ]) {
      m.store32(file.h, FIRST, TAG, wrong);
      expect(findKey(FIRST, "the key")).toEqual(NONE);
    }
    m.store32(file.h, FIRST, TAG, tag);
    // Another type than a number: found, but not its value.
    const text = (tag & ~(7 << TYPE_SHIFT)) | (3 << TYPE_SHIFT);
    m.store32(file.h, FIRST, TAG, text);
    expect(findKey(FIRST, "the key")).toEqual({ tag: text, value: expect.anything(), leaf: 0 });
    m.store32(file.h, FIRST, TAG, tag);
    cutSlab(FIRST, 0);
    expect(findKey(FIRST, "the key").tag).toBe(tag);
    makeLeaf(FIRST + 6, "the key", 1);
    expect(findKey(FIRST + 6, "the key")).toEqual(NONE);
    for (const kind of [SLAB_CLAIMED, 0]) {
      m.store32(file.h, entryCell(SLAB), ENTRY_WORD, entryWord(kind, leafClass(48), 0));
      expect(findKey(FIRST, "the key")).toEqual(NONE);
    }
    expect(findKey(BYTES / 8, "the key")).toEqual(NONE);
  });

  test("findLeaf: the value is under the checksum just where it can't change in place", () => {
    for (let index = 0; index < 300; index++) {
      cutSlab(FIRST, 56);
      const cell = FIRST + (index % Math.floor(SLAB_BYTES / 56)) * 7;
      const key = "abcdefghijklm".slice(0, index % 14);
      const tag = makeLeaf(cell, key, index / 3);
      expect(findKey(cell, key)).toEqual({ tag, value: index / 3, leaf: cell });
      m.storeF64(file.h, cell, numberOffset(key.length), -1);
      const leaf = changesInPlace(cell, key.length, TYPE_FLOAT64) ? cell : 0;
      expect(findKey(cell, key)).toEqual({ tag, value: -1, leaf });
    }
  });

  test("hashLeaves gives the hash of each leaf that is in the tree or may come into it", () => {
    const units = 64 >>> 3;
    const states = [0, PRIVATE, LIVE, RETIRED];
    const expected: number[] = [];
    for (let i = 0; i < 100; i++) {
      const cell = FIRST + i * units;
      const key = "0123456789".repeat(4).slice(0, i % 31);
      const tag = makeLeaf(cell, key, 1);
      const state = states[i % 4]!;
      // Whoever has it locked.
      m.store32(file.h, cell, TAG, (tag & ~STATE_MASK) | state | ((i % 3) << SLOT_SHIFT));
      if (i % 10 === 9) m.store32(file.h, cell, TAG, NODE4 | LIVE);
      const padded = new Int32Array(16);
      Buffer.from(padded.buffer).write(key);
      if (i % 10 !== 9 && (state === PRIVATE || state === LIVE) && key.length <= 20)
        expected.push(cell, hashDigits(padded, 0, key.length));
    }
    const found = m.hashLeaves(file.h, FIRST, 64, 100, 4096, 20);
    expect(found).toBe(expected.length / 2);
    expect(words(4096, found * 2)).toEqual(expected);
    expect(expected.length).toBeGreaterThan(40);
    // Nothing beyond the file, or beyond the scratch buffer.
    expect(m.hashLeaves(file.h, BYTES / 8 - 4, 64, 10, 4096, 20)).toBe(0);
    expect(m.hashLeaves(file.h, FIRST, 64, 100, file.scratch.length - 8, 20)).toBe(0);
    expect(m.hashLeaves(file.h, FIRST, 64, -1, 4096, 20)).toBe(0);
  });

  test("a leaf beyond the file is not sound", () => {
    const tag = makeLeaf(4096, "key", 1);
    expect(m.leafIsSound(file.h, BYTES / 8 - 2, tag, SALT, 60)).toBe(0);
    expect(m.leafIsSound(file.h, -1, tag, SALT, 60)).toBe(0);
    expect(m.leafIsSound(file.h, 4096, tag, SALT, LEAF_KEY - 1)).toBe(0);
  });
});

test("takeHandle gives the handle of another thread to one who asks", () => {
  const other = mapNew(4096);
  const { tid } = handleInfo(other.h);
  expect(takeHandle(other.h, tid + 1)).toBe(false);
  expect(takeHandle(other.h, tid)).toBe(true);
  expect(handleInfo(other.h).tid).toBe(tid);
  other.close();
  expect(takeHandle(other.h, tid)).toBe(false);
});

test("closeHandle unmaps and closes at once", () => {
  const other = mapNew(4096);
  expect(existsSync(`/proc/self/fd/${other.fd}`)).toBe(true);
  const path = readlinkSync(`/proc/self/fd/${other.fd}`);
  closeHandle(other.h);
  expect(handleInfo(other.h).used).toBe(false);
  expect(m.load32(other.h, 0, 0)).toBe(0);
  expect(existsSync(`/proc/self/fd/${other.fd}`) && readlinkSync(`/proc/self/fd/${other.fd}`) === path).toBe(
    false,
  );
});

test("a range lock keeps others out and tells them its length, until its descriptor gives it up or closes", () => {
  const one = mapNew(4096);
  const path = `/proc/self/fd/${one.fd}`;
  const other = openFile(path, { write: true });
  const at = 2 ** 40 + 8192;
  expect(rangeHeld(other, at)).toBe(0);
  expect(lockRange(one.fd, at, 4_321_000_017)).toBe(true);
  expect(rangeHeld(one.fd, at)).toBe(0);
  expect(rangeHeld(other, at)).toBe(4_321_000_017);
  expect(rangeHeld(other, at + 4_321_000_017)).toBe(0);
  expect(lockRange(other, at, 5)).toBe(false);
  expect(lockRange(other, at - 5, 5)).toBe(true);
  unlockRange(one.fd, at, 2 ** 33);
  expect(rangeHeld(other, at)).toBe(0);
  expect(lockRange(other, at, 5)).toBe(true);
  closeFile(other);
  expect(rangeHeld(one.fd, at)).toBe(0);
  one.close();
});
