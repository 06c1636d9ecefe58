/**
 * Repair: what can be saved of a damaged file goes into a new one. Nothing in the file is believed but leaves whose
 * checksum is right for the cell they lie in.
 *
 * 1. Slabs whose table entry is sound are searched cell by cell. Every other slab (but for those that the layout
 *    reserves) is searched at each 8-byte step: a leaf's checksum is salted with the file's salt and its place, so that
 *    what passes is a leaf that once was here. Reuse of a slab clears the tags in it, so that it is no old one either.
 * 2. A salt that is not to be believed is computed back from the slab table: each sound entry's checksum gives it.
 * 3. Per key the rule of the rebuild decides: of the leaves that are not VOID, the one with the highest sequence number.
 *    DELETED: the key is absent. SUPERSEDED: what came after it was deleted or is damaged, and the key is absent; unless
 *    power was lost and m > W, so that it may never have been on the disk.
 */
import { CLASS_BYTES, CLASS_CELLS, CLASSES, FIRST_LEAF_CLASS, LARGEST_CELL } from "../memory/classes.ts";
import {
  AUX_SHIFT,
  ENTRY_CHECKSUM,
  ENTRY_RUN,
  ENTRY_WORD,
  entryCell,
  FIRST_DATA_SLAB,
  FREE,
  isTableSlab,
  KEY_LENGTH_MASK,
  KIND_MASK,
  LEAF,
  LEAF_KEY,
  LIVE,
  MARK_DELETED,
  MARK_NONE,
  MARK_SUPERSEDED,
  MARK_VOID,
  REACHABLE,
  SB,
  SB_S,
  SB_W,
  SLAB_BYTES,
  SLAB_CELLS,
  SLAB_RUN,
  SLAB_UNITS,
  SLOT_BYTES,
  SLOT_KEY_COUNT,
  SLOTS,
  STATE_MASK,
  slotCell,
  TAG,
} from "../memory/layout.ts";
import { unmix32 } from "../memory/mix.ts";
import { copyOut, load32, load64, sum64 } from "../memory/primitives.ts";
import type { Region } from "../memory/region.ts";
import { SCRATCH_KEY } from "../memory/scratch.ts";
import { entryClass, entryIsSound, entryKind } from "../memory/slabs.ts";
import { readToScratch } from "../node/bytes.ts";
import { hasKey, keyLengthOf, leafBytes, markedAt, markKind, sequenceOf, typeOf } from "../node/leaf.ts";
import { Copy, type CopyProgress } from "./backup.ts";
import { isValidLeaf } from "./rebuild.ts";
import { sortByKey } from "./sort.ts";

/** A leaf that was in the store and can't be read. */
export interface LostLeaf {
  /** Byte offset in the damaged file. */
  readonly offset: number;
  /** What its key seems to be, as far as it can be read. */
  readonly key: unknown;
}

/** What a repair saved, and what it could not. */
export interface RepairReport {
  /** Keys in the new file. */
  readonly keys: number;
  /** Leaves that were found whole, old ones of the same key among them. */
  readonly leaves: number;
  /** Leaves that were in the tree and are damaged: at most 1,000 of them. */
  readonly lost: readonly LostLeaf[];
  /** How many leaves were in the tree and are damaged. */
  readonly lostCount: number;
  /** Keys of which only values were found that had been replaced: they are not in the new file. */
  readonly outdated: number;
  /** How many keys the file says it had; undefined if that makes no sense. */
  readonly expectedKeys: number | undefined;
  /** Slabs with an unsound entry in the slab table, in which leaves were found. */
  readonly unsoundSlabs: number;
  /** Was the salt of the checksums computed back, since the superblock is damaged? */
  readonly saltRecovered: boolean;
  /** Bytes that the file should have and has not. */
  readonly missingBytes: number;
}

const MOST_LOST = 1000;
/** Steps between two pauses. */
const PAUSE = 4096;
const SEARCHED_SHARE = 0.5;
const SORTED_SHARE = 0.6;

/** The salt that most entries of the slab table were made with, or `undefined` if too few agree. */
export function saltOfTable(region: Region): number | undefined {
  const votes = new Map<number, number>();
  let best: number | undefined;
  for (let slab = FIRST_DATA_SLAB; slab < region.capacity; slab++) {
    if (isTableSlab(slab)) continue;
    const entry = entryCell(slab);
    const word = load32(region.h, entry, ENTRY_WORD);
    const kind = entryKind(word);
    if (kind !== SLAB_CELLS && kind !== SLAB_RUN) continue;
    const sum = load32(region.h, entry, ENTRY_CHECKSUM);
    const described = unmix32(sum, load32(region.h, entry, ENTRY_RUN));
    const salt = unmix32(unmix32(described, kind | (entryClass(word) << 8)), slab);
    const count = (votes.get(salt) ?? 0) + 1;
    votes.set(salt, count);
    if (best === undefined || count > votes.get(best)!) best = salt;
  }
  return best !== undefined && votes.get(best)! >= 2 ? best : undefined;
}

/**
 * Saves what is valid in `from` into `to`, an empty store that nobody else has open. `from.salt` is to be believed.
 * `keyOf` decodes digits for the report. `areMarksComplete`: no loss of power took a newer leaf and left the mark of the
 * older. Yields now and then.
 */
export function* salvage(
  from: Region,
  to: Region,
  keyOf: (digits: Buffer) => unknown,
  areMarksComplete: boolean,
): Generator<CopyProgress, Omit<RepairReport, "saltRecovered" | "missingBytes">> {
  const search = new Search(from, keyOf);
  for (let slab = FIRST_DATA_SLAB; slab < from.capacity; ) {
    slab = search.slab(slab);
    yield { share: (SEARCHED_SHARE * slab) / from.capacity, keys: 0 };
  }
  const cells = Int32Array.from(search.found);
  let work = 0;
  for (const done of sortByKey(from.h, cells, cells.length)) {
    if (work++ % 16 === 0) yield { share: SEARCHED_SHARE + (SORTED_SHARE - SEARCHED_SHARE) * done, keys: 0 };
  }
  const copy = new Copy(from, to);
  const onDisk = areMarksComplete ? Number.POSITIVE_INFINITY : plausibleW(from.h);
  let outdated = 0;
  for (let i = 0; i < cells.length; ) {
    let best = cells[i]!;
    const digits = keyLengthOf(load32(from.h, best, TAG));
    readToScratch(from.h, best, LEAF_KEY, SCRATCH_KEY, digits);
    let next = i + 1;
    for (; next < cells.length; next++) {
      const other = cells[next]!;
      if (!hasKey(from.h, other, load32(from.h, other, TAG), digits)) break;
      if (sequenceOf(from.h, other) > sequenceOf(from.h, best)) best = other;
    }
    if (i % PAUSE > next % PAUSE || next - i >= PAUSE) {
      yield { share: SORTED_SHARE + ((1 - SORTED_SHARE) * i) / cells.length, keys: copy.keys };
    }
    i = next;
    const mark = markKind(from.h, best);
    const isThere = mark === MARK_NONE || (mark === MARK_SUPERSEDED && markedAt(from.h, best) > onDisk);
    if (isThere) copy.add(best);
    else if (mark !== MARK_DELETED) outdated++;
  }
  copy.finish();
  return {
    keys: copy.keys,
    leaves: search.leaves,
    lost: search.lost,
    lostCount: search.lostCount,
    outdated,
    expectedKeys: countedKeys(from.h),
    unsoundSlabs: search.unsoundSlabs,
  };
}

function countedKeys(h: number): number | undefined {
  const keys = sum64(h, slotCell(1), SLOT_KEY_COUNT, SLOT_BYTES, SLOTS);
  return keys >= 0 && keys < 2 ** 32 ? keys : undefined;
}

/** W, where the superblock can be right about it; otherwise what has been superseded counts as deleted. */
function plausibleW(h: number): number {
  const w = load64(h, SB, SB_W);
  return w >= 0 && w < load64(h, SB, SB_S) ? w : Number.POSITIVE_INFINITY;
}

class Search {
  readonly found: number[] = [];
  readonly lost: LostLeaf[] = [];
  lostCount = 0;
  leaves = 0;
  unsoundSlabs = 0;
  private readonly region: Region;
  private readonly keyOf: (digits: Buffer) => unknown;

  constructor(region: Region, keyOf: (digits: Buffer) => unknown) {
    this.region = region;
    this.keyOf = keyOf;
  }

  /** Searches one slab, or one run; returns the slab after it. */
  slab(slab: number): number {
    const { h } = this.region;
    if (isTableSlab(slab)) return slab + 1;
    const word = load32(h, entryCell(slab), ENTRY_WORD);
    const kind = entryKind(word);
    const base = (slab * SLAB_UNITS) | 0;
    const isSound = (kind === SLAB_CELLS || kind === SLAB_RUN) && entryIsSound(this.region, slab);
    if (isSound && kind === SLAB_RUN) {
      this.cell(base, load32(h, entryCell(slab), ENTRY_RUN) * SLAB_BYTES, true);
      // Its further slabs are searched like others: they hold no leaf, or the run's length is wrong.
      return slab + 1;
    }
    const sizeClass = entryClass(word);
    if (isSound && sizeClass < CLASSES && CLASS_CELLS[sizeClass] !== 0) {
      if (sizeClass < FIRST_LEAF_CLASS) return slab + 1;
      const bytes = CLASS_BYTES[sizeClass]!;
      for (let i = 0; i < CLASS_CELLS[sizeClass]!; i++)
        this.cell((base + i * (bytes >>> 3)) | 0, bytes, true);
      return slab + 1;
    }
    const before = this.leaves;
    for (let unit = 0; unit < SLAB_UNITS; unit++) {
      // A leaf of more than half a slab has a run of its own, and begins with it.
      const room = unit === 0 ? (this.region.capacity - slab) * SLAB_BYTES : (SLAB_UNITS - unit) * 8;
      this.cell((base + unit) | 0, room, false);
    }
    if (this.leaves > before) this.unsoundSlabs++;
    return slab + 1;
  }

  /** Looks at what may be a leaf of at most `room` bytes. `isCell`: a cell of leaves begins here for certain. */
  private cell(cell: number, room: number, isCell: boolean): boolean {
    const { h } = this.region;
    const tag = load32(h, cell, TAG);
    if (tag === FREE) return false;
    const type = typeOf(tag);
    const isLeaf = (tag & KIND_MASK) === LEAF && (tag & REACHABLE) !== 0 && type !== 0;
    if (isLeaf && leafBytes(keyLengthOf(tag), type, 0) <= room) {
      if (isValidLeaf(this.region, cell, room, Number.MAX_SAFE_INTEGER)) {
        this.leaves++;
        if (markKind(h, cell) !== MARK_VOID) this.found.push(cell);
        return true;
      }
    }
    if (isCell && ((tag & STATE_MASK) === LIVE || !isLeaf)) this.lose(cell, tag, room);
    return false;
  }

  private lose(cell: number, tag: number, room: number): void {
    if (this.lostCount++ >= MOST_LOST) return;
    const digits = (tag >>> AUX_SHIFT) & KEY_LENGTH_MASK;
    let key: unknown;
    const fits = digits > 0 && LEAF_KEY + digits <= Math.min(room, LARGEST_CELL);
    // The file may end in the middle of it.
    if (fits && copyOut(this.region.h, cell, LEAF_KEY, SCRATCH_KEY, digits) === 1) {
      key = this.keyOf(this.region.scratch.subarray(SCRATCH_KEY, SCRATCH_KEY + digits));
    }
    this.lost.push({ offset: (cell >>> 0) * 8, key });
  }
}
