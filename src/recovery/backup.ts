/**
 * Backup: a compact copy of the store as it was at one point in time, while others write.
 *
 * **The point.** Under the sync lock the gate is shut. A writer looks at the gate after it has announced its intent and
 * taken its locks, and backs out where it finds it shut, so that a moment comes at which no intent is active: every
 * change is complete, with its marks, or has not begun. At that moment numbers cease to change in place, and, as in a
 * sync, `lastStart` = MAX, B_S = fetch_add(S), B_Q = fetch_add(Q), `lastStart` = B_Q; then the gate opens. Microseconds,
 * unless somebody is stopped in the middle of a change; then the gate opens again, and the point is tried for again a
 * little later.
 *
 * **What was in the store at the point**: the leaves with a sequence number below B_Q that are unmarked, or marked with
 * m > B_S. One that was replaced or removed before the point has a mark VOID, or m <= B_S, since m was loaded from S
 * before the point. One that was in the tree at the point is marked afterwards, with m > B_S; and not VOID, since
 * `lastStart` is at B_Q or above, wherever later syncs move it. So there is one such leaf for each key that was there,
 * and none for any other.
 *
 * **They stay** until the backup ends: a marked leaf is reused when m <= W_DISK, and W_DISK does not move while a
 * backup is under way (`endSync`), though syncs go on. Leaves that were marked before the point may be reused meanwhile:
 * nobody wants them.
 *
 * **The scan** walks the slab table while others change it. The slab of a leaf that counts holds that leaf, so it is
 * not emptied, not recut and not moved. In any other slab the scan may take for a leaf what is none; such a cell has a
 * wrong checksum, or a number that came after the point, or its slab's entry has changed when it is looked at again.
 * No epoch is held: nothing that counts depends on one.
 *
 * **Death.** The words name the slot. Who recovers the slot opens the gate and ends the backup (`endBackupOf`).
 * `lastStart` may then stay at MAX, which is always safe, until the next sync.
 */
import { corrupt } from "../errors.ts";
import { CLASS_BYTES, CLASS_CELLS, CLASSES, FIRST_LEAF_CLASS, LARGEST_CELL } from "../memory/classes.ts";
import {
  CLEAN,
  ENTRY_RUN,
  ENTRY_WORD,
  entryCell,
  FIRST_DATA_SLAB,
  IDENTITY_MASK,
  INTENT_STATE,
  isTableSlab,
  KIND_MASK,
  LEAF,
  LEAF_KEY,
  LIVE,
  lengthOffset,
  MARK_NONE,
  MARK_VOID,
  REACHABLE,
  SB,
  SB_ADOPT,
  SB_CAPACITY,
  SB_CLEAN,
  SB_DONE,
  SB_FRONTIER,
  SB_GATE,
  SB_LAST_START,
  SB_NO_IN_PLACE,
  SB_Q,
  SB_ROOT,
  SB_S,
  SB_SLOTS_USED,
  SLAB_BYTES,
  SLAB_CELLS,
  SLAB_RUN,
  SLAB_SHIFT,
  SLAB_UNITS,
  SLOT_FREE,
  SLOT_KEY_COUNT,
  SLOT_WORD,
  slotCell,
  TAG,
} from "../memory/layout.ts";
import { monotonicNs, truncate, yieldThread } from "../memory/platform.ts";
import { cas32, exchange32, exchange64, fetchAdd64, load32, store32, store64 } from "../memory/primitives.ts";
import type { Region } from "../memory/region.ts";
import { SCRATCH_KEY } from "../memory/scratch.ts";
import { entryClass, entryKind, publishRun } from "../memory/slabs.ts";
import { copyBytes, readToScratch, writeFromScratch } from "../node/bytes.ts";
import {
  contentHash,
  finishLeaf,
  isNumber,
  keyLengthOf,
  leafBytes,
  markedAt,
  markKind,
  sequenceOf,
  typeOf,
} from "../node/leaf.ts";
import { Participant } from "../reclaim/participant.ts";
import { slotState, slotsUsed } from "../reclaim/registry.ts";
import { syncOwner, syncTurn, syncUnlock, trySyncLock, waitForTurn } from "../reclaim/synclock.ts";
import { CellList } from "./celllist.ts";
import { isValidLeaf, placeLeaf } from "./rebuild.ts";
import { recoverSlot } from "./recover.ts";
import { sortByKey } from "./sort.ts";
import { keepDiskNear, PROMISED } from "./sync.ts";

// ---- the point -------------------------------------------------------------------------------------------------------

/** A point in time: B_Q and B_S. */
export interface Point {
  readonly seq: number;
  readonly syncs: number;
}

/** Everything that is in a file to which nobody writes. */
export const NOW: Point = { seq: Number.POSITIVE_INFINITY, syncs: 0 };

/** Milliseconds that the gate is shut for one try, and that the sync lock is waited for. */
const MOST_SHUT = 20;
const MOST_WAIT = 50;

/**
 * Tries to begin a backup in the name of `slot`: writers see it from then on, until {@link endBackup}. `null`: another
 * backup is under way, or somebody was in the middle of a change all the time; try again later.
 */
export function beginBackup(region: Region, slot: number): Point | null {
  const { h } = region;
  const turn = syncTurn(h);
  if (!trySyncLock(h, slot)) {
    waitForTurn(h, turn, MOST_WAIT);
    if (!trySyncLock(h, slot)) {
      recoverSlot(region, syncOwner(h), slot);
      return null;
    }
  }
  try {
    const other = load32(h, SB, SB_NO_IN_PLACE);
    if (other !== 0) {
      recoverSlot(region, other, slot);
      return null;
    }
    keepDiskNear(region);
    exchange32(h, SB, SB_GATE, slot);
    if (!waitForQuiet(region, slot)) return null;
    exchange64(h, SB, SB_LAST_START, PROMISED);
    store32(h, SB, SB_NO_IN_PLACE, slot);
    // S before Q, as in a sync.
    const syncs = fetchAdd64(h, SB, SB_S, 1);
    const seq = fetchAdd64(h, SB, SB_Q, 1);
    exchange64(h, SB, SB_LAST_START, seq);
    return { seq, syncs };
  } finally {
    exchange32(h, SB, SB_GATE, 0);
    syncUnlock(h, slot);
  }
}

/** With the gate shut: has everybody been seen without an intent? */
function waitForQuiet(region: Region, me: number): boolean {
  const { h } = region;
  const until = monotonicNs() + MOST_SHUT * 1e6;
  // Once without an intent is enough: whoever announces one later finds the gate shut.
  for (let slot = 1; slot <= slotsUsed(h); slot++) {
    const them = slotCell(slot);
    for (let round = 0; load32(h, them, INTENT_STATE) !== 0; round++) {
      // A free slot has an intent in a damaged file only; and we are in no change.
      if (slotState(load32(h, them, SLOT_WORD)) === SLOT_FREE) break;
      if (slot === me) throw corrupt("the slot of who makes the backup has an intent", them);
      if (round % 64 === 63) {
        if (monotonicNs() > until) return false;
        recoverSlot(region, slot, me);
      }
      yieldThread();
    }
  }
  return true;
}

/** Ends the backup of `slot`. Idempotent. */
export function endBackup(region: Region, slot: number): void {
  cas32(region.h, SB, SB_NO_IN_PLACE, slot, 0);
}

// ---- the leaves ------------------------------------------------------------------------------------------------------

/** How far a copy has come: 0 to 1, and the keys copied. */
export interface CopyProgress {
  readonly share: number;
  readonly keys: number;
}

/** Milliseconds between two pauses of a copy, in which its caller may let others run. */
const STEP = 4;
/** Parts of the work: finding the leaves, sorting them; the rest is copying. */
const FOUND_SHARE = 0.3;
const SORTED_SHARE = 0.4;

class Pace {
  private next = monotonicNs() + STEP * 1e6;
  isOver(): boolean {
    const now = monotonicNs();
    if (now < this.next) return false;
    this.next = now + STEP * 1e6;
    return true;
  }
}

/** Bytes of a leaf that is valid. */
function sizeOf(h: number, leaf: number, tag: number): number {
  const type = typeOf(tag);
  const digits = keyLengthOf(tag);
  return leafBytes(digits, type, isNumber(type) ? 0 : load32(h, leaf, lengthOffset(digits)));
}

/** Was the leaf in the store at `point`? It takes its words as they are: whether it is a leaf at all is not asked. */
function wasThere(h: number, cell: number, point: Point): boolean {
  const tag = load32(h, cell, TAG);
  if ((tag & KIND_MASK) !== LEAF || (tag & REACHABLE) === 0) return false;
  if (sequenceOf(h, cell) >= point.seq) return false;
  // The kind first: a mark is stored at once, so that what is read after it belongs to it.
  const mark = markKind(h, cell);
  if (mark === MARK_NONE) return true;
  return mark !== MARK_VOID && point.seq !== NOW.seq && markedAt(h, cell) > point.syncs;
}

const LOOKS = 8;

/**
 * Does the leaf at `cell` count? Throws CORRUPT where one that does is damaged: it looks the same, and wrong, as often
 * as it is looked at, while its slab stays what it is.
 */
function counts(region: Region, cell: number, room: number, entry: number, point: Point): boolean {
  const { h } = region;
  for (let look = 0; look < LOOKS; look++) {
    const seq = sequenceOf(h, cell);
    if (!wasThere(h, cell, point)) return false;
    const valid = isValidLeaf(region, cell, room, Number.MAX_SAFE_INTEGER);
    if (load32(h, entryCell(cell >>> SLAB_SHIFT), ENTRY_WORD) !== entry) {
      // An owner comes and goes; another class means that no leaf of the point is here.
      if (!sameSlab(load32(h, entryCell(cell >>> SLAB_SHIFT), ENTRY_WORD), entry)) return false;
    }
    if (sequenceOf(h, cell) !== seq || !wasThere(h, cell, point)) continue;
    if (valid) return true;
    yieldThread();
  }
  throw corrupt("a leaf has a wrong checksum", cell);
}

const sameSlab = (a: number, b: number): boolean =>
  entryKind(a) === entryKind(b) && entryClass(a) === entryClass(b);

/** Cells of all leaves that were there at `point`, in the order in which they lie in the file. */
function* findLeaves(region: Region, point: Point, pace: Pace): Generator<CopyProgress, CellList> {
  const { h } = region;
  const found = new CellList();
  region.refresh();
  const end = Math.min(load32(h, SB, SB_FRONTIER), region.capacity);
  for (let slab = FIRST_DATA_SLAB; slab < end; slab++) {
    if (isTableSlab(slab)) continue;
    if (pace.isOver()) yield { share: (FOUND_SHARE * slab) / end, keys: 0 };
    const word = load32(h, entryCell(slab), ENTRY_WORD);
    const base = (slab * SLAB_UNITS) | 0;
    if (entryKind(word) === SLAB_RUN) {
      const room = load32(h, entryCell(slab), ENTRY_RUN) * SLAB_BYTES;
      if (counts(region, base, room, word, point)) found.add(base);
      continue;
    }
    const sizeClass = entryClass(word);
    if (entryKind(word) !== SLAB_CELLS || sizeClass < FIRST_LEAF_CLASS || sizeClass >= CLASSES) continue;
    const bytes = CLASS_BYTES[sizeClass]!;
    for (let i = 0; i < CLASS_CELLS[sizeClass]!; i++) {
      const cell = (base + i * (bytes >>> 3)) | 0;
      if (wasThere(h, cell, point) && counts(region, cell, bytes, word, point)) found.add(cell);
    }
  }
  return found;
}

// ---- the copy --------------------------------------------------------------------------------------------------------

/** The slot whose number of keys is that of the copy. */
const BUILDER = 1;
/** Bytes of a large leaf that are copied at a time. */
const PIECE = 1 << 20;

function neverWaits(): void {
  throw new Error("nobody else has the copy open");
}

/**
 * Fills `to`, an empty store that nobody else has open, with what was in `from` at `point`: leaves in key order, one
 * behind the other, and a tree over them. Its file ends where its slabs do. Not synced. Yields now and then. Throws
 * CORRUPT, FULL, NO_SPACE, IO_ERROR.
 */
export function* copyStore(from: Region, point: Point, to: Region): Generator<CopyProgress, number> {
  const pace = new Pace();
  const found = yield* findLeaves(from, point, pace);
  const { cells, count } = found;
  for (const done of sortByKey(from.h, cells, count)) {
    if (pace.isOver()) yield { share: FOUND_SHARE + (SORTED_SHARE - FOUND_SHARE) * done, keys: 0 };
  }
  const copy = new Copy(from, to);
  for (let i = 0; i < count; i++) {
    if (i % 64 === 0 && pace.isOver()) {
      yield { share: SORTED_SHARE + ((1 - SORTED_SHARE) * i) / count, keys: i };
    }
    copy.add(cells[i]!);
  }
  copy.finish();
  return copy.keys;
}

/** A store in the making: leaves come in, of one key the last. */
export class Copy {
  keys = 0;
  private readonly from: Region;
  private readonly to: Region;
  private readonly p: Participant;
  private seq = 1;
  private buffer: Uint8Array | null = null;

  constructor(from: Region, to: Region) {
    this.from = from;
    this.to = to;
    this.p = new Participant(to, BUILDER, load32(to.h, SB, SB_ROOT), neverWaits, neverWaits);
  }

  /** Copies the leaf at `leaf` of the other store, which is valid. Returns whether its key was new. */
  add(leaf: number): boolean {
    const { from, to, p } = this;
    const tag = load32(from.h, leaf, TAG);
    const digits = keyLengthOf(tag);
    const type = typeOf(tag);
    const bytes = sizeOf(from.h, leaf, tag);
    const mine = p.heap.takeLeaf(bytes);
    if (bytes <= LARGEST_CELL) {
      readToScratch(from.h, leaf, LEAF_KEY, SCRATCH_KEY, bytes - LEAF_KEY);
      from.scratch.copy(to.scratch, SCRATCH_KEY, SCRATCH_KEY, SCRATCH_KEY + bytes - LEAF_KEY);
      writeFromScratch(to.h, mine, LEAF_KEY, SCRATCH_KEY, bytes - LEAF_KEY);
    } else {
      this.buffer ??= new Uint8Array(PIECE);
      copyBytes(from.h, leaf, to.h, mine, LEAF_KEY, bytes - LEAF_KEY, this.buffer);
    }
    const contents = contentHash(to.h, to.salt, mine, digits, type, bytes);
    finishLeaf(to.h, p.words, mine, contents, this.seq++, false);
    const newTag = (tag & IDENTITY_MASK) | LIVE;
    store32(to.h, mine, TAG, newTag);
    if (bytes > LARGEST_CELL) publishRun(to, mine >>> SLAB_SHIFT);
    const other = placeLeaf(p, mine, newTag);
    if (other === 0) this.keys++;
    else p.heap.free(other);
    return other === 0;
  }

  /** Makes it a store: identity unset, clean. */
  finish(): void {
    const { to, p, seq } = this;
    const { h } = to;
    p.heap.abandon();
    store64(h, SB, SB_Q, seq + 1);
    store64(h, SB, SB_LAST_START, seq);
    store64(h, SB, SB_S, 1);
    store64(h, SB, SB_DONE, 0);
    store64(h, slotCell(BUILDER), SLOT_KEY_COUNT, this.keys);
    store32(h, SB, SB_SLOTS_USED, BUILDER);
    const slabs = load32(h, SB, SB_FRONTIER);
    store32(h, SB, SB_CAPACITY, slabs);
    store32(h, SB, SB_ADOPT, 1);
    store32(h, SB, SB_CLEAN, CLEAN);
    truncate(to.fd, slabs * SLAB_BYTES);
  }
}
