/**
 * The file as this participant sees it: descriptor, mapping, and how much of it has blocks.
 *
 * Address space is reserved at open for the largest size the file may grow to, so that growth moves nothing: the raw
 * `fallocate` adds blocks at the end, then one compare-and-swap of the capacity makes them everybody's. A full disk is
 * an error here, never a SIGBUS at a store. Other participants notice when a pointer leads beyond the limit they know.
 */
import { BancosError, corrupt } from "../errors.ts";
import {
  INITIAL_SLABS,
  MAX_SLABS,
  SB,
  SB_CAPACITY,
  SB_MAX_SLABS,
  SB_SALT,
  SLAB_BYTES,
  TAG,
} from "./layout.ts";
import { allocate, closeHandle, fileIdentity, fileSize, map, PlatformError, setLimit } from "./platform.ts";
import { bindScratch, cas32, load32 } from "./primitives.ts";
import { SCRATCH_BYTES } from "./scratch.ts";

export type MapMode = "shared" | "sharedReadOnly" | "private" | "sync";

/** Growth by a thirty-second, by 256 KiB at least and 256 MiB at most. */
const LEAST_GROWTH = 16;
const MOST_GROWTH = (256 << 20) / SLAB_BYTES;

export class Region {
  readonly path: string;
  readonly fd: number;
  /** Handle by which the primitives know the mapping. */
  readonly h: number;
  readonly mode: MapMode;
  /** Small buffer of this participant's own; the native side reads and writes it too. */
  readonly scratch: Buffer;
  /** Slabs that this participant knows to have blocks. */
  capacity = 0;
  /** Slabs of address space. */
  reserved = 0;
  salt = 0;
  /**
   * Is the file persistent memory, so that a change is to be durable when it returns? Then each step of a change that a
   * rebuild relies on is written back from the processor's caches (`persist`) before the step that depends on it.
   */
  persists: boolean;
  private open = true;

  /**
   * Maps `fd`, for which `h` is a new handle; both stay the caller's if this throws. The superblock must have been
   * checked before; `capacity` is what it says, in slabs.
   */
  constructor(path: string, fd: number, h: number, mode: MapMode, capacity: number, reserved: number) {
    this.path = path;
    this.fd = fd;
    this.mode = mode;
    this.persists = mode === "sync";
    this.h = h;
    this.scratch = Buffer.from(new ArrayBuffer(SCRATCH_BYTES));
    this.remap(capacity, reserved);
    bindScratch(this.h, this.scratch, SCRATCH_BYTES);
    this.salt = load32(this.h, SB, SB_SALT);
  }

  private remap(capacity: number, reserved: number): void {
    const slabs = Math.min(Math.max(reserved, capacity, INITIAL_SLABS), MAX_SLABS);
    try {
      map(this.h, slabs * SLAB_BYTES, this.mode);
    } catch (error) {
      throw new BancosError(
        "IO_ERROR",
        `cannot map ${slabs * SLAB_BYTES} bytes of ${this.path}: ${(error as Error).message}; ` +
          "a smaller `maxSize` needs less address space",
        { cause: error },
      );
    }
    this.reserved = slabs;
    this.capacity = capacity;
    setLimit(this.h, capacity * SLAB_BYTES);
  }

  /**
   * Takes note of growth by others. Returns whether more of the file became visible.
   * Throws CORRUPT where the superblock claims more than the file has.
   */
  refresh(): boolean {
    const capacity = load32(this.h, SB, SB_CAPACITY);
    if (capacity <= this.capacity) return false;
    if (capacity > MAX_SLABS || capacity * SLAB_BYTES > fileSize(this.fd)) {
      throw corrupt(`the superblock claims ${capacity} slabs, more than the file has,`, SB + SB_CAPACITY / 8);
    }
    if (capacity > this.reserved) {
      this.remap(capacity, Math.max(capacity, load32(this.h, SB, SB_MAX_SLABS)));
    } else {
      this.capacity = capacity;
      setLimit(this.h, capacity * SLAB_BYTES);
    }
    return true;
  }

  /** The tag of a cell that read as nothing: either it lies in blocks added by another, or the file is damaged. */
  tagAfterRefresh(cell: number, reachable: number): number {
    this.refresh();
    // Also where that brought nothing new: several tags may have been read before the first of them made us look.
    const tag = load32(this.h, cell, TAG);
    if ((tag & reachable) !== 0) return tag;
    throw corrupt("a pointer leads to a cell that is not in use", cell);
  }

  /**
   * Throws CORRUPT if another program has made the file shorter. What is mapped beyond its end kills whoever touches
   * it (SIGBUS): this finds it out in time only as often as it is called.
   */
  checkLength(): void {
    const size = fileSize(this.fd);
    if (size >= this.capacity * SLAB_BYTES) return;
    throw new BancosError(
      "CORRUPT",
      `${this.path} has ${size} bytes and should have ${this.capacity * SLAB_BYTES}: another program has cut it short; ` +
        "restore a backup, or save what is left with `bancos repair`",
      { offset: size },
    );
  }

  /** Adds blocks so that the file has at least `slabs` slabs. Throws FULL, NO_SPACE, IO_ERROR, CORRUPT. */
  grow(slabs: number): void {
    this.checkLength();
    const from = load32(this.h, SB, SB_CAPACITY);
    if (from >= slabs) {
      this.refresh();
      return;
    }
    const most = load32(this.h, SB, SB_MAX_SLABS);
    if (slabs > most) {
      throw new BancosError(
        "FULL",
        `${this.path} has reached its maxSize of ${most * SLAB_BYTES} bytes; open it with a larger \`maxSize\` (at most 32 GiB), or delete something`,
      );
    }
    const step = Math.min(Math.max(from >>> 5, LEAST_GROWTH), MOST_GROWTH);
    let to = Math.min(Math.max(slabs, from + step), most);
    try {
      allocate(this.fd, from * SLAB_BYTES, (to - from) * SLAB_BYTES);
    } catch {
      // A generous step did not fit; the least that is needed may.
      to = slabs;
      try {
        allocate(this.fd, from * SLAB_BYTES, (to - from) * SLAB_BYTES);
      } catch (again) {
        throw growthError(this.path, (to - from) * SLAB_BYTES, again);
      }
    }
    // Whoever loses this race finds a capacity at least as large as what it saw, and looks again.
    cas32(this.h, SB, SB_CAPACITY, from, to);
    this.refresh();
    if (this.capacity < slabs) this.grow(slabs);
  }

  /** Gives blocks to holes within the capacity, which a copy of the file may have. Throws NO_SPACE, IO_ERROR. */
  backWithBlocks(): void {
    try {
      allocate(this.fd, 0, this.capacity * SLAB_BYTES);
    } catch (error) {
      throw growthError(this.path, this.capacity * SLAB_BYTES, error);
    }
  }

  /** Is descriptor `fd` open on this file? */
  isSameFile(fd: number): boolean {
    try {
      const mine = fileIdentity(this.fd);
      const other = fileIdentity(fd);
      return mine.dev === other.dev && mine.ino === other.ino;
    } catch {
      return false;
    }
  }

  /** Unmaps and closes. Idempotent. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    closeHandle(this.h);
  }
}

function growthError(path: string, bytes: number, error: unknown): BancosError {
  const code = error instanceof PlatformError ? error.code : "";
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    const what =
      code === "ENOSPC"
        ? "the disk is full"
        : code === "EDQUOT"
          ? "the quota is used up"
          : "the file size limit is reached";
    return new BancosError(
      "NO_SPACE",
      `cannot add ${bytes} bytes to ${path}: ${what}; nothing was lost, make room and try again`,
      {
        cause: error,
      },
    );
  }
  return new BancosError("IO_ERROR", `cannot add ${bytes} bytes to ${path}: ${(error as Error).message}`, {
    cause: error,
  });
}
