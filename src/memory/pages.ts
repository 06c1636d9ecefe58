/**
 * The pages that this participant writes to. A sync protects all of them again, so that the kernel notices the next store
 * to each, and that costs a page fault: as much as several operations. Pages that are asked for many at a time cost a
 * fraction of it. But what is asked for counts as changed, and goes to the disk with the next sync whether anything was
 * stored there or not. So the rest of a group of pages is asked for only when a quarter of it has been written to since
 * the last sync: then the rest will be as well, and if not the sync writes four times as much at most. (Linux from 6.16 on
 * keeps what ext4 has in large folios, and counts one as changed as a whole anyway.)
 *
 * Nothing depends on it. What others sync, and what the kernel writes by itself, is not known here.
 */
import { SLAB_BYTES, UNIT } from "./layout.ts";
import { populate } from "./platform.ts";
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

export class Pages {
  private readonly region: Region;
  /** Syncs that this participant has seen end: 1 to 255, and again. */
  private generation = 1;
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
    const groups = Math.ceil((pages + (pages >>> 3)) / GROUP);
    const { seen, groupSeen, groupCount } = this;
    this.seen = new Uint8Array(groups * GROUP);
    this.seen.set(seen);
    this.groupSeen = new Uint8Array(groups);
    this.groupSeen.set(groupSeen);
    this.groupCount = new Uint8Array(groups);
    this.groupCount.set(groupCount);
    return true;
  }

  /** A sync has ended. */
  forget(): void {
    if (this.generation < LAST_GENERATION) {
      this.generation++;
      return;
    }
    this.generation = 1;
    this.seen.fill(0);
    this.groupSeen.fill(0);
  }
}
