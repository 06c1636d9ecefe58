/**
 * Iteration: batches of leaves in key order.
 *
 * A batch is taken within one epoch: seek the place, then walk down from it with a stack of cells. Between two batches
 * nothing is held: the next one seeks the last key again, so that a forgotten iterator keeps no memory from reuse.
 * Every key that is there throughout is found exactly once: a node's children are read at one moment, a child never
 * changes its digit, and what is below a node that was replaced meanwhile is below its replacement too.
 */
import { corrupt } from "../errors.ts";
import {
  AUX_SHIFT,
  KIND_MASK,
  LEAF,
  LEAF_KEY,
  LIVE,
  NODE16,
  NODE256,
  REACHABLE,
  TAG,
} from "../memory/layout.ts";
import { compareBytes, load32, prefetch } from "../memory/primitives.ts";
import { SCRATCH_KEY } from "../memory/scratch.ts";
import { liesInLeafSlab } from "../memory/slabs.ts";
import { keyLengthOf } from "../node/leaf.ts";
import type { Participant } from "../reclaim/participant.ts";
import { startAgain } from "./lock.ts";
import { anyLeaf, depthOnPath, descend, digitOf } from "./place.ts";

/** How many cells are asked for while one is waited for. */
const AHEAD = 3;

/** Cells still to be walked, the next on top. Grows as needed; one per participant is enough. */
export class Walk {
  private cells = new Int32Array(1024);
  private tags = new Int32Array(1024);
  /** For each cell the depth of the node it hangs from; its tag is 0 where it has not been read. */
  private depths = new Int32Array(1024);
  private top = 0;
  /** Tag, and depth of the parent, of the cell that was popped last. */
  tag = 0;
  parentDepth = 0;

  /** Forgets everything. */
  clear(): void {
    this.top = 0;
  }

  push(cell: number, tag: number, parentDepth: number): void {
    const top = this.top;
    if (top === this.cells.length) {
      this.cells = larger(this.cells, new Int32Array(top * 2));
      this.tags = larger(this.tags, new Int32Array(top * 2));
      this.depths = larger(this.depths, new Int32Array(top * 2));
    }
    this.cells[top] = cell;
    this.tags[top] = tag;
    this.depths[top] = parentDepth;
    this.top = top + 1;
  }

  /** Asks for the cells that come next. */
  prefetchNext(h: number): void {
    for (let i = this.top - 1; i >= 0 && i >= this.top - AHEAD; i--) prefetch(h, this.cells[i]!);
  }

  pop(): number {
    if (this.top === 0) return 0;
    const top = --this.top;
    this.tag = this.tags[top]!;
    this.parentDepth = this.depths[top]!;
    return this.cells[top]!;
  }
}

function larger(from: Int32Array, to: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  to.set(from);
  return to;
}

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

/** Starts a walk over all keys. */
export function walkAll(p: Participant, walk: Walk, reverse: boolean): void {
  walk.clear();
  pushChildren(p, walk, p.root, NODE256 | LIVE, reverse, -1, true);
}

/** Starts a walk at a bound: forwards over all keys at or above it, in reverse over those at or below it. */
export function walkFrom(p: Participant, walk: Walk, seek: Seek): void {
  walk.clear();
  const { length, reverse } = seek;
  if (length === 0) {
    walkAll(p, walk, reverse);
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
  // Bigger subtrees first on the stack: what is beside the path, from the root down, then what is at its end.
  for (let i = 0; i <= last; i++) {
    const node = p.path[i]!;
    const depth = depthOnPath(p, i);
    if (depth > d || depth >= length) {
      pushWhole(p, walk, node, p.pathTag[i]!, i, d, length, witness, tag, seek);
      return;
    }
    if (depth >= seek.shared)
      pushChildren(p, walk, node, p.pathTag[i]!, reverse, p.key[depth]!, i >= last - SOON);
    // The path ends here: the bound's digit is absent (if d is this depth, everything was said).
    if (depth === d) return;
  }
  if (p.leaf !== 0) pushWhole(p, walk, p.leaf, p.leafTag, last + 1, d, length, witness, tag, seek);
}

/** Pushes a subtree in which all keys stand to the bound as the witness does. */
function pushWhole(
  p: Participant,
  walk: Walk,
  cell: number,
  cellTag: number,
  /** Its place on the path. */
  i: number,
  d: number,
  length: number,
  witness: number,
  tag: number,
  seek: Seek,
): void {
  const parentDepth = i === 0 ? -1 : depthOnPath(p, i - 1);
  if (d >= length) {
    if (seek.inclusive) walk.push(cell, cellTag, parentDepth);
    return;
  }
  if (d < seek.shared) return;
  const digit = digitOf(p.h, witness, tag, d);
  if (seek.reverse ? digit < p.key[d]! : digit > p.key[d]!) walk.push(cell, cellTag, parentDepth);
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

/** Nodes at the end of the path, besides the last, to whose other children a walk comes even if it is short. */
const SOON = 2;

/**
 * Pushes a node's children beyond `digit` (-1: all) so that the first in walking order is on top; with their tags if the
 * walk comes to them `soon`, and they are few: a short walk never comes to the end of many.
 */
function pushChildren(
  p: Participant,
  walk: Walk,
  node: number,
  tag: number,
  reverse: boolean,
  digit: number,
  soon: boolean,
): void {
  const snapshot = p.snapshot;
  const withTags = soon && (tag & KIND_MASK) <= NODE16;
  if (withTags) snapshot.readWithTags(p.h, node, tag);
  else snapshot.read(p.h, node, tag);
  const { digits, children, tags, count } = snapshot;
  const depth = tag >>> AUX_SHIFT;
  if (reverse) {
    for (let i = 0; i < count; i++) {
      if (digit >= 0 && digits[i]! >= digit) break;
      walk.push(children[i]!, withTags ? tags[i]! : 0, depth);
    }
  } else {
    for (let i = count - 1; i >= 0; i--) {
      if (digits[i]! <= digit) break;
      walk.push(children[i]!, withTags ? tags[i]! : 0, depth);
    }
  }
}

/**
 * A node without children is one that is being taken apart while we look. So many of them are met only where a damaged
 * file leads to the same few again and again.
 */
const MOST_BARREN = 100_000;

/**
 * Walks on and writes up to `most` leaves into `leaves`; returns how many. Fewer than `most`: the walk has ended.
 * `onlyCells`: most of the leaves will not be looked at.
 */
export function nextLeaves(
  p: Participant,
  walk: Walk,
  reverse: boolean,
  leaves: Int32Array,
  most: number,
  onlyCells: boolean,
): number {
  const h = p.h;
  const { children, tags } = p.snapshot;
  let n = 0;
  let barren = 0;
  while (n < most) {
    const cell = walk.pop();
    if (cell === 0) break;
    let tag = walk.tag;
    if (tag === 0) {
      if (liesInLeafSlab(p.region, cell)) tag = LEAF | LIVE;
      else {
        walk.prefetchNext(h);
        tag = load32(h, cell, TAG);
      }
    }
    if ((tag & REACHABLE) === 0) tag = p.region.tagAfterRefresh(cell, REACHABLE);
    const kind = tag & KIND_MASK;
    if (kind === LEAF) {
      leaves[n++] = cell;
      continue;
    }
    if (kind === 0 || kind > NODE256)
      throw corrupt("a pointer leads to a cell that is neither node nor leaf", cell);
    const depth = tag >>> AUX_SHIFT;
    // A damaged file must not lead round in circles.
    if (depth <= walk.parentDepth) throw corrupt("a node is not deeper than the one above it", cell);
    if (onlyCells) p.snapshot.readWithNodeTags(h, cell, tag);
    else p.snapshot.readWithTags(h, cell, tag);
    const count = p.snapshot.count;
    if (count === 0 && ++barren > MOST_BARREN) throw corrupt("nodes without children", cell);
    // Leaves that come before the first node go out at once; the rest waits on the stack.
    let i = reverse ? count - 1 : 0;
    const step = reverse ? -1 : 1;
    const end = reverse ? -1 : count;
    while (i !== end && n < most && (tags[i]! & (KIND_MASK | REACHABLE)) === (LEAF | REACHABLE)) {
      leaves[n++] = children[i]!;
      i += step;
    }
    for (let j = end - step; j !== i - step; j -= step) walk.push(children[j]!, tags[j]!, depth);
  }
  return n;
}
