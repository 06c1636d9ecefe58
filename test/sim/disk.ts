/**
 * What can be left of the file when the machine goes down.
 *
 * Between two syncs a page may be written back at any moment, as it is then, or not at all; of a page that is being
 * written when the power fails, some sectors are of one moment and some of another. In persistent memory the same holds
 * of each cache line by itself, and `persist` puts single lines there for good. So every content that a unit (sector or
 * line) has had since it was put there for good is kept, and an image takes one of them for each.
 *
 * The length of the file is such a thing too: what growth gave it may be lost.
 */
import { REGISTRY_SLAB, SLAB_BYTES, SLOT_BYTES, SLOTS } from "../../src/memory/layout.ts";
import { FILE_BYTES, machine } from "./machine.ts";
import type { Random } from "./report.ts";

export const SECTOR = 512;
export const CACHE_LINE = 64;
const PAGE = 4096;
const REGISTRY = REGISTRY_SLAB * SLAB_BYTES;
const REGISTRY_END = REGISTRY + SLOTS * SLOT_BYTES;
const MOST_SINGLES = 8;

/** A content that a unit had up to a moment. */
interface Version {
  readonly until: number;
  readonly bytes: Uint8Array;
}

export class Disk {
  private readonly unit: number;
  /** Units that have changed since they were put on the disk for good: what they were, oldest first. */
  private readonly changed = new Map<number, Version[]>();
  /** Units that the disk has refused, as it has them: the kernel takes their pages for written until they change again. */
  private readonly refused = new Map<number, Uint8Array>();
  /** Lengths that the disk may have, and when each came. */
  private sizes: { readonly since: number; readonly bytes: number }[];
  private time = 0;
  private syncedAt = 0;

  /** From now on the disk follows what the machine does. All there is now is on it. */
  constructor(unit: number) {
    this.unit = unit;
    this.sizes = [{ since: 0, bytes: machine.size }];
    machine.onTouch = (address, length) => this.change(address, length);
    machine.onSync = (from, length) => this.settle(from, length);
    machine.onPersist = (address, length) => this.settle(address, length);
  }

  /** Bytes are about to change. */
  private change(address: number, length: number): void {
    const { unit, changed } = this;
    this.time++;
    this.noteSize();
    if (this.refused.size > 0) this.askAgain(address, length);
    for (let at = address - (address % unit); at < address + length; at += unit) {
      const now = machine.bytes.subarray(at, at + unit);
      const versions = changed.get(at);
      if (versions === undefined) changed.set(at, [{ until: this.time, bytes: now.slice() }]);
      else if (Buffer.compare(versions.at(-1)!.bytes, now) !== 0)
        versions.push({ until: this.time, bytes: now.slice() });
    }
  }

  /** The pages of these bytes will be written again, whole. */
  private askAgain(address: number, length: number): void {
    const { unit, refused, time } = this;
    for (let at = address - (address % PAGE); at < address + length + PAGE; at += unit) {
      if (at - (at % PAGE) >= address + length) break;
      const bytes = refused.get(at);
      if (bytes === undefined) continue;
      refused.delete(at);
      this.changed.set(at, [{ until: time, bytes }]);
    }
  }

  /** A sync fails: some pages are on the disk as they are now, others as they were at some moment, and none counts as changed. */
  refuse(random: Random): void {
    const share = random.next();
    const pages = new Map<number, number>();
    for (const [at, versions] of this.changed) {
      const page = at - (at % PAGE);
      let moment = pages.get(page);
      if (moment === undefined) {
        moment = random.next() < share ? random.below(this.time + 1) : Number.POSITIVE_INFINITY;
        pages.set(page, moment);
      }
      const found = versions.find(({ until }) => until > moment);
      if (found !== undefined) this.refused.set(at, found.bytes);
    }
    this.changed.clear();
  }

  private noteSize(): void {
    if (this.sizes.at(-1)!.bytes !== machine.size) this.sizes.push({ since: this.time, bytes: machine.size });
  }

  /** A sync that takes its time: what there is now is on the disk when the function is called that this returns. */
  begin(): () => void {
    this.noteSize();
    const { time, changed } = this;
    return () => {
      for (const [at, versions] of changed) {
        const left = versions.filter(({ until }) => until > time);
        if (left.length > 0) changed.set(at, left);
        else changed.delete(at);
      }
      this.syncedAt = Math.max(this.syncedAt, time);
      const from = this.sizes.findLastIndex(({ since }) => since <= time);
      this.sizes = this.sizes.slice(Math.max(0, from));
    };
  }

  /** What lies there is on the disk as it is now. */
  private settle(from: number, length: number): void {
    if (from === 0 && length === FILE_BYTES) {
      this.changed.clear();
      this.syncedAt = this.time;
    } else {
      const first = from - (from % this.unit);
      for (let at = first; at < from + length; at += this.unit) this.changed.delete(at);
    }
    // Metadata that is needed to find the bytes goes with them.
    this.sizes = [{ since: this.time, bytes: machine.size }];
  }

  /**
   * Files of which one unit alone is as it is now, or one alone as it was at first. Not those of the registry, which
   * nobody looks at after a loss of power; and of many only the first and the last that changed.
   */
  *singles(): Generator<Uint8Array> {
    const first = [...this.changed]
      .filter(([at]) => at < REGISTRY || at >= REGISTRY_END)
      .map(([at, versions]) => ({ at, bytes: versions[0]!.bytes }));
    const now = machine.copy();
    const then = now.slice();
    for (const { at, bytes } of first) if (at < then.length) then.set(bytes, at);
    for (const [i, { at, bytes }] of first.entries()) {
      if (at >= now.length || (i >= MOST_SINGLES && i < first.length - MOST_SINGLES)) continue;
      const all = now.slice();
      all.set(bytes, at);
      yield all;
      const none = then.slice();
      none.set(now.subarray(at, at + this.unit), at);
      yield none;
    }
  }

  /** The file as it can be found when the power fails now. */
  image(random: Random): Uint8Array {
    this.noteSize();
    const size = random.next() < 0.5 ? machine.size : random.pick(this.sizes).bytes;
    const file = machine.bytes.slice(0, size);
    // How likely it is that a page was never written, written last of all, written at some moment; or is torn.
    const weights = [random.next() ** 2, random.next() ** 2, random.next() ** 2, random.next() ** 3];
    const whole = weights.reduce((sum, weight) => sum + weight);
    for (const [at, bytes] of this.refused) if (at < size) file.set(bytes.subarray(0, size - at), at);
    const pages = new Map<number, number>();
    for (const [at, versions] of this.changed) {
      if (at >= size) continue;
      const page = this.unit === CACHE_LINE ? at : at - (at % PAGE);
      let moment = pages.get(page);
      if (moment === undefined) {
        let choice = random.next() * whole;
        let way = 0;
        while (way < 3 && choice >= weights[way]!) choice -= weights[way++]!;
        if (way === 0) moment = 0;
        else if (way === 1) moment = Number.POSITIVE_INFINITY;
        else if (way === 2) moment = this.syncedAt + random.below(this.time - this.syncedAt + 1);
        else moment = -1;
        pages.set(page, moment);
      }
      let found: Version | undefined;
      if (moment === -1) found = versions[random.below(versions.length + 1)];
      else found = versions.find(({ until }) => until > moment);
      if (found !== undefined) file.set(found.bytes.subarray(0, size - at), at);
    }
    return file;
  }
}
