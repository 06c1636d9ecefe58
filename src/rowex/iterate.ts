/**
 * Iteration: batches of leaves in key order.
 *
 * A batch is taken within one epoch: find the place, put the path to it on the stack, and let C walk on from there
 * (`walk`). Between two batches nothing is held: the next one seeks the last key again, so that a forgotten iterator keeps
 * no memory from reuse. Every key that is there throughout is found exactly once: a child never changes its digit and is
 * read once, and a node that was replaced meanwhile keeps what it had.
 */
import { corrupt } from "../errors.ts";
import { LEAF_KEY, REACHABLE } from "../memory/layout.ts";
import {
  compareBytes,
  WALK_BARREN,
  WALK_CELL,
  WALK_CELLS,
  WALK_DEPTH,
  WALK_EMPTY,
  WALK_FROM,
  WALK_HEIGHT,
  WALK_LEAF,
  WALK_LEAVES,
  WALK_NO_NODE,
  WALK_NOT_DEEPER,
  WALK_REST,
  WALK_REVERSE,
  WALK_STACK,
  WALK_UNREACHABLE,
  walk,
} from "../memory/primitives.ts";
import { SCRATCH_KEY, SCRATCH_LEAVES, SCRATCH_WALK } from "../memory/scratch.ts";
import { keyLengthOf } from "../node/leaf.ts";
import type { Participant } from "../reclaim/participant.ts";
import { startAgain } from "./lock.ts";
import { anyLeaf, depthOnPath, descend, digitOf } from "./place.ts";

/**
 * Where a walk begins: at the first `length` digits in the scratch buffer. In a bound that is a whole key the
 * terminator is one of the digits; in a prefix there is none, and a key that goes on behind it counts as equal.
 */
export interface Seek {
  /** Digits to compare. */
  length: number;
  reverse: boolean;
  /** Is what equals the bound part of the walk? */
  inclusive: boolean;
  /** So many of the first digits every key of the walk has to share with the bound. */
  shared: number;
}

// The walk's state in the scratch buffer, in words.
const HEIGHT = (SCRATCH_WALK + WALK_HEIGHT) / 4;
const LEAVES = (SCRATCH_WALK + WALK_LEAVES) / 4;
const EMPTY = (SCRATCH_WALK + WALK_EMPTY) / 4;
const CELL = (SCRATCH_WALK + WALK_CELL) / 4;
const STACK = (SCRATCH_WALK + WALK_STACK) / 4;

function clear(words: Int32Array): void {
  words[HEIGHT] = 0;
  words[LEAVES] = 0;
  words[EMPTY] = 0;
}

/** Puts a cell, and what is known of it, on top of the stack. */
function push(words: Int32Array, cell: number, known: number): void {
  const at = STACK + words[HEIGHT]!++ * 2;
  words[at] = cell;
  words[at + 1] = known;
}

/** Begins a walk over all keys. */
export function walkAll(p: Participant): void {
  clear(p.words);
  push(p.words, p.root, 0);
}

/** Begins a walk at a bound: forwards over all keys at or above it, in reverse over those at or below it. */
export function walkFrom(p: Participant, seek: Seek): void {
  const { length, shared, reverse } = seek;
  if (length === 0) {
    walkAll(p);
    return;
  }
  // `descend` takes the digits up to and including the one at keyLength.
  p.keyLength = length - 1;
  let witness: number;
  let tag: number;
  let last: number;
  let round = 0;
  do {
    startAgain(p, round++);
    descend(p);
    last = p.pathLength - 1;
    witness = p.leaf;
    tag = p.leafTag;
    if (witness === 0 && last > 0) {
      // None found: its children came and went while we looked. Look again.
      witness = anyLeaf(p, p.path[last]!, p.pathTag[last]!);
      tag = p.leafTag;
    }
  } while (witness === 0 && last > 0);
  // d: first digit in which the bound and everything below the end of the path differ; `length`: in none.
  let d = 0;
  if (witness !== 0) d = divergence(p, witness, tag, length);
  const { words, key, path } = p;
  clear(words);
  // In each node of the path the walk goes on behind the bound's digit. If the bound leaves the path above a node (at d, or
  // because it ends), then all that hangs from that node stands to the bound as the witness does.
  let depth = -1;
  for (let i = 0; i <= last; i++) {
    const above = depth;
    depth = depthOnPath(p, i);
    if (depth > d || depth >= length) {
      if (isWhole(p, d, witness, tag, seek)) push(words, path[i]!, (above + 1) << WALK_DEPTH);
      return;
    }
    const place = reverse ? 255 - key[depth]! : key[depth]!;
    if (depth >= shared) push(words, path[i]!, WALK_REST | ((place + 1) << WALK_FROM));
    // The path ends here: the bound's digit is absent.
    if (depth === d) return;
  }
  if (p.leaf !== 0 && isWhole(p, d, witness, tag, seek)) push(words, p.leaf, WALK_LEAF);
}

/** Is all that stands to the bound as the witness does, which differs from it at digit `d`, part of the walk? */
function isWhole(p: Participant, d: number, witness: number, tag: number, seek: Seek): boolean {
  if (d >= seek.length) return seek.inclusive;
  if (d < seek.shared) return false;
  const digit = digitOf(p.h, witness, tag, d);
  return seek.reverse ? digit < p.key[d]! : digit > p.key[d]!;
}

/** Index of the first of `length` digits in which the leaf's key (with terminator) differs, or `length`. */
function divergence(p: Participant, leaf: number, tag: number, length: number): number {
  const digits = keyLengthOf(tag);
  const common = Math.min(digits, length);
  const at = compareBytes(p.h, leaf, LEAF_KEY, SCRATCH_KEY, common);
  if (at >= 0) return at;
  if (digits >= length) return length;
  // The leaf's terminator against the bound's digit.
  return p.key[digits] === 0 && length === digits + 1 ? length : digits;
}

/**
 * Walks on and writes up to `most` leaves to SCRATCH_LEAVES; returns how many. Fewer than `most`: the walk has ended.
 * `onlyCells`: most of the leaves will not be looked at. Throws CORRUPT.
 */
export function nextLeaves(p: Participant, reverse: boolean, most: number, onlyCells: boolean): number {
  const how = (reverse ? WALK_REVERSE : 0) | (onlyCells ? WALK_CELLS : 0);
  for (;;) {
    const found = walk(p.h, SCRATCH_WALK, SCRATCH_LEAVES, most, how);
    if (found >= 0) return found;
    const cell = p.words[CELL]!;
    switch (found) {
      case WALK_UNREACHABLE:
        // In blocks that another participant has added; or damaged, and then this throws.
        p.region.tagAfterRefresh(cell, REACHABLE);
        break;
      case WALK_NO_NODE:
        throw corrupt("a pointer leads to a cell that is neither node nor leaf, or beyond the file", cell);
      case WALK_NOT_DEEPER:
        throw corrupt("a node is not deeper than the one above it, or deeper than any key", cell);
      case WALK_BARREN:
        throw corrupt("nodes without children", cell);
      default:
        throw new Error(`a walk over ${most} leaves was refused`);
    }
  }
}
