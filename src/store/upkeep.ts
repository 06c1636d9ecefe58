/** What a store does beside its writes: undo what an exception cut short, make room, reclaim, look after others. */
import { BancosError, isNoRoom } from "../errors.ts";
import { FIRST_LEAF_CLASS } from "../memory/classes.ts";
import { SB, SB_EPOCH, SB_NO_IN_PLACE, SB_ORPHANS, SLOT_KEY_COUNT } from "../memory/layout.ts";
import { sleepMs } from "../memory/platform.ts";
import { load32, load64 } from "../memory/primitives.ts";
import { enter, leave, slotHoldingBack } from "../reclaim/epoch.ts";
import { BYTES_FOR_RECLAIM, type Participant, RECLAIM_EVERY } from "../reclaim/participant.ts";
import { isOldestOnDisk, RECLAIM_MOST, reclaim, reclaimEvery, waitingShare } from "../reclaim/reclaim.ts";
import { collectOrphans, recoverIntent, recoverSlot } from "../recovery/recover.ts";
import type { Flusher } from "./flusher.ts";

/** Reclamations between two looks at other participants, and cells in limbo from which on one is held up. */
const LOOK_AT_OTHERS_EVERY = 16;
const HELD_UP = 4096;
/** Milliseconds, about, that a write without room waits until what is retired can be reused. */
const MOST_ROUNDS = 20;
/** How often it tries again then. */
const MOST_TRIES = 10;
/** Cells that are freed at most before the file grows by a slab, and in one turn of an event loop that is idle. */
const RECLAIM_BEFORE_GROWTH = 4096;
const RECLAIM_BETWEEN = 4096;
/** How much may wait for the disk while another is at a sync, of what may otherwise. */
const MOST_WITHOUT_SYNC = 1.25;

/** An exception in the middle of a change: what was begun is undone, or finished, as for the dead. */
export function abort(p: Participant): void {
  // First of all, lest a failure here leaves them to the next change.
  p.newLeaf = 0;
  p.newNode = 0;
  p.newLeafHasRun = false;
  p.lock0 = 0;
  p.lock1 = 0;
  p.lock2 = 0;
  recoverIntent(p.region, p.slot, (cell) => p.heap.free(cell));
  p.announced = false;
  p.limbo.reload();
  p.waiting.reload();
  p.keyCount = load64(p.h, p.me, SLOT_KEY_COUNT);
}

export class Upkeep {
  private readonly flusher: Flusher;
  private reclaimed = 0;
  /** Too much waits for the disk: a sync, when this change has ended. */
  private due = false;
  /** Changes from one reclamation to the next. */
  every = RECLAIM_EVERY;

  constructor(flusher: Flusher) {
    this.flusher = flusher;
  }

  /** Tries a change again, after `error` undid it, as often as there is more room to be made. In an epoch. */
  again<T>(p: Participant, error: unknown, change: () => T): T {
    for (let tries = 1, last = error; ; tries++) {
      this.makeRoom(p, last);
      try {
        return change();
      } catch (again) {
        abort(p);
        if (tries >= MOST_TRIES) throw again;
        last = again;
      }
    }
  }

  /**
   * After `error` undid a change: if it was for want of room and there are retired cells of ours, reclaims them, and
   * the change is worth another try. A sync, where they only wait for the disk. In an epoch. Throws `error` otherwise.
   */
  private makeRoom(p: Participant, error: unknown): void {
    if (!isNoRoom(error) || p.limbo.length + p.waiting.length === 0) throw error;
    // No pointer is held: on to the present epoch, so that our own does not stand in the way.
    enter(p);
    leave(p);
    let freed = reclaim(p, Number.MAX_SAFE_INTEGER);
    if (freed === 0 && p.waiting.length > 0) this.flusher.flushSync(true);
    for (let round = 0; round < 3 || (freed === 0 && round < MOST_ROUNDS); round++) {
      freed += reclaim(p, Number.MAX_SAFE_INTEGER);
      enter(p);
      leave(p);
      // Somebody else is in an operation; seldom for long.
      if (round >= 2 && freed === 0) sleepMs(1);
    }
    if (freed === 0) throw error;
  }

  /** Between two changes, when enough has been retired, or {@link beforeGrowth} has found that a sync is due. */
  reclaim(p: Participant): void {
    p.retired = 0;
    this.every = reclaimEvery(p.h);
    p.bytesPerChange = BYTES_FOR_RECLAIM / this.every;
    p.heap.pages.notice();
    if (this.due) this.syncForRoom(p);
    else reclaim(p, RECLAIM_MOST * (this.every / RECLAIM_EVERY));
    if (++this.reclaimed % LOOK_AT_OTHERS_EVERY !== 0) return;
    if (waitingShare(p) > 1) this.flusher.scheduleForRoom();
    // Now and then: what the gone have left, and whether who holds us back is dead.
    if (load32(p.h, SB, SB_ORPHANS) > 0) collectOrphans(p, RECLAIM_MOST);
    const backup = load32(p.h, SB, SB_NO_IN_PLACE);
    if (backup !== 0) recoverSlot(p.region, backup, p.slot);
    if (p.limbo.length > HELD_UP) {
      recoverSlot(p.region, slotHoldingBack(p.h, load32(p.h, SB, SB_EPOCH)), p.slot);
    }
  }

  /**
   * In the middle of a change that needs memory beyond all that was ever used (heap.ts): reclaims first. If too much waits
   * for the disk, the file grows by this once, and a sync is due as soon as the change has ended: here it would hold an
   * epoch, and what others retire meanwhile would make the file larger. Only a large value, by which the file would grow by
   * much, syncs here. Nodes are worth no sync: only leaves wait for the disk, and nodes are a small part of the file, new ones for
   * larger ones that go where somebody deletes. So a program that only deletes, or finds room, never waits for the disk. Our
   * own epoch holds back what was retired in it, which is little. Returns whether there is more room now. `sizeClass`: as of
   * `Heap.beforeGrowth`.
   */
  beforeGrowth(p: Participant, sizeClass: number): boolean {
    const share = waitingShare(p);
    if (share > 1 && sizeClass === 0) {
      this.syncNow(share);
      return reclaim(p, Number.MAX_SAFE_INTEGER) > 0;
    }
    if (share > 1 && sizeClass >= FIRST_LEAF_CLASS) {
      this.due = true;
      p.retired = Number.MAX_SAFE_INTEGER;
    } else if (share > 1 / 2) {
      // Soon it will be too much. A program that lets the event loop go on does not wait for that.
      this.flusher.hurry();
    }
    // Who inserts comes here for every slab: not for a handful of nodes, since each reclamation has others fenced.
    if (p.retired < this.every / 4 && !isOldestOnDisk(p)) return false;
    return reclaim(p, RECLAIM_BEFORE_GROWTH) > 0;
  }

  private syncForRoom(p: Participant): void {
    this.due = false;
    const share = waitingShare(p);
    if (share > 1) this.syncNow(share);
    // In a group: on to the present epoch. No pointer is held.
    enter(p);
    leave(p);
    reclaim(p, Number.MAX_SAFE_INTEGER);
  }

  /** A sync for memory, where `share` of what may wait for the disk does. */
  private syncNow(share: number): void {
    try {
      // Another is at it: his will do, if his event loop goes on to see that it has ended.
      this.flusher.flushSync(true, share <= MOST_WITHOUT_SYNC);
    } catch (error) {
      // Nothing that was asked for here, and no reason for the write to fail. Whoever flushes or closes finds the same.
      if (!(error instanceof BancosError)) throw error;
    }
  }

  /** A background sync has ended: reclaims, in pieces between which the event loop goes on. Throws nothing. */
  afterSync(p: Participant, isOpen: () => boolean): void {
    if (!isOpen() || !p.unclean || p.announced) return;
    try {
      if (reclaim(p, RECLAIM_BETWEEN) < RECLAIM_BETWEEN) return;
    } catch {
      // The next write finds the same, and has somebody to tell.
      return;
    }
    setTimeout(() => this.afterSync(p, isOpen), 0).unref?.();
  }
}
