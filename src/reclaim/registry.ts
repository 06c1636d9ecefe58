/**
 * The registry: who has the file open. A slot belongs to whoever holds its life byte, an open-file-description lock
 * that the kernel frees when the descriptor closes, however its process ends.
 */
import { BancosError } from "../errors.ts";
import {
  INTENT_LOCK0,
  INTENT_LOCK1,
  INTENT_LOCK2,
  INTENT_NONE,
  INTENT_STATE,
  lifeByte,
  SB,
  SB_ORPHANS,
  SB_SLOTS_USED,
  SLOT_ALIVE,
  SLOT_BY_MASK,
  SLOT_BY_SHIFT,
  SLOT_BYTES,
  SLOT_EPOCH,
  SLOT_FREE,
  SLOT_INCARNATION_SHIFT,
  SLOT_KEY_COUNT,
  SLOT_PID,
  SLOT_PID_NAMESPACE,
  SLOT_ROLE,
  SLOT_SINCE,
  SLOT_STATE_MASK,
  SLOT_SYNC_TICKET,
  SLOT_THREAD_START,
  SLOT_TID,
  SLOT_WORD,
  SLOTS,
  slotCell,
} from "../memory/layout.ts";
import {
  lockByte,
  lockHeld,
  pidNamespace,
  threadId,
  threadStartTime,
  unlockByte,
} from "../memory/platform.ts";
import {
  cas32,
  fetchAdd32,
  load32,
  load64,
  loadF64,
  store32,
  store64,
  storeF64,
  sum64,
} from "../memory/primitives.ts";
import type { Region } from "../memory/region.ts";
import { hasLimbo } from "./limbo.ts";

export const ROLE_READER = 1;
export const ROLE_WRITER = 2;

export const slotState = (word: number): number => word & SLOT_STATE_MASK;
export const slotIncarnation = (word: number): number => word >>> SLOT_INCARNATION_SHIFT;
export const slotBy = (word: number): number => (word & SLOT_BY_MASK) >>> SLOT_BY_SHIFT;
export const slotWord = (incarnation: number, by: number, state: number): number =>
  (incarnation << SLOT_INCARNATION_SHIFT) | (by << SLOT_BY_SHIFT) | state;

/** Highest slot ever claimed, so that nobody looks at 512. */
export const slotsUsed = (h: number): number => Math.min(load32(h, SB, SB_SLOTS_USED), SLOTS);

/** How many keys there are: what all slots ever used have added, less what they have removed. */
export const countKeys = (h: number): number =>
  sum64(h, slotCell(1), SLOT_KEY_COUNT, SLOT_BYTES, load32(h, SB, SB_SLOTS_USED));

/**
 * Claims a free slot for this thread. Throws TOO_MANY_PARTICIPANTS. Slots of the dead must have been recovered before.
 */
export function claimSlot(region: Region, role: number): number {
  const { h, fd } = region;
  for (let slot = 1; slot <= SLOTS; slot++) {
    const me = slotCell(slot);
    const word = load32(h, me, SLOT_WORD);
    if (slotState(word) !== SLOT_FREE) continue;
    // A free slot with an intent is damaged. It is left as it is, for verify() to tell.
    if (load32(h, me, INTENT_STATE) !== INTENT_NONE) continue;
    // The life byte of a slot whose thread is gone may still be held by its process: such a slot is not given out.
    if (!lockByte(fd, lifeByte(slot), "write", false)) continue;
    for (let used = slotsUsed(h); used < slot; used = slotsUsed(h)) cas32(h, SB, SB_SLOTS_USED, used, slot);
    store32(h, me, SLOT_PID, process.pid);
    const tid = threadId();
    store32(h, me, SLOT_TID, tid);
    store32(h, me, SLOT_ROLE, role);
    // 0: could not be found out; then only the life byte tells whether we live.
    store64(h, me, SLOT_THREAD_START, Math.max(0, threadStartTime(process.pid, tid)));
    store64(h, me, SLOT_PID_NAMESPACE, pidNamespace());
    storeF64(h, me, SLOT_SINCE, Date.now());
    if (cas32(h, me, SLOT_WORD, word, slotWord(slotIncarnation(word), 0, SLOT_ALIVE)) === 1) {
      // Whoever takes the slot takes over what is in its limbos.
      if (hasLimbo(h, slot)) fetchAdd32(h, SB, SB_ORPHANS, -1);
      return slot;
    }
    unlockByte(fd, lifeByte(slot));
  }
  throw new BancosError(
    "TOO_MANY_PARTICIPANTS",
    `${region.path} is open ${SLOTS} times, as often as it can be; close some stores (\`bancos info\` lists who has it open)`,
  );
}

/** Gives up the slot of a participant that leaves in good order. */
export function leaveSlot(region: Region, slot: number): void {
  const word = load32(region.h, slotCell(slot), SLOT_WORD);
  if (hasLimbo(region.h, slot)) fetchAdd32(region.h, SB, SB_ORPHANS, 1);
  store64(region.h, slotCell(slot), SLOT_SYNC_TICKET, 0);
  store32(region.h, slotCell(slot), SLOT_WORD, slotWord((slotIncarnation(word) + 1) & 0xfffff, 0, SLOT_FREE));
  unlockByte(region.fd, lifeByte(slot));
}

/**
 * Has the participant in `slot` died? Its life byte is free; or its thread, in our pid namespace, is gone although its
 * process (with the descriptor) lives: a terminated Worker. A stopped process is alive. Costs a system call or two.
 */
export function isDead(region: Region, slot: number): boolean {
  const { h, fd } = region;
  const me = slotCell(slot);
  if (!lockHeld(fd, lifeByte(slot))) return true;
  const namespace = pidNamespace();
  if (namespace === 0 || load64(h, me, SLOT_PID_NAMESPACE) !== namespace) return false;
  if (load64(h, me, SLOT_THREAD_START) === 0) return false;
  const start = threadStartTime(load32(h, me, SLOT_PID), load32(h, me, SLOT_TID));
  // -1: /proc can't be read, so it may live. 0: gone. Another start time: the number was given to another thread.
  if (start === -1) return false;
  return start === 0 || start !== load64(h, me, SLOT_THREAD_START);
}

/** A participant, that is an open store of some thread, as `stats()` shows it. */
export interface ParticipantInfo {
  /** Registry slot, 1 to 512. */
  readonly slot: number;
  /** `"recovering"` and `"collecting"`: it is dead, and another one finishes or undoes what it did, or frees its memory. */
  readonly state: "alive" | "dead" | "recovering" | "collecting";
  /** Its process. */
  readonly pid: number;
  /** Its thread, by the operating system's number. */
  readonly threadId: number;
  /** `"reader"`: opened with `readOnly`. */
  readonly role: "reader" | "writer";
  /** When it opened the file. */
  readonly since: Date;
  /** The epoch it is working in; 0 while it does nothing. */
  readonly epoch: number;
  /** File offsets of the nodes and leaves it may have locked. */
  readonly locks: readonly number[];
  /** Is it the store that was asked? */
  readonly self: boolean;
}

/** Everybody who has the file open; `self` is the slot of who asks, 0 for none. */
export function participants(region: Region, self: number): ParticipantInfo[] {
  const { h } = region;
  const result: ParticipantInfo[] = [];
  for (let slot = 1; slot <= slotsUsed(h); slot++) {
    const me = slotCell(slot);
    const state = slotState(load32(h, me, SLOT_WORD));
    if (state === SLOT_FREE) continue;
    const locks: number[] = [];
    if (load32(h, me, INTENT_STATE) !== 0) {
      for (const field of [INTENT_LOCK0, INTENT_LOCK1, INTENT_LOCK2]) {
        const cell = load32(h, me, field);
        if (cell !== 0) locks.push((cell >>> 0) * 8);
      }
    }
    const alive = slot === self || !isDead(region, slot);
    result.push({
      slot,
      state: state === SLOT_ALIVE ? (alive ? "alive" : "dead") : state === 2 ? "recovering" : "collecting",
      pid: load32(h, me, SLOT_PID),
      threadId: load32(h, me, SLOT_TID),
      role: load32(h, me, SLOT_ROLE) === ROLE_READER ? "reader" : "writer",
      since: new Date(loadF64(h, me, SLOT_SINCE)),
      epoch: load32(h, me, SLOT_EPOCH) >>> 0,
      locks,
      self: slot === self,
    });
  }
  return result;
}
