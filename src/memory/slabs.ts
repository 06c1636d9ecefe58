/**
 * The slab table: who may cut which slab into cells of which class.
 *
 * An entry changes hands by compare-and-swap of its word:
 *
 * ```
 * FREE -> CLAIMED(me) -> CELLS(class, me) <-> CELLS(class, nobody)      a slab of cells; given up when it has none left
 *            |                                  |
 *            |             CLAIMED(me) <--------+                       every cell of it is free again
 *            +---------> RUN(me) -> RUN(nobody) -> CLAIMED(me) -> FREE  one large leaf
 * ```
 *
 * Nobody but the owner takes cells from a slab. What a participant owned when it died is in state CLAIMED, CELLS or
 * RUN with its number, and {@link releaseSlabsOf} finds it by a scan of the table.
 */
import { corrupt } from "../errors.ts";
import { CLASS_BYTES, CLASS_CELLS, CLASSES, FIRST_LEAF_CLASS } from "./classes.ts";
import {
  ENTRY_BYTES,
  ENTRY_CHECKSUM,
  ENTRY_CLASS_MASK,
  ENTRY_CLASS_SHIFT,
  ENTRY_FREED,
  ENTRY_KIND_MASK,
  ENTRY_OWNER_MASK,
  ENTRY_OWNER_SHIFT,
  ENTRY_RUN,
  ENTRY_WORD,
  entryCell,
  FIRST_DATA_SLAB,
  FREE,
  isTableSlab,
  KIND_MASK,
  LEAF,
  MAX_SLABS,
  REGION_SLABS,
  SB,
  SB_CAPACITY,
  SB_FREE_CELLS,
  SB_FREE_SLABS,
  SB_FRONTIER,
  SB_SLABS_FREED,
  SLAB_BYTES,
  SLAB_CELLS,
  SLAB_CLAIMED,
  SLAB_FREE,
  SLAB_RESERVED,
  SLAB_RUN,
  SLAB_RUN_NEXT,
  SLAB_SHIFT,
  SLAB_UNITS,
  TAG,
} from "./layout.ts";
import { mix32 } from "./mix.ts";
import { populate } from "./platform.ts";
import {
  cas32,
  exchange32,
  fetchAdd32,
  fillWord,
  findEntry,
  findWord,
  load32,
  persist,
  store32,
} from "./primitives.ts";
import type { Region } from "./region.ts";

/** Slabs that get their pages at once, when the first of them is used: 256 KiB. */
const POPULATED = 16;

export const entryKind = (word: number): number => word & ENTRY_KIND_MASK;
export const entryClass = (word: number): number => (word & ENTRY_CLASS_MASK) >>> ENTRY_CLASS_SHIFT;
export const entryOwner = (word: number): number => (word & ENTRY_OWNER_MASK) >>> ENTRY_OWNER_SHIFT;
export const entryWord = (kind: number, sizeClass: number, owner: number): number =>
  kind | (sizeClass << ENTRY_CLASS_SHIFT) | (owner << ENTRY_OWNER_SHIFT);

/** Checksum of what an entry says about its slab, whoever owns it. */
export function entryChecksum(
  salt: number,
  slab: number,
  kind: number,
  sizeClass: number,
  run: number,
): number {
  return mix32(mix32(mix32(salt, slab), kind | (sizeClass << 8)), run);
}

/** Is the entry of `slab` what its checksum says? Only for kinds CELLS and RUN, which a rebuild relies on. */
export function entryIsSound(region: Region, slab: number): boolean {
  const entry = entryCell(slab);
  const word = load32(region.h, entry, ENTRY_WORD);
  const run = load32(region.h, entry, ENTRY_RUN);
  return (
    load32(region.h, entry, ENTRY_CHECKSUM) ===
    entryChecksum(region.salt, slab, entryKind(word), entryClass(word), run)
  );
}

function describe(region: Region, slab: number, kind: number, sizeClass: number, run: number): void {
  const entry = entryCell(slab);
  store32(region.h, entry, ENTRY_RUN, run);
  store32(region.h, entry, ENTRY_CHECKSUM, entryChecksum(region.salt, slab, kind, sizeClass, run));
}

/** Says in the table that `slab` is cut into cells of class `sizeClass`; who owns it is another word. */
export function describeCells(region: Region, slab: number, sizeClass: number): void {
  describe(region, slab, SLAB_CELLS, sizeClass, 0);
}

/** The slab that follows `slab` in a run: tables are stepped over. */
export function nextInRun(slab: number): number {
  return isTableSlab(slab + 1) ? slab + 2 : slab + 1;
}

/** The frontier, checked: below it everything is searched, and it moves by one. Throws CORRUPT. */
function frontierOf(h: number): number {
  const frontier = load32(h, SB, SB_FRONTIER);
  if (frontier <= FIRST_DATA_SLAB || frontier > MAX_SLABS)
    throw corrupt("the frontier lies outside any file", SB + SB_FRONTIER / 8);
  return frontier;
}

/** Bytes of a cell, or of the run of slabs that a large leaf takes. */
export function cellBytes(region: Region, cell: number): number {
  const entry = entryCell(cell >>> SLAB_SHIFT);
  const word = load32(region.h, entry, ENTRY_WORD);
  if (entryKind(word) === SLAB_RUN) return load32(region.h, entry, ENTRY_RUN) * SLAB_BYTES;
  return CLASS_BYTES[entryClass(word)] ?? 0;
}

/** Moves the frontier past `slab`; the first to reach a new region reserves its table. */
function passFrontier(region: Region, frontier: number): void {
  const h = region.h;
  if (isTableSlab(frontier)) store32(h, entryCell(frontier), ENTRY_WORD, entryWord(SLAB_RESERVED, 0, 0));
  cas32(h, SB, SB_FRONTIER, frontier, frontier + 1);
}

function claim(region: Region, slab: number, owner: number): boolean {
  const entry = entryCell(slab);
  // Class and owner of a free slab mean nothing. In a damaged file they may not be 0, and whoever searches by kind alone
  // would find it again and again.
  const word = load32(region.h, entry, ENTRY_WORD);
  if (entryKind(word) !== SLAB_FREE) return false;
  return cas32(region.h, entry, ENTRY_WORD, word, entryWord(SLAB_CLAIMED, 0, owner)) === 1;
}

/** A free slab below the frontier, or -1. */
function findFreeSlab(region: Region, from: number, frontier: number): number {
  for (let slab = from; slab < frontier; ) {
    const count = Math.min(REGION_SLABS - (slab & (REGION_SLABS - 1)), frontier - slab);
    const found = findWord(
      region.h,
      entryCell(slab),
      ENTRY_WORD,
      ENTRY_BYTES,
      count,
      ENTRY_KIND_MASK,
      SLAB_FREE,
    );
    if (found >= 0) return slab + found;
    slab += count;
  }
  return -1;
}

/** Claims one slab: a free one, else one past the frontier, growing the file if it must. */
function claimSlab(region: Region, owner: number): number {
  const h = region.h;
  let searched = false;
  for (;;) {
    const frontier = frontierOf(h);
    if (frontier > region.capacity) region.refresh();
    const hinted = load32(h, SB, SB_FREE_SLABS) > 0;
    if (hinted || (!searched && frontier >= load32(h, SB, SB_CAPACITY))) {
      searched = true;
      const slab = findFreeSlab(region, FIRST_DATA_SLAB, Math.min(frontier, region.capacity));
      if (slab >= 0) {
        if (!claim(region, slab, owner)) continue;
        if (hinted) fetchAdd32(h, SB, SB_FREE_SLABS, -1);
        return slab;
      }
      // The hint counted a slab that is not there: a claimer died before it counted, or counted twice.
      if (hinted) exchange32(h, SB, SB_FREE_SLABS, 0);
    }
    if (frontier >= region.capacity) {
      // A table at the very start of new blocks is of use only with a slab after it.
      region.grow(isTableSlab(frontier) ? frontier + 2 : frontier + 1);
      continue;
    }
    passFrontier(region, frontier);
    // What comes after will be used as well, soon.
    if (frontier % POPULATED === 0)
      populate(h, frontier * SLAB_UNITS, Math.min(POPULATED, region.capacity - frontier) * SLAB_BYTES);
    if (!isTableSlab(frontier) && claim(region, frontier, owner)) return frontier;
  }
}

/**
 * A new slab of class `sizeClass`, owned by `owner`, all its cells FREE. Throws FULL, NO_SPACE, IO_ERROR.
 */
export function takeSlab(region: Region, sizeClass: number, owner: number): number {
  const slab = claimSlab(region, owner);
  prepareCells(region, slab, sizeClass);
  store32(region.h, entryCell(slab), ENTRY_WORD, entryWord(SLAB_CELLS, sizeClass, owner));
  if (region.persists) persistSlab(region, slab);
  return slab;
}

/**
 * In persistent memory a leaf counts only if a rebuild finds its slab: the entry, and a capacity that covers it. Who
 * sets a slab up sees to that before it takes a cell from it. Who adopts one need not: had its first owner died before
 * this, no cell of it would be in use, and its recovery would have freed the slab.
 */
function persistSlab(region: Region, slab: number): void {
  persist(region.h, entryCell(slab), 0, ENTRY_BYTES);
  persist(region.h, SB, SB_CAPACITY, 4);
}

function prepareCells(region: Region, slab: number, sizeClass: number): void {
  const h = region.h;
  fillWord(h, slab * SLAB_UNITS, TAG, CLASS_BYTES[sizeClass]!, CLASS_CELLS[sizeClass]!, FREE);
  store32(h, entryCell(slab), ENTRY_FREED, 0);
  describeCells(region, slab, sizeClass);
}

/**
 * A run of `count` slabs in a row (tables between them are stepped over), owned by `owner`: its first slab.
 * Throws FULL, NO_SPACE, IO_ERROR.
 */
export function takeRun(region: Region, count: number, owner: number): number {
  const h = region.h;
  let searched = false;
  for (;;) {
    // The hint may be wrong; before the file grows, look all the same.
    const search: boolean =
      load32(h, SB, SB_FREE_SLABS) > 0 || (!searched && load32(h, SB, SB_FRONTIER) + count > region.capacity);
    searched ||= search;
    let start = search ? findFreeRun(region, count) : -1;
    if (start < 0) {
      // Beyond everything used; whoever claims a slab in between makes us look again.
      start = frontierOf(h);
      if (isTableSlab(start)) start++;
    }
    let last = start;
    for (let i = 1; i < count; i++) last = nextInRun(last);
    if (last >= region.capacity) {
      region.grow(last + 1);
      continue;
    }
    for (let frontier = frontierOf(h); frontier <= last; frontier = frontierOf(h)) {
      passFrontier(region, frontier);
      if (!isTableSlab(frontier)) fetchAdd32(h, SB, SB_FREE_SLABS, 1);
    }
    let slab = start;
    let claimed = 0;
    while (claimed < count && claim(region, slab, owner)) {
      claimed++;
      slab = nextInRun(slab);
    }
    fetchAdd32(h, SB, SB_FREE_SLABS, -claimed);
    if (claimed < count) {
      slab = start;
      for (let i = 0; i < claimed; i++, slab = nextInRun(slab)) freeSlab(region, slab);
      continue;
    }
    // The first leaf of the run must not be seen before it is written.
    store32(h, start * SLAB_UNITS, TAG, FREE);
    slab = start;
    for (let i = 1; i < count; i++) {
      slab = nextInRun(slab);
      store32(h, entryCell(slab), ENTRY_WORD, entryWord(SLAB_RUN_NEXT, 0, owner));
    }
    store32(h, entryCell(start), ENTRY_FREED, 0);
    describe(region, start, SLAB_RUN, 0, count);
    store32(h, entryCell(start), ENTRY_WORD, entryWord(SLAB_RUN, 0, owner));
    if (region.persists) persistSlab(region, start);
    return start;
  }
}

/** First fit of `count` free slabs below the frontier; a run may end in unused space beyond it. -1: none. */
function findFreeRun(region: Region, count: number): number {
  if (load32(region.h, SB, SB_FREE_SLABS) <= 0) return -1;
  const frontier = Math.min(frontierOf(region.h), region.capacity);
  let slab = findFreeSlab(region, FIRST_DATA_SLAB, frontier);
  while (slab >= 0) {
    let length = 1;
    let next = nextInRun(slab);
    while (length < count && next < frontier) {
      if (entryKind(load32(region.h, entryCell(next), ENTRY_WORD)) !== SLAB_FREE) break;
      length++;
      next = nextInRun(next);
    }
    if (length === count || next >= frontier) return slab;
    slab = findFreeSlab(region, next, frontier);
  }
  return -1;
}

/** Gives a slab that the caller owns back. First of all, whoever follows a hint is told that cells may begin elsewhere. */
function freeSlab(region: Region, slab: number): void {
  fetchAdd32(region.h, SB, SB_SLABS_FREED, 1);
  store32(region.h, entryCell(slab), ENTRY_WORD, entryWord(SLAB_FREE, 0, 0));
  fetchAdd32(region.h, SB, SB_FREE_SLABS, 1);
}

/** A published run belongs to nobody: whoever frees its leaf frees the run. */
export function publishRun(region: Region, slab: number): void {
  store32(region.h, entryCell(slab), ENTRY_WORD, entryWord(SLAB_RUN, 0, 0));
}

/**
 * Frees a run and the leaf in it, from its last slab to its first. The steps may stop anywhere: while the first entry
 * names `owner`, a recoverer of `owner` goes on with them. The run is made shorter before a slab leaves it, so that a
 * repetition never frees a slab that has become part of another run.
 */
export function freeRun(region: Region, first: number, owner: number): void {
  const h = region.h;
  const entry = entryCell(first);
  const count = load32(h, entry, ENTRY_RUN);
  if (count < 1 || count > MAX_SLABS) throw corrupt("a run has an impossible length", entry);
  store32(h, entry, ENTRY_WORD, entryWord(SLAB_RUN, 0, owner));
  store32(h, first * SLAB_UNITS, TAG, FREE);
  let last = first;
  for (let i = 1; i < count; i++) last = nextInRun(last);
  // It may end in blocks that another has added since we last looked.
  if (last >= region.capacity) region.refresh();
  for (let left = count - 1; left >= 1; left--) {
    if (last < region.capacity && entryKind(load32(h, entryCell(last), ENTRY_WORD)) === SLAB_RUN_NEXT) {
      store32(h, entryCell(last), ENTRY_WORD, entryWord(SLAB_CLAIMED, 0, owner));
      describe(region, first, SLAB_RUN, 0, left);
      freeSlab(region, last);
    }
    last = isTableSlab(last - 1) ? last - 2 : last - 1;
  }
  freeSlab(region, first);
}

/** Entry word of the slab of a cell that is to be freed; checked, since the cell's address came from the file. */
export function slabWord(region: Region, cell: number): number {
  const slab = cell >>> SLAB_SHIFT;
  if (slab >= region.capacity) region.refresh();
  if (slab >= FIRST_DATA_SLAB && slab < region.capacity) {
    const word = load32(region.h, entryCell(slab), ENTRY_WORD);
    const kind = entryKind(word);
    if (kind === SLAB_CELLS && entryClass(word) < CLASSES && CLASS_CELLS[entryClass(word)] !== 0) return word;
    if (kind === SLAB_RUN && (cell & (SLAB_UNITS - 1)) === 0) return word;
  }
  throw corrupt("a cell to be freed lies in no slab of cells", cell);
}

/** What kind of cell begins at `cell` of a slab with entry word `word`: LEAF, LIMBO, a node's kind; 0: none does. */
function kindIn(word: number, cell: number): number {
  const offset = cell & (SLAB_UNITS - 1);
  if (entryKind(word) === SLAB_RUN) return offset === 0 ? LEAF : 0;
  const sizeClass = entryClass(word);
  if (entryKind(word) !== SLAB_CELLS || sizeClass >= CLASSES || CLASS_CELLS[sizeClass] === 0) return 0;
  const units = CLASS_BYTES[sizeClass]! >>> 3;
  if (offset % units !== 0 || offset / units >= CLASS_CELLS[sizeClass]!) return 0;
  return sizeClass >= FIRST_LEAF_CLASS ? LEAF : sizeClass;
}

/**
 * Does a cell with tag `tag` begin at `cell`, as its slab is cut now? A record of a cell may be older than the slab's
 * present use, and what lies there be the middle of somebody's value.
 */
export function beginsCell(region: Region, cell: number, tag: number): boolean {
  const slab = cell >>> SLAB_SHIFT;
  if (slab < FIRST_DATA_SLAB || slab >= region.capacity) return false;
  const kind = kindIn(load32(region.h, entryCell(slab), ENTRY_WORD), cell);
  return kind !== 0 && kind === (tag & KIND_MASK);
}

/**
 * Tag of the cell that begins at `cell`, or 0 if none does, for who knows nothing of it: its slab may be freed and cut
 * anew at any time, and a value that looks like a tag lie there.
 *
 * The tag is what was loaded while the slab was cut as its entry says. The entry is the same before and after, so if the
 * slab was cut in another way in between, it was freed twice in between, and the second of these moves the count before
 * the entry.
 */
export function tagOfCell(region: Region, cell: number): number {
  const h = region.h;
  const slab = cell >>> SLAB_SHIFT;
  if (slab < FIRST_DATA_SLAB || slab >= region.capacity) return 0;
  const slabsFreed = load32(h, SB, SB_SLABS_FREED);
  const word = load32(h, entryCell(slab), ENTRY_WORD);
  const kind = kindIn(word, cell);
  if (kind === 0) return 0;
  const tag = load32(h, cell, TAG);
  if ((tag & KIND_MASK) !== kind) return 0;
  if (load32(h, entryCell(slab), ENTRY_WORD) !== word || load32(h, SB, SB_SLABS_FREED) !== slabsFreed)
    return 0;
  return tag;
}

/** Owner gives up a slab of cells, of which it knows `free` to be free. Anybody may adopt it. */
export function abandonSlab(region: Region, slab: number, sizeClass: number, free: number): void {
  const h = region.h;
  const entry = entryCell(slab);
  // What others freed meanwhile has not been counted for the class yet.
  const all = fetchAdd32(h, entry, ENTRY_FREED, free) + free;
  if (all !== 0) fetchAdd32(h, SB, SB_FREE_CELLS + sizeClass * 4, all);
  store32(h, entry, ENTRY_WORD, entryWord(SLAB_CELLS, sizeClass, 0));
}

/** Takes back what others freed in a slab that the caller owns, if that is at least `least` cells. */
export function readoptSlab(region: Region, slab: number, least: number): boolean {
  if (load32(region.h, entryCell(slab), ENTRY_FREED) < least) return false;
  exchange32(region.h, entryCell(slab), ENTRY_FREED, 0);
  return true;
}

/**
 * Adopts a slab of class `sizeClass` that nobody owns and that has at least `least` free cells; searched from slab
 * `from` on, round the file. Returns the slab, or -1.
 */
export function adoptSlab(
  region: Region,
  sizeClass: number,
  owner: number,
  least: number,
  from: number,
): number {
  const h = region.h;
  const frontier = Math.min(load32(h, SB, SB_FRONTIER), region.capacity);
  const abandoned = entryWord(SLAB_CELLS, sizeClass, 0);
  const mask = ENTRY_KIND_MASK | ENTRY_CLASS_MASK | ENTRY_OWNER_MASK;
  const start = from >= FIRST_DATA_SLAB && from < frontier ? from : FIRST_DATA_SLAB;
  for (let pass = 0; pass < 2; pass++) {
    const end = pass === 0 ? frontier : start;
    for (let slab = pass === 0 ? start : FIRST_DATA_SLAB; slab < end; ) {
      const count = Math.min(REGION_SLABS - (slab & (REGION_SLABS - 1)), end - slab);
      const found = findEntry(
        h,
        entryCell(slab),
        ENTRY_WORD,
        ENTRY_BYTES,
        count,
        mask,
        abandoned,
        ENTRY_FREED,
        least,
      );
      if (found < 0) {
        slab += count;
        continue;
      }
      slab += found;
      if (cas32(h, entryCell(slab), ENTRY_WORD, abandoned, entryWord(SLAB_CELLS, sizeClass, owner)) === 1) {
        const freed = exchange32(h, entryCell(slab), ENTRY_FREED, 0);
        fetchAdd32(h, SB, SB_FREE_CELLS + sizeClass * 4, -freed);
        return slab;
      }
      slab++;
    }
  }
  return -1;
}

/** A cell of a slab of somebody else, or of nobody, was freed (its tag is FREE already). */
export function noteFreed(region: Region, cell: number, word: number, me: number): void {
  const h = region.h;
  const slab = cell >>> SLAB_SHIFT;
  const sizeClass = entryClass(word);
  const freed = fetchAdd32(h, entryCell(slab), ENTRY_FREED, 1) + 1;
  // Looked at again: an owner that gives the slab up counts for the class what was freed until then.
  if (entryOwner(word) !== 0 && entryOwner(load32(h, entryCell(slab), ENTRY_WORD)) !== 0) return;
  fetchAdd32(h, SB, SB_FREE_CELLS + sizeClass * 4, 1);
  if (freed >= CLASS_CELLS[sizeClass]!) freeEmptySlab(region, slab, sizeClass, me);
}

/** Gives a slab back, for any class, if nobody owns it and all its cells are free. */
export function freeEmptySlab(region: Region, slab: number, sizeClass: number, me: number): boolean {
  const h = region.h;
  const entry = entryCell(slab);
  const abandoned = entryWord(SLAB_CELLS, sizeClass, 0);
  // Owned as a slab of cells first: if we die here it is an ordinary slab of ours.
  if (cas32(h, entry, ENTRY_WORD, abandoned, entryWord(SLAB_CELLS, sizeClass, me)) !== 1) return false;
  fetchAdd32(h, SB, SB_FREE_CELLS + sizeClass * 4, -exchange32(h, entry, ENTRY_FREED, 0));
  return freeIfEmpty(region, slab, sizeClass);
}

/** The same for a slab that the caller owns. When it is not empty it is left to nobody. */
function freeIfEmpty(region: Region, slab: number, sizeClass: number): boolean {
  const h = region.h;
  exchange32(h, entryCell(slab), ENTRY_FREED, 0);
  const free = countFree(region, slab, sizeClass);
  if (free === CLASS_CELLS[sizeClass] && slab !== FIRST_DATA_SLAB) {
    freeSlab(region, slab);
    return true;
  }
  abandonSlab(region, slab, sizeClass, free);
  return false;
}

/** How many cells of a slab are FREE. */
export function countFree(region: Region, slab: number, sizeClass: number): number {
  const bytes = CLASS_BYTES[sizeClass]!;
  const cells = CLASS_CELLS[sizeClass]!;
  let free = 0;
  for (let i = 0; i < cells; i++) {
    const found = findWord(region.h, slab * SLAB_UNITS, TAG + i * bytes, bytes, cells - i, -1, FREE);
    if (found < 0) break;
    i += found;
    free++;
  }
  return free;
}

/** Gives up everything that a dead (or closing) participant owns. May be repeated after any step. */
export function releaseSlabsOf(region: Region, owner: number): void {
  const h = region.h;
  region.refresh();
  const frontier = Math.min(load32(h, SB, SB_FRONTIER), region.capacity);
  const theirs = owner << ENTRY_OWNER_SHIFT;
  for (let slab = FIRST_DATA_SLAB; slab < frontier; ) {
    const count = Math.min(REGION_SLABS - (slab & (REGION_SLABS - 1)), frontier - slab);
    const found = findWord(h, entryCell(slab), ENTRY_WORD, ENTRY_BYTES, count, ENTRY_OWNER_MASK, theirs);
    if (found < 0) {
      slab += count;
      continue;
    }
    slab += found;
    const word = load32(h, entryCell(slab), ENTRY_WORD);
    switch (entryKind(word)) {
      case SLAB_CELLS:
        freeIfEmpty(region, slab, entryClass(word));
        break;
      case SLAB_RUN:
        // Either its leaf was published and only this entry not yet handed over, or it is to be freed.
        if (load32(h, slab * SLAB_UNITS, TAG) === FREE) freeRun(region, slab, owner);
        else publishRun(region, slab);
        break;
      case SLAB_CLAIMED:
      case SLAB_RUN_NEXT:
        releasePart(region, slab, word, owner);
        break;
    }
    slab++;
  }
}

/**
 * A slab claimed for a run that never came to be is free again; one that belongs to a finished run stays with it. The
 * run may be freed by its leaf's reclaimer at the same time: each step is a compare-and-swap from what was seen.
 */
function releasePart(region: Region, slab: number, word: number, owner: number): void {
  const h = region.h;
  const entry = entryCell(slab);
  if (entryKind(word) === SLAB_RUN_NEXT) {
    let first = slab - 1;
    while (first > FIRST_DATA_SLAB) {
      if (!isTableSlab(first) && entryKind(load32(h, entryCell(first), ENTRY_WORD)) !== SLAB_RUN_NEXT) break;
      first--;
    }
    if (entryKind(load32(h, entryCell(first), ENTRY_WORD)) === SLAB_RUN) {
      let member = first;
      for (let i = load32(h, entryCell(first), ENTRY_RUN); i > 1 && member < slab; i--)
        member = nextInRun(member);
      if (member === slab) {
        cas32(h, entry, ENTRY_WORD, word, entryWord(SLAB_RUN_NEXT, 0, 0));
        return;
      }
    }
  }
  const claimed = entryWord(SLAB_CLAIMED, 0, owner);
  if (word === claimed || cas32(h, entry, ENTRY_WORD, word, claimed) === 1) freeSlab(region, slab);
}

/**
 * Frees a cell that nobody can reach, on behalf of participant `me`: one store of the tag, and a note to whom it may
 * concern. For a large leaf the whole run.
 */
export function freeCell(region: Region, cell: number, me: number): void {
  const word = slabWord(region, cell);
  if (entryKind(word) === SLAB_RUN) {
    freeRun(region, cell >>> SLAB_SHIFT, me);
    return;
  }
  store32(region.h, cell, TAG, FREE);
  noteFreed(region, cell, word, me);
}
