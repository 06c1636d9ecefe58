/** Durability of one store: syncs in the background and at once, shared with all who wait for one. */
import { fdatasync } from "node:fs";
import { closeFile, openFile } from "../memory/platform.ts";
import type { Region } from "../memory/region.ts";
import { syncOwner, syncUnlock, trySyncLock } from "../reclaim/synclock.ts";
import { recoverSlot } from "../recovery/recover.ts";
import {
  beginSync,
  checkSyncError,
  endSync,
  failSync,
  isSynced,
  syncHolding,
  syncNow,
  syncTicket,
} from "../recovery/sync.ts";
import type { Opened } from "./open.ts";

export class Flusher {
  private readonly opened: Opened;
  /** Milliseconds after a write; 0: never. */
  private readonly every: number;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private syncing: Promise<void> | null = null;
  /** Calls of flush() that have not come to their end. */
  private flushing = 0;
  private closed = false;

  constructor(opened: Opened, every: number) {
    this.opened = opened;
    this.every = every;
  }

  /** After a write: sees to it that it is flushed in time. */
  schedule(): void {
    if (this.timer === null && this.every > 0) this.start();
  }

  private start(): void {
    this.timer = setTimeout(() => {
      this.timer = null;
      // An error is remembered in the file and thrown to whoever flushes or closes.
      if (!this.closed) this.flush().catch(() => {});
    }, this.every);
    this.timer.unref?.();
  }

  cancel(): void {
    if (this.timer !== null) clearTimeout(this.timer);
  }

  /** Is there a call of {@link flush} that has not come to its end? */
  get isWaited(): boolean {
    return this.flushing > 0;
  }

  /** Resolves when no background sync of this store is under way. */
  async settled(): Promise<void> {
    if (this.syncing !== null) await this.syncing.catch(() => {});
  }

  /** The store closes and has synced: gives the lock back that a background sync holds. */
  close(): void {
    const { region, participant } = this.opened;
    if (this.syncing !== null) syncUnlock(region.h, participant.slot);
    this.closed = true;
  }

  /** The mapping goes, whatever is under way. */
  abandon(): void {
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
    } finally {
      this.flushing--;
    }
  }

  private async flushFrom(ticket: number, region: Region, slot: number, h: number): Promise<void> {
    for (let round = 0; ; round++) {
      // Closing has synced, since this call was waiting.
      if (this.closed) return;
      checkSyncError(region);
      if (isSynced(h, ticket)) return;
      if (this.syncing !== null) {
        await this.syncing;
      } else if (trySyncLock(h, slot)) {
        this.syncing = this.syncInBackground();
        try {
          await this.syncing;
        } finally {
          this.syncing = null;
        }
      } else {
        await Bun.sleep(1);
        if (round % 16 === 15 && !this.closed) recoverSlot(region, syncOwner(h), slot);
      }
    }
  }

  /** The caller holds the sync lock. A descriptor of its own, so that closing the store can't pull it away. */
  private async syncInBackground(): Promise<void> {
    const { region, participant } = this.opened;
    let fd: number;
    try {
      fd = openFile(`/proc/self/fd/${region.fd}`, { write: true });
    } catch {
      // No descriptor to spare, or no /proc: then in this thread, with the one that we have.
      try {
        syncHolding(region, participant.slot);
      } finally {
        syncUnlock(region.h, participant.slot);
      }
      return;
    }
    const sync = beginSync(region, participant.slot);
    let failure: unknown = null;
    try {
      await new Promise<void>((done, failed) => fdatasync(fd, (error) => (error ? failed(error) : done())));
    } catch (error) {
      failure = error;
    }
    closeFile(fd);
    // Closed meanwhile: closing has synced and given the lock back.
    if (this.closed) return;
    try {
      if (failure !== null) throw failSync(region, failure);
      endSync(region.h, sync);
    } finally {
      syncUnlock(region.h, participant.slot);
    }
  }

  /** As {@link flush}, in this thread. */
  flushSync(): void {
    const { region, registered } = this.opened;
    const { slot } = this.opened.participant;
    if (!registered) return;
    region.checkLength();
    checkSyncError(region);
    // A background flush of this store holds the lock and can't go on while we are here: sync under its lock.
    if (this.syncing !== null) syncHolding(region, slot);
    else syncNow(region, slot, (owner) => recoverSlot(region, owner, slot));
  }
}
