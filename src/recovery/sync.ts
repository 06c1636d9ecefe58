/**
 * Sync: everything written before it began is on the disk when it has ended.
 *
 * The sync lock orders the starts. One sync may start while another is at the disk, and end before it: a sync in the
 * background waits for the disk without the lock, since it sees its end only when its event loop goes on, and nobody is to
 * wait for that. So `done`, W and W_DISK are raised by compare-and-swap. {@link syncNow} keeps the lock to its end, and who
 * comes meanwhile shares the next. (The model: `disk overlap`.)
 *
 * Two counters (docs/design.md, "Two counters"): Q numbers leaves, S counts the syncs that were started. The order of
 * the first four steps is the one that the model found to be right: `lastStart` is MAX before Q is taken, and S is
 * taken before Q, so that what was marked before S was taken had its sequence number below the sync's.
 *
 * A leaf marked with m waits for W_DISK >= m: a sync that began after the mark has ended, and page 0 says so on the disk.
 * The next sync puts it there. Who needs the memory does not wait for that, but settles: W = done,
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
  SLOT_FREE,
  SLOT_PID,
  SLOT_PID_NAMESPACE,
  SLOT_SYNC_TICKET,
  SLOT_TID,
  SLOT_WORD,
  slotCell,
} from "../memory/layout.ts";
import {
  checkWritten,
  PlatformError,
  pidNamespace,
  sleepMs,
  syncFile,
  syncRange,
  threadId,
} from "../memory/platform.ts";
import { cas64, exchange64, fetchAdd64, load32, load64, store32, store64 } from "../memory/primitives.ts";
import type { Region } from "../memory/region.ts";
import { slotState, slotsUsed } from "../reclaim/registry.ts";
import { syncOwner, syncTurn, syncUnlock, trySyncLock, waitForTurn } from "../reclaim/synclock.ts";
import { recoverSlot } from "./recover.ts";

/** Larger than any sequence number: while it is `lastStart`, every leaf counts as promised. */
export const PROMISED = 2 ** 53 - 1;

/**
 * The number of syncs that were started, as page 0 on the disk has it, is not further behind than that. Many start and never
 * end if their participants die, or are held up; and a backup counts as one.
 */
export const MOST_UNKNOWN_SYNCS = 4096;

/** More syncs than any file sees, and fewer than a mark has bits for: what counts more is damaged. */
export const MOST_SYNCS = 2 ** 40;

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

/** Has a sync been started, by anybody, of which no end is known? Its owner may be dead, or be held up. A backup counts as one. */
export const isUnderWay = (h: number): boolean => load64(h, SB, SB_S) - 1 > load64(h, SB, SB_DONE);

/** Before S moves on: where none has ended for long, page 0 to the disk. The caller holds the sync lock. Throws IO_ERROR. */
export function keepDiskNear(region: Region): void {
  const { h } = region;
  if (load64(h, SB, SB_S) - load64(h, SB, SB_DONE) > MOST_UNKNOWN_SYNCS / 2) syncPageZero(region);
}

function syncPageZero(region: Region): void {
  try {
    syncRange(region.h, 0, SB_END);
  } catch (error) {
    throw failSync(region, error);
  }
}

/** A counter of the superblock never goes back. */
function raise(h: number, field: number, value: number): void {
  for (let now = load64(h, SB, field); now < value; now = load64(h, SB, field)) {
    // Only damage makes it negative, and the compare-and-swap would never find what a double can't hold.
    if (now < 0) exchange64(h, SB, field, value);
    else if (cas64(h, SB, field, now, value) === 1) return;
  }
}

/** Can the counters be right? If not, no `flush` and no reuse of memory could be believed. For who is alone. */
export function areCountersSound(h: number): boolean {
  const started = load64(h, SB, SB_S);
  if (!(started < MOST_SYNCS)) return false;
  return [SB_DONE, SB_W, SB_W_DISK].every((field) => {
    const ordinal = load64(h, SB, field);
    return ordinal >= 0 && ordinal < started;
  });
}

/** Throws CORRUPT if they can't. */
export function checkCounters({ h, path }: Region): void {
  if (areCountersSound(h)) return;
  throw new BancosError(
    "CORRUPT",
    `${path} is damaged: its superblock counts syncs that were never started (offset ${SB_S}); ` +
      'restore a backup, or open it with { recover: "rebuild" }',
    { offset: SB_S },
  );
}

/** A sync under way: its ordinal, and the W that it puts on the disk. */
export interface Sync {
  readonly ordinal: number;
  readonly w: number;
}

/** Steps 2 and 3. The caller holds the sync lock; `slot` is its own. A dead participant's backup ends here. */
function beginSync(region: Region, slot: number): Sync {
  const { h } = region;
  recoverSlot(region, load32(h, SB, SB_NO_IN_PLACE), slot);
  keepDiskNear(region);
  const w = load64(h, SB, SB_DONE);
  raise(h, SB_W, w);
  exchange64(h, SB, SB_LAST_START, PROMISED);
  const ordinal = fetchAdd64(h, SB, SB_S, 1);
  const seq = fetchAdd64(h, SB, SB_Q, 1);
  exchange64(h, SB, SB_LAST_START, seq);
  return { ordinal, w };
}

/**
 * Starts a sync, whose disk is then waited for without the lock, and which {@link endSync} ends, or {@link failSync}, and
 * then {@link forgetSync}; null: somebody else is at it in this moment.
 */
export function tryStartSync(region: Region, slot: number): Sync | null {
  if (!trySyncLock(region.h, slot)) return null;
  try {
    const sync = beginSync(region, slot);
    store64(region.h, slotCell(slot), SLOT_SYNC_TICKET, sync.ordinal);
    return sync;
  } finally {
    syncUnlock(region.h, slot);
  }
}

/** The sync that {@link tryStartSync} has started has come to its end, or failed and that was said. */
export function forgetSync(h: number, slot: number): void {
  store64(h, slotCell(slot), SLOT_SYNC_TICKET, 0);
}

/** A sync in the background that was under way when we opened the file. */
export interface Earlier {
  readonly slot: number;
  readonly ordinal: number;
}

/**
 * The syncs of others that are under way. The kernel tells each open file of a failed write once, but not one that is opened
 * after somebody was told: who opens the file now hears of it from these participants only, when their event loops go on.
 * Those of this thread can't while it waits. The ordinal is in the slot before the disk is asked, and until what it said is in
 * the file. If its owner dies, whoever recovers the slot takes it away, and a failure of which he alone was told is lost.
 */
export function earlierSyncs(region: Region, slot: number): Earlier[] {
  const { h } = region;
  const found: Earlier[] = [];
  for (let other = 1; other <= slotsUsed(h); other++) {
    const ordinal = load64(h, slotCell(other), SLOT_SYNC_TICKET);
    if (ordinal === 0 || other === slot || isOfThisThread(h, other)) continue;
    const sync = { slot: other, ordinal };
    if (!isOver(h, sync)) found.push(sync);
  }
  return found;
}

/** Has it come to its end, or was its participant recovered? */
export const isOver = (h: number, { slot, ordinal }: Earlier): boolean =>
  load64(h, slotCell(slot), SLOT_SYNC_TICKET) !== ordinal ||
  slotState(load32(h, slotCell(slot), SLOT_WORD)) === SLOT_FREE;

/** Waits in this thread until all of them are over. */
export function waitForSyncs(region: Region, slot: number, syncs: readonly Earlier[]): void {
  for (const sync of syncs) {
    for (let round = 1; !isOver(region.h, sync); round++) {
      if (round % LOOK_EVERY === 0) recoverSlot(region, sync.slot, slot);
      sleepMs(1);
    }
  }
}

function isOfThisThread(h: number, slot: number): boolean {
  const cell = slotCell(slot);
  return (
    load32(h, cell, SLOT_PID) === process.pid &&
    load32(h, cell, SLOT_TID) === threadId() &&
    load64(h, cell, SLOT_PID_NAMESPACE) === pidNamespace()
  );
}

/** Throws IO_ERROR if the disk has failed to write something, and our file was not told yet. Cost: a system call. */
export function checkDisk(region: Region): void {
  checkSyncError(region);
  try {
    checkWritten(region.fd);
  } catch (error) {
    throw failSync(region, error);
  }
}

/** Step 5, with or without the lock. */
export function endSync(h: number, sync: Sync): void {
  raise(h, SB_DONE, sync.ordinal);
  // Nothing is reused that a backup may still have to read. One that begins behind this look is not concerned: what was
  // marked before a sync had started, whose end we knew when we began, was marked before the backup's point.
  if (load32(h, SB, SB_NO_IN_PLACE) !== 0) return;
  raise(h, SB_W_DISK, sync.w);
}

/** The first half of settling: W, which is to reach the disk by whatever way. -1: nothing would be won. */
export function beginSettling(h: number): number {
  const w = load64(h, SB, SB_DONE);
  if (w <= load64(h, SB, SB_W_DISK) || load32(h, SB, SB_NO_IN_PLACE) !== 0) return -1;
  raise(h, SB_W, w);
  return w;
}

/** The other half: page 0 has reached the disk since. */
export function endSettling(h: number, w: number): void {
  if (load32(h, SB, SB_NO_IN_PLACE) !== 0) return;
  raise(h, SB_W_DISK, w);
}

/** Both, in this thread. Throws IO_ERROR. */
function settle(region: Region): void {
  const w = beginSettling(region.h);
  if (w < 0) return;
  syncPageZero(region);
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
function syncHolding(region: Region, slot: number, begun: () => void): void {
  const sync = beginSync(region, slot);
  begun();
  finishSync(region, sync);
}

/** Steps 4 and 5 of a sync that was started, in this thread. Throws IO_ERROR. */
export function finishSync(region: Region, sync: Sync): void {
  try {
    syncFile(region.fd);
  } catch (error) {
    throw failSync(region, error);
  }
  endSync(region.h, sync);
}

/** How a sync in this thread goes. */
export interface SyncNow {
  /** Called with the syncing slot now and then while another is at it. */
  readonly onWait: (owner: number) => void;
  /** Called when a sync of our own has begun, before the disk is. */
  readonly begun: () => void;
  /** Not before W_DISK covers it. */
  readonly settle?: boolean;
  /** Returns at once if another is at it. */
  readonly unlessUnderWay?: boolean;
}

/**
 * Returns when a sync that started after the call has ended; runs it, unless another participant does in time. Throws
 * IO_ERROR.
 */
export function syncNow(region: Region, slot: number, how: SyncNow): void {
  const { onWait, begun, settle: settles = false, unlessUnderWay = false } = how;
  const h = region.h;
  const ticket = syncTicket(h);
  for (;;) {
    const turn = syncTurn(h);
    checkSyncError(region);
    if (settles ? load64(h, SB, SB_W_DISK) >= ticket : isSynced(h, ticket)) {
      checkDisk(region);
      return;
    }
    if (unlessUnderWay && isUnderWay(h)) {
      onWait(syncOwner(h));
      return;
    }
    if (trySyncLock(h, slot)) break;
    waitForTurn(h, turn, LOOK_EVERY);
    // Nobody gave it back in all that time: is its holder alive?
    if (syncTurn(h) === turn) onWait(syncOwner(h));
  }
  try {
    checkSyncError(region);
    if (!isSynced(h, ticket)) syncHolding(region, slot, begun);
    if (settles) settle(region);
  } finally {
    syncUnlock(h, slot);
  }
}
