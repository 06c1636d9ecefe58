/** Writing a key: insert where it is absent, replace where it is there. */
import { BancosError, corrupt } from "../errors.ts";
import {
  AUX_SHIFT,
  COUNTS,
  FIELD_BYTE,
  INTENT_MARK_REPLACED,
  KIND_MASK,
  LEAF_KEY,
  lengthOffset,
  N48_INDEX,
  NODE4,
  NODE48,
  numberOffset,
  SB,
  SB_NO_IN_PLACE,
  TYPE_SHIFT,
} from "../memory/layout.ts";
import { load32, loadF64, persist, store32, storeF64 } from "../memory/primitives.ts";
import { SCRATCH_KEY, SCRATCH_VALUE } from "../memory/scratch.ts";
import { writeBytes, writeFromScratch } from "../node/bytes.ts";
import {
  changesInPlace,
  contentHash,
  firstDifference,
  hasKey,
  isNumber,
  leafBytes,
  TYPE_FLOAT64,
  typeOf,
} from "../node/leaf.ts";
import { countsOf, fillCopy, kindFor, liveOf, NODE_CAPACITY, place, slotOf, usedOf } from "../node/node.ts";
import { fill48 } from "../node/node48.ts";
import type { Participant } from "../reclaim/participant.ts";
import {
  announceAndLock,
  beginChange,
  clearIntent,
  commit,
  dropNewLeaf,
  dropNewNode,
  giveUp,
  newLeafCell,
  newNodeCell,
  reserveLimbo,
  unlockFirst,
} from "./change.ts";
import { FOUND_LEAF, NOT_FOUND } from "./hints.ts";
import { startAgain } from "./lock.ts";
import { anyLeaf, depthOnPath, descend, digitOf } from "./place.ts";

/** What to write: filled by the store's value encoder. */
export interface Payload {
  readonly type: number;
  /** Bytes, unless the type is a number. */
  readonly length: number;
  readonly number: number;
  readonly lo: number;
  readonly hi: number;
  /** The bytes, unless they are in the scratch buffer at SCRATCH_VALUE. */
  readonly external: Uint8Array | null;
}

/** Write whatever is there. */
export const ALWAYS = 0;
/** Write only if the key is absent. */
export const IF_ABSENT = 1;
/** Write only if the key is there. */
export const IF_PRESENT = 2;

/**
 * Writes the key in the scratch buffer. Returns whether it was written; false only as `condition` says.
 * The caller is in an epoch. `found`: what a hint has found of the key, FOUND_LEAF of a float64 that a number is written to.
 * Linearized by the committing store, or by what says that the key is there.
 * Throws FULL, NO_SPACE, IO_ERROR, CORRUPT; the caller then recovers this participant's own intent.
 */
export function write(p: Participant, payload: Payload, condition: number, found: number): boolean {
  for (let round = 0; ; round++) {
    startAgain(p, round);
    const hinted = round === 0 ? found : NOT_FOUND;
    if (hinted === NOT_FOUND) descend(p);
    const leaf = p.leaf;
    if (hinted !== NOT_FOUND || (leaf !== 0 && hasKey(p.h, leaf, p.leafTag, p.keyLength))) {
      if (condition === IF_ABSENT) {
        dropNewLeaf(p);
        return false;
      }
      if (replace(p, payload, hinted === FOUND_LEAF)) return true;
    } else {
      if (condition === IF_PRESENT) {
        dropNewLeaf(p);
        return false;
      }
      if (insert(p, payload)) return true;
    }
  }
}

/** Writes the private leaf of the change, unless a try before has. */
export function makeLeaf(p: Participant, payload: Payload): number {
  if (p.newLeaf !== 0) return p.newLeaf;
  const h = p.h;
  const digits = p.keyLength;
  const { type, external } = payload;
  if (external !== null && external.length !== payload.length) {
    throw new BancosError(
      "INVALID_VALUE",
      "the buffer of the value has changed its length while it was being stored",
    );
  }
  const bytes = leafBytes(digits, type, payload.length);
  const leaf = newLeafCell(p, bytes, (digits << AUX_SHIFT) | (type << TYPE_SHIFT));
  // Key and number, or key and length, are put together in the scratch buffer and cross at once.
  let at = numberOffset(digits);
  let end = at + 8;
  if (type === TYPE_FLOAT64) {
    p.doubles[at >>> 3] = payload.number;
  } else if (isNumber(type)) {
    p.words[at >>> 2] = payload.lo;
    p.words[(at >>> 2) + 1] = payload.hi;
  } else {
    at = lengthOffset(digits);
    end = at + 4;
    p.words[at >>> 2] = payload.length;
  }
  writeFromScratch(h, leaf, LEAF_KEY, SCRATCH_KEY, end - LEAF_KEY);
  // The value may have covered the key's terminator.
  p.key[digits] = 0;
  if (!isNumber(type)) {
    if (external === null) writeFromScratch(h, leaf, at + 4, SCRATCH_VALUE, payload.length);
    else writeBytes(h, leaf, at + 4, external);
  }
  hashNewLeaf(p, leaf, digits, type, bytes);
  return leaf;
}

/** To be called again when the value of a private leaf has changed. */
export function hashNewLeaf(p: Participant, leaf: number, digits: number, type: number, bytes: number): void {
  p.newLeafHash = contentHash(p.h, p.region.salt, leaf, digits, type, bytes);
}

// ---- replace -------------------------------------------------------------------------------------------------------

/** Byte offset of the slot of the present key in the i-th node of the path. */
export function slotOnPath(p: Participant, i: number): number {
  const tag = p.pathTag[i]!;
  return slotOf(p.h, tag & KIND_MASK, p.path[i]!, p.key[tag >>> AUX_SHIFT]!);
}

function replace(p: Participant, payload: Payload, leafOnly: boolean): boolean {
  if (payload.type === TYPE_FLOAT64 && typeOf(p.leafTag) === TYPE_FLOAT64) {
    const done = changeNumber(p, payload.number, 0, null);
    if (done !== IN_PLACE_OFF || leafOnly) return done === IN_PLACE_DONE;
  }
  makeLeaf(p, payload);
  if (!lockLeafSlot(p)) return false;
  replaceLocked(p);
  return true;
}

/**
 * Locks the node above the leaf that was found, and the leaf, and checks that the leaf is still there. False: start again.
 * Then `replaceLocked` or `giveUp` must follow.
 */
export function lockLeafSlot(p: Participant): boolean {
  const node = p.path[p.pathLength - 1]!;
  const leaf = p.leaf;
  reserveLimbo(p);
  if (!announceAndLock(p, node, 0, leaf)) return false;
  const offset = slotOnPath(p, p.pathLength - 1);
  if (offset === 0 || load32(p.h, node, offset) !== leaf) {
    giveUp(p);
    return false;
  }
  p.commitField = offset;
  return true;
}

/** Puts the private leaf in the place of the one that {@link lockLeafSlot} has checked. */
export function replaceLocked(p: Participant): void {
  beginChange(p);
  p.oldLeaf = p.leaf;
  p.oldLeafMark = INTENT_MARK_REPLACED;
  p.commitNode = p.lock0;
  p.commitValue = p.newLeaf;
  commit(p);
}

export const IN_PLACE_RETRY = 0;
export const IN_PLACE_DONE = 1;
/** The leaf lies so that its value can't change in place, or a backup is under way: replace it like other values. */
export const IN_PLACE_OFF = 2;
/** The condition said no. */
export const IN_PLACE_REFUSED = 3;

/** Decides whether the leaf `p.leaf` may be changed; its lock is held where its value can change. */
export type Condition = (p: Participant) => boolean;

/**
 * Changes the value of the float64 leaf that was found, by one 8-byte store under the leaf's lock: to `factor * old +
 * value`, so that factor 0 sets it and factor 1 adds. `p.number` is the new value. Nothing is retired and nothing redone:
 * a participant that dies leaves a lock to be undone, and the number before or after.
 *
 * Needs no path: what is LIVE and unlocked is in the tree, and nobody takes a leaf out whose lock we have (README.md, "A
 * number in place"). The caller is in an epoch since before it found `p.leaf`, and has compared its key.
 */
export function changeNumber(
  p: Participant,
  value: number,
  factor: 0 | 1,
  condition: Condition | null,
): number {
  const leaf = p.leaf;
  if (!changesInPlace(leaf, p.keyLength, TYPE_FLOAT64) || load32(p.h, SB, SB_NO_IN_PLACE) !== 0)
    return IN_PLACE_OFF;
  if (!announceAndLock(p, leaf, 0, 0)) return IN_PLACE_RETRY;
  if (load32(p.h, SB, SB_NO_IN_PLACE) !== 0) {
    giveUp(p);
    return IN_PLACE_OFF;
  }
  if (condition !== null && !condition(p)) {
    giveUp(p);
    return IN_PLACE_REFUSED;
  }
  const at = numberOffset(p.keyLength);
  const sum = factor === 0 ? value : loadF64(p.h, leaf, at) + value;
  // One NaN only: numbers are compared by their bits.
  const next = Number.isNaN(sum) ? Number.NaN : sum;
  storeF64(p.h, leaf, at, next);
  if (p.region.persists) persist(p.h, leaf, at, 8);
  p.number = next;
  unlockFirst(p);
  clearIntent(p);
  dropNewLeaf(p);
  return IN_PLACE_DONE;
}

// ---- insert --------------------------------------------------------------------------------------------------------

function insert(p: Participant, payload: Payload): boolean {
  const last = p.pathLength - 1;
  const node = p.path[last]!;
  let witness = p.leaf;
  let witnessTag = p.leafTag;
  if (witness === 0) {
    // Each node of the path branches on the digit after the one before it: all digits down to here were looked at, and no
    // leaf below can tell more. So above the root, which shares none with anybody.
    if (depthOnPath(p, last) === last && last <= p.keyLength) return addChild(p, payload);
    witness = anyLeaf(p, node, p.pathTag[last]!);
    if (witness === 0) return false;
    witnessTag = p.leafTag;
  }
  const d = firstDifference(p.h, witness, witnessTag, p.keyLength);
  // The key has come meanwhile.
  if (d < 0) return false;
  const depth = depthOnPath(p, last);
  if (p.leaf === 0 && d >= depth) return d === depth ? addChild(p, payload) : false;
  return splitEdge(p, payload, d, digitOf(p.h, witness, witnessTag, d));
}

/** The key diverges at depth `d`, between two nodes or above a leaf: a new Node4 goes there. */
function splitEdge(p: Participant, payload: Payload, d: number, witnessDigit: number): boolean {
  const h = p.h;
  let i = p.pathLength - 1;
  while (depthOnPath(p, i) >= d && i > 0) i--;
  const parent = p.path[i]!;
  const child = i === p.pathLength - 1 ? p.leaf : p.path[i + 1]!;
  const digit = p.key[d]!;
  if (child === 0 || digit === witnessDigit || depthOnPath(p, i) >= d) return false;
  const leaf = makeLeaf(p, payload);
  const node = newNodeCell(p, NODE4, d);
  place(h, NODE4, node, 0, witnessDigit, child);
  place(h, NODE4, node, 1, digit, leaf);
  store32(h, node, COUNTS, countsOf(2, 2));
  if (!announceAndLock(p, parent, 0, 0)) {
    dropNewNode(p);
    return false;
  }
  const offset = slotOnPath(p, i);
  if (offset === 0 || load32(h, parent, offset) !== child) {
    giveUp(p);
    dropNewNode(p);
    return false;
  }
  beginChange(p);
  p.keyChange = 1;
  p.commitNode = parent;
  p.commitField = offset;
  p.commitValue = node;
  commit(p);
  return true;
}

/** The digit is absent from the last node of the path: add the leaf there, in a larger copy if it is full. */
function addChild(p: Participant, payload: Payload): boolean {
  const h = p.h;
  const last = p.pathLength - 1;
  const node = p.path[last]!;
  const depth = depthOnPath(p, last);
  const kind = p.pathTag[last]! & KIND_MASK;
  const digit = p.key[depth]!;
  const leaf = makeLeaf(p, payload);
  const offset = slotOf(h, kind, node, digit);
  if (offset === 0 && usedOf(load32(h, node, COUNTS)) >= NODE_CAPACITY[kind]!) return grow(p);
  if (!announceAndLock(p, node, 0, 0)) return false;
  // Under the lock: the digit is still absent, and there is room or an empty slot of its own.
  const own = slotOf(h, kind, node, digit);
  const counts = load32(h, node, COUNTS);
  const used = usedOf(counts);
  if (own !== 0 ? load32(h, node, own) !== 0 : used >= NODE_CAPACITY[kind]!) {
    giveUp(p);
    return false;
  }
  beginChange(p);
  p.keyChange = 1;
  p.commitNode = node;
  if (own !== 0) {
    p.commitField = own;
    p.commitValue = leaf;
    p.liveChange = 1;
  } else if (kind === NODE48) {
    // Unseen until the index byte points to it; the used count says only which slot is next.
    fill48(h, node, used, leaf);
    store32(h, node, COUNTS, counts + 1);
    p.commitField = (N48_INDEX + digit) | FIELD_BYTE;
    p.commitValue = used + 1;
    p.liveChange = 1;
  } else {
    // Unseen until the count covers it.
    place(h, kind, node, used, digit, leaf);
    p.commitField = COUNTS;
    p.commitValue = countsOf(used + 1, liveOf(counts) + 1);
  }
  commit(p);
  return true;
}

/** The last node of the path is full by used slots: a copy of the kind that fits its live children takes its place. */
function grow(p: Participant): boolean {
  const h = p.h;
  const last = p.pathLength - 1;
  const node = p.path[last]!;
  const parent = p.path[last - 1]!;
  const depth = depthOnPath(p, last);
  const digit = p.key[depth]!;
  if (last === 0) throw corrupt("the root says that it is full", node);
  reserveLimbo(p);
  // The copy is of the kind that fits now; should it not fit any more under the lock, start again.
  const kind = kindFor(liveOf(load32(h, node, COUNTS)) + 1);
  const copy = newNodeCell(p, kind, depth);
  if (!announceAndLock(p, parent, node, 0)) {
    dropNewNode(p);
    return false;
  }
  const tag = p.pathTag[last]!;
  const counts = load32(h, node, COUNTS);
  const offset = slotOnPath(p, last - 1);
  const nodeKind = tag & KIND_MASK;
  if (
    offset === 0 ||
    load32(h, parent, offset) !== node ||
    usedOf(counts) < NODE_CAPACITY[nodeKind]! ||
    slotOf(h, nodeKind, node, digit) !== 0 ||
    liveOf(counts) + 1 > NODE_CAPACITY[kind]!
  ) {
    giveUp(p);
    dropNewNode(p);
    return false;
  }
  p.snapshot.read(h, node, tag);
  fillCopy(h, p.snapshot, 0, copy, kind, digit, p.newLeaf);
  beginChange(p);
  p.keyChange = 1;
  p.oldNode = node;
  p.commitNode = parent;
  p.commitField = offset;
  p.commitValue = copy;
  commit(p);
  return true;
}
