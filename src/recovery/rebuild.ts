/**
 * Rebuild: after a loss of power the nodes in the file are not to be believed, since pages reach the disk in any order.
 * Leaves are: immutable, checksummed, numbered. The tree is made anew from them.
 *
 * The rule, per key, over all leaves whose checksum is right and that are not VOID: the one with the highest sequence
 * number decides. Mark NONE, or SUPERSEDED after the last sync known to have ended (m > W): the key is there, with this
 * value. DELETED, or SUPERSEDED with m <= W: the key is absent.
 *
 * The leaves are sorted by key, which brings those of one key together, and the tree is built from those that decide
 * (build.ts): a descent for each leaf would wait for memory several times, in a tree larger than any cache.
 *
 * Repeatable from any half-done state: nothing is freed and no leaf is written but for marks (VOID for leaves that did
 * not decide, NONE for deciders of keys that are there) until one sync has put all of that on the disk; W in the
 * superblock stays as it is until a later sync moves it.
 *
 * What the rebuild does not look at must not be looked at by a later one either. A slab that was given another use shortly
 * before the power failed may be on the disk with its new entry and its old bytes, or the other way round: leaves of a
 * use that the table does not know, with right checksums. When the slab is next cut into cells of the old class, the
 * new tags and the new entry reach the disk apart from each other too, and a third loss of power would bring back what
 * the first had lost. So all that is not a leaf which counts, or did, is zeroed before the sync.
 */
import { corrupt } from "../errors.ts";
import { CLASS_BYTES, CLASS_CELLS, CLASSES, FIRST_LEAF_CLASS } from "../memory/classes.ts";
import {
  AUX_SHIFT,
  COUNTS,
  ENTRY_BYTES,
  ENTRY_FREED,
  ENTRY_RUN,
  ENTRY_WORD,
  entryCell,
  FIRST_DATA_SLAB,
  FREE,
  isTableSlab,
  KIND_MASK,
  LEAF,
  LEAF_KEY,
  LIVE,
  lengthOffset,
  MARK_DELETED,
  MARK_NONE,
  MARK_SUPERSEDED,
  MARK_VOID,
  NODE4,
  NODE256,
  REACHABLE,
  REGION_SLABS,
  SB,
  SB_DONE,
  SB_EPOCH,
  SB_FREE_CELLS,
  SB_FREE_SLABS,
  SB_FRONTIER,
  SB_GATE,
  SB_LAST_START,
  SB_NO_IN_PLACE,
  SB_ORPHANS,
  SB_Q,
  SB_ROOT,
  SB_S,
  SB_SLOTS_USED,
  SB_SYNC_ERROR,
  SB_SYNC_OWNER,
  SB_W,
  SB_W_DISK,
  SLAB_BYTES,
  SLAB_CELLS,
  SLAB_FREE,
  SLAB_RESERVED,
  SLAB_RUN,
  SLAB_RUN_NEXT,
  SLAB_UNITS,
  SLOT_BYTES,
  SLOT_KEY_COUNT,
  SLOT_MASK,
  SLOT_WORD,
  SLOTS,
  STATE_MASK,
  slotCell,
  TAG,
  UNIT,
} from "../memory/layout.ts";
import { fileBlocks, monotonicNs, syncFile, truncate } from "../memory/platform.ts";
import { fetchOr32, fillWord, load32, load64, prefetch, store32, store64 } from "../memory/primitives.ts";
import type { Region } from "../memory/region.ts";
import { SCRATCH_KEY, SCRATCH_VALUE, SCRATCH_VALUE_BYTES } from "../memory/scratch.ts";
import {
  describeCells,
  entryClass,
  entryIsSound,
  entryKind,
  entryWord,
  freeRun,
  nextInRun,
} from "../memory/slabs.ts";
import { clearBytes, readToScratch } from "../node/bytes.ts";
import {
  firstDifference,
  hasKey,
  isNumber,
  isSound,
  keyLengthOf,
  leafBytes,
  markedAt,
  markKind,
  sequenceOf,
  setMark,
  typeOf,
} from "../node/leaf.ts";
import { countsOf, fillCopy, kindFor, liveOf, NODE_CAPACITY, place, slotOf, usedOf } from "../node/node.ts";
import { Participant } from "../reclaim/participant.ts";
import { slotIncarnation, slotWord } from "../reclaim/registry.ts";
import { anyLeaf, depthOnPath, descend, digitOf } from "../rowex/place.ts";
import { TreeBuilder } from "./build.ts";
import { CellList } from "./celllist.ts";
import type { RebuildReport } from "./lifecycle.ts";
import { AHEAD, type Differences, sortByKey } from "./sort.ts";
import { failSync, MOST_SYNCS, MOST_UNKNOWN_SYNCS } from "./sync.ts";

/** No page of memory is smaller. */
const PAGE_BYTES = 4096;
/** The slot that owns the new nodes until the rebuild ends. */
const BUILDER = 1;

/** Calls `visit(cell, bytes)` for every cell in slabs of leaves, FREE ones too, with the bytes it may extend over. */
export function forEachLeafCell(region: Region, visit: (cell: number, bytes: number) => void): void {
  for (let slab = FIRST_DATA_SLAB; slab < region.capacity; slab++) {
    if (isTableSlab(slab)) continue;
    const word = load32(region.h, entryCell(slab), ENTRY_WORD);
    const kind = entryKind(word);
    if ((kind !== SLAB_CELLS && kind !== SLAB_RUN) || !entryIsSound(region, slab)) continue;
    const base = slab * SLAB_UNITS;
    if (kind === SLAB_RUN) {
      visit(base | 0, load32(region.h, entryCell(slab), ENTRY_RUN) * SLAB_BYTES);
      continue;
    }
    const sizeClass = entryClass(word);
    if (sizeClass < FIRST_LEAF_CLASS || sizeClass >= CLASSES) continue;
    const bytes = CLASS_BYTES[sizeClass]!;
    const units = bytes >>> 3;
    for (let i = 0; i < CLASS_CELLS[sizeClass]!; i++) visit((base + i * units) | 0, bytes);
  }
}

/** Is it a leaf that was published, of at most `room` bytes, with the right checksum and a mark that can be its own? */
export function isValidLeaf(region: Region, cell: number, room: number, mostMarked: number): boolean {
  const h = region.h;
  return (
    soundBytes(region, cell, load32(h, cell, TAG), room) !== 0 &&
    canBeMarked(markKind(h, cell), markedAt(h, cell), mostMarked)
  );
}

/** Bytes of the cell if it is a leaf that was published, with the right checksum; else 0. */
function soundBytes(region: Region, cell: number, tag: number, room: number): number {
  const { h } = region;
  if ((tag & KIND_MASK) !== LEAF || (tag & REACHABLE) === 0) return 0;
  const bytes = bytesOf(h, cell, tag, room);
  return bytes !== 0 && isSound(h, region.salt, cell, tag, keyLengthOf(tag), typeOf(tag), bytes) ? bytes : 0;
}

/** Only a mark that says since when has an m, and that is one of a sync that there can have been. */
function canBeMarked(mark: number, m: number, mostMarked: number): boolean {
  return mark === MARK_NONE || mark === MARK_VOID ? m === 0 : m <= mostMarked;
}

/** How many bytes the leaf takes, by what it says; 0 if those are more than `room`. */
function bytesOf(h: number, cell: number, tag: number, room: number): number {
  const type = typeOf(tag);
  const digits = keyLengthOf(tag);
  if (type === 0 || leafBytes(digits, type, 0) > room) return 0;
  const length = isNumber(type) ? 0 : load32(h, cell, lengthOffset(digits));
  const bytes = length < 0 ? 0 : leafBytes(digits, type, length);
  return bytes > room ? 0 : bytes;
}

/** Makes bytes zero that no leaf has, in a mapping that reaches the file. */
function clear(region: Region, cell: number, off: number, length: number): void {
  if (region.mode !== "private") clearBytes(region.h, cell, off, length, SCRATCH_VALUE, SCRATCH_VALUE_BYTES);
}

/**
 * Rebuilds the tree. Nobody else has the file open. `distrustsDisk`: the machine has not been down, so what the disk
 * refused in a sync that failed may be in memory only. Throws IO_ERROR, NO_SPACE, FULL.
 */
export function rebuild(region: Region, distrustsDisk: boolean): RebuildReport {
  const started = monotonicNs();
  const h = region.h;
  const isPrivate = region.mode === "private";
  if (!isPrivate && fileBlocks(region.fd) < region.capacity * SLAB_BYTES) region.backWithBlocks();
  const w = load64(h, SB, SB_W);
  const syncs = Math.max(load64(h, SB, SB_S), w);
  const areKnown = w >= 0 && syncs < MOST_SYNCS;
  // Where damage has them, all that is marked as superseded is.
  const onDisk = areKnown ? w : Number.MAX_SAFE_INTEGER;
  // A mark's m that is larger comes from a mark word beside the content of another life of the cell.
  const mostMarked = areKnown ? syncs + MOST_UNKNOWN_SYNCS : Number.MAX_SAFE_INTEGER;

  if (!isPrivate) forgetBeyond(region);
  // What `clear` compares with and copies from.
  region.scratch.fill(0, SCRATCH_VALUE, SCRATCH_VALUE + SCRATCH_VALUE_BYTES);
  resetRegistry(h);
  resetSlabs(region);
  resetSuperblock(h);
  const root = load32(h, SB, SB_ROOT);
  fillWord(h, root, COUNTS, 4, 257, 0);
  store32(h, root, TAG, NODE256 | LIVE);
  // Its own slot, but never announced: nobody is there to see it.
  const p = new Participant(region, BUILDER, root, noWait, noWait);

  let leaves = 0;
  let invalid = 0;
  let highestSeq = 0;
  let highestMark = areKnown ? w : 0;
  const found = new CellList();
  forEachLeafCell(region, (cell, room) => {
    const tag = load32(h, cell, TAG);
    const bytes = tag === FREE ? 0 : soundBytes(region, cell, tag, room);
    const mark = markKind(h, cell);
    const m = bytes === 0 ? 0 : markedAt(h, cell);
    if (bytes === 0 || !canBeMarked(mark, m, mostMarked)) {
      // Nothing was ever promised of it, and no half-done state makes it valid.
      if (tag !== FREE) invalid++;
      store32(h, cell, TAG, FREE);
      clear(region, cell, TAG, room);
      return;
    }
    leaves++;
    if (bytes < room) clear(region, cell, bytes, room - bytes);
    highestSeq = Math.max(highestSeq, sequenceOf(h, cell));
    if (mark === MARK_VOID) return;
    highestMark = Math.max(highestMark, m);
    found.add(cell);
  });
  const keys = buildTree(p, found, onDisk);
  p.heap.abandon();
  store64(h, SB, SB_Q, highestSeq + 2);
  store64(h, SB, SB_LAST_START, highestSeq + 1);
  store64(h, SB, SB_S, highestMark + 1);
  store64(h, SB, SB_DONE, highestMark);
  if (!areKnown) store64(h, SB, SB_W, highestMark);
  store64(h, slotCell(BUILDER), SLOT_KEY_COUNT, keys);

  // In a private mapping nothing reaches the file, and nothing needs to.
  if (!isPrivate) {
    if (distrustsDisk) touchPages(region);
    syncAll(region);
  }
  // From here on the disk can be trusted to hold the verdicts: cells may be freed.
  store64(h, SB, SB_W_DISK, highestMark);
  freeLeftovers(region);
  return {
    keys,
    leaves,
    superseded: leaves - keys,
    invalid,
    milliseconds: Math.round((monotonicNs() - started) / 1e6),
  };
}

/**
 * Stores to each page what it has, so that the next sync writes all of them. After a sync that failed the kernel takes pages
 * for written that are not (Rebello et al., "Can applications recover from fsync failures?", USENIX ATC 2020).
 */
function touchPages(region: Region): void {
  const end = (region.capacity * SLAB_BYTES) / UNIT;
  for (let cell = 0; cell < end; cell += PAGE_BYTES / UNIT) fetchOr32(region.h, cell, 0, 0);
}

function syncAll(region: Region): void {
  try {
    syncFile(region.fd);
  } catch (error) {
    throw failSync(region, error);
  }
}

function noWait(): void {
  throw new Error("nobody can hold a lock during a rebuild");
}

// ---- the ground --------------------------------------------------------------------------------------------------------

/**
 * What lies beyond the capacity that page 0 knows was written after the last sync by a store whose growth did not
 * reach the disk. Left there, it would come back when the file grows again.
 */
function forgetBeyond(region: Region): void {
  const { h, capacity } = region;
  truncate(region.fd, capacity * SLAB_BYTES);
  const described = Math.ceil(capacity / REGION_SLABS) * REGION_SLABS;
  const words = (described - capacity) * (ENTRY_BYTES / 4);
  if (words > 0) fillWord(h, entryCell(capacity), ENTRY_WORD, 4, words, 0);
}

function resetRegistry(h: number): void {
  for (let slot = 1; slot <= SLOTS; slot++) {
    const me = slotCell(slot);
    const incarnation = (slotIncarnation(load32(h, me, SLOT_WORD)) + 1) & 0xfffff;
    fillWord(h, me, 0, 4, SLOT_BYTES / 4, 0);
    store32(h, me, SLOT_WORD, slotWord(incarnation, 0, 0));
  }
}

/** Keeps the slabs that hold leaves; all others are free. */
function resetSlabs(region: Region): void {
  const h = region.h;
  let frontier = FIRST_DATA_SLAB + 1;
  for (let slab = FIRST_DATA_SLAB; slab < region.capacity; slab++) {
    const entry = entryCell(slab);
    if (isTableSlab(slab)) {
      store32(h, entry, ENTRY_WORD, entryWord(SLAB_RESERVED, 0, 0));
      continue;
    }
    const word = load32(h, entry, ENTRY_WORD);
    const kind = entryKind(word);
    const sound = (kind === SLAB_CELLS || kind === SLAB_RUN) && entryIsSound(region, slab);
    if (slab === FIRST_DATA_SLAB) {
      describeCells(region, slab, NODE256);
      store32(h, entry, ENTRY_WORD, entryWord(SLAB_CELLS, NODE256, 0));
    } else if (sound && kind === SLAB_CELLS && entryClass(word) >= FIRST_LEAF_CLASS) {
      store32(h, entry, ENTRY_WORD, entryWord(SLAB_CELLS, entryClass(word), 0));
      const cut = CLASS_CELLS[entryClass(word)]! * CLASS_BYTES[entryClass(word)]!;
      clear(region, (slab * SLAB_UNITS) | 0, cut, SLAB_BYTES - cut);
      frontier = slab + 1;
    } else if (sound && kind === SLAB_RUN && runFits(region, slab)) {
      store32(h, entry, ENTRY_WORD, entryWord(SLAB_RUN, 0, 0));
      const count = load32(h, entry, ENTRY_RUN);
      for (let i = 1; i < count; i++) {
        slab = nextInRun(slab);
        store32(h, entryCell(slab), ENTRY_WORD, entryWord(SLAB_RUN_NEXT, 0, 0));
      }
      frontier = slab + 1;
    } else {
      store32(h, entry, ENTRY_WORD, entryWord(SLAB_FREE, 0, 0));
      clear(region, (slab * SLAB_UNITS) | 0, 0, SLAB_BYTES);
    }
  }
  let free = 0;
  for (let slab = FIRST_DATA_SLAB; slab < frontier; slab++) {
    if (!isTableSlab(slab) && entryKind(load32(h, entryCell(slab), ENTRY_WORD)) === SLAB_FREE) free++;
  }
  store32(h, SB, SB_FRONTIER, frontier);
  store32(h, SB, SB_FREE_SLABS, free);
  fillWord(h, SB, SB_FREE_CELLS, 4, 64, 0);
  // The root's slab is ours to cut anew but for the root.
  for (let i = 1; i < CLASS_CELLS[NODE256]!; i++) {
    store32(h, FIRST_DATA_SLAB * SLAB_UNITS + i * (CLASS_BYTES[NODE256]! >>> 3), TAG, FREE);
  }
  store32(h, entryCell(FIRST_DATA_SLAB), ENTRY_FREED, CLASS_CELLS[NODE256]! - 1);
  store32(h, SB, SB_FREE_CELLS + NODE256 * 4, CLASS_CELLS[NODE256]! - 1);
}

/** Does the run end within the file, and is the leaf in it worth keeping the slabs? */
function runFits(region: Region, first: number): boolean {
  const count = load32(region.h, entryCell(first), ENTRY_RUN);
  let slab = first;
  for (let i = 1; i < count; i++) {
    slab = nextInRun(slab);
    if (slab >= region.capacity) return false;
  }
  return (
    count >= 1 && isValidLeaf(region, (first * SLAB_UNITS) | 0, count * SLAB_BYTES, Number.MAX_SAFE_INTEGER)
  );
}

function resetSuperblock(h: number): void {
  store32(h, SB, SB_EPOCH, 1);
  store32(h, SB, SB_SLOTS_USED, BUILDER);
  for (const field of [SB_SYNC_OWNER, SB_SYNC_ERROR, SB_GATE, SB_NO_IN_PLACE, SB_ORPHANS])
    store32(h, SB, field, 0);
}

// ---- the tree ----------------------------------------------------------------------------------------------------------

/**
 * Puts a leaf into the tree where no other is for its key; of two, the one with the higher sequence number. Returns
 * the other, or 0.
 */
export function placeLeaf(p: Participant, leaf: number, tag: number): number {
  const h = p.h;
  const digits = keyLengthOf(tag);
  readToScratch(h, leaf, LEAF_KEY, SCRATCH_KEY, digits);
  p.key[digits] = 0;
  p.keyLength = digits;
  descend(p);
  const last = p.pathLength - 1;
  const node = p.path[last]!;
  const depth = depthOnPath(p, last);
  let witness = p.leaf;
  if (witness === 0 && last > 0) witness = anyLeaf(p, node, load32(h, node, TAG));
  let d = 0;
  if (witness !== 0) {
    d = firstDifference(h, witness, p.leafTag, digits);
    if (d < 0) {
      if (sequenceOf(h, witness) >= sequenceOf(h, leaf)) return leaf;
      store32(h, node, slotOf(h, load32(h, node, TAG) & KIND_MASK, node, p.key[depth]!), leaf);
      return witness;
    }
  }
  if (p.leaf === 0 && d === depth) addToNode(p, last, leaf);
  else splitAbove(p, d, leaf, digitOf(h, witness, p.leafTag, d));
  return 0;
}

function addToNode(p: Participant, index: number, leaf: number): void {
  const h = p.h;
  const node = p.path[index]!;
  const depth = depthOnPath(p, index);
  const digit = p.key[depth]!;
  const tag = load32(h, node, TAG);
  const kind = tag & KIND_MASK;
  const counts = load32(h, node, COUNTS);
  const used = usedOf(counts);
  if (used < NODE_CAPACITY[kind]!) {
    place(h, kind, node, used, digit, leaf);
    store32(h, node, COUNTS, countsOf(kind === NODE256 ? 0 : used + 1, liveOf(counts) + 1));
    return;
  }
  const larger = kindFor(liveOf(counts) + 1);
  const copy = newNode(p, larger, depth);
  p.snapshot.read(h, node, tag);
  fillCopy(h, p.snapshot, 0, copy, larger, digit, leaf);
  replaceChild(p, index - 1, copy);
  p.heap.free(node);
}

function splitAbove(p: Participant, d: number, leaf: number, otherDigit: number): void {
  const h = p.h;
  let i = p.pathLength - 1;
  while (i >= 0 && depthOnPath(p, i) >= d) i--;
  // The root's digit tells two keys apart, unless a terminator stands in the middle of one of them.
  if (i < 0) throw goesOn(leaf);
  const child = i === p.pathLength - 1 ? p.leaf : p.path[i + 1]!;
  const node = newNode(p, NODE4, d);
  place(h, NODE4, node, 0, otherDigit, child);
  place(h, NODE4, node, 1, p.key[d]!, leaf);
  store32(h, node, COUNTS, countsOf(2, 2));
  replaceChild(p, i, node);
}

function replaceChild(p: Participant, index: number, child: number): void {
  const node = p.path[index]!;
  const kind = load32(p.h, node, TAG) & KIND_MASK;
  store32(p.h, node, slotOf(p.h, kind, node, p.key[depthOnPath(p, index)]!), child);
}

function newNode(p: Participant, kind: number, depth: number): number {
  const node = p.heap.take(kind);
  store32(p.h, node, TAG, kind | LIVE | (depth << AUX_SHIFT));
  return node;
}

/**
 * Finds the leaf that decides each key: of several that have it, the one with the highest sequence number; the others are
 * marked VOID. The tree is made of those that say that their key is there, marked NONE. Returns the number of keys.
 */
function buildTree(p: Participant, found: CellList, onDisk: number): number {
  const h = p.h;
  const { cells, count } = found;
  const { at, digits } = differencesOf(h, found);
  const builder = new TreeBuilder(p);
  let keys = 0;
  for (let i = 0; i < count; ) {
    const before = digits[i]! >>> 8;
    const after = digits[i]! & 0xff;
    // A terminator in the middle of a key has two keys in the same place.
    if (i > 0 && before >= after) throw goesOn(cells[i]!);
    builder.differ(at[i]! === 0 ? 0 : at[i]! - 1, before, after);
    let decider = cells[i]!;
    let next = i + 1;
    if (i + AHEAD < count) prefetch(h, cells[i + AHEAD]!);
    if (next < count && at[next] === 0) {
      const keyLength = readKey(p, decider);
      do {
        const other = cells[next++]!;
        if (!hasKey(h, other, load32(h, other, TAG), keyLength)) throw goesOn(other);
        const isLater = sequenceOf(h, other) > sequenceOf(h, decider);
        setMark(h, isLater ? decider : other, MARK_VOID, 0);
        if (isLater) decider = other;
      } while (next < count && at[next] === 0);
    }
    if (isThere(h, decider, onDisk)) {
      builder.add(decider);
      keys++;
    }
    i = next;
  }
  builder.finish();
  return keys;
}

/** Sorts the leaves. */
function differencesOf(h: number, { cells, count }: CellList): Differences {
  const sorting = sortByKey(h, cells, count);
  for (;;) {
    const step = sorting.next();
    if (step.done === true) return step.value;
  }
}

/** Reads the key of a leaf into the scratch buffer; its length. */
function readKey(p: Participant, leaf: number): number {
  const keyLength = keyLengthOf(load32(p.h, leaf, TAG));
  readToScratch(p.h, leaf, LEAF_KEY, SCRATCH_KEY, keyLength);
  return keyLength;
}

const goesOn = (leaf: number): Error => corrupt("a leaf's key goes on behind its end", leaf);

/** Does the leaf that decides its key say that the key is there? Then it is made LIVE, and its mark NONE. */
function isThere(h: number, leaf: number, onDisk: number): boolean {
  const mark = markKind(h, leaf);
  if (mark === MARK_DELETED || (mark === MARK_SUPERSEDED && markedAt(h, leaf) <= onDisk)) return false;
  if (mark !== MARK_NONE) setMark(h, leaf, MARK_NONE, 0);
  const tag = load32(h, leaf, TAG);
  if ((tag & (STATE_MASK | SLOT_MASK)) !== LIVE)
    store32(h, leaf, TAG, (tag & ~(STATE_MASK | SLOT_MASK)) | LIVE);
  return true;
}

// ---- what is left over ---------------------------------------------------------------------------------------------------

/** After the sync: frees every leaf that is not in the tree. Those that are, and no others, are LIVE and unmarked. */
function freeLeftovers(region: Region): void {
  const h = region.h;
  const isInTree = (cell: number): boolean =>
    (load32(h, cell, TAG) & STATE_MASK) === LIVE && markKind(h, cell) === MARK_NONE;
  for (let slab = FIRST_DATA_SLAB + 1; slab < region.capacity; slab++) {
    if (isTableSlab(slab)) continue;
    const entry = entryCell(slab);
    const word = load32(h, entry, ENTRY_WORD);
    const sizeClass = entryClass(word);
    if (entryKind(word) === SLAB_RUN && !isInTree((slab * SLAB_UNITS) | 0)) freeRun(region, slab, 0);
    if (entryKind(word) !== SLAB_CELLS || sizeClass < FIRST_LEAF_CLASS) continue;
    let free = 0;
    const units = CLASS_BYTES[sizeClass]! >>> 3;
    for (let i = 0; i < CLASS_CELLS[sizeClass]!; i++) {
      const cell = (slab * SLAB_UNITS + i * units) | 0;
      if (isInTree(cell)) continue;
      store32(h, cell, TAG, FREE);
      free++;
    }
    store32(h, entry, ENTRY_FREED, free);
    store32(h, SB, SB_FREE_CELLS + sizeClass * 4, load32(h, SB, SB_FREE_CELLS + sizeClass * 4) + free);
  }
}
