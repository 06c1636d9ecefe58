/**
 * Records a file by page while others write to it, and makes files that could be on the disk if the power failed.
 *
 * Each page may be on the disk as it was at any moment since the last sync that has ended began, or in a torn page each
 * sector by itself. Page 0 of the store says which sync that is: S counts those that were started, `done` is the ordinal
 * of the last that ended.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { SB_BOOT_ID, SB_DONE, SB_S } from "../../src/memory/layout.ts";
import type { Random } from "../process/support.ts";

const PAGE = 4096;
const SECTOR = 512;

/** A content of a page, and the first capture that did not see it any more. */
interface Version {
  readonly until: number;
  readonly bytes: Buffer;
}

export class Recorder {
  private readonly fd: number;
  private now = Buffer.alloc(0);
  private count = 0;
  private readonly changed = new Map<number, Version[]>();
  /** Of each capture that counts: its number, how many syncs had been started, and the length of the file. */
  private captures: { readonly number: number; readonly started: number; readonly size: number }[] = [];

  /** The disk has the file as it is now. */
  constructor(path: string) {
    this.fd = openSync(path, "r");
    this.capture();
  }

  /** Takes the file as it is; nobody may be writing to it. */
  capture(): void {
    const { size } = fstatSync(this.fd);
    const file = Buffer.alloc(size);
    for (let at = 0; at < size; ) {
      const read = readSync(this.fd, file, at, size - at, at);
      if (read === 0) throw new Error("the file became shorter");
      at += read;
    }
    const before = this.now;
    const number = ++this.count;
    for (let at = 0; at < size && at < before.length; at += PAGE) {
      const old = before.subarray(at, at + PAGE);
      if (old.equals(file.subarray(at, at + PAGE))) continue;
      const versions = this.changed.get(at);
      const version = { until: number, bytes: Buffer.from(old) };
      if (versions === undefined) this.changed.set(at, [version]);
      else versions.push(version);
    }
    this.now = file;
    this.captures.push({ number, started: counter(file, SB_S), size });
    // What was captured before the last sync that has ended began is not on the disk any more.
    const done = counter(file, SB_DONE);
    this.keepFrom(this.captures.find(({ started }) => started > done)?.number ?? number);
  }

  /** All there is now is on the disk. */
  settle(): void {
    this.keepFrom(this.count);
  }

  private keepFrom(first: number): void {
    this.captures = this.captures.filter(({ number }) => number >= first);
    for (const [page, versions] of this.changed) {
      const kept = versions.filter(({ until }) => until > first);
      if (kept.length === 0) this.changed.delete(page);
      else if (kept.length < versions.length) this.changed.set(page, kept);
    }
  }

  /** How many captures the next image may be made of. */
  get depth(): number {
    return this.captures.length;
  }

  /** A file that the disk could have. */
  image(random: Random): Buffer {
    const size = random.oneIn(2) ? this.now.length : random.pick(this.captures).size;
    const file = Buffer.from(this.now.subarray(0, size));
    // Of a hundred pages: never written since; as they are now; as they were at some moment. The rest are torn.
    const never = random.below(100);
    const newest = never + random.below(101 - never);
    const once = newest + random.below(101 - newest);
    for (const [page, versions] of this.changed) {
      if (page >= size) continue;
      const way = random.below(100);
      const put = (version: Version | undefined, at: number, length: number): void => {
        version?.bytes.copy(file, page + at, at, at + length);
      };
      if (way < never) put(versions[0], 0, PAGE);
      else if (way < newest) put(undefined, 0, PAGE);
      else if (way < once) {
        const { number } = random.pick(this.captures);
        put(
          versions.find(({ until }) => until > number),
          0,
          PAGE,
        );
      } else {
        for (let at = 0; at < PAGE; at += SECTOR)
          put(versions[random.below(versions.length + 1)], at, SECTOR);
      }
    }
    return afterBoot(file);
  }

  /** The file as it is: all pages were written, and then the power failed. */
  latest(): Buffer {
    return afterBoot(Buffer.from(this.now));
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** As if the machine had been started again since: the boot that the file knows is no boot of this machine. */
function afterBoot(file: Buffer): Buffer {
  file.writeInt32LE(0x600b, SB_BOOT_ID);
  return file;
}

const counter = (file: Buffer, field: number): number =>
  file.readUInt32LE(field) + file.readUInt32LE(field + 4) * 2 ** 32;
