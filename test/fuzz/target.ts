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
  private readonly fd: number;
  private readonly salt: bigint;

  /** Puts `image` at `path`. Every file but one that nobody has opened yet knows which file it is. */
  constructor(path: string, image: Buffer, readOnlyFolder: string | undefined) {
    this.path = path;
    this.readOnlyPath = readOnlyFolder === undefined ? undefined : `${readOnlyFolder}/${basename(path)}`;
    this.image = image;
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

  /** The file is the image again. */
  restore(): void {
    const { bytes, image } = this;
    if (fstatSync(this.fd).size !== image.length) ftruncateSync(this.fd, image.length);
    this.differing((at, end) => image.copy(bytes, at, at, end));
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

  /** The pages that are not as in the image. By slabs first: most of them are. */
  private differing(visit: (at: number, end: number) => void): void {
    const { bytes, image } = this;
    for (let slab = 0; slab < image.length; slab += SLAB_BYTES) {
      const end = Math.min(slab + SLAB_BYTES, image.length);
      if (bytes.compare(image, slab, end, slab, end) === 0) continue;
      for (let at = slab; at < end; at += PAGE) {
        const to = Math.min(at + PAGE, end);
        if (bytes.compare(image, at, to, at, to) !== 0) visit(at, to);
      }
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}
