/**
 * Recovery of a participant that died. Anybody may do it, at any time, and die in it: every step can be repeated by
 * another after any step. Nothing is decided by what the tree looks like: the intent's state says how far the change
 * got, and its record what is left to do.
 *
 * The right to recover slot D is its slot word: (incarnation, ALIVE) or (incarnation, RECOVERING by X), taken by
 * compare-and-swap when D, or X, is dead. A participant's own recovery finishes what it was recovering before its slot
 * is free again, so that "by X" never names a later owner of X's slot.
 *
 * In a damaged file a recovery may be impossible. Then the word goes back to what it was before the claim, by
 * compare-and-swap: the others see D dead and not recovered, as before, may try, and are told the same; X is not kept from
 * leaving. Nobody else can have changed the word meanwhile, since X, who is named in it, is alive. If X dies before it
 * puts the word back, D is "by X" as after a death anywhere in a recovery; what was done of it is done again.
 */
import { corrupt } from "../errors.ts";
import {
  COUNTS,
  FIELD_BYTE,
  INTENT_ANNOUNCED,
  INTENT_CELL,
  INTENT_CHECKED,
  INTENT_FIELD,
  INTENT_KEY_COUNT,
  INTENT_LIMBO,
  INTENT_LOCK0,
  INTENT_LOCK1,
  INTENT_LOCK2,
  INTENT_MARK,
  INTENT_MARK_REMOVED,
  INTENT_MARK_REPLACED,
  INTENT_NEW0,
  INTENT_NEW1,
  INTENT_NONE,
  INTENT_OLD_LEAF,
  INTENT_OLD_NODE,
  INTENT_PUBLISHED,
  INTENT_STATE,
  INTENT_VALUE,
  INTENT_WAITING,
  KIND_MASK,
  LIVE,
  lifeByte,
  MARK_DELETED,
  MARK_NONE,
  MARK_SUPERSEDED,
  MARK_VOID,
  NODE256,
  PRIVATE,
  RETIRED,
  SB,
  SB_EPOCH,
  SB_GATE,
  SB_NO_IN_PLACE,
  SB_ORPHANS,
  SB_RECOVERIES,
  SLOT_ALIVE,
  SLOT_COLLECTING,
  SLOT_EPOCH,
  SLOT_FREE,
  SLOT_KEY_COUNT,
  SLOT_LIMBO,
  SLOT_MASK,
  SLOT_PRIVATE0,
  SLOT_PRIVATE1,
  SLOT_RECOVERING,
  SLOT_SHIFT,
  SLOT_SYNC_TICKET,
  SLOT_WAITING,
  SLOT_WAITING_BYTES,
  SLOT_WORD,
  SLOTS,
  STATE_MASK,
  slotCell,
  TAG,
} from "../memory/layout.ts";
import {
  closeFile,
  closeHandle,
  HANDLES,
  handleInfo,
  lockHeld,
  openDescriptors,
  takeHandle,
  threadId,
  threadStartTime,
  unlockByte,
} from "../memory/platform.ts";
import {
  cas32,
  exchange32,
  fetchAdd32,
  load32,
  load64,
  store8,
  store32,
  store64,
  storePair,
} from "../memory/primitives.ts";
import type { Region } from "../memory/region.ts";
import { beginsCell, cellBytes, freeCell, releaseSlabsOf } from "../memory/slabs.ts";
import { persistBytes } from "../node/bytes.ts";
import { markKind, markRemoved, markReplaced, persistMark } from "../node/leaf.ts";
import { countsOf, recount, usedOf } from "../node/node.ts";
import { appendAgain, hasLimbo, Limbo, repairLimbo } from "../reclaim/limbo.ts";
import { openLockHeld } from "../reclaim/openlock.ts";
import type { Participant } from "../reclaim/participant.ts";
import { reclaimFrom } from "../reclaim/reclaim.ts";
import { isDead, slotBy, slotIncarnation, slotState, slotsUsed, slotWord } from "../reclaim/registry.ts";
import { releaseSyncOf } from "../reclaim/synclock.ts";

type Free = (cell: number) => void;

/**
 * Finishes or undoes the change that slot `slot` had under way, and frees its private cells. The slot's owner is dead,
 * or is the caller, after an exception. Steps as in the protocol, "Recovery".
 */
export function recoverIntent(region: Region, slot: number, free: Free): void {
  const h = region.h;
  const me = slotCell(slot);
  const state = load32(h, me, INTENT_STATE);
  if (state === INTENT_ANNOUNCED) {
    const leaf = load32(h, me, INTENT_LOCK2);
    // Before there was this field it was not written, and what another had left here may be the middle of a value now.
    if (leaf !== 0 && beginsCell(region, leaf, load32(h, leaf, TAG))) unlockIfHeld(h, slot, leaf);
    unlockIfHeld(h, slot, load32(h, me, INTENT_LOCK1));
    unlockIfHeld(h, slot, load32(h, me, INTENT_LOCK0));
  } else if (state === INTENT_CHECKED || state === INTENT_PUBLISHED) {
    redo(region, slot, state);
  } else if (state !== INTENT_NONE) {
    throw corrupt("a participant's intent has an unknown state", me);
  }
  repairLimbo(region, slot, SLOT_LIMBO, free);
  repairLimbo(region, slot, SLOT_WAITING, free);
  freeIfPrivate(region, slot, SLOT_PRIVATE0, free);
  freeIfPrivate(region, slot, SLOT_PRIVATE1, free);
  storePair(h, me, SLOT_PRIVATE0, 0, 0);
  exchange32(h, me, INTENT_STATE, INTENT_NONE);
}

const isHeld = (h: number, slot: number, cell: number): boolean =>
  (load32(h, cell, TAG) & (STATE_MASK | SLOT_MASK)) === (LIVE | (slot << SLOT_SHIFT));

/** A node or a leaf. What never changes in its tag stays. */
function unlockIfHeld(h: number, slot: number, cell: number): void {
  if (cell !== 0 && isHeld(h, slot, cell)) store32(h, cell, TAG, load32(h, cell, TAG) & ~SLOT_MASK);
}

function redo(region: Region, slot: number, state: number): void {
  const h = region.h;
  const me = slotCell(slot);
  const parent = load32(h, me, INTENT_CELL);
  const oldLeaf = load32(h, me, INTENT_OLD_LEAF);
  const oldNode = load32(h, me, INTENT_OLD_NODE);
  const mark = load32(h, me, INTENT_MARK);
  if (state === INTENT_CHECKED) {
    // Only here: at state 3 what was new may have been retired by another since.
    makeLive(h, slot, load32(h, me, INTENT_NEW1), slot << SLOT_SHIFT);
    const newLeaf = load32(h, me, INTENT_NEW0);
    if (region.persists && newLeaf !== 0) persistBytes(h, newLeaf, cellBytes(region, newLeaf));
    makeLive(h, slot, newLeaf, slot << SLOT_SHIFT);
    if (region.persists && newLeaf !== 0) persistBytes(h, newLeaf, cellBytes(region, newLeaf));
    if (mark === INTENT_MARK_REMOVED && markKind(h, oldLeaf) === MARK_NONE)
      markRemoved(h, oldLeaf, MARK_DELETED);
    const field = load32(h, me, INTENT_FIELD);
    const value = load32(h, me, INTENT_VALUE);
    if ((field & FIELD_BYTE) !== 0) store8(h, parent, field & ~FIELD_BYTE, value);
    else store32(h, parent, field, value);
    exchange32(h, me, INTENT_STATE, INTENT_PUBLISHED);
  }
  if (mark === INTENT_MARK_REPLACED && markKind(h, oldLeaf) === MARK_NONE)
    markReplaced(h, oldLeaf, MARK_SUPERSEDED);
  // Either mark, before the unlock. (The committing store need not wait for it: nodes are not believed after a reboot.)
  if (region.persists && oldLeaf !== 0) persistMark(h, oldLeaf);
  store64(h, me, SLOT_KEY_COUNT, load64(h, me, INTENT_KEY_COUNT));
  if (isHeld(h, slot, parent)) {
    const kind = load32(h, parent, TAG) & KIND_MASK;
    const used = kind === NODE256 ? 0 : usedOf(load32(h, parent, COUNTS));
    store32(h, parent, COUNTS, countsOf(used, recount(h, parent, kind)));
  }
  const epoch = load32(h, SB, SB_EPOCH);
  let position = load32(h, me, INTENT_LIMBO);
  if (oldNode !== 0) {
    if (isHeld(h, slot, oldNode)) retire(h, slot, oldNode);
    appendAgain(h, slot, SLOT_LIMBO, position, oldNode, epoch);
    position = (position + 1) | 0;
  }
  if (oldLeaf !== 0) {
    if ((load32(h, oldLeaf, TAG) & STATE_MASK) === LIVE) retire(h, slot, oldLeaf);
    if (markKind(h, oldLeaf) === MARK_VOID) appendAgain(h, slot, SLOT_LIMBO, position, oldLeaf, epoch);
    else appendAgain(h, slot, SLOT_WAITING, load32(h, me, INTENT_WAITING), oldLeaf, epoch);
  }
  unlockIfHeld(h, slot, load32(h, me, INTENT_NEW0));
  unlockIfHeld(h, slot, load32(h, me, INTENT_NEW1));
  unlockIfHeld(h, slot, parent);
}

function makeLive(h: number, slot: number, cell: number, lock: number): void {
  if (cell === 0) return;
  const tag = load32(h, cell, TAG);
  if ((tag & (STATE_MASK | SLOT_MASK)) !== (PRIVATE | (slot << SLOT_SHIFT))) return;
  store32(h, cell, TAG, (tag & ~(STATE_MASK | SLOT_MASK)) | LIVE | lock);
}

function retire(h: number, slot: number, cell: number): void {
  store32(h, cell, TAG, (load32(h, cell, TAG) & ~(STATE_MASK | SLOT_MASK)) | RETIRED | (slot << SLOT_SHIFT));
}

function freeIfPrivate(region: Region, slot: number, field: number, free: Free): void {
  const { h } = region;
  const cell = load32(h, slotCell(slot), field);
  if (cell === 0) return;
  const tag = load32(h, cell, TAG);
  // The record may be older than the cell's present life, which is another's then.
  if ((tag & (STATE_MASK | SLOT_MASK)) !== (PRIVATE | (slot << SLOT_SHIFT))) return;
  if (beginsCell(region, cell, tag)) free(cell);
}

/** An opener that finds no slot free recovers as 0, under the open lock. */
export const OPENER = 0;

/**
 * Recovers slot `slot` if its owner is dead, on behalf of participant `me` (its slot number, or {@link OPENER}, who
 * holds the open lock). Returns whether it did.
 */
export function recoverSlot(region: Region, slot: number, me: number): boolean {
  // Whoever asks may have read the number a moment after it was cleared.
  if (slot < 1 || slot > SLOTS || slot === me) return false;
  const h = region.h;
  const word = load32(h, slotCell(slot), SLOT_WORD);
  const state = slotState(word);
  if (state === SLOT_FREE) return false;
  const responsible = state === SLOT_ALIVE ? slot : slotBy(word);
  // By ourselves: an exception cut it short.
  if (responsible !== me && !isGone(region, responsible)) return false;
  return claimAndFinish(region, slot, me, word);
}

/** Claims slot `slot`, whose word is `word`, and recovers it; false if another was faster. */
function claimAndFinish(region: Region, slot: number, me: number, word: number): boolean {
  const { h } = region;
  const cell = slotCell(slot);
  const claimed = slotWord(slotIncarnation(word), me, SLOT_RECOVERING);
  if (cas32(h, cell, SLOT_WORD, word, claimed) !== 1) return false;
  try {
    finishRecovery(region, slot, me);
  } catch (error) {
    cas32(h, cell, SLOT_WORD, claimed, word);
    throw error;
  }
  return true;
}

/** Dead, or recovered already. An opener is gone when nobody holds the open lock. */
function isGone(region: Region, slot: number): boolean {
  if (slot === OPENER) return !openLockHeld(region.fd);
  const state = slotState(load32(region.h, slotCell(slot), SLOT_WORD));
  return state !== SLOT_ALIVE || isDead(region, slot);
}

function finishRecovery(region: Region, slot: number, me: number): void {
  const h = region.h;
  const cell = slotCell(slot);
  region.refresh();
  // What is done for the dead is done in its name: should we die too, it is found under its number again.
  recoverIntent(region, slot, (freed) => freeCell(region, freed, slot));
  releaseSlabsOf(region, slot);
  adoptRecoveriesOf(region, slot, me);
  releaseSyncOf(h, slot, slotIncarnation(load32(h, cell, SLOT_WORD)));
  endBackupOf(h, slot);
  if (hasLimbo(h, slot)) fetchAdd32(h, SB, SB_ORPHANS, 1);
  // Last of all: until here its epoch kept what recovery looked at from being reused.
  store64(h, cell, SLOT_SYNC_TICKET, 0);
  store32(h, cell, SLOT_EPOCH, 0);
  fetchAdd32(h, SB, SB_RECOVERIES, 1);
  const word = load32(h, cell, SLOT_WORD);
  store32(h, cell, SLOT_WORD, slotWord((slotIncarnation(word) + 1) & 0xfffff, 0, SLOT_FREE));
  closeHandlesOfTheDead();
}

/** A dead participant's backup: the gate opens, and numbers change in place again. */
function endBackupOf(h: number, slot: number): void {
  cas32(h, SB, SB_GATE, slot, 0);
  cas32(h, SB, SB_NO_IN_PLACE, slot, 0);
}

/** What the dead participant was itself recovering, or collecting for. */
export function adoptRecoveriesOf(region: Region, dead: number, me: number): void {
  const h = region.h;
  for (let slot = 1; slot <= slotsUsed(h); slot++) {
    const word = load32(h, slotCell(slot), SLOT_WORD);
    const state = slotState(word);
    if ((state !== SLOT_RECOVERING && state !== SLOT_COLLECTING) || slotBy(word) !== dead || slot === dead)
      continue;
    claimAndFinish(region, slot, me, word);
  }
}

/**
 * A terminated Worker leaves its descriptors and mappings open in our process, and with a descriptor the locks on it:
 * its life byte, and perhaps the open lock. Closes what threads of this process that are gone had open. (Only the
 * prebuilt library knows other threads' handles; built by TinyCC, each thread has a table of its own.)
 */
export function closeHandlesOfTheDead(): void {
  const mine = threadId();
  for (let handle = 1; handle < HANDLES; handle++) {
    const info = handleInfo(handle);
    if (!info.used || info.tid === mine || threadStartTime(process.pid, info.tid) !== 0) continue;
    // Others may have found it too.
    if (takeHandle(handle, info.tid)) closeHandle(handle);
  }
}

/**
 * Closes what terminated Workers of this process left open although they have been recovered: by another process, which
 * can't close it, or by a thread that has a table of its own (TinyCC). Their slots are FREE, but can't be given out
 * while a descriptor holds their life bytes. The caller holds the open lock, so that nobody comes or goes meanwhile.
 */
export function closeLeftovers(region: Region): void {
  const { h, fd } = region;
  const stuck: number[] = [];
  for (let slot = 1; slot <= slotsUsed(h); slot++) {
    if (slotState(load32(h, slotCell(slot), SLOT_WORD)) === SLOT_FREE && lockHeld(fd, lifeByte(slot))) {
      stuck.push(slot);
    }
  }
  if (stuck.length === 0) return;
  closeHandlesOfTheDead();
  for (const other of openDescriptors()) {
    if (other === fd || !region.isSameFile(other)) continue;
    const held = stuck.filter((slot) => holdsLife(region, other, slot));
    if (held.length === 0) continue;
    // A mapping that nobody can find any more keeps the description open, and its locks, beyond the descriptor.
    for (const slot of held) unlockByte(other, lifeByte(slot));
    closeFile(other);
  }
}

/**
 * Is `fd`, a descriptor of this process, the one that holds the life byte of `slot`? To the question of its holder
 * nobody holds it, to ours somebody does; asked in this order, since it may be let go meanwhile, but not taken.
 */
function holdsLife(region: Region, fd: number, slot: number): boolean {
  try {
    return !lockHeld(fd, lifeByte(slot)) && lockHeld(region.fd, lifeByte(slot));
  } catch {
    // Closed meanwhile.
    return false;
  }
}

/** Looks at every slot and recovers the dead. Returns how many. */
export function recoverTheDead(region: Region, me: number): number {
  let recovered = 0;
  for (let slot = 1; slot <= slotsUsed(region.h); slot++) if (recoverSlot(region, slot, me)) recovered++;
  return recovered;
}

/**
 * Reclaims what participants that are gone had retired: their slots are free and their limbos are not empty. Frees at
 * most `most` cells in the name of participant `p`; returns how many.
 */
export function collectOrphans(p: Participant, most: number): number {
  const { region, h } = p;
  let freed = 0;
  for (let slot = 1; slot <= slotsUsed(h) && freed < most; slot++) {
    const cell = slotCell(slot);
    const word = load32(h, cell, SLOT_WORD);
    if (slotState(word) !== SLOT_FREE || !hasLimbo(h, slot)) continue;
    const claimed = slotWord(slotIncarnation(word), p.slot, SLOT_COLLECTING);
    if (cas32(h, cell, SLOT_WORD, word, claimed) !== 1) continue;
    region.refresh();
    freed += reclaimFrom(
      p,
      new Limbo(p.heap, slot, SLOT_LIMBO),
      new Limbo(p.heap, slot, SLOT_WAITING),
      most - freed,
    );
    if (!hasLimbo(h, slot)) {
      store64(h, cell, SLOT_WAITING_BYTES, 0);
      fetchAdd32(h, SB, SB_ORPHANS, -1);
    }
    store32(h, cell, SLOT_WORD, slotWord(slotIncarnation(word), 0, SLOT_FREE));
  }
  return freed;
}
