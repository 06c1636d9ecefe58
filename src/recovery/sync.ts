/**
 * Sync: everything written before it began is on the disk when it has ended.
 *
 * Two counters (docs/design.md, "Two counters"): Q numbers leaves, S counts the syncs that were started. The order of
 * the first four steps is the one that the model found to be right: `lastStart` is MAX before Q is taken, and S is
 * taken before Q, so that what was marked before S was taken had its sequence number below the sync's.
 *
 * A leaf marked with m waits for W_DISK >= m: a sync that began after the mark has ended, and page 0 says so on the disk.
 * The next sync puts it there. Who needs the memory does not wait for that, but settles: under the sync lock W = done,
 * then page 0 alone to the disk, then W_DISK = W. That is what the next sync would begin with; the disk may be given
 * page 0 at any time, between any two steps of anything, so that nothing new can be found on it. And W_DISK has the same
 * meaning as after a sync: the sync W has ended, and W on the disk says so. (The model: `disk`, `settles=`.)
 */
import { BancosError } from "../errors.ts";
import {
  SB,
  SB_DONE,
  SB_END,
  SB_LAST_START,
  SB_NO_IN_PLACE,
  SB_Q,
  SB_S,
  SB_SYNC_ERROR,
  SB_W,
  SB_W_DISK,
  SLOT_PID,
  SLOT_PID_NAMESPACE,
  SLOT_TID,
  slotCell,
} from "../memory/layout.ts";
import { PlatformError, pidNamespace, syncFile, syncRange, threadId } from "../memory/platform.ts";
import { exchange64, fetchAdd64, load32, load64, store32, store64 } from "../memory/primitives.ts";
import type { Region } from "../memory/region.ts";
import { syncOwner, syncTurn, syncUnlock, trySyncLock, waitForTurn } from "../reclaim/synclock.ts";
import { recoverSlot } from "./recover.ts";

/** Larger than any sequence number: while it is `lastStart`, every leaf counts as promised. */
export const PROMISED = 2 ** 53 - 1;

/** Milliseconds that the sync lock is waited for before its holder is looked at. */
const LOOK_EVERY = 10;

/** What a caller of flush waits for: a sync that starts from now on. */
export const syncTicket = (h: number): number => load64(h, SB, SB_S);

/** Has a sync that started after the ticket was taken come to its end? */
export const isSynced = (h: number, ticket: number): boolean => load64(h, SB, SB_DONE) >= ticket;

/** Throws IO_ERROR if a sync of this file ever failed: what the disk holds is not known any more. */
export function checkSyncError(region: Region): void {
  const errno = load32(region.h, SB, SB_SYNC_ERROR);
  if (errno === 0) return;
  throw new BancosError(
    "IO_ERROR",
    `an earlier sync of ${region.path} failed (errno ${errno}): what was written since the last good one may not be on the disk; ` +
      'copy what you need, close all stores of the file and open it with { recover: "rebuild" }',
  );
}

/** A sync under way: its ordinal, and the W that it puts on the disk. */
export interface Sync {
  readonly ordinal: number;
  readonly w: number;
}

/** Steps 2 and 3. The caller holds the sync lock; `slot` is its own. A dead participant's backup ends here. */
export function beginSync(region: Region, slot: number): Sync {
  const { h } = region;
  recoverSlot(region, load32(h, SB, SB_NO_IN_PLACE), slot);
  const w = load64(h, SB, SB_DONE);
  store64(h, SB, SB_W, w);
  exchange64(h, SB, SB_LAST_START, PROMISED);
  const ordinal = fetchAdd64(h, SB, SB_S, 1);
  const seq = fetchAdd64(h, SB, SB_Q, 1);
  exchange64(h, SB, SB_LAST_START, seq);
  return { ordinal, w };
}

/** Step 5. A later sync of the same holder may have ended before: neither word moves back. */
export function endSync(h: number, sync: Sync): void {
  if (load64(h, SB, SB_DONE) < sync.ordinal) store64(h, SB, SB_DONE, sync.ordinal);
  // Nothing is reused that a backup may still have to read.
  if (load32(h, SB, SB_NO_IN_PLACE) !== 0) return;
  if (load64(h, SB, SB_W_DISK) < sync.w) store64(h, SB, SB_W_DISK, sync.w);
}

/**
 * The first half of settling: W, which is to reach the disk by whatever way. -1: nothing would be won. The caller holds
 * the sync lock.
 */
export function beginSettling(h: number): number {
  const w = load64(h, SB, SB_DONE);
  if (w <= load64(h, SB, SB_W_DISK) || load32(h, SB, SB_NO_IN_PLACE) !== 0) return -1;
  store64(h, SB, SB_W, w);
  return w;
}

/** The other half: page 0 has reached the disk since. */
export function endSettling(h: number, w: number): void {
  if (load32(h, SB, SB_NO_IN_PLACE) !== 0) return;
  if (load64(h, SB, SB_W_DISK) < w) store64(h, SB, SB_W_DISK, w);
}

/** Both, in this thread. The caller holds the sync lock. Throws IO_ERROR. */
export function settleHolding(region: Region): void {
  const w = beginSettling(region.h);
  if (w < 0) return;
  try {
    syncRange(region.h, 0, SB_END);
  } catch (error) {
    throw failSync(region, error);
  }
  endSettling(region.h, w);
}

/** The sync failed: remembered for ever, for everybody. */
export function failSync(region: Region, error: unknown): BancosError {
  const errno =
    error instanceof PlatformError ? error.errno : Number((error as { errno?: number }).errno ?? 5);
  store32(region.h, SB, SB_SYNC_ERROR, Math.abs(errno) || 5);
  return new BancosError("IO_ERROR", `cannot sync ${region.path}: ${(error as Error).message}`, {
    cause: error,
  });
}

/**
 * Steps 2 to 5, in this thread. The caller holds the sync lock; `slot` is its own. `begun` is called before the disk is.
 * Throws IO_ERROR.
 */
export function syncHolding(region: Region, slot: number, begun: () => void): void {
  const sync = beginSync(region, slot);
  begun();
  try {
    syncFile(region.fd);
  } catch (error) {
    throw failSync(region, error);
  }
  endSync(region.h, sync);
}

function isOfThisThread(h: number, slot: number): boolean {
  if (slot === 0) return false;
  const me = slotCell(slot);
  return (
    load32(h, me, SLOT_PID) === process.pid &&
    load32(h, me, SLOT_TID) === threadId() &&
    load64(h, me, SLOT_PID_NAMESPACE) === pidNamespace()
  );
}

/** How a sync in this thread goes. */
export interface SyncNow {
  /** Called with the syncing slot now and then while another is at it. */
  readonly onWait: (owner: number) => void;
  /** Called when a sync of our own has begun, before the disk is. */
  readonly begun: () => void;
  /** Not before W_DISK covers it. */
  readonly settle?: boolean;
  /** Milliseconds after which it returns while another is at it; without end unless it says so. */
  readonly patience?: number;
}

/**
 * Returns when a sync that started after the call has ended; runs it, unless another participant does in time. Throws
 * IO_ERROR.
 */
export function syncNow(region: Region, slot: number, how: SyncNow): void {
  const { onWait, begun, settle = false, patience = Number.POSITIVE_INFINITY } = how;
  const h = region.h;
  const ticket = syncTicket(h);
  let waited = 0;
  for (;;) {
    const turn = syncTurn(h);
    checkSyncError(region);
    if (settle ? load64(h, SB, SB_W_DISK) >= ticket : isSynced(h, ticket)) return;
    if (trySyncLock(h, slot)) break;
    if (isOfThisThread(h, syncOwner(h))) {
      // A background flush of another store in this thread, which can't go on while we wait: sync under its lock.
      syncHolding(region, slot, begun);
      if (settle) settleHolding(region);
      return;
    }
    if (waited >= patience) {
      onWait(syncOwner(h));
      return;
    }
    waited += LOOK_EVERY;
    waitForTurn(h, turn, LOOK_EVERY);
    // Nobody gave it back in all that time: is its holder alive?
    if (syncTurn(h) === turn) onWait(syncOwner(h));
  }
  try {
    checkSyncError(region);
    if (!isSynced(h, ticket)) syncHolding(region, slot, begun);
    if (settle) settleHolding(region);
  } finally {
    syncUnlock(h, slot);
  }
}
