/**
 * Iteration: batches of leaves in key order.
 *
 * A batch is taken within one epoch: seek the place, then walk down from it with a stack of cells. Between two batches
 * nothing is held: the next one seeks the last key again, so that a forgotten iterator keeps no memory from reuse.
 * Every key that is there throughout is found exactly once: a node's children are read at one moment, a child never
 * changes its digit, and what is below a node that was replaced meanwhile is below its replacement too.
 */
import { corrupt } from "../errors.ts";
import { AUX_SHIFT, KIND_MASK, LEAF, LEAF_KEY, NODE256, REACHABLE, TAG } from "../memory/layout.ts";
import { compareBytes, load32, prefetch } from "../memory/primitives.ts";
import { keyLengthOf } from "../node/leaf.ts";
import type { Participant } from "../reclaim/participant.ts";
import { anyLeaf, descend, digitOf } from "./place.ts";

/** Cells still to be walked, the next on top. Grows as needed; one per participant is enough. */
export class Walk {
  private cells = new Int32Array(1024);
  /** For each cell the depth of the node it hangs from. */
  private depths = new Int16Array(1024);
  private top = 0;
  /** Depth of the parent of the cell that was popped last. */
  parentDepth = 0;

  /** Forgets everything. */
  clear(): void {
    this.top = 0;
  }

  push(cell: number, parentDepth: number): void {
    if (this.top === this.cells.length) {
      const cells = new Int32Array(this.top * 2);
      cells.set(this.cells);
      this.cells = cells;
      const depths = new Int16Array(this.top * 2);
      depths.set(this.depths);
      this.depths = depths;
    }
    this.depths[this.top] = parentDepth;
    this.cells[this.top++] = cell;
  }

  pop(): number {
    if (this.top === 0) return 0;
    this.parentDepth = this.depths[--this.top]!;
    return this.cells[this.top]!;
  }
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
}

/** Starts a walk over all keys. */
export function walkAll(p: Participant, walk: Walk, reverse: boolean): void {
  walk.clear();
  pushChildren(p, walk, p.root, load32(p.h, p.root, TAG), reverse, -1);
}

/** Starts a walk at a bound: forwards over all keys at or above it, in reverse over those at or below it. */
export function walkFrom(p: Participant, walk: Walk, seek: Seek): void {
  walk.clear();
  const h = p.h;
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
  do {
    descend(p);
    last = p.pathLength - 1;
    witness = p.leaf;
    tag = p.leafTag;
    if (witness === 0 && last > 0) {
      // None found: its children came and went while we looked. Look again.
      witness = anyLeaf(p, p.path[last]!, load32(h, p.path[last]!, TAG));
      tag = p.leafTag;
    }
  } while (witness === 0 && last > 0);
  // d: first digit in which the bound and everything below the end of the path differ; `length`: in none.
  let d = 0;
  if (witness !== 0) d = divergence(p, witness, tag, length);
  // Bigger subtrees first on the stack: what is beside the path, from the root down, then what is at its end.
  for (let i = 0; i <= last; i++) {
    const node = p.path[i]!;
    const depth = p.pathDepth[i]!;
    if (depth > d || depth >= length) {
      pushWhole(p, walk, node, i, d, length, witness, tag, seek);
      return;
    }
    pushChildren(p, walk, node, load32(h, node, TAG), reverse, p.key[depth]!);
    // The path ends here: the bound's digit is absent (if d is this depth, everything was said).
    if (depth === d) return;
  }
  if (p.leaf !== 0) pushWhole(p, walk, p.leaf, last + 1, d, length, witness, tag, seek);
}

/** Pushes a subtree in which all keys stand to the bound as the witness does. */
function pushWhole(
  p: Participant,
  walk: Walk,
  cell: number,
  /** Its place on the path. */
  i: number,
  d: number,
  length: number,
  witness: number,
  tag: number,
  seek: Seek,
): void {
  const parentDepth = i === 0 ? -1 : p.pathDepth[i - 1]!;
  if (d >= length) {
    if (seek.inclusive) walk.push(cell, parentDepth);
    return;
  }
  const digit = digitOf(p.h, witness, tag, d);
  if (seek.reverse ? digit < p.key[d]! : digit > p.key[d]!) walk.push(cell, parentDepth);
}

/** Index of the first of `length` digits in which the leaf's key (with terminator) differs, or `length`. */
function divergence(p: Participant, leaf: number, tag: number, length: number): number {
  const digits = keyLengthOf(tag);
  const common = Math.min(digits, length);
  const at = compareBytes(p.h, leaf, LEAF_KEY, 0, common);
  if (at >= 0) return at;
  if (digits >= length) return length;
  // The leaf's terminator against the bound's digit.
  return p.key[digits] === 0 && length === digits + 1 ? length : digits;
}

/** Pushes a node's children beyond `digit` (-1: all) so that the first in walking order is on top. */
function pushChildren(
  p: Participant,
  walk: Walk,
  node: number,
  tag: number,
  reverse: boolean,
  digit: number,
): void {
  const snapshot = p.snapshot;
  snapshot.read(p.h, node, tag);
  const { digits, children, count } = snapshot;
  const depth = tag >>> AUX_SHIFT;
  if (reverse) {
    for (let i = 0; i < count; i++) {
      if (digit >= 0 && digits[i]! >= digit) break;
      walk.push(children[i]!, depth);
    }
  } else {
    for (let i = count - 1; i >= 0; i--) {
      if (digits[i]! <= digit) break;
      walk.push(children[i]!, depth);
    }
  }
}

/** Walks on and writes up to `most` leaves into `leaves`; returns how many. Fewer than `most`: the walk has ended. */
export function nextLeaves(
  p: Participant,
  walk: Walk,
  reverse: boolean,
  leaves: Int32Array,
  most: number,
): number {
  const h = p.h;
  const snapshot = p.snapshot;
  let n = 0;
  while (n < most) {
    const cell = walk.pop();
    if (cell === 0) break;
    let tag = load32(h, cell, TAG);
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
    snapshot.read(h, cell, tag);
    const { children, count } = snapshot;
    for (let i = 0; i < count; i++) {
      const child = children[reverse ? i : count - 1 - i]!;
      prefetch(h, child);
      walk.push(child, depth);
    }
  }
  return n;
}
