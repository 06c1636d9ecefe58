/** Durability of one store: syncs in the background and at once, shared with all who wait for one. */
import { fdatasync, write } from "node:fs";
import { SB_NOTHING } from "../memory/layout.ts";
import { checkWritten, closeFile, letGo, openFile, writeBack } from "../memory/platform.ts";
import type { Region } from "../memory/region.ts";
import { isMuch, waitingOfAll } from "../reclaim/reclaim.ts";
import { syncOwner } from "../reclaim/synclock.ts";
import { recoverSlot } from "../recovery/recover.ts";
import {
  areTooMany,
  beginSettling,
  checkSyncError,
  endSettling,
  endSync,
  failSync,
  finishSync,
  isSynced,
  isUnderWay,
  type Sync,
  syncNow,
  syncTicket,
  tryStartSync,
} from "../recovery/sync.ts";
import type { Opened } from "./open.ts";

/** Milliseconds after which much that waits for the disk is flushed, where nothing else is. */
const FLUSH_FOR_ROOM = 1000;
/** Windows of the file that are written in this thread at most, before a sync in the background: 128 MiB. */
const MOST_WINDOWS = 128;
/** Milliseconds for which that goes on at a time, and that one window takes where the disk has enough to do. */
const SHORT = 1;
const SLOW = 10;
/** Milliseconds of a turn of the event loop after which the rest is left to the sync. */
const LONG_TURN = 100;
/** Milliseconds for which a flush lets a sync of another end before it begins one of its own: many who flush share few syncs. */
const SHARING = 50;
/** Not one that a test has put in its place, for which a sync would wait for ever. */
const nextTurn = setImmediate;
const NOTHING = new Uint8Array(1);

export class Flusher {
  private readonly opened: Opened;
  /** Milliseconds after a write; 0: never. */
  private readonly every: number;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private syncing: Promise<void> | null = null;
  /** Calls of flush() that have not come to their end. */
  private flushing = 0;
  private closed = false;
  /** The timer was set to end at once. */
  private hurried = false;
  /** Called when a background sync has made that what is retired can be reused. */
  onRoom: () => void = () => {};

  constructor(opened: Opened, every: number) {
    this.opened = opened;
    this.every = every;
  }

  /** After a write: sees to it that it is flushed in time. */
  schedule(): void {
    if (this.timer === null && this.every > 0) this.start(this.every);
  }

  /** Much waits for the disk: sees to it that it is flushed in time, although nobody asked for flushes. */
  scheduleForRoom(): void {
    if (this.timer === null) this.start(FLUSH_FOR_ROOM);
  }

  /** Much waits for the disk, and memory is needed: a flush as soon as the event loop gets to it. */
  hurry(): void {
    if (this.hurried) return;
    this.cancel();
    this.start(0);
    this.hurried = true;
  }

  private start(ms: number): void {
    this.timer = setTimeout(() => {
      this.timer = null;
      this.hurried = false;
      // An error is remembered in the file and thrown to whoever flushes or closes.
      if (!this.closed) this.flush().catch(() => {});
    }, ms);
    this.timer.unref?.();
  }

  cancel(): void {
    if (this.timer !== null) clearTimeout(this.timer);
  }

  /** Is there a call of {@link flush} that has not come to its end? */
  get isWaited(): boolean {
    return this.flushing > 0;
  }

  /** The mapping goes: a background sync that is under way is nobody's. */
  close(): void {
    this.closed = true;
  }

  /** Resolves when all that was written before the call, by anybody, is on the disk. */
  async flush(): Promise<void> {
    const { region, registered } = this.opened;
    const { slot, h } = this.opened.participant;
    // Whoever can't write has written nothing.
    if (!registered) return;
    region.checkLength();
    this.flushing++;
    try {
      await this.flushFrom(syncTicket(h), region, slot, h);
      this.opened.participant.heap.pages.forget();
    } finally {
      this.flushing--;
    }
  }

  private async flushFrom(ticket: number, region: Region, slot: number, h: number): Promise<void> {
    let started = syncTicket(h);
    let since = performance.now();
    for (let round = 0; ; round++) {
      // Closing has synced, since this call was waiting.
      if (this.closed) return;
      checkSyncError(region);
      if (isSynced(h, ticket)) return;
      if (syncTicket(h) !== started) {
        started = syncTicket(h);
        since = performance.now();
      }
      if (this.syncing !== null) {
        await this.syncing;
        continue;
      }
      const shares = isUnderWay(h) && performance.now() - since < SHARING;
      if (!shares && areTooMany(h)) {
        this.flushSync();
        continue;
      }
      const sync = shares ? null : tryStartSync(region, slot);
      if (sync === null) {
        await Bun.sleep(1);
        if (round % 16 === 15 && !this.closed) recoverSlot(region, syncOwner(h), slot);
        continue;
      }
      this.syncing = this.syncInBackground(sync);
      try {
        await this.syncing;
      } finally {
        this.syncing = null;
      }
    }
  }

  /**
   * Brings a sync that was started to its end. Nobody waits for this event loop: others sync meanwhile as they like. A
   * descriptor of its own, so that closing the store can't pull it away.
   */
  private async syncInBackground(sync: Sync): Promise<void> {
    const { region, participant } = this.opened;
    const { pages } = participant.heap;
    let fd: number;
    try {
      fd = openFile(`/proc/self/fd/${region.fd}`, { write: true, synced: true });
    } catch {
      // No descriptor to spare, or no /proc: then in this thread, with the one that we have.
      pages.letGo();
      finishSync(region, sync);
      return;
    }
    const dense = pages.dense();
    // Its end may be noticed late. What is written to in between is protected again as well, and some of it has not been yet.
    pages.forget();
    let settled = -1;
    try {
      await this.writeBack(dense);
      // Closed meanwhile: closing has synced.
      if (this.closed) return;
      // A later sync may have ended before.
      if (!isSynced(region.h, sync.ordinal)) {
        await new Promise<void>((done, failed) => fdatasync(fd, (error) => (error ? failed(error) : done())));
        if (this.closed) return;
        // Who was told that the disk has failed, by a sync that is under way as well, may not have come to say so.
        checkWritten(region.fd);
      }
      endSync(region.h, sync);
      settled = isMuch(waitingOfAll(region.h)) ? beginSettling(region.h) : -1;
      // A byte that means nothing, since whoever waits for a byte of a page waits for the page. W itself, written here,
      // might have moved on before the call is made.
      if (settled >= 0) {
        await new Promise<void>((done, failed) =>
          write(fd, NOTHING, 0, 1, SB_NOTHING, (error) => (error ? failed(error) : done())),
        );
        if (this.closed) return;
        checkWritten(region.fd);
        endSettling(region.h, settled);
      }
    } catch (error) {
      if (!this.closed) throw failSync(region, error);
    } finally {
      closeFile(fd);
    }
    if (settled >= 0) this.onRoom();
  }

  /**
   * Has windows of the file written, each let go of just before (memory/pages.ts), in pieces between which the event loop
   * goes on. In this thread, since what it does not write to meanwhile need not be protected from it. Much that is to be
   * written is left to the sync, and so is all of it where the disk has no room in its queue.
   */
  private async writeBack(windows: readonly number[]): Promise<void> {
    const { region, participant } = this.opened;
    const { pages } = participant.heap;
    let since = performance.now();
    let turns = 0;
    for (let next = 0; next < windows.length && next < MOST_WINDOWS; ) {
      const began = performance.now();
      // A program that seldom lets the event loop go on has more done at a time.
      const until = began + Math.max(SHORT, turns++ === 0 ? 0 : (began - since) / 2);
      for (let now = began; now < until && next < windows.length; next++) {
        const cell = windows[next] as number;
        const bytes = pages.windowBytes(cell);
        letGo(region.h, cell, bytes);
        writeBack(region.h, cell, bytes);
        const before = now;
        now = performance.now();
        if (now - before > SLOW) return;
      }
      since = performance.now();
      await new Promise<void>((done) => nextTurn(done));
      // Whoever waits for this sync would wait for many such turns.
      if (this.closed || performance.now() - since > LONG_TURN) return;
    }
  }

  /**
   * As {@link flush}, in this thread. With `settle` what waits for the disk may be reused afterwards. Where another
   * participant is at it, returns after `patience` milliseconds at the latest.
   */
  flushSync(settle = false, patience = Number.POSITIVE_INFINITY): void {
    const { region, registered, participant } = this.opened;
    const { slot } = participant;
    if (!registered) return;
    region.checkLength();
    checkSyncError(region);
    const { pages } = participant.heap;
    const begun = (): void => pages.letGo();
    syncNow(region, slot, { onWait: (owner) => recoverSlot(region, owner, slot), begun, settle, patience });
    pages.forget();
  }
}
