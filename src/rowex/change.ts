/**
 * The frame of every change to the tree. The verbs (insert, replace, remove, ...) find the place and say what is to be
 * done in the fields of the participant; the steps that are the same for all, and whose order is the crash argument,
 * are here. Numbers as in README.md.
 */

import { LARGEST_CELL } from "../memory/classes.ts";
import {
  AUX_SHIFT,
  COUNTS,
  FIELD_BYTE,
  INTENT_ANNOUNCED,
  INTENT_CELL,
  INTENT_CHECKED,
  INTENT_FIELD,
  INTENT_KEY_COUNT,
  INTENT_LIMBO,
  INTENT_LOCK0,
  INTENT_MARK,
  INTENT_MARK_REMOVED,
  INTENT_MARK_REPLACED,
  INTENT_NEW0,
  INTENT_NEW1,
  INTENT_NONE,
  INTENT_OLD_LEAF,
  INTENT_OLD_NODE,
  INTENT_PUBLISHED,
  INTENT_RECORD_WORDS,
  INTENT_STATE,
  INTENT_VALUE,
  INTENT_WAITING,
  LEAF,
  LIVE,
  LIVE_SHIFT,
  MARK_DELETED,
  MARK_SUPERSEDED,
  PRIVATE,
  RETIRED,
  SB,
  SB_EPOCH,
  SB_GATE,
  SB_LAST_START,
  SB_Q,
  SLAB_SHIFT,
  SLOT_KEY_COUNT,
  SLOT_MASK,
  SLOT_PRIVATE0,
  SLOT_PRIVATE1,
  SLOT_SHIFT,
  SLOT_WAITING_BYTES,
  STATE_MASK,
  TAG,
} from "../memory/layout.ts";
import {
  exchange32,
  fetchAdd64,
  load32,
  load64,
  store8,
  store32,
  store64,
  storePair,
  storeWords,
} from "../memory/primitives.ts";
import { SCRATCH_RECORD } from "../memory/scratch.ts";
import { publishRun } from "../memory/slabs.ts";
import { persistBytes } from "../node/bytes.ts";
import {
  finishLeaf,
  hasOld,
  markRemoved,
  markReplaced,
  persistMark,
  sequenceOf,
  TYPE_FLOAT64,
  typeOf,
} from "../node/leaf.ts";
import type { Participant } from "../reclaim/participant.ts";
import { lock } from "./lock.ts";

// Places of the redo record's words in the scratch buffer.
const RECORD = SCRATCH_RECORD / 4;
const place = (field: number): number => (field - INTENT_CELL) / 4;
const CELL = place(INTENT_CELL);
const FIELD = place(INTENT_FIELD);
const VALUE = place(INTENT_VALUE);
const NEW0 = place(INTENT_NEW0);
const NEW1 = place(INTENT_NEW1);
const OLD_LEAF = place(INTENT_OLD_LEAF);
const OLD_NODE = place(INTENT_OLD_NODE);
const MARK = place(INTENT_MARK);
const LIMBO_AT = place(INTENT_LIMBO);
const WAITING_AT = place(INTENT_WAITING);
const KEY_COUNT = place(INTENT_KEY_COUNT);

// ---- step 4: what needs no lock ------------------------------------------------------------------------------------

/** A PRIVATE cell for a leaf of `bytes` bytes whose tag has `identity` (digits and type) in its upper bits. */
export function newLeafCell(p: Participant, bytes: number, identity: number): number {
  const cell = p.heap.takeLeaf(bytes);
  // Named in the slot before the tag says PRIVATE, so that a recoverer finds it without a search.
  store32(p.h, p.me, SLOT_PRIVATE0, cell);
  store32(p.h, cell, TAG, LEAF | PRIVATE | (p.slot << SLOT_SHIFT) | identity);
  p.newLeaf = cell;
  p.newLeafTag = LEAF | LIVE | identity;
  p.newLeafHasRun = bytes > LARGEST_CELL;
  return cell;
}

/** A PRIVATE cell for a node of `kind` at `depth`. Its content is the caller's to write. */
export function newNodeCell(p: Participant, kind: number, depth: number): number {
  const cell = p.heap.take(kind);
  store32(p.h, p.me, SLOT_PRIVATE1, cell);
  store32(p.h, cell, TAG, kind | PRIVATE | (p.slot << SLOT_SHIFT) | (depth << AUX_SHIFT));
  p.newNode = cell;
  p.newNodeTag = kind | LIVE | (depth << AUX_SHIFT);
  return cell;
}

/** Frees the private node after a failed check; the private leaf is kept for the next try. */
export function dropNewNode(p: Participant): void {
  if (p.newNode === 0) return;
  p.heap.free(p.newNode);
  store32(p.h, p.me, SLOT_PRIVATE1, 0);
  p.newNode = 0;
}

/** Frees a private leaf that is not needed after all. */
export function dropNewLeaf(p: Participant): void {
  if (p.newLeaf === 0) return;
  p.heap.free(p.newLeaf);
  store32(p.h, p.me, SLOT_PRIVATE0, 0);
  p.newLeaf = 0;
  p.newLeafHasRun = false;
}

/** Step 4, last part: room in limbo for what this change retires. */
export function reserveLimbo(p: Participant): void {
  p.limbo.reserve();
  p.waiting.reserve();
}

// ---- steps 5 to 7 ----------------------------------------------------------------------------------------------------

/**
 * Steps 5 and 6: announces and takes the locks: parent, node, and at last the leaf that goes; `second` and `leaf` may be
 * 0. A number in place has its leaf alone, as `first`. Returns false, with nothing locked and nothing announced, if one of
 * them is obsolete or a backup has shut the gate.
 */
export function announceAndLock(p: Participant, first: number, second: number, leaf: number): boolean {
  const h = p.h;
  const me = p.me;
  // Nobody is to wait for us while we wait for a page.
  p.heap.pages.touch(first);
  if (second !== 0) p.heap.pages.touch(second);
  if (leaf !== 0) p.heap.pages.touch(leaf);
  storePair(h, me, INTENT_LOCK0, first, second);
  p.announced = true;
  // The state, and beside it INTENT_LOCK2.
  storePair(h, me, INTENT_STATE, INTENT_ANNOUNCED, leaf);
  p.lock0 = 0;
  p.lock1 = 0;
  p.lock2 = 0;
  p.lockTag0 = lock(p, first);
  if (p.lockTag0 === 0) {
    clearIntent(p);
    return false;
  }
  p.lock0 = first;
  if (second !== 0) {
    p.lockTag1 = lock(p, second);
    if (p.lockTag1 === 0) {
      giveUp(p);
      return false;
    }
    p.lock1 = second;
  }
  if (leaf !== 0) {
    p.lockTag2 = lock(p, leaf);
    if (p.lockTag2 === 0) {
      giveUp(p);
      return false;
    }
    p.lock2 = leaf;
  }
  // The lock's compare-and-swap is a full fence between the announcement and this load.
  if (load32(h, SB, SB_GATE) !== 0) {
    giveUp(p);
    waitAtGate(p);
    return false;
  }
  return true;
}

/** A failed check: unlocks and withdraws the intent. */
export function giveUp(p: Participant): void {
  if (p.lock2 !== 0) store32(p.h, p.lock2, TAG, p.lockTag2);
  if (p.lock1 !== 0) store32(p.h, p.lock1, TAG, p.lockTag1);
  unlockFirst(p);
  clearIntent(p);
}

/** Step 17, and the unlock of a number in place. Nothing is stored to the node, or to the value, after this. */
export function unlockFirst(p: Participant): void {
  if (p.lock0 !== 0) store32(p.h, p.lock0, TAG, p.lockTag0);
  p.lock0 = 0;
  p.lock1 = 0;
  p.lock2 = 0;
}

/** Sequentially consistent: the fields may be written again at once. */
export function clearIntent(p: Participant): void {
  exchange32(p.h, p.me, INTENT_STATE, INTENT_NONE);
  p.announced = false;
}

function waitAtGate(p: Participant): void {
  for (let round = 0; load32(p.h, SB, SB_GATE) !== 0; round++) p.waitAtGate(round);
}

/** Fields of a change that retires nothing and creates nothing yet. */
export function beginChange(p: Participant): void {
  p.oldLeaf = 0;
  p.oldLeafMark = 0;
  p.oldNode = 0;
  p.liveChange = 0;
  p.keyChange = 0;
}

// ---- steps 8 to 18 ---------------------------------------------------------------------------------------------------

/**
 * Steps 8 to 18. The locks are held, that of `p.oldLeaf` as the third, the checks have passed, and everything that the
 * committing store uncovers is written. Nothing in here can fail; if the participant dies, recovery goes on from the intent's state.
 */
export function commit(p: Participant): void {
  const h = p.h;
  const me = p.me;
  const newLeaf = p.newLeaf;
  const newNode = p.newNode;
  const oldLeaf = p.oldLeaf;
  const oldNode = p.oldNode;
  const parent = p.commitNode;
  const keyCount = p.keyCount + p.keyChange;

  // 8. The sequence number, under the lock: keys are ordered by it as by their locks. Then the redo record.
  if (newLeaf !== 0) {
    const seq = fetchAdd64(h, SB, SB_Q, 1);
    p.leafNumber = seq;
    let old = false;
    if (p.oldLeafMark === INTENT_MARK_REPLACED) {
      old = hasOld(h, oldLeaf) || sequenceOf(h, oldLeaf) <= load64(h, SB, SB_LAST_START);
    }
    finishLeaf(h, p.words, newLeaf, p.newLeafHash, seq, old);
  }
  const words = p.words;
  words[RECORD + CELL] = parent;
  words[RECORD + FIELD] = p.commitField;
  words[RECORD + VALUE] = p.commitValue;
  words[RECORD + NEW0] = newLeaf;
  words[RECORD + NEW1] = newNode;
  words[RECORD + OLD_LEAF] = oldLeaf;
  words[RECORD + OLD_NODE] = oldNode;
  words[RECORD + MARK] = p.oldLeafMark;
  words[RECORD + LIMBO_AT] = p.limbo.position;
  words[RECORD + WAITING_AT] = p.waiting.position;
  words[RECORD + KEY_COUNT] = keyCount | 0;
  words[RECORD + KEY_COUNT + 1] = Math.floor(keyCount / 2 ** 32);
  storeWords(h, me, INTENT_CELL, SCRATCH_RECORD, INTENT_RECORD_WORDS);
  store32(h, me, INTENT_STATE, INTENT_CHECKED);

  // 9. What is new is LIVE before anybody can reach it from the root. A hint from the cell's earlier life can name it
  // already: it is locked until the tree has it, or who follows the hint would see this change before it is made.
  if (newNode !== 0) store32(h, newNode, TAG, p.newNodeTag | (p.slot << SLOT_SHIFT));
  if (newLeaf !== 0) {
    const persists = p.region.persists;
    // A value outside of the checksum has to be there before the tag makes it count: the processor writes cache lines
    // back as it likes. (Tag and checksum lie in one line: the tag of the cell's earlier life can't make it count.)
    if (persists && typeOf(p.newLeafTag) === TYPE_FLOAT64) persistBytes(h, newLeaf, p.heap.bytesOf(newLeaf));
    store32(h, newLeaf, TAG, p.newLeafTag | (p.slot << SLOT_SHIFT));
    if (persists) persistBytes(h, newLeaf, p.heap.bytesOf(newLeaf));
  }
  // 10. A leaf that is removed is marked before it goes: a rebuild must not find it unmarked and unreplaced.
  let isVoid = false;
  if (p.oldLeafMark === INTENT_MARK_REMOVED) {
    isVoid = markRemoved(h, oldLeaf, MARK_DELETED);
    if (p.region.persists) persistMark(h, oldLeaf);
  }
  // 11. The committing store.
  const field = p.commitField;
  if ((field & FIELD_BYTE) !== 0) store8(h, parent, field & ~FIELD_BYTE, p.commitValue);
  else store32(h, parent, field, p.commitValue);
  // 12. Published. A full fence: the loads of steps 13 and 14 come after the committing store.
  exchange32(h, me, INTENT_STATE, INTENT_PUBLISHED);
  if (p.liveChange !== 0)
    store32(h, parent, COUNTS, load32(h, parent, COUNTS) + (p.liveChange << LIVE_SHIFT));
  if (p.keyChange !== 0) store64(h, me, SLOT_KEY_COUNT, keyCount);
  p.keyCount = keyCount;
  if (oldLeaf !== 0 || oldNode !== 0) {
    // 13. The epoch, after the old cells became unreachable from the tree.
    const epoch = load32(h, SB, SB_EPOCH);
    // 14. A leaf that was replaced is marked after its successor is in the tree.
    if (p.oldLeafMark === INTENT_MARK_REPLACED) {
      isVoid = markReplaced(h, oldLeaf, MARK_SUPERSEDED);
      // Before the unlock: the next change may void the new leaf, and the old one would be back.
      if (p.region.persists) persistMark(h, oldLeaf);
    }
    // 15. Retired: obsolete and unlocked by one store.
    // 16. Into limbo, at the positions that the intent names.
    p.retired++;
    // How much of the file an old leaf takes: much that is retired by few changes is reclaimed as soon as little by many.
    if (oldLeaf !== 0) {
      const bytes = p.heap.bytesOf(oldLeaf);
      p.retired += Math.floor(bytes / p.bytesPerChange);
      if (!isVoid) {
        p.waitingBytes += bytes;
        store64(h, me, SLOT_WAITING_BYTES, p.waitingBytes);
      }
    }
    if (oldNode !== 0) {
      store32(h, oldNode, TAG, retiredTag(p, p.lockTag1));
      p.limbo.append(oldNode, epoch);
    }
    if (oldLeaf !== 0) {
      store32(h, oldLeaf, TAG, retiredTag(p, p.lockTag2));
      if (isVoid) p.limbo.append(oldLeaf, epoch);
      else p.waiting.append(oldLeaf, epoch);
    }
  }
  // 17.
  if (newLeaf !== 0) store32(h, newLeaf, TAG, p.newLeafTag);
  if (newNode !== 0) store32(h, newNode, TAG, p.newNodeTag);
  unlockFirst(p);
  // 18.
  clearIntent(p);
  // The records of private cells must not outlive the cells: we are in the epoch still that keeps these from reuse.
  storePair(h, me, SLOT_PRIVATE0, 0, 0);
  p.leaf = newLeaf;
  // Where a leaf was replaced; who loads new keys has no use for hints.
  p.leafNode = p.oldLeafMark === INTENT_MARK_REPLACED ? parent : 0;
  p.newLeaf = 0;
  p.newNode = 0;
  // A large leaf's run passes from its writer to nobody: who frees the leaf frees the run. We are in an epoch still.
  if (p.newLeafHasRun) publishRun(p.region, newLeaf >>> SLAB_SHIFT);
  p.newLeafHasRun = false;
}

const retiredTag = (p: Participant, tag: number): number =>
  (tag & ~(STATE_MASK | SLOT_MASK)) | RETIRED | (p.slot << SLOT_SHIFT);
