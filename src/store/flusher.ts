/** Durability of one store: syncs in the background and at once, shared with all who wait for one. */
import { fdatasync, write } from "node:fs";
import { BancosError } from "../errors.ts";
import { SB_NOTHING } from "../memory/layout.ts";
import { closeFile, letGo, openFile, sleepMs, writeBack } from "../memory/platform.ts";
import type { Region } from "../memory/region.ts";
import { isMuch, waitingOfAll } from "../reclaim/reclaim.ts";
import { syncOwner } from "../reclaim/synclock.ts";
import { recoverSlot } from "../recovery/recover.ts";
import {
  beginSettling,
  checkDisk,
  checkSyncError,
  type Earlier,
  earlierSyncs,
  endSettling,
  endSync,
  failSync,
  finishSync,
  forgetSync,
  isOver,
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
/** After so many times as long it begins one whatever others do. */
const MOST_SHARED = 4;
/** Rounds of waiting for a participant, of a millisecond each, between two looks whether it is alive. */
const LOOK_EVERY = 16;
/** Not one that a test has put in its place, for which a sync would wait for ever. */
const nextTurn = setImmediate;
const NOTHING = new Uint8Array(1);

export class Flusher {
  private readonly opened: Opened;
  /** Milliseconds after a write; 0: never. */
  private readonly every: number;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private syncing: Promise<void> | null = null;
  /** Syncs of others that were under way when the store was opened, and may be still. */
  private earlier: Earlier[];
  /** Calls of flush() that have not come to their end. */
  private flushing = 0;
  private closed = false;
  /** Why closing has not synced what was to be flushed. */
  private failure: unknown;
  /** The timer was set to end at once. */
  private hurried = false;
  /** Called when a background sync has made that what is retired can be reused. */
  onRoom: () => void = () => {};

  constructor(opened: Opened, every: number) {
    this.opened = opened;
    this.every = every;
    const { region, registered, participant } = opened;
    this.earlier = registered ? earlierSyncs(region, participant.slot) : [];
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

  /**
   * The store is about to close: syncs if somebody waits for a flush, or a sync is under way, of whose end nobody will hear.
   * Throws IO_ERROR.
   */
  finish(): void {
    if (this.flushing > 0 || this.syncing !== null) this.flushSync();
  }

  /**
   * The mapping goes: a background sync that is under way is nobody's. `failure` of {@link finish}, if it has failed. Touches
   * nothing of the file, which may have been cut short.
   */
  close(failure?: unknown): void {
    this.failure = failure;
    this.closed = true;
  }

  /** Have all of `earlier` come to their end? */
  private isAlone(): boolean {
    if (this.earlier.length > 0) {
      const { h } = this.opened.region;
      this.earlier = this.earlier.filter((sync) => !isOver(h, sync));
    }
    return this.earlier.length === 0;
  }

  private recoverEarlier(): void {
    const { region, participant } = this.opened;
    for (const { slot } of this.earlier) recoverSlot(region, slot, participant.slot);
  }

  /** In this thread; not at all with `unlessUnderWay`. Returns whether there is none left. */
  private waitForEarlier(unlessUnderWay: boolean): boolean {
    for (let round = 0; !this.isAlone(); round++) {
      if (unlessUnderWay) return false;
      if (round % LOOK_EVERY === LOOK_EVERY - 1) this.recoverEarlier();
      sleepMs(1);
    }
    return true;
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
    const until = since + SHARING * MOST_SHARED;
    for (let round = 1; ; round++) {
      if (this.closed) {
        // Closing has synced, since this call was waiting.
        if (this.failure !== undefined) throw this.failure;
        return;
      }
      checkSyncError(region);
      const now = performance.now();
      if (syncTicket(h) !== started) {
        started = syncTicket(h);
        since = now;
      }
      if (this.syncing !== null) {
        await this.syncing;
      } else if (!this.isAlone()) {
        await Bun.sleep(1);
        if (round % LOOK_EVERY === 0 && !this.closed) this.recoverEarlier();
      } else if (isSynced(h, ticket)) {
        checkDisk(region);
        return;
      } else if (isUnderWay(h) && now - since < SHARING && now < until) {
        await Bun.sleep(1);
      } else {
        await this.startSync(region, slot, round);
      }
    }
  }

  /** A sync from its start to its end; or a moment, if somebody else is at its start. */
  private async startSync(region: Region, slot: number, round: number): Promise<void> {
    const { h } = region;
    const sync = tryStartSync(region, slot);
    if (sync === null) {
      await Bun.sleep(1);
      if (round % LOOK_EVERY === 0 && !this.closed) recoverSlot(region, syncOwner(h), slot);
      return;
    }
    this.syncing = this.syncInBackground(sync);
    try {
      await this.syncing;
    } finally {
      this.syncing = null;
      if (!this.closed) forgetSync(h, slot);
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
    let settles = false;
    try {
      await this.writeBack(dense);
      // Closed meanwhile: closing has synced.
      if (this.closed) return;
      await new Promise<void>((done, failed) => fdatasync(fd, (error) => (error ? failed(error) : done())));
      if (this.closed) return;
      // Whoever was told of a failed write, by a sync that is under way as well, may not have come to say so.
      checkDisk(region);
      endSync(region.h, sync);
      settles = isMuch(waitingOfAll(region.h)) && (await this.settle(region, fd));
    } catch (error) {
      if (!this.closed) throw error instanceof BancosError ? error : failSync(region, error);
    } finally {
      closeFile(fd);
    }
    if (settles) this.onRoom();
  }

  /** What waits for the disk may be reused at once. Returns whether it may. */
  private async settle(region: Region, fd: number): Promise<boolean> {
    const w = beginSettling(region.h);
    if (w < 0) return false;
    // A byte that means nothing, since whoever waits for a byte of a page waits for the page. W itself, written here,
    // might have moved on before the call is made.
    await new Promise<void>((done, failed) =>
      write(fd, NOTHING, 0, 1, SB_NOTHING, (error) => (error ? failed(error) : done())),
    );
    if (this.closed) return false;
    checkDisk(region);
    endSettling(region.h, w);
    return true;
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
   * As {@link flush}, in this thread. With `settle` what waits for the disk may be reused afterwards. With
   * `unlessUnderWay` does not wait for the disk where another participant is at it.
   */
  flushSync(settle = false, unlessUnderWay = false): void {
    const { region, registered, participant } = this.opened;
    const { slot } = participant;
    if (!registered) return;
    region.checkLength();
    if (!this.waitForEarlier(unlessUnderWay)) return;
    checkSyncError(region);
    const { pages } = participant.heap;
    const begun = (): void => pages.letGo();
    const onWait = (owner: number): boolean => recoverSlot(region, owner, slot);
    syncNow(region, slot, { onWait, begun, settle, unlessUnderWay });
    pages.forget();
  }
}
