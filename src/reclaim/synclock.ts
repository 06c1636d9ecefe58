/**
 * The sync lock: one participant at a time syncs the file. A word in the superblock, (incarnation, slot), taken by
 * compare-and-swap, so that it can be taken from the dead, whatever their process still holds open.
 */
import { SB, SB_SYNC_OWNER, SLOT_WORD, SLOTS, slotCell } from "../memory/layout.ts";
import { cas32, load32 } from "../memory/primitives.ts";
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

/** Gives it back; harmless if it was taken away. */
export function syncUnlock(h: number, slot: number): void {
  cas32(h, SB, SB_SYNC_OWNER, myWord(h, slot), 0);
}

/** The slot that holds the lock, 0: nobody. */
export function syncOwner(h: number): number {
  const slot = load32(h, SB, SB_SYNC_OWNER) & ((1 << SLOT_BITS) - 1);
  return slot <= SLOTS ? slot : 0;
}

/** Part of the recovery of `slot`: the lock is free for who waits. */
export function releaseSyncOf(h: number, slot: number, incarnation: number): void {
  cas32(h, SB, SB_SYNC_OWNER, ownerWord(slot, incarnation), 0);
}
