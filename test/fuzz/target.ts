/**
 * The file that the mutants of one image are made in. It is mapped, so that to damage it and to undo that costs what the
 * damage is, not what the file is.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { open } from "../../src/index.ts";
import { SB_CLEAN, SB_DEVICE, SLAB_BYTES } from "../../src/memory/layout.ts";
import { type Mutant, PAGE } from "./mutate.ts";

export class Target {
  readonly path: string;
  /** The same file where it can't be written, if there is such a place. */
  readonly readOnlyPath: string | undefined;
  /** What the file has where nothing is damaged. */
  readonly image: Buffer;
  /** The bytes of the file; not to be touched while it is shorter than the image. */
  readonly bytes: Buffer;
  /** What {@link restore} puts back: the image, or what it was when it was opened. */
  private base: Buffer;
  private readonly fd: number;
  private readonly salt: bigint;

  /** Puts `image` at `path`. Every file but one that nobody has opened yet knows which file it is. */
  constructor(path: string, image: Buffer, readOnlyFolder: string | undefined) {
    this.path = path;
    this.readOnlyPath = readOnlyFolder === undefined ? undefined : `${readOnlyFolder}/${basename(path)}`;
    this.image = image;
    this.base = image;
    this.salt = Bun.hash.wyhash(basename(path));
    // A child that died may have left one.
    rmSync(path, { force: true });
    open(path, { flushEvery: 0 }).close();
    this.fd = openSync(path, "r+");
    ftruncateSync(this.fd, image.length);
    const mapped = Bun.mmap(path);
    this.bytes = Buffer.from(mapped.buffer, mapped.byteOffset, mapped.byteLength);
    // Or each would be a copy, to be rebuilt.
    if (!basename(path).startsWith("backup")) this.bytes.copy(image, SB_DEVICE, SB_DEVICE, SB_CLEAN);
    this.restore();
  }

  /** The file is what it was again. */
  restore(): void {
    const { bytes, base } = this;
    if (fstatSync(this.fd).size !== base.length) ftruncateSync(this.fd, base.length);
    this.differing((at, end) => base.copy(bytes, at, at, end));
  }

  /** From here on the file is what it is now where nothing is damaged. Returns that. */
  rebase(): Buffer {
    this.base = Buffer.from(this.bytes);
    return this.base;
  }

  /** The end of {@link rebase}. */
  reset(): void {
    this.base = this.image;
    this.restore();
  }

  /** Gives the file the length of the mutant that its bytes have become. */
  setLength({ length, tail }: Mutant): void {
    if (length < this.image.length) ftruncateSync(this.fd, length);
    else if (tail.length > 0) writeSync(this.fd, tail, 0, tail.length, this.image.length);
  }

  /** What tells the mutant from all others, `null` if nothing was damaged. Before its length is set. */
  fingerprint({ length, tail }: Mutant): number | null {
    let hash = Bun.hash.wyhash(tail, this.salt ^ BigInt(length));
    let isSame = length === this.image.length;
    const kept = Math.min(length, this.image.length);
    this.differing((at, end) => {
      if (at >= kept) return;
      isSame = false;
      hash = Bun.hash.wyhash(this.bytes.subarray(at, Math.min(end, kept)), hash ^ BigInt(at));
    });
    return isSame ? null : Number(hash >> 11n);
  }

  /** The pages that are not as they were. By slabs first: most of them are. */
  private differing(visit: (at: number, end: number) => void): void {
    const { bytes, base } = this;
    for (let slab = 0; slab < base.length; slab += SLAB_BYTES) {
      const end = Math.min(slab + SLAB_BYTES, base.length);
      if (bytes.compare(base, slab, end, slab, end) === 0) continue;
      for (let at = slab; at < end; at += PAGE) {
        const to = Math.min(at + PAGE, end);
        if (bytes.compare(base, at, to, at, to) !== 0) visit(at, to);
      }
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}
