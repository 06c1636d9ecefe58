/** Size classes: which cell sizes a slab is cut into. Pure arithmetic. */
import {
  CHUNK_BYTES,
  LIMBO,
  N4_BYTES,
  N16_BYTES,
  N48_BYTES,
  N256_BYTES,
  NODE4,
  NODE16,
  NODE48,
  NODE256,
  SLAB_BYTES,
} from "./layout.ts";

/** Classes 1 to 4 are the node kinds and 6 the limbo chunks, by the number of their kind; leaves follow. */
export const FIRST_LEAF_CLASS = 8;
/** The largest leaf that lies in a slab beside others; a larger one takes a run of slabs. */
export const LARGEST_CELL = SLAB_BYTES / 2;

// Steps of 8 bytes to 128, then about 25 % apart, at sizes that divide a slab with little left over.
const LEAF_SIZES: number[] = [];
for (let bytes = 24; bytes <= 128; bytes += 8) LEAF_SIZES.push(bytes);
for (const perSlab of [106, 89, 73, 62, 52, 43, 36, 30, 25, 21, 18, 15, 13, 11, 9, 8, 7, 6, 5, 4, 3, 2]) {
  LEAF_SIZES.push(Math.floor(SLAB_BYTES / perSlab / 8) * 8);
}

export const CLASSES = FIRST_LEAF_CLASS + LEAF_SIZES.length;
/** Bytes of a cell, by class; 0 where there is no such class. */
export const CLASS_BYTES = new Int32Array(CLASSES);
CLASS_BYTES[NODE4] = N4_BYTES;
CLASS_BYTES[NODE16] = N16_BYTES;
CLASS_BYTES[NODE48] = N48_BYTES;
CLASS_BYTES[NODE256] = N256_BYTES;
CLASS_BYTES[LIMBO] = CHUNK_BYTES;
LEAF_SIZES.forEach((bytes, i) => {
  CLASS_BYTES[FIRST_LEAF_CLASS + i] = bytes;
});
/** Cells in a slab, by class. */
export const CLASS_CELLS = CLASS_BYTES.map((bytes) => (bytes === 0 ? 0 : Math.floor(SLAB_BYTES / bytes)));

// Class of a leaf by its size in 8-byte units: a table, since the steps are uneven.
const LEAF_CLASS = new Uint8Array(LARGEST_CELL / 8 + 1);
for (let units = 0, leafClass = FIRST_LEAF_CLASS; units < LEAF_CLASS.length; units++) {
  if (units * 8 > (CLASS_BYTES[leafClass] as number)) leafClass++;
  LEAF_CLASS[units] = leafClass;
}

/** Class of a leaf of `bytes` bytes, at most {@link LARGEST_CELL}. */
export function leafClass(bytes: number): number {
  return LEAF_CLASS[(bytes + 7) >>> 3] as number;
}

if (CLASSES > 64) throw new Error("layout: more size classes than the superblock has counters for");
