/** Leaves: one key and its value. Immutable once published, but for tag, mark, and the value of a float64 leaf. */
import { LARGEST_CELL } from "../memory/classes.ts";
import {
  AUX_SHIFT,
  KEY_LENGTH_MASK,
  LEAF_CHECKSUM,
  LEAF_KEY,
  LEAF_MARK,
  LEAF_MARK_HIGH,
  LEAF_SEQ,
  lengthOffset,
  MARK_HAS_OLD,
  MARK_KIND_MASK,
  MARK_M_HIGH_MASK,
  MARK_NONE,
  MARK_SEQ_SHIFT,
  MARK_VOID,
  numberOffset,
  SB,
  SB_LAST_START,
  SB_S,
  TYPE_SHIFT,
} from "../memory/layout.ts";
import { mix32 } from "../memory/mix.ts";
import {
  compareBytes,
  leafIsSound,
  load32,
  load64,
  persist,
  storePair,
  storeWords,
} from "../memory/primitives.ts";
import { SCRATCH_KEY, SCRATCH_RECORD } from "../memory/scratch.ts";
import { hashBytes } from "./bytes.ts";

/** Types of values; the number is in the file. */
export const TYPE_FLOAT64 = 1;
export const TYPE_INT64 = 2;
/** Types whose value is 8 bytes at `numberOffset`. */
export const isNumber = (type: number): boolean => type <= TYPE_INT64;

export const keyLengthOf = (tag: number): number => (tag >>> AUX_SHIFT) & KEY_LENGTH_MASK;
export const typeOf = (tag: number): number => tag >>> TYPE_SHIFT;

/** A device writes a sector whole or not at all. */
const SECTOR_BYTES = 512;

/**
 * May the value of this leaf change in place? A float64's, if it lies in one sector with the leaf's header. The
 * checksum does not cover such a value. Were they in two sectors, a loss of power could leave the new header beside
 * the bytes of the cell's earlier life: a value that nobody set.
 */
export function changesInPlace(leaf: number, digits: number, type: number): boolean {
  if (type !== TYPE_FLOAT64) return false;
  return ((leaf << 3) & (SECTOR_BYTES - 1)) + numberOffset(digits) + 8 <= SECTOR_BYTES;
}

/** Bytes of a leaf. `valueLength` is not looked at for numbers. */
export function leafBytes(digits: number, type: number, valueLength: number): number {
  return isNumber(type) ? numberOffset(digits) + 8 : lengthOffset(digits) + 4 + valueLength;
}

// ---- key -----------------------------------------------------------------------------------------------------------

/**
 * Compares the leaf's key with the `length` digits of the key in the scratch buffer (terminators not counted).
 * Returns -1 when they are the same key, otherwise the index of the first digit in which they differ, where the
 * terminator of the shorter one counts as a digit.
 */
export function firstDifference(h: number, leaf: number, tag: number, length: number): number {
  const digits = keyLengthOf(tag);
  const common = Math.min(digits, length);
  const at = compareBytes(h, leaf, LEAF_KEY, SCRATCH_KEY, common);
  if (at >= 0) return at;
  return digits === length ? -1 : common;
}

/** Is it the key in the scratch buffer? */
export function hasKey(h: number, leaf: number, tag: number, length: number): boolean {
  return keyLengthOf(tag) === length && compareBytes(h, leaf, LEAF_KEY, SCRATCH_KEY, length) < 0;
}

// ---- sequence number and checksum --------------------------------------------------------------------------------------

/** Sequence number of a published leaf. */
export function sequenceOf(h: number, leaf: number): number {
  const high = load32(h, leaf, LEAF_MARK_HIGH) >>> MARK_SEQ_SHIFT;
  return high * 2 ** 32 + (load32(h, leaf, LEAF_SEQ) >>> 0);
}

/** Hash of what is fixed before the leaf is published: key, and the value unless it may change in place. */
export function contentHash(
  h: number,
  salt: number,
  leaf: number,
  digits: number,
  type: number,
  bytes: number,
): number {
  const seed = mix32(mix32(salt, leaf), (type << 16) | digits);
  const end = checksumEnd(leaf, digits, type, bytes);
  return hashBytes(h, leaf, LEAF_KEY, end - LEAF_KEY, seed);
}

/** The checksum of a leaf from its content hash: all that is left to do under a lock. */
export function finishChecksum(contents: number, seqLow: number, seqHigh: number): number {
  return mix32(mix32(contents, seqLow), seqHigh);
}

/** Where the bytes end that a leaf's checksum covers. */
function checksumEnd(leaf: number, digits: number, type: number, bytes: number): number {
  return changesInPlace(leaf, digits, type) ? LEAF_KEY + digits : bytes;
}

/** Is the checksum that a leaf of `bytes` bytes carries the right one? */
export function isSound(
  h: number,
  salt: number,
  leaf: number,
  tag: number,
  digits: number,
  type: number,
  bytes: number,
): boolean {
  if (bytes <= LARGEST_CELL)
    return leafIsSound(h, leaf, tag, salt, checksumEnd(leaf, digits, type, bytes)) === 1;
  const contents = contentHash(h, salt, leaf, digits, type, bytes);
  const seqHigh = load32(h, leaf, LEAF_MARK_HIGH) >>> MARK_SEQ_SHIFT;
  return finishChecksum(contents, load32(h, leaf, LEAF_SEQ), seqHigh) === load32(h, leaf, LEAF_CHECKSUM);
}

/**
 * The mark's bits (m and kind) lie in the file under a mask made of the leaf's checksum. A crash of the machine may
 * leave the mark word of one life of a cell beside the content of another; unmasked with the wrong checksum, m comes
 * out larger than any sync there ever was, and the leaf is seen to be invalid.
 */
const maskLow = (checksum: number): number => mix32(checksum, 0x6d61726b);
const MASKED_HIGH = MARK_KIND_MASK | MARK_M_HIGH_MASK;
const maskHigh = (checksum: number): number => mix32(checksum, 0x6b72616d) & MASKED_HIGH;

/**
 * Finishes a private leaf: checksum, mark NONE, sequence number, which lie beside each other. `words` is the scratch
 * buffer as words.
 */
export function finishLeaf(
  h: number,
  words: Int32Array,
  leaf: number,
  contents: number,
  seq: number,
  hasOld: boolean,
): void {
  const seqLow = seq | 0;
  const seqHigh = (seq / 2 ** 32) | 0;
  const checksum = finishChecksum(contents, seqLow, seqHigh);
  const at = SCRATCH_RECORD >>> 2;
  words[at] = checksum;
  words[at + 1] = maskLow(checksum);
  words[at + 2] =
    (MARK_NONE ^ maskHigh(checksum)) | (hasOld ? MARK_HAS_OLD : 0) | (seqHigh << MARK_SEQ_SHIFT);
  words[at + 3] = seqLow;
  storeWords(h, leaf, LEAF_CHECKSUM, SCRATCH_RECORD, 4);
}

// ---- marks -----------------------------------------------------------------------------------------------------------

/** Kind of the leaf's mark: MARK_NONE, MARK_SUPERSEDED, MARK_DELETED, MARK_VOID. */
export function markKind(h: number, leaf: number): number {
  const mask = maskHigh(load32(h, leaf, LEAF_CHECKSUM));
  return (load32(h, leaf, LEAF_MARK_HIGH) ^ mask) & MARK_KIND_MASK;
}

/** m of the leaf's mark: how many syncs had been started when it was set. */
export function markedAt(h: number, leaf: number): number {
  const checksum = load32(h, leaf, LEAF_CHECKSUM);
  const high = (load32(h, leaf, LEAF_MARK_HIGH) ^ maskHigh(checksum)) & MARK_M_HIGH_MASK;
  return high * 2 ** 32 + ((load32(h, leaf, LEAF_MARK) ^ maskLow(checksum)) >>> 0);
}

export const hasOld = (h: number, leaf: number): boolean =>
  (load32(h, leaf, LEAF_MARK_HIGH) & MARK_HAS_OLD) !== 0;

/** Sets the leaf's mark by one store. Only the holder of the lock that covers the leaf, or a recoverer, calls this. */
export function setMark(h: number, leaf: number, kind: number, m: number): void {
  const checksum = load32(h, leaf, LEAF_CHECKSUM);
  const kept = load32(h, leaf, LEAF_MARK_HIGH) & ~MASKED_HIGH;
  const high = (kind | ((m / 2 ** 32) & MARK_M_HIGH_MASK)) ^ maskHigh(checksum);
  storePair(h, leaf, LEAF_MARK, (m | 0) ^ maskLow(checksum), kept | high);
}

/** Writes a leaf's mark back to persistent memory. */
export function persistMark(h: number, leaf: number): void {
  persist(h, leaf, LEAF_MARK, 8);
}

/**
 * Marks a leaf that a newer one has replaced (after the committing store) and tells whether it may be reused without
 * waiting for the disk: when no sync ever promised it.
 */
export function markReplaced(h: number, leaf: number, superseded: number): boolean {
  const isVoid = sequenceOf(h, leaf) > load64(h, SB, SB_LAST_START);
  if (isVoid) setMark(h, leaf, MARK_VOID, 0);
  else setMark(h, leaf, superseded, load64(h, SB, SB_S));
  return isVoid;
}

/** Marks a leaf that is about to be removed (before the committing store); the result as of {@link markReplaced}. */
export function markRemoved(h: number, leaf: number, deleted: number): boolean {
  const isVoid = sequenceOf(h, leaf) > load64(h, SB, SB_LAST_START) && !hasOld(h, leaf);
  if (isVoid) setMark(h, leaf, MARK_VOID, 0);
  else setMark(h, leaf, deleted, load64(h, SB, SB_S));
  return isVoid;
}

if (LEAF_MARK !== LEAF_CHECKSUM + 4 || LEAF_SEQ !== LEAF_CHECKSUM + 12)
  throw new Error("layout: order of a leaf's words");
