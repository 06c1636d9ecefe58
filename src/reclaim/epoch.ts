/**
 * Epochs (Fraser 2004, chapter 5; the scan of all slots instead of a grace period per epoch): a participant publishes
 * the global epoch when it enters an operation and clears it when it leaves. What was retired in epoch e is out of
 * everybody's reach once every published epoch is past e.
 */
import { SB, SB_EPOCH, SB_SLOTS_USED, SB_UNFENCED, SLOT_EPOCH, SLOTS, slotCell } from "../memory/layout.ts";
import {
  cas32,
  enterEpoch,
  exchange32,
  fence,
  fenceOthers,
  letOthersFence,
  load32,
  store32,
} from "../memory/primitives.ts";
import { isBefore } from "./order.ts";
import type { Participant } from "./participant.ts";

/**
 * Before the first pointer of an operation is loaded. Nests: a group (`reader(fn)`, `writer(fn)`) holds an epoch, and
 * each operation in it moves the group on to the present one, since no pointer is held between two operations. So a
 * long group does not keep its own garbage.
 */
export function enter(p: Participant): void {
  p.entered++;
  enterEpoch(p.h, SB, SB_EPOCH, p.me, SLOT_EPOCH);
}

/** After the last use of any pointer. */
export function leave(p: Participant): void {
  // With an intent left by an exception, the epoch keeps the cells that our own recovery will look at.
  if (--p.entered === 0 && !p.announced) store32(p.h, p.me, SLOT_EPOCH, 0);
}

/**
 * The smallest epoch that any participant may still be in; what was retired before it may be reused.
 * `oldest` is the epoch of the oldest retired cell of the caller: the global epoch is moved on if that is the present
 * one. Cost: one load per slot ever used.
 */
export function reclaimableBefore(h: number, oldest: number): number {
  const now = load32(h, SB, SB_EPOCH);
  // A participant that sleeps in an epoch for ever stops the clock before the comparison could wrap.
  if (oldest === now && ((now - smallestEpoch(h, now)) | 0) < 1 << 30) advance(h, now);
  fence();
  // Whoever comes from here on fences himself before his first announcement, so that being alone is being alone.
  if (load32(h, SB, SB_UNFENCED) !== 0 && load32(h, SB, SB_SLOTS_USED) > 1 && fenceOthers() === 0)
    return oldest;
  return smallestEpoch(h, load32(h, SB, SB_EPOCH));
}

/**
 * Before a participant's first epoch: announcements without a fence of their own, if the kernel can fence them for whoever
 * reclaims. An announcement then costs a plain store, and the waits for memory of one operation need not end before
 * those of the next begin.
 *
 * Why that is enough: a reclaimer looks at the announcements after its fence has passed through all processors. Was an
 * announcement made before that, it is seen. If not, then what its maker loads behind it is loaded after the fence, and so
 * after what is to be freed had left the tree. (Asymmetric fences, as in userspace RCU: Desnoyers and others, 2012.)
 */
export function announceUnfenced(h: number): void {
  if (letOthersFence() === 1) exchange32(h, SB, SB_UNFENCED, 1);
}

function advance(h: number, now: number): void {
  // Epoch 0 means "in none": step over it. Who loses the exchange finds the clock moved on by another.
  cas32(h, SB, SB_EPOCH, now, now === -1 ? 1 : (now + 1) | 0);
}

function smallestEpoch(h: number, now: number): number {
  let least = now;
  const used = Math.min(load32(h, SB, SB_SLOTS_USED), SLOTS);
  for (let slot = 1; slot <= used; slot++) {
    const epoch = load32(h, slotCell(slot), SLOT_EPOCH);
    if (epoch !== 0 && isBefore(epoch, least)) least = epoch;
  }
  return least;
}

/** The slot that is in the oldest epoch, 0 if nobody is in one before `epoch`. */
export function slotHoldingBack(h: number, epoch: number): number {
  let least = epoch;
  let holder = 0;
  const used = Math.min(load32(h, SB, SB_SLOTS_USED), SLOTS);
  for (let slot = 1; slot <= used; slot++) {
    const held = load32(h, slotCell(slot), SLOT_EPOCH);
    if (held !== 0 && (holder === 0 ? !isBefore(least, held) : isBefore(held, least))) {
      least = held;
      holder = slot;
    }
  }
  return holder;
}
