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
  N4_CHILDREN,
  N16_CHILDREN,
  N256_CHILDREN,
  NODE4,
  NODE16,
  NODE48,
  NODE256,
  REACHABLE,
  TAG,
  USED_MASK,
} from "../memory/layout.ts";
import { load8, load32 } from "../memory/primitives.ts";
import { keyLengthOf } from "../node/leaf.ts";
import { NODE_CAPACITY } from "../node/node.ts";
import { slotOf4 } from "../node/node4.ts";
import { slotOf16 } from "../node/node16.ts";
import { slotOf48 } from "../node/node48.ts";
import type { Participant } from "../reclaim/participant.ts";

/** Byte offset of the slot of `digit` in a node with tag `tag`, 0 for none. The hot form of `slotOf`. */
function slot(h: number, tag: number, node: number, digit: number): number {
  const kind = tag & KIND_MASK;
  if (kind === NODE4) return slotOf4(h, node, digit);
  if (kind === NODE16) return slotOf16(h, node, digit);
  if (kind === NODE48) return slotOf48(h, node, digit);
  return N256_CHILDREN + digit * 4;
}

/** Tag of a child reached by a pointer; throws CORRUPT unless it can be one of a node at `depth`. */
function childTag(p: Participant, child: number, depth: number): number {
  let tag = load32(p.h, child, TAG);
  if ((tag & REACHABLE) === 0) tag = p.region.tagAfterRefresh(child, REACHABLE);
  const kind = tag & KIND_MASK;
  if (kind === LEAF) return tag;
  if (kind === 0 || kind > NODE256)
    throw corrupt("a pointer leads to a cell that is neither node nor leaf", child);
  if (tag >>> AUX_SHIFT <= depth) throw corrupt("a node is not deeper than the one above it", child);
  return tag;
}

/**
 * The leaf that the key in the scratch buffer leads to, or 0. Its key may be another one. `p.leafTag` is its tag.
 * The caller is in an epoch. Cost: one cache miss a node, six to nine on a large store.
 */
export function lookup(p: Participant): number {
  const h = p.h;
  const key = p.key;
  const length = p.keyLength;
  // The root is a Node256 at depth 0 for ever.
  let cell = load32(h, p.root, N256_CHILDREN + key[0]! * 4);
  let depth = 0;
  while (cell !== 0) {
    const tag = childTag(p, cell, depth);
    if ((tag & KIND_MASK) === LEAF) {
      p.leafTag = tag;
      return cell;
    }
    depth = tag >>> AUX_SHIFT;
    // The key has ended above this node.
    if (depth > length) return 0;
    const offset = slot(h, tag, cell, key[depth]!);
    if (offset === 0) return 0;
    cell = load32(h, cell, offset);
  }
  return 0;
}

/** As {@link lookup}, and keeps the path: `p.path`, `p.pathDepth`, `p.pathLength`, `p.leaf`, `p.leafTag`. */
export function descend(p: Participant): void {
  const h = p.h;
  const key = p.key;
  const length = p.keyLength;
  const path = p.path;
  const pathDepth = p.pathDepth;
  path[0] = p.root;
  pathDepth[0] = 0;
  let n = 1;
  let depth = 0;
  let cell = load32(h, p.root, N256_CHILDREN + key[0]! * 4);
  while (cell !== 0) {
    const tag = childTag(p, cell, depth);
    if ((tag & KIND_MASK) === LEAF) {
      p.leafTag = tag;
      break;
    }
    depth = tag >>> AUX_SHIFT;
    path[n] = cell;
    pathDepth[n++] = depth;
    if (depth > length) {
      cell = 0;
      break;
    }
    const offset = slot(h, tag, cell, key[depth]!);
    cell = offset === 0 ? 0 : load32(h, cell, offset);
  }
  p.leaf = cell;
  p.pathLength = n;
}

/** Any leaf below `node` (with tag `tag`), or 0 if the subtree is being taken apart; `p.leafTag` is its tag. */
export function anyLeaf(p: Participant, node: number, tag: number): number {
  let cell = node;
  while ((tag & KIND_MASK) !== LEAF) {
    const child = anyChild(p.h, tag & KIND_MASK, cell);
    if (child === 0) return 0;
    tag = childTag(p, child, tag >>> AUX_SHIFT);
    cell = child;
  }
  p.leafTag = tag;
  return cell;
}

/** Any live child of a node. A slot that is not counted yet may hold one that was never published: not those. */
function anyChild(h: number, kind: number, node: number): number {
  const used = kind === NODE256 ? 256 : Math.min(load32(h, node, COUNTS) & USED_MASK, NODE_CAPACITY[kind]!);
  if (kind === NODE48) {
    // A slot is published by its index byte, not by the count.
    for (let digit = 0; digit < 256; digit++) {
      const offset = slotOf48(h, node, digit);
      const child = offset === 0 ? 0 : load32(h, node, offset);
      if (child !== 0) return child;
    }
    return 0;
  }
  const first = kind === NODE4 ? N4_CHILDREN : kind === NODE16 ? N16_CHILDREN : N256_CHILDREN;
  for (let i = 0; i < used; i++) {
    const child = load32(h, node, first + i * 4);
    if (child !== 0) return child;
  }
  return 0;
}

/** Digit `index` of a leaf's key; its terminator behind the last. */
export function digitOf(h: number, leaf: number, tag: number, index: number): number {
  return index < keyLengthOf(tag) ? load8(h, leaf, LEAF_KEY + index) : 0;
}
