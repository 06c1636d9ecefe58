/** Reclamation: cells whose time has come leave limbo and are free. */
import {
  SB,
  SB_FREE_SLABS,
  SB_FRONTIER,
  SB_NO_IN_PLACE,
  SB_SLOTS_USED,
  SB_W_DISK,
  SLAB_BYTES,
  SLOT_BYTES,
  SLOT_WAITING_BYTES,
  slotCell,
} from "../memory/layout.ts";
import { load32, load64, store64, sum64 } from "../memory/primitives.ts";
import { markedAt } from "../node/leaf.ts";
import { reclaimableBefore } from "./epoch.ts";
import type { Limbo } from "./limbo.ts";
import { isBefore } from "./order.ts";
import { type Participant, RECLAIM_EVERY } from "./participant.ts";

/** The most cells that one reclamation frees: bounded work for a single write. */
export const RECLAIM_MOST = 256;
/**
 * Where there are others, each reclamation has the kernel fence them (epoch.ts), by an interrupt of every processor that
 * runs one of them: up to 90 us, measured with two busy writers in a virtual machine. Every 64 changes that was 1.4 us for
 * each. What is in limbo meanwhile is some 70 KB.
 */
const RECLAIM_EVERY_AMONG_OTHERS = 512;

/** How many changes this participant makes between two reclamations, as things stand. */
export const reclaimEvery = (h: number): number =>
  load32(h, SB, SB_SLOTS_USED) > 1 ? RECLAIM_EVERY_AMONG_OTHERS : RECLAIM_EVERY;

/**
 * Leaves that wait for the disk make the file larger than its content. When those of all participants take more than
 * the larger of these, who would let the file grow is to sync instead of waiting for somebody to flush.
 *
 * A sync promises all leaves that there are, so that the next one of each key waits again: a set of keys that is written
 * over as fast as it goes is synced once for each so many bytes. A quarter keeps the file under 1.5 times its content.
 * The fixed part keeps small stores from doing little else than sync: 1 MiB costs a store of 20,000 keys 45 % of its
 * writes, 4 MiB nothing that can be measured.
 */
const MOST_WAITING = 4 << 20;
const MOST_WAITING_SHARE = 1 / 4;
/** Who has less than this part of it leaves the sync to those who have more. */
const OWN_SHARE = 1 / 16;

/** Bytes of the leaves of all participants that wait for the disk. */
export const waitingOfAll = (h: number): number =>
  sum64(h, slotCell(1), SLOT_WAITING_BYTES, SLOT_BYTES, load32(h, SB, SB_SLOTS_USED));

/** Is it worth another write to the disk that `bytes` can be reused? */
export const isMuch = (bytes: number): boolean => bytes >= MOST_WAITING * OWN_SHARE;

/**
 * How much waits for the disk, that a sync would give back: as a part of what may. 0 if the memory is not for `p` to
 * reclaim; or if the disk is known to hold what came after its oldest leaf, so that `p` can without a sync.
 */
export function waitingShare(p: Participant): number {
  const { h } = p;
  if (!isMuch(p.waitingBytes) || p.waiting.length === 0 || isOldestOnDisk(p)) return 0;
  // What a backup may still read is not reused, whatever the disk holds.
  if (load32(h, SB, SB_NO_IN_PLACE) !== 0) return 0;
  const all = waitingOfAll(h);
  const used = (load32(h, SB, SB_FRONTIER) - load32(h, SB, SB_FREE_SLABS)) * SLAB_BYTES;
  const most = Math.max(MOST_WAITING, (used - all) * MOST_WAITING_SHARE);
  return p.waitingBytes >= most * OWN_SHARE ? all / most : 0;
}

/** Does the disk hold what came after the oldest leaf that waits for it? */
export const isOldestOnDisk = (p: Participant): boolean =>
  p.waiting.length > 0 && markedAt(p.h, p.waiting.oldestCell) <= load64(p.h, SB, SB_W_DISK);

/** Frees at most `most` of this participant's retired cells; returns how many. Throws CORRUPT. */
export function reclaim(p: Participant, most: number): number {
  return reclaimFrom(p, p.limbo, p.waiting, most);
}

/** The same for two limbos that `p` may empty. */
export function reclaimFrom(p: Participant, limbo: Limbo, waiting: Limbo, most: number): number {
  const h = p.h;
  let oldest: number;
  if (limbo.length > 0) {
    oldest = limbo.oldestEpoch;
    if (waiting.length > 0 && isBefore(oldest, waiting.oldestEpoch)) oldest = waiting.oldestEpoch;
  } else if (waiting.length > 0) {
    oldest = waiting.oldestEpoch;
  } else {
    return 0;
  }
  const before = reclaimableBefore(h, oldest);
  let freed = 0;
  while (freed < most && limbo.releaseOldest(before)) freed++;
  // A leaf that a sync had promised also waits until the disk is known to hold what came after it.
  const onDisk = load64(h, SB, SB_W_DISK);
  while (freed < most && waiting.length > 0 && markedAt(h, waiting.oldestCell) <= onDisk) {
    const bytes = p.heap.bytesOf(waiting.oldestCell);
    if (!waiting.releaseOldest(before)) break;
    if (waiting === p.waiting) p.waitingBytes = Math.max(0, p.waitingBytes - bytes);
    freed++;
  }
  if (p.waiting.length === 0) p.waitingBytes = 0;
  if (freed > 0) store64(h, p.me, SLOT_WAITING_BYTES, p.waitingBytes);
  return freed;
}
