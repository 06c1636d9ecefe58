/** The walk over leaves, in C, against a plain one in TypeScript over many random trees; and over damaged ones. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { FIRST_LEAF_CLASS } from "../../src/memory/classes.ts";
import {
  AUX_SHIFT,
  COUNTS,
  ENTRY_WORD,
  entryCell,
  LEAF,
  LIVE,
  N4_CHILDREN,
  N16_CHILDREN,
  N48_CHILDREN,
  N48_INDEX,
  N256_CHILDREN,
  NODE4,
  NODE16,
  NODE48,
  NODE256,
  RETIRED,
  SLAB_CELLS,
  SLAB_CLAIMED,
  SLAB_RUN,
  SLAB_SHIFT,
  SLAB_UNITS,
  TAG,
} from "../../src/memory/layout.ts";
import * as m from "../../src/memory/primitives.ts";
import { MOST_NODES, WALK_ENTRIES } from "../../src/memory/scratch.ts";
import { entryWord } from "../../src/memory/slabs.ts";
import { clearNode, countsOf, NODE_BYTES, NODE_CAPACITY, place } from "../../src/node/node.ts";
import { type Mapped, mapNew } from "./support.ts";

const BYTES = 4 << 20;
const STATE = 64;
const LIST = STATE + m.WALK_STACK + WALK_ENTRIES * 8;
const MOST = 20_000;
const scratch = new Uint8Array(LIST + MOST * 4);
const state = new Int32Array(scratch.buffer, STATE, (LIST - STATE) / 4);
const list = new Int32Array(scratch.buffer, LIST, MOST);

let file: Mapped;
beforeAll(() => {
  file = mapNew(BYTES);
  m.bindScratch(file.h, scratch, scratch.length);
});
afterAll(() => file.close());

/** The same numbers in each run. */
function random(seed: number): (below: number) => number {
  let now = seed;
  return (below) => {
    now = (Math.imul(now, 1_664_525) + 1_013_904_223) | 0;
    return Math.floor(((now >>> 0) / 2 ** 32) * below);
  };
}

// Cells are cut in turn: nodes from slab 20 on, leaves from slab 100 on, of which the table knows some and some not.
const FIRST_NODE = 20 * SLAB_UNITS;
const FIRST_LEAF = 100 * SLAB_UNITS;
let nextNode = FIRST_NODE;
let nextLeaf = FIRST_LEAF;
beforeEach(() => {
  nextNode = FIRST_NODE;
  nextLeaf = FIRST_LEAF;
});

beforeAll(() => {
  const words = [
    entryWord(SLAB_CELLS, FIRST_LEAF_CLASS, 7),
    entryWord(SLAB_CLAIMED, FIRST_LEAF_CLASS, 7),
    entryWord(SLAB_RUN, 0, 0),
    entryWord(SLAB_CELLS, FIRST_LEAF_CLASS + 3, 0),
    entryWord(SLAB_CELLS, NODE256, 0),
    0,
  ];
  for (let slab = FIRST_LEAF >>> SLAB_SHIFT; slab < 256; slab++)
    m.store32(file.h, entryCell(slab), ENTRY_WORD, words[slab % words.length]!);
  for (let slab = 20; slab < 100; slab++)
    m.store32(file.h, entryCell(slab), ENTRY_WORD, entryWord(SLAB_CELLS, NODE4, 0));
});

function makeLeaf(pick: (below: number) => number): number {
  const cell = nextLeaf;
  // Neighbours lie in different slabs.
  nextLeaf += SLAB_UNITS;
  if (nextLeaf >= BYTES / 8) nextLeaf = FIRST_LEAF + (nextLeaf % SLAB_UNITS) + 8;
  m.store32(file.h, cell, TAG, LEAF | (pick(9) === 0 ? RETIRED : LIVE) | (5 << AUX_SHIFT));
  return cell;
}

/** A node with these children in this order; a child that is 0 has been removed. */
function makeNode(kind: number, depth: number, children: readonly (readonly [number, number])[]): number {
  const { h } = file;
  const cell = nextNode;
  nextNode += (NODE_BYTES[kind]! + 7) >> 3;
  m.store32(h, cell, TAG, kind | LIVE | (depth << AUX_SHIFT));
  clearNode(h, kind, cell);
  for (const [i, [digit, child]] of children.entries()) place(h, kind, cell, i, digit, child);
  m.store32(h, cell, COUNTS, countsOf(kind === NODE256 ? 0 : children.length, children.length));
  return cell;
}

interface Step {
  readonly node: number;
  readonly depth: number;
  readonly digit: number;
}
/** The leaves of a tree in order, each with the way to it. */
type Leaves = { cell: number; way: Step[] }[];

/** A random tree; returns its top and puts its leaves, in order, into `leaves`. */
function makeTree(
  pick: (below: number) => number,
  depth: number,
  budget: { left: number },
  leaves: Leaves,
  way: Step[],
): number {
  const kind = [NODE4, NODE4, NODE16, NODE16, NODE48, NODE256][pick(depth === 0 ? 6 : 5)]!;
  const most = Math.min(NODE_CAPACITY[kind]!, 1 + pick(kind <= NODE16 ? 16 : 80));
  const digits: number[] = [];
  while (digits.length < most) {
    const digit = [0, 255, pick(256), pick(256), 97 + pick(26)][pick(5)]!;
    if (!digits.includes(digit)) digits.push(digit);
  }
  const children = new Map<number, number>();
  const below = new Map<number, Leaves>();
  const cells: [number, number][] = [];
  const self: { node: number } = { node: 0 };
  for (const digit of digits) {
    const own: Leaves = [];
    const step = { depth, digit, node: 0 };
    let child = 0;
    if (pick(12) !== 0) {
      if (depth < 60 && budget.left > 0 && pick(3) === 0) {
        budget.left--;
        child = makeTree(pick, depth + 1 + pick(4), budget, own, [...way, step]);
      } else {
        child = makeLeaf(pick);
        own.push({ cell: child, way: [...way, step] });
      }
    }
    children.set(digit, child);
    below.set(digit, own);
    cells.push([digit, child]);
  }
  self.node = makeNode(kind, depth, cells);
  for (const digit of digits.toSorted((a, b) => a - b)) {
    for (const leaf of below.get(digit)!) {
      leaves.push({
        cell: leaf.cell,
        way: leaf.way.map((step, i) => (i === way.length ? { ...step, node: self.node } : step)),
      });
    }
  }
  return self.node;
}

function begin(...entries: readonly (readonly [cell: number, known: number])[]): void {
  state[m.WALK_HEIGHT / 4] = entries.length;
  state[m.WALK_LEAVES / 4] = 0;
  state[m.WALK_EMPTY / 4] = 0;
  state.set(entries.flat(), m.WALK_STACK / 4);
}

const walk = (most: number, how: number): number => m.walk(file.h, STATE, LIST, most, how);
const found = (count: number): number[] => [...list.subarray(0, count)];

/** What the walk under way gives, in batches of these sizes. */
function inBatches(how: number, size: () => number): number[] {
  for (let most = size(); ; most += size()) {
    const count = walk(most, how);
    expect(count).toBeGreaterThanOrEqual(0);
    if (count < most) return found(count);
  }
}

describe("over random trees", () => {
  for (const how of [0, m.WALK_REVERSE, m.WALK_CELLS, m.WALK_CELLS | m.WALK_REVERSE]) {
    const reverse = (how & m.WALK_REVERSE) !== 0;
    test(`${reverse ? "backwards" : "forwards"}, ${(how & m.WALK_CELLS) !== 0 ? "cells only" : "to be read"}`, () => {
      for (let seed = 1; seed <= 60; seed++) {
        nextNode = FIRST_NODE;
        nextLeaf = FIRST_LEAF;
        const pick = random(seed);
        const leaves: Leaves = [];
        const top = makeTree(pick, 0, { left: seed * 2 }, leaves, []);
        if (reverse) leaves.reverse();
        const all = leaves.map(({ cell }) => cell);
        for (const size of [() => 1, () => 1 + pick(7), () => 100, () => MOST / 2]) {
          begin([top, 0]);
          expect(inBatches(how, size)).toEqual(all);
        }
        for (let round = 0; round < 10 && all.length > 0; round++) {
          // From a leaf on: behind its digit in each node of the way to it, but for the first few.
          const at = pick(all.length);
          const { way } = leaves[at]!;
          const from = pick(way.length + 1);
          const behind = leaves.filter(
            (leaf, i) => i > at && way.slice(0, from).every((step, j) => leaf.way[j]?.digit === step.digit),
          );
          begin(
            ...way
              .slice(from)
              .map(
                ({ node, digit }) =>
                  [node, m.WALK_REST | (((reverse ? 255 - digit : digit) + 1) << m.WALK_FROM)] as const,
              ),
          );
          expect(inBatches(how, () => 1 + pick(30))).toEqual(behind.map(({ cell }) => cell));
        }
      }
    });
  }

  test("with more on the stack than is listed at once", () => {
    for (let seed = 1; seed <= 12; seed++) {
      nextNode = FIRST_NODE;
      nextLeaf = FIRST_LEAF;
      const leaves: Leaves = [];
      const top = makeTree(random(seed), 0, { left: 3 }, leaves, []);
      const all = leaves.map(({ cell }) => cell);
      const times = m.WALK_LISTED + 40;
      const most = Math.min(MOST, all.length * times);
      begin(...Array.from({ length: times }, () => [top, 0] as const));
      expect(walk(most, 0)).toBe(most);
      expect(found(most).every((cell, i) => cell === all[i % all.length])).toBe(true);
    }
  });

  test("a path as long as a key can be, with a leaf at each node", () => {
    const pick = random(3);
    let child = makeLeaf(pick);
    const all = [child];
    for (let depth = 8192; depth > 0; depth--) {
      const leaf = makeLeaf(pick);
      all.push(leaf);
      child = makeNode(NODE4, depth, [
        [200, leaf],
        [100, child],
      ]);
    }
    begin([child, 0]);
    expect(inBatches(0, () => 512)).toEqual(all);
    begin([child, 0]);
    expect(inBatches(m.WALK_REVERSE, () => 512)).toEqual(all.toReversed());
  });
});

describe("over a damaged tree", () => {
  const pick = random(5);
  /** A Node4 at depth 0 with a leaf, `middle` and another leaf. */
  function around(middle: number): { top: number; first: number; last: number } {
    const first = makeLeaf(pick);
    const last = makeLeaf(pick);
    const top = makeNode(NODE4, 0, [
      [9, last],
      [5, middle],
      [1, first],
    ]);
    return { top, first, last };
  }
  function stopped(middle: number, why: number): void {
    for (const reverse of [false, true]) {
      const { top, first, last } = around(middle);
      const how = reverse ? m.WALK_REVERSE : 0;
      // What comes before it comes.
      begin([top, 0]);
      expect(walk(1, how)).toBe(1);
      expect(found(1)).toEqual([reverse ? last : first]);
      for (let again = 0; again < 2; again++) {
        expect(walk(10, how)).toBe(why);
        expect(state[m.WALK_LEAVES / 4]).toBe(1);
        expect(state[m.WALK_CELL / 4]).toBe(middle);
      }
      begin([top, 0]);
      expect(walk(10, how)).toBe(why);
      expect(state[m.WALK_CELL / 4]).toBe(middle);
    }
  }

  test("a cell beyond the file, or that is free", () => {
    for (const cell of [BYTES / 8, -1, -(2 ** 31), 2 ** 31 - 1]) stopped(cell, m.WALK_UNREACHABLE);
    const free = nextNode++;
    m.store32(file.h, free, TAG, 0);
    stopped(free, m.WALK_UNREACHABLE);
    m.store32(file.h, free, TAG, NODE4);
    stopped(free, m.WALK_UNREACHABLE);
  });

  test("what was out of reach and is there now is walked over", () => {
    const middle = makeNode(NODE16, 3, [
      [7, makeLeaf(pick)],
      [3, makeLeaf(pick)],
    ]);
    const tag = m.load32(file.h, middle, TAG);
    m.store32(file.h, middle, TAG, 0);
    const { top, first, last } = around(middle);
    begin([top, 0]);
    expect(walk(10, 0)).toBe(m.WALK_UNREACHABLE);
    m.store32(file.h, middle, TAG, tag);
    expect(walk(10, 0)).toBe(4);
    const at = N16_CHILDREN;
    expect(found(4)).toEqual([first, m.load32(file.h, middle, at + 4), m.load32(file.h, middle, at), last]);
  });

  test("no kind of node, or a node that reaches beyond the file", () => {
    for (const kind of [0, 6, 7]) {
      const cell = nextNode++;
      m.store32(file.h, cell, TAG, kind | LIVE | (9 << AUX_SHIFT));
      stopped(cell, m.WALK_NO_NODE);
    }
    for (const kind of [NODE4, NODE16, NODE48, NODE256]) {
      const cell = BYTES / 8 - 3;
      const entry = entryCell(cell >>> SLAB_SHIFT);
      const word = m.load32(file.h, entry, ENTRY_WORD);
      m.store32(file.h, entry, ENTRY_WORD, 0);
      m.store32(file.h, cell, TAG, kind | LIVE | (9 << AUX_SHIFT));
      stopped(cell, m.WALK_NO_NODE);
      m.store32(file.h, entry, ENTRY_WORD, word);
    }
  });

  test("a node that is not deeper than the one above, or deeper than any key", () => {
    stopped(makeNode(NODE4, 0, [[1, makeLeaf(pick)]]), m.WALK_NOT_DEEPER);
    stopped(makeNode(NODE48, 8193, [[1, makeLeaf(pick)]]), m.WALK_NOT_DEEPER);
    // A circle.
    const cell = nextNode;
    makeNode(NODE4, 7, [
      [1, cell],
      [2, cell],
    ]);
    begin([cell, 0]);
    expect(walk(10, 0)).toBe(m.WALK_NOT_DEEPER);
    expect(state[m.WALK_CELL / 4]).toBe(cell);
  });

  test("a digit that is there twice: what lay on the stack before does not come back", () => {
    for (const kind of [NODE4, NODE16]) {
      const [a, b, c] = [makeLeaf(pick), makeLeaf(pick), makeLeaf(pick)];
      const cell = makeNode(kind, 1, [
        [5, a],
        [5, b],
        [9, c],
      ]);
      for (const how of [0, m.WALK_REVERSE]) {
        state.fill(m.WALK_LEAF, m.WALK_STACK / 4);
        begin([cell, 0]);
        const count = walk(10, how);
        expect(found(count).toSorted()).toEqual(
          [a, b, c].filter((leaf) => found(count).includes(leaf)).toSorted(),
        );
        expect(found(count)).toContain(c);
      }
    }
  });

  test("branches that meet again and lead to nothing", () => {
    for (const bottom of [
      makeNode(NODE4, 99, []),
      makeNode(NODE16, 99, [[4, 0]]),
      makeNode(NODE256, 99, []),
    ]) {
      let cell = bottom;
      for (let depth = 60; depth > 0; depth--) {
        cell = makeNode(NODE4, depth, [
          [1, cell],
          [2, cell],
        ]);
      }
      begin([cell, 0]);
      expect(walk(10, 0)).toBe(m.WALK_BARREN);
    }
  });

  test("any words: the walk ends, and touches nothing that it must not", () => {
    const words = random(9);
    for (let round = 0; round < 300; round++) {
      nextNode = FIRST_NODE;
      nextLeaf = FIRST_LEAF;
      const leaves: Leaves = [];
      const top = makeTree(words, 0, { left: 20 }, leaves, []);
      for (let n = 1 + words(20); n > 0; n--) {
        const cell = FIRST_NODE + words(nextNode - FIRST_NODE);
        const value = [words(2 ** 31), words(BYTES / 8), words(300), -1, m.load32(file.h, cell, 0)][
          words(5)
        ]!;
        m.store32(file.h, FIRST_NODE + words(nextNode - FIRST_NODE), words(2) * 4, value);
      }
      begin([top, 0]);
      const count = walk(MOST, words(4));
      expect(count >= m.WALK_UNREACHABLE && count <= MOST).toBe(true);
    }
  });

  test("a damaged index of a Node48 leads to a slot of the same node", () => {
    const leaf = makeLeaf(pick);
    const cell = makeNode(NODE48, 0, [[7, leaf]]);
    m.store8(file.h, cell, N48_INDEX + 9, 49);
    begin([cell, 0]);
    expect(walk(10, 0)).toBe(2);
    expect(found(2)).toEqual([leaf, leaf]);
    expect(m.load32(file.h, cell, N48_CHILDREN)).toBe(leaf);
  });
});

test("empty slots of each kind are passed over", () => {
  const pick = random(6);
  for (const [kind, slot] of [
    [NODE4, N4_CHILDREN],
    [NODE16, N16_CHILDREN],
    [NODE48, N48_CHILDREN],
    [NODE256, N256_CHILDREN + 3 * 4],
  ] as const) {
    const [a, b] = [makeLeaf(pick), makeLeaf(pick)];
    const cell = makeNode(kind, 0, [
      [3, a],
      [2, b],
    ]);
    begin([cell, 0]);
    expect(walk(10, 0)).toBe(2);
    expect(found(2)).toEqual([b, a]);
    m.store32(file.h, cell, slot, 0);
    begin([cell, 0]);
    expect(walk(10, 0)).toBe(1);
    expect(found(1)).toEqual([b]);
  }
});

test("arguments out of range are refused, and a stack that is too high", () => {
  const at = (stack: number, out: number, most: number): number => m.walk(file.h, stack, out, most, 0);
  begin();
  expect(walk(10, 0)).toBe(0);
  for (const most of [0, -1, -(2 ** 31), MOST + 1]) expect(walk(most, 0)).toBe(m.WALK_REFUSED);
  expect(at(-8, LIST, 10)).toBe(m.WALK_REFUSED);
  expect(at(scratch.length - 800, LIST, 10)).toBe(m.WALK_REFUSED);
  expect(at(STATE, -4, 10)).toBe(m.WALK_REFUSED);
  expect(at(STATE, scratch.length - 36, 10)).toBe(m.WALK_REFUSED);
  for (const height of [-1, m.WALK_LISTED + MOST_NODES + 1]) {
    state[m.WALK_HEIGHT / 4] = height;
    expect(walk(10, 0)).toBe(m.WALK_REFUSED);
  }
  begin();
  state[m.WALK_LEAVES / 4] = 11;
  expect(walk(10, 0)).toBe(m.WALK_REFUSED);
});
