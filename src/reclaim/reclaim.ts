/** Reclamation: cells whose time has come leave limbo and are free. */
import { SB, SB_W_DISK } from "../memory/layout.ts";
import { load64 } from "../memory/primitives.ts";
import { markedAt } from "../node/leaf.ts";
import { reclaimableBefore } from "./epoch.ts";
import type { Limbo } from "./limbo.ts";
import { isBefore } from "./order.ts";
import type { Participant } from "./participant.ts";

/** Changes between two reclamations, and the most cells that one of them frees: bounded work for a single write. */
export const RECLAIM_EVERY = 64;
export const RECLAIM_MOST = 256;

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
    if (!waiting.releaseOldest(before)) break;
    freed++;
  }
  return freed;
}
