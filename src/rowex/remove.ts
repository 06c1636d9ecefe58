/** Removing a key. */
import { isNoRoom } from "../errors.ts";
import { COUNTS, INTENT_MARK_REMOVED, KIND_MASK } from "../memory/layout.ts";
import { load32 } from "../memory/primitives.ts";
import { hasKey } from "../node/leaf.ts";
import { fillCopy, kindFor, liveOf, shouldShrink } from "../node/node.ts";
import type { Participant } from "../reclaim/participant.ts";
import {
  announceAndLock,
  beginChange,
  commit,
  dropNewNode,
  giveUp,
  newNodeCell,
  reserveLimbo,
} from "./change.ts";
import { startAgain } from "./lock.ts";
import { depthOnPath, descend } from "./place.ts";
import { type Condition, slotOnPath } from "./write.ts";

/** What became of a removal. */
export const REMOVED = 1;
export const NOT_THERE = 0;
/** The condition said no. */
export const REFUSED = 2;

/**
 * Removes the key in the scratch buffer, if it is there and `condition` (called with the lock held, null: always)
 * agrees. The caller is in an epoch. Linearized by the committing store. Throws as `write` does.
 */
export function remove(p: Participant, condition: Condition | null): number {
  for (let round = 0; ; round++) {
    startAgain(p, round);
    descend(p);
    const leaf = p.leaf;
    if (leaf === 0 || !hasKey(p.h, leaf, p.leafTag, p.keyLength)) return NOT_THERE;
    reserveLimbo(p);
    const last = p.pathLength - 1;
    const node = p.path[last]!;
    const kind = p.pathTag[last]! & KIND_MASK;
    const live = liveOf(load32(p.h, node, COUNTS));
    let done: number;
    if (last > 0 && live <= 2) done = collapse(p, condition);
    else if (last > 0 && shouldShrink(kind, live - 1)) done = shrink(p, condition);
    else done = clearSlot(p, condition);
    if (done !== RETRY) return done;
  }
}

const RETRY = -1;

/** The root, or a node that keeps more than one child: the slot is emptied and stays its digit's own. */
function clearSlot(p: Participant, condition: Condition | null): number {
  const h = p.h;
  const last = p.pathLength - 1;
  const node = p.path[last]!;
  if (!announceAndLock(p, node, 0, p.leaf)) return RETRY;
  const offset = slotOnPath(p, last);
  const live = liveOf(load32(h, node, COUNTS));
  if (offset === 0 || load32(h, node, offset) !== p.leaf || (last > 0 && live <= 2)) {
    giveUp(p);
    return RETRY;
  }
  if (condition !== null && !condition(p)) {
    giveUp(p);
    return REFUSED;
  }
  beginRemoval(p, node, offset, 0);
  p.liveChange = -1;
  commit(p);
  return REMOVED;
}

/** Two children, one goes: the other takes the node's place in its parent. The node's words are not touched. */
function collapse(p: Participant, condition: Condition | null): number {
  const h = p.h;
  const last = p.pathLength - 1;
  const node = p.path[last]!;
  if (!lockBoth(p)) return RETRY;
  const tag = p.pathTag[last]!;
  const offset = slotOnPath(p, last);
  p.snapshot.read(h, node, tag);
  if (offset === 0 || load32(h, node, offset) !== p.leaf || p.snapshot.count !== 2) {
    giveUp(p);
    return RETRY;
  }
  if (condition !== null && !condition(p)) {
    giveUp(p);
    return REFUSED;
  }
  const children = p.snapshot.children;
  const sibling = children[0] === p.leaf ? children[1]! : children[0]!;
  beginRemoval(p, p.lock0, p.commitField, sibling);
  p.oldNode = node;
  commit(p);
  return REMOVED;
}

/**
 * Few children are left: a copy of a smaller kind, without the leaf, takes the node's place. Where there is no room for a
 * copy, the node stays as large as it is: a full store is no reason to keep a key.
 */
function shrink(p: Participant, condition: Condition | null): number {
  const h = p.h;
  const last = p.pathLength - 1;
  const node = p.path[last]!;
  const kind = kindFor(liveOf(load32(h, node, COUNTS)) - 1);
  let copy: number;
  try {
    copy = newNodeCell(p, kind, depthOnPath(p, last));
  } catch (error) {
    if (isNoRoom(error)) return clearSlot(p, condition);
    throw error;
  }
  if (!lockBoth(p)) {
    dropNewNode(p);
    return RETRY;
  }
  const tag = p.pathTag[last]!;
  const offset = slotOnPath(p, last);
  const left = liveOf(load32(h, node, COUNTS)) - 1;
  if (
    offset === 0 ||
    load32(h, node, offset) !== p.leaf ||
    left < 2 ||
    kindFor(left) !== kind ||
    !shouldShrink(tag & KIND_MASK, left)
  ) {
    giveUp(p);
    dropNewNode(p);
    return RETRY;
  }
  if (condition !== null && !condition(p)) {
    giveUp(p);
    dropNewNode(p);
    return REFUSED;
  }
  p.snapshot.read(h, node, tag);
  fillCopy(h, p.snapshot, p.leaf, copy, kind, 0, 0);
  beginRemoval(p, p.lock0, p.commitField, copy);
  p.oldNode = node;
  commit(p);
  return REMOVED;
}

/** Locks the last node of the path, its parent and the leaf, and checks that the node is still the parent's child. */
function lockBoth(p: Participant): boolean {
  const last = p.pathLength - 1;
  const node = p.path[last]!;
  const parent = p.path[last - 1]!;
  if (!announceAndLock(p, parent, node, p.leaf)) return false;
  const offset = slotOnPath(p, last - 1);
  if (offset === 0 || load32(p.h, parent, offset) !== node) {
    giveUp(p);
    return false;
  }
  p.commitField = offset;
  return true;
}

function beginRemoval(p: Participant, node: number, offset: number, value: number): void {
  beginChange(p);
  p.oldLeaf = p.leaf;
  p.oldLeafMark = INTENT_MARK_REMOVED;
  p.keyChange = -1;
  p.commitNode = node;
  p.commitField = offset;
  p.commitValue = value;
}
