/** The superblock as bytes: checked before anything is mapped, and written when a store is created. */
import { readSync } from "node:fs";
import { BancosError } from "../errors.ts";
import { CLASS_CELLS } from "./classes.ts";
import {
  AUX_SHIFT,
  CLEAN,
  COUNTS,
  ENTRY_BYTES,
  ENTRY_CHECKSUM,
  ENTRY_FREED,
  FIRST_DATA_SLAB,
  FIRST_TABLE_SLAB,
  FORMAT_VERSION,
  INITIAL_SLABS,
  LIVE,
  MAGIC,
  MAX_SLABS,
  NODE256,
  SB_BOOT_ID,
  SB_CAPACITY,
  SB_CHECKSUM,
  SB_CLEAN,
  SB_END,
  SB_EPOCH,
  SB_FREE_CELLS,
  SB_FRONTIER,
  SB_KEY_ENCODING,
  SB_MAGIC,
  SB_MAX_SLABS,
  SB_Q,
  SB_ROOT,
  SB_S,
  SB_SALT,
  SB_SALT_HIGH,
  SB_SLAB_BYTES,
  SB_SLOTS,
  SB_VERSION,
  SLAB_BYTES,
  SLAB_CELLS,
  SLAB_RESERVED,
  SLAB_UNITS,
  SLOTS,
} from "./layout.ts";
import { mix32 } from "./mix.ts";
import { entryChecksum, entryWord } from "./slabs.ts";

/** Bytes by which a file may have grown between two syncs, besides its size: more than the largest value. */
const MOST_GROWTH_LOST = 4 * 2 ** 30;

/** What a superblock says that never changes, and how large the file may be and is. */
export interface Superblock {
  readonly salt: number;
  readonly keyEncoding: number;
  /** Cell of the root. */
  readonly root: number;
  /** Slabs with blocks. */
  readonly capacity: number;
  /** Slabs the file may grow to. */
  readonly maxSlabs: number;
  /** Has the file fewer bytes than the capacity says? */
  readonly isShort: boolean;
}

function checksum(page: Buffer): number {
  let sum = 0;
  for (let at = 0; at < SB_CHECKSUM; at += 4) sum = mix32(sum, page.readInt32LE(at));
  return sum;
}

/** May a file be shorter than it should, given whether it was closed in order, and the boot it was opened in? */
export type MayBeShort = (isClean: boolean, boot: readonly number[]) => boolean;

/**
 * Reads and checks the superblock of an open file. `sizeOf` gives the file's length; it is asked after the superblock
 * was read, since others may let the file grow meanwhile. Throws NOT_A_STORE, VERSION, CORRUPT.
 */
export function readSuperblock(
  fd: number,
  path: string,
  sizeOf: () => number,
  mayBeShort: MayBeShort = () => false,
): Superblock {
  const page = Buffer.alloc(SB_END);
  const read = readSync(fd, page, 0, SB_END, 0);
  const size = sizeOf();
  if (read < MAGIC.length || MAGIC.some((byte, i) => page[SB_MAGIC + i] !== byte)) {
    throw new BancosError("NOT_A_STORE", `${path} is not a bancos file; it is left as it is`);
  }
  const version = page.readInt32LE(SB_VERSION);
  if (read === SB_END && version !== FORMAT_VERSION) {
    throw new BancosError(
      "VERSION",
      `${path} has format version ${version}; this version of bancos reads ${FORMAT_VERSION}: ` +
        "export it with the version that wrote it",
    );
  }
  const damaged = (what: string, offset: number): BancosError =>
    new BancosError(
      "CORRUPT",
      `${path} is damaged: ${what} (offset ${offset}); restore a backup or use \`bancos repair\``,
      {
        offset,
      },
    );
  if (read < SB_END || size < FIRST_DATA_SLAB * SLAB_BYTES + SLAB_BYTES)
    throw damaged("it ends too early", size);
  if (page.readInt32LE(SB_CHECKSUM) !== checksum(page))
    throw damaged("the superblock's checksum is wrong", SB_CHECKSUM);
  if (page.readInt32LE(SB_SLAB_BYTES) !== SLAB_BYTES || page.readInt32LE(SB_SLOTS) !== SLOTS) {
    throw new BancosError(
      "VERSION",
      `${path} has slabs or slots of another size than this version of bancos reads`,
    );
  }
  const capacity = page.readInt32LE(SB_CAPACITY);
  const maxSlabs = page.readInt32LE(SB_MAX_SLABS);
  if (capacity <= FIRST_DATA_SLAB || capacity > MAX_SLABS)
    throw damaged("its capacity makes no sense", SB_CAPACITY);
  const boot = [0, 4, 8, 12].map((at) => page.readInt32LE(SB_BOOT_ID + at));
  // A machine that goes down may keep the new capacity and lose the new length: then the file is made longer again.
  const isShort = capacity * SLAB_BYTES > size;
  // But not by more than it may have grown between two syncs: a damaged word must not fill the disk.
  const mostSlabs = Math.max(maxSlabs, INITIAL_SLABS);
  const isTooShort = capacity > mostSlabs || capacity * SLAB_BYTES > 2 * size + MOST_GROWTH_LOST;
  if (isShort && (isTooShort || !mayBeShort(page.readInt32LE(SB_CLEAN) === CLEAN, boot))) {
    throw damaged(`it should have ${capacity * SLAB_BYTES} bytes and has ${size}`, size);
  }
  if (maxSlabs < 0 || maxSlabs > MAX_SLABS) throw damaged("its largest size makes no sense", SB_MAX_SLABS);
  return {
    salt: page.readInt32LE(SB_SALT),
    keyEncoding: page.readInt32LE(SB_KEY_ENCODING),
    root: page.readInt32LE(SB_ROOT),
    capacity,
    maxSlabs,
    isShort,
  };
}

/** The constants of a superblock that may be damaged. */
export interface Constants {
  /** Is their checksum right? */
  readonly areSound: boolean;
  readonly version: number;
  readonly salt: number;
  readonly keyEncoding: number;
  readonly capacity: number;
  readonly maxSlabs: number;
  /** Is their checksum right with this salt and this key encoding, and what is the same in all files? */
  fitWith(salt: number, keyEncoding: number): boolean;
}

/** Reads what a superblock says, whether or not it can be believed. Throws NOT_A_STORE where there is none at all. */
export function readConstants(fd: number, path: string): Constants {
  const page = Buffer.alloc(SB_END);
  const read = readSync(fd, page, 0, SB_END, 0);
  const areSound =
    MAGIC.every((byte, i) => page[SB_MAGIC + i] === byte) && page.readInt32LE(SB_CHECKSUM) === checksum(page);
  if (read < SB_END) throw new BancosError("NOT_A_STORE", `${path} has no superblock: nothing can be saved`);
  return {
    areSound,
    version: page.readInt32LE(SB_VERSION),
    salt: page.readInt32LE(SB_SALT),
    keyEncoding: page.readInt32LE(SB_KEY_ENCODING),
    capacity: page.readInt32LE(SB_CAPACITY),
    maxSlabs: page.readInt32LE(SB_MAX_SLABS),
    fitWith(salt, keyEncoding) {
      const other = Buffer.from(page);
      writeConstants(other, salt, keyEncoding);
      return checksum(other) === page.readInt32LE(SB_CHECKSUM);
    },
  };
}

/** Writes what never changes, but for the half of the salt that nothing uses, and the checksum. */
function writeConstants(page: Buffer, salt: number, keyEncoding: number): void {
  for (const [i, byte] of MAGIC.entries()) page[SB_MAGIC + i] = byte;
  page.writeInt32LE(FORMAT_VERSION, SB_VERSION);
  page.writeInt32LE(SLAB_BYTES, SB_SLAB_BYTES);
  page.writeInt32LE(salt, SB_SALT);
  page.writeInt32LE(keyEncoding, SB_KEY_ENCODING);
  page.writeInt32LE(ROOT_CELL, SB_ROOT);
  page.writeInt32LE(SLOTS, SB_SLOTS);
}

/** The first cell of the first slab of cells. */
export const ROOT_CELL = FIRST_DATA_SLAB * SLAB_UNITS;

/**
 * The pieces of an empty store that are not zero: `[offset, bytes]`. `maxSlabs` is what the file may grow to.
 */
export function emptyStore(keyEncoding: number, maxSlabs: number): [number, Buffer][] {
  const page = Buffer.alloc(SB_END);
  const random = new Int32Array(2);
  crypto.getRandomValues(random);
  const salt = random[0]!;
  writeConstants(page, salt, keyEncoding);
  page.writeInt32LE(random[1]!, SB_SALT_HIGH);
  page.writeInt32LE(checksum(page), SB_CHECKSUM);
  page.writeInt32LE(INITIAL_SLABS, SB_CAPACITY);
  page.writeInt32LE(maxSlabs, SB_MAX_SLABS);
  page.writeInt32LE(1, SB_EPOCH);
  page.writeInt32LE(1, SB_Q);
  page.writeInt32LE(1, SB_S);
  page.writeInt32LE(FIRST_DATA_SLAB + 1, SB_FRONTIER);
  const spare = CLASS_CELLS[NODE256]! - 1;
  page.writeInt32LE(spare, SB_FREE_CELLS + NODE256 * 4);

  const table = Buffer.alloc((FIRST_DATA_SLAB + 1) * ENTRY_BYTES);
  for (let slab = 0; slab < FIRST_DATA_SLAB; slab++) {
    table.writeInt32LE(entryWord(SLAB_RESERVED, 0, 0), slab * ENTRY_BYTES);
  }
  const first = FIRST_DATA_SLAB * ENTRY_BYTES;
  table.writeInt32LE(entryWord(SLAB_CELLS, NODE256, 0), first);
  table.writeInt32LE(spare, first + ENTRY_FREED);
  table.writeInt32LE(entryChecksum(salt, FIRST_DATA_SLAB, SLAB_CELLS, NODE256, 0), first + ENTRY_CHECKSUM);

  const root = Buffer.alloc(8);
  root.writeInt32LE(NODE256 | LIVE | (0 << AUX_SHIFT), 0);
  root.writeInt32LE(0, COUNTS);
  return [
    [0, page],
    [FIRST_TABLE_SLAB * SLAB_BYTES, table],
    [ROOT_CELL * 8, root],
  ];
}
