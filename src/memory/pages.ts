/**
 * The pages that this participant writes to, and what that costs it and others around a sync.
 *
 * A sync protects all of them again, so that the kernel notices the next store to each, and that costs a page fault: as
 * much as several operations. Pages that are asked for many at a time cost a fraction of it. But what is asked for counts
 * as changed, and goes to the disk with the next sync whether anything was stored there or not. So the rest of a group of
 * pages is asked for only when a quarter of it has been written to since the last sync: then the rest will be as well, and
 * if not the sync writes four times as much at most. (Linux from 6.16 on keeps what ext4 has in large folios, and counts
 * one as changed as a whole anyway.)
 *
 * Protecting is dearer still where somebody goes on writing: the kernel protects page by page, and for each page
 * interrupts every processor that runs a program which has it. 40 MiB of changed pages took 460 ms, in which the writer
 * came to a twentieth of its speed. Pages that nobody has mapped need none of that. So whoever has written to many pages
 * lets them go, a window of the mapping by one call, when it learns of a sync: the one who syncs just before it has the
 * window written ({@link letGo}; in the background by {@link dense}, store/flusher.ts), others between two of their changes ({@link notice}). The same 40 MiB
 * then take 50 ms. Where nobody goes on writing it is 25 to 50 ms instead of 50 to 250, and the stores that follow cost less.
 * A window with few changed pages stays: the pages of it that are only read would have to be found again.
 *
 * Nothing depends on any of it. What the kernel writes by itself is not known here.
 */
import { statfsSync } from "node:fs";
import { SB, SB_S, SLAB_BYTES, UNIT } from "./layout.ts";
import { letGo, populate, writeBack } from "./platform.ts";
import { load64 } from "./primitives.ts";
import type { Region } from "./region.ts";

const PAGE_BYTES = 4096;
const PAGE_UNITS = PAGE_BYTES / UNIT;
const PAGE_SHIFT = Math.log2(PAGE_UNITS);
/** Pages in a group: 256 KiB. */
const GROUP = 64;
const GROUP_SHIFT = Math.log2(GROUP);
/** So many of them bring the others. */
const ENOUGH = GROUP / 4;
const LAST_GENERATION = 255;
/** Groups in a window: 1 MiB. It is dense when an eighth of its pages were written to. */
const WINDOW = 4;
export const WINDOW_BYTES = WINDOW * GROUP * PAGE_BYTES;
const DENSE = (WINDOW * GROUP) / 8;
/** Windows that are let go of between two changes at most: a call of the kernel each. */
const MOST_LET_GO = 256;
/** What statfs(2) says of filesystems in memory, where a sync protects nothing: tmpfs, ramfs. */
const IN_MEMORY: readonly number[] = [0x01021994, 0x858458f6];

export class Pages {
  private readonly region: Region;
  /** Syncs that this participant has learnt of: 1 to 255, and again. */
  private generation = 1;
  /** How many syncs had begun when it last did. */
  private syncs = 0;
  /** Pages that were written to in this generation, at least. */
  private written = 0;
  private onDisk: boolean | null = null;
  /** By page: the generation in which it was written to last. */
  private seen = new Uint8Array(0);
  /** By group: the generation, and how many of its pages were written to in it. */
  private groupSeen = new Uint8Array(0);
  private groupCount = new Uint8Array(0);

  constructor(region: Region) {
    this.region = region;
  }

  /** The page of `cell` is about to be written to. */
  touch(cell: number): void {
    const page = cell >>> PAGE_SHIFT;
    if (this.seen[page] !== this.generation) this.touchFirst(page);
  }

  private touchFirst(page: number): void {
    if (page >= this.seen.length && !this.extend(page)) return;
    const { generation, seen, groupSeen, groupCount } = this;
    seen[page] = generation;
    this.written++;
    const group = page >>> GROUP_SHIFT;
    if (groupSeen[group] !== generation) {
      groupSeen[group] = generation;
      groupCount[group] = 0;
    }
    if (++groupCount[group]! !== ENOUGH) return;
    const first = group * GROUP;
    seen.fill(generation, first, first + GROUP);
    const left = this.region.capacity * SLAB_BYTES - first * PAGE_BYTES;
    populate(this.region.h, (first * PAGE_UNITS) | 0, Math.min(GROUP * PAGE_BYTES, left));
  }

  /** Room for all pages of the file, and some more. */
  private extend(page: number): boolean {
    const pages = (this.region.capacity * SLAB_BYTES) / PAGE_BYTES;
    if (page >= pages) return false;
    const groups = Math.ceil((pages + (pages >>> 3)) / GROUP / WINDOW) * WINDOW;
    const { seen, groupSeen, groupCount } = this;
    this.seen = new Uint8Array(groups * GROUP);
    this.seen.set(seen);
    this.groupSeen = new Uint8Array(groups);
    this.groupSeen.set(groupSeen);
    this.groupCount = new Uint8Array(groups);
    this.groupCount.set(groupCount);
    return true;
  }

  /** `bytes` from `cell` are about to be written to. */
  touchAll(cell: number, bytes: number): void {
    for (let done = 0; done < bytes; done += PAGE_BYTES) this.touch(cell + done / UNIT);
  }

  /** First cells of the windows in which much was written to since the last sync. Empty where a sync protects nothing. */
  dense(): number[] {
    const found: number[] = [];
    // Who syncs after each change, or a few, looks at no window.
    if (this.written < ENOUGH) return found;
    const { generation, groupSeen, groupCount } = this;
    for (let first = 0; first < groupSeen.length; first += WINDOW) {
      let pages = 0;
      for (let group = first; group < first + WINDOW; group++) {
        if (groupSeen[group] !== generation) continue;
        const count = groupCount[group] as number;
        pages += count < ENOUGH ? count : GROUP;
      }
      if (pages >= DENSE) found.push(first * GROUP * PAGE_UNITS);
    }
    return found.length > 0 && this.isOnDisk() ? found : [];
  }

  private isOnDisk(): boolean {
    if (this.onDisk === null) {
      this.onDisk = this.region.mode === "shared";
      try {
        if (IN_MEMORY.includes(statfsSync(this.region.path).type >>> 0)) this.onDisk = false;
      } catch {
        // The file has gone from its place; its mapping has not.
      }
    }
    return this.onDisk;
  }

  /** Bytes of the window at `cell` that the file has. */
  windowBytes(cell: number): number {
    return Math.min(WINDOW_BYTES, this.region.capacity * SLAB_BYTES - cell * UNIT);
  }

  /**
   * A sync in this thread has begun, and the disk is about to be asked for: all dense windows are let go of, and begin to be
   * written.
   */
  letGo(): void {
    for (const cell of this.dense()) {
      letGo(this.region.h, cell, this.windowBytes(cell));
      writeBack(this.region.h, cell, this.windowBytes(cell));
    }
    this.forget();
  }

  /** Between two changes: if somebody has begun a sync since the last call, lets go of what that is about to protect. */
  notice(): void {
    if (load64(this.region.h, SB, SB_S) === this.syncs) return;
    const dense = this.dense();
    for (let i = 0; i < dense.length && i < MOST_LET_GO; i++) {
      const cell = dense[i] as number;
      letGo(this.region.h, cell, this.windowBytes(cell));
    }
    this.forget();
  }

  /** A sync has begun, or has ended, in this participant. */
  forget(): void {
    this.syncs = load64(this.region.h, SB, SB_S);
    this.written = 0;
    if (this.generation < LAST_GENERATION) {
      this.generation++;
      return;
    }
    this.generation = 1;
    this.seen.fill(0);
    this.groupSeen.fill(0);
  }
}
