/**
 * Finding the place of a key: the blind descent. A node stores no prefix; a search takes the digit at each node's
 * depth and compares the whole key once, at the leaf (as in a Patricia trie: Morrison 1968).
 */
import { corrupt } from "../errors.ts";
import {
  AUX_SHIFT,
  COUNTS,
  KIND_MASK,
  LEAF,
  LEAF_KEY,
  LIVE,
  N4_CHILDREN,
  N16_CHILDREN,
  NODE4,
  NODE16,
  NODE256,
  REACHABLE,
  TAG,
} from "../memory/layout.ts";
import { childOf, load8, load32 } from "../memory/primitives.ts";
import { SCRATCH_TAG } from "../memory/scratch.ts";
import { keyLengthOf } from "../node/leaf.ts";
import { NODE_CAPACITY, usedOf } from "../node/node.ts";
import type { Participant } from "../reclaim/participant.ts";

/**
 * Checks the tag of a child of a node at `depth`, as `childOf` has read it, and gives it back; reads it again if it
 * may lie in blocks that another participant has added. Throws CORRUPT unless it can be a child.
 */
export function checkChild(p: Participant, child: number, tagRead: number, depth: number): number {
  let tag = tagRead;
  if ((tag & REACHABLE) === 0) tag = p.region.tagAfterRefresh(child, REACHABLE);
  const kind = tag & KIND_MASK;
  if (kind === LEAF) return tag;
  if (kind === 0 || kind > NODE256)
    throw corrupt("a pointer leads to a cell that is neither node nor leaf", child);
  if (tag >>> AUX_SHIFT <= depth) throw corrupt("a node is not deeper than the one above it", child);
  return tag;
}

/** The root is a Node256 at depth 0 for ever. */
const ROOT_TAG = NODE256 | LIVE;
const TAG_WORD = SCRATCH_TAG >>> 2;

/**
 * The leaf that the key in the scratch buffer leads to, or 0. Its key may be another one. `p.leafTag` is its tag,
 * `p.leafNode` the node it hangs from.
 * The caller is in an epoch. Cost: one cache miss a node, six to nine on a large store.
 */
export function lookup(p: Participant): number {
  const { h, key, words, keyLength } = p;
  let cell = p.root;
  let tag = ROOT_TAG;
  let depth = 0;
  for (;;) {
    const node = cell;
    cell = childOf(h, node, tag, key[depth]!, SCRATCH_TAG);
    if (cell === 0) return 0;
    tag = checkChild(p, cell, words[TAG_WORD]!, depth);
    if ((tag & KIND_MASK) === LEAF) {
      p.leafTag = tag;
      p.leafNode = node;
      return cell;
    }
    depth = tag >>> AUX_SHIFT;
    // The key has ended above this node.
    if (depth > keyLength) return 0;
  }
}

/** As {@link lookup}, and keeps the path: `p.path`, `p.pathTag`, `p.pathLength`, `p.leaf`, `p.leafTag`, `p.leafNode`. */
export function descend(p: Participant): void {
  const { h, key, words, keyLength, path, pathTag } = p;
  let cell = p.root;
  let tag = ROOT_TAG;
  let depth = 0;
  let n = 0;
  for (;;) {
    path[n] = cell;
    pathTag[n++] = tag;
    if (depth > keyLength) {
      cell = 0;
      break;
    }
    cell = childOf(h, cell, tag, key[depth]!, SCRATCH_TAG);
    if (cell === 0) break;
    tag = checkChild(p, cell, words[TAG_WORD]!, depth);
    if ((tag & KIND_MASK) === LEAF) {
      p.leafTag = tag;
      break;
    }
    depth = tag >>> AUX_SHIFT;
  }
  p.leaf = cell;
  p.leafNode = path[n - 1]!;
  p.pathLength = n;
}

/** Depth of the i-th node of the path. */
export const depthOnPath = (p: Participant, i: number): number => p.pathTag[i]! >>> AUX_SHIFT;

/** Any leaf below `node` (with tag `tag`), or 0 if the subtree is being taken apart; `p.leafTag` is its tag. */
export function anyLeaf(p: Participant, node: number, tag: number): number {
  const { h, key, words } = p;
  let cell = node;
  while ((tag & KIND_MASK) !== LEAF) {
    const depth = tag >>> AUX_SHIFT;
    const kind = tag & KIND_MASK;
    let child = 0;
    let childTag = 0;
    if (kind <= NODE16) {
      const used = Math.min(usedOf(load32(h, cell, COUNTS)), NODE_CAPACITY[kind]!);
      const first = kind === NODE4 ? N4_CHILDREN : N16_CHILDREN;
      for (let i = 0; i < used && child === 0; i++) child = load32(h, cell, first + i * 4);
      childTag = load32(h, child, TAG);
    } else {
      // By digit, since only an index byte publishes a slot; the neighbours of the key's own digit first.
      const near = depth <= p.keyLength ? key[depth]! : 0;
      for (let i = 0; i < 256 && child === 0; i++) child = childOf(h, cell, tag, near ^ i, SCRATCH_TAG);
      childTag = words[TAG_WORD]!;
    }
    if (child === 0) return 0;
    tag = checkChild(p, child, childTag, depth);
    cell = child;
  }
  p.leafTag = tag;
  return cell;
}

/** Digit `index` of a leaf's key; its terminator behind the last. */
export function digitOf(h: number, leaf: number, tag: number, index: number): number {
  return index < keyLengthOf(tag) ? load8(h, leaf, LEAF_KEY + index) : 0;
}
