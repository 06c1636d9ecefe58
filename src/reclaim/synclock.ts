/**
 * The sync lock: one participant at a time starts a sync, or a backup. A word in the superblock, (incarnation, slot), taken by
 * compare-and-swap, so that it can be taken from the dead, whatever their process still holds open.
 */
import { SB, SB_SYNC_OWNER, SB_SYNC_TURN, SLOT_WORD, SLOTS, slotCell } from "../memory/layout.ts";
import { futexWait, futexWake } from "../memory/platform.ts";
import { cas32, fetchAdd32, load32 } from "../memory/primitives.ts";
import { slotIncarnation } from "./registry.ts";

const SLOT_BITS = 10;
const ownerWord = (slot: number, incarnation: number): number => slot | (incarnation << SLOT_BITS);

/** The word by which participant `slot` holds the lock. */
const myWord = (h: number, slot: number): number =>
  ownerWord(slot, slotIncarnation(load32(h, slotCell(slot), SLOT_WORD)));

/** Tries to take the lock for participant `slot`, who is alive. */
export function trySyncLock(h: number, slot: number): boolean {
  return cas32(h, SB, SB_SYNC_OWNER, 0, myWord(h, slot)) === 1;
}

/** Gives it back and wakes who waits; harmless if it was taken away. */
export function syncUnlock(h: number, slot: number): void {
  unlock(h, myWord(h, slot));
}

function unlock(h: number, word: number): void {
  if (cas32(h, SB, SB_SYNC_OWNER, word, 0) !== 1) return;
  fetchAdd32(h, SB, SB_SYNC_TURN, 1);
  futexWake(h, SB, SB_SYNC_TURN, SLOTS);
}

/** How often the lock was given back. Read it, look whether there is anything to wait for, then wait for its change. */
export const syncTurn = (h: number): number => load32(h, SB, SB_SYNC_TURN);

/** Waits until the lock is given back, `ms` at most: its holder may die. */
export function waitForTurn(h: number, turn: number, ms: number): void {
  futexWait(h, SB, SB_SYNC_TURN, turn, ms);
}

/** The slot that holds the lock, 0: nobody. */
export function syncOwner(h: number): number {
  const slot = load32(h, SB, SB_SYNC_OWNER) & ((1 << SLOT_BITS) - 1);
  return slot <= SLOTS ? slot : 0;
}

/** Part of the recovery of `slot`: the lock is free for who waits. */
export function releaseSyncOf(h: number, slot: number, incarnation: number): void {
  unlock(h, ownerWord(slot, incarnation));
}
