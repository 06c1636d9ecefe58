/**
 * Allocation of cells: one slab per size class at a time, owned by this participant alone, so that taking a cell needs
 * no atomic operation.
 *
 * The scheme is mimalloc's (Leijen, Zorn, de Moura 2019), laid into a file: a slab that has no free cell left is given
 * up at once, a cell in it that is freed later only changes its tag and a counter, and whoever needs a slab of that
 * class adopts one that has become free enough. The tags are the only truth about what is free; the lists here
 * (threaded through word 1 of free cells) live no longer than the ownership.
 */
import { corrupt } from "../errors.ts";
import { CLASS_BYTES, CLASS_CELLS, CLASSES, LARGEST_CELL, leafClass } from "./classes.ts";
import {
  COUNTS,
  ENTRY_WORD,
  entryCell,
  FREE,
  LIMBO,
  SB,
  SB_FREE_CELLS,
  SB_FREE_SLABS,
  SLAB_BYTES,
  SLAB_SHIFT,
  SLAB_UNITS,
  TAG,
} from "./layout.ts";
import { Pages } from "./pages.ts";
import { populate } from "./platform.ts";
import { findWord, load32, store32 } from "./primitives.ts";
import type { Region } from "./region.ts";
import {
  abandonSlab,
  adoptSlab,
  cellBytes,
  entryClass,
  entryOwner,
  freeCell,
  readoptSlab,
  takeRun,
  takeSlab,
} from "./slabs.ts";

/** A slab is adopted when an eighth of its cells are free. */
const ADOPTION_SHARE = 8;
/** Word of a free cell that links the list of this participant; a node's counts, a leaf's checksum otherwise. */
const NEXT = COUNTS;

export class Heap {
  readonly region: Region;
  readonly h: number;
  readonly slot: number;
  readonly pages: Pages;
  /** Per class: the slab owned (0: none), first cell of its list of free cells, how many cells were never used. */
  private readonly slab = new Int32Array(CLASSES);
  private readonly list = new Int32Array(CLASSES);
  private readonly listed = new Int32Array(CLASSES);
  private readonly bump = new Int32Array(CLASSES);
  /** Where the last search for an adoptable slab of the class ended. */
  private readonly cursor = new Int32Array(CLASSES);
  /** The hint below which another search is pointless. */
  private readonly searchAt = new Int32Array(CLASSES);
  /**
   * Called before more of the file comes into use than ever was, but for limbo, which grows while it is being emptied.
   * Frees what it can, takes nothing, and returns whether it has freed anything. `sizeClass`: what the memory is for; 0: a
   * run of slabs.
   */
  beforeGrowth: (sizeClass: number) => boolean = () => false;

  constructor(region: Region, slot: number) {
    this.region = region;
    this.h = region.h;
    this.slot = slot;
    this.pages = new Pages(region);
  }

  /** A FREE cell of class `sizeClass`, for the caller to tag PRIVATE. Throws FULL, NO_SPACE, IO_ERROR, CORRUPT. */
  take(sizeClass: number): number {
    let cell = this.list[sizeClass]!;
    if (cell !== 0) {
      this.list[sizeClass] = load32(this.h, cell, NEXT);
      this.listed[sizeClass]!--;
    } else {
      const left = this.bump[sizeClass]!;
      if (left === 0) return this.takeFromAnotherSlab(sizeClass);
      this.bump[sizeClass] = left - 1;
      const units = CLASS_BYTES[sizeClass]! >>> 3;
      cell = (this.slab[sizeClass]! * SLAB_UNITS + (CLASS_CELLS[sizeClass]! - left) * units) | 0;
    }
    if (load32(this.h, cell, TAG) !== FREE) throw corrupt("a free cell is in use", cell);
    return cell;
  }

  /** A cell for a leaf of `bytes` bytes; past {@link LARGEST_CELL} a run of slabs. */
  takeLeaf(bytes: number): number {
    if (bytes <= LARGEST_CELL) return this.take(leafClass(bytes));
    const count = Math.ceil(bytes / SLAB_BYTES);
    if (load32(this.h, SB, SB_FREE_SLABS) < count) this.beforeGrowth(0);
    return (takeRun(this.region, count, this.slot) * SLAB_UNITS) | 0;
  }

  private takeFromAnotherSlab(sizeClass: number): number {
    const region = this.region;
    const old = this.slab[sizeClass]!;
    const cells = CLASS_CELLS[sizeClass]!;
    const least = Math.max(1, Math.floor(cells / ADOPTION_SHARE));
    if (old !== 0) {
      if (readoptSlab(region, old, least)) {
        this.adopt(old, sizeClass);
        return this.take(sizeClass);
      }
      this.slab[sizeClass] = 0;
      abandonSlab(region, old, sizeClass, 0);
    }
    if (this.adoptAny(sizeClass, least)) return this.take(sizeClass);
    if (sizeClass !== LIMBO && load32(this.h, SB, SB_FREE_SLABS) <= 0 && this.beforeGrowth(sizeClass)) {
      if (this.adoptAny(sizeClass, least)) return this.take(sizeClass);
    }
    let slab: number;
    try {
      slab = takeSlab(region, sizeClass, this.slot);
    } catch (error) {
      // No room for another slab. Free cells are worth a search however thinly they are spread.
      slab = adoptSlab(region, sizeClass, this.slot, 1, this.cursor[sizeClass]!);
      if (slab < 0) throw error;
      this.cursor[sizeClass] = slab;
      this.adopt(slab, sizeClass);
      return this.take(sizeClass);
    }
    this.pages.touchAll(slab * SLAB_UNITS, SLAB_BYTES);
    this.slab[sizeClass] = slab;
    this.bump[sizeClass] = cells;
    return this.take(sizeClass);
  }

  /** Adopts a slab in which at least `least` cells are free, if that is worth a search. */
  private adoptAny(sizeClass: number, least: number): boolean {
    const hint = load32(this.h, SB, SB_FREE_CELLS + sizeClass * 4);
    if (hint < least || hint < this.searchAt[sizeClass]!) return false;
    const slab = adoptSlab(this.region, sizeClass, this.slot, least, this.cursor[sizeClass]!);
    if (slab < 0) {
      // Free cells are spread too thinly; look again when there are an eighth more of them.
      this.searchAt[sizeClass] = hint + Math.max(CLASS_CELLS[sizeClass]!, hint >>> 3);
      return false;
    }
    this.cursor[sizeClass] = slab;
    this.searchAt[sizeClass] = 0;
    this.adopt(slab, sizeClass);
    return true;
  }

  /** Lists the free cells of a slab that is now ours, lowest address first. */
  private adopt(slab: number, sizeClass: number): void {
    const bytes = CLASS_BYTES[sizeClass]!;
    const cells = CLASS_CELLS[sizeClass]!;
    const base = slab * SLAB_UNITS;
    this.pages.touchAll(base, SLAB_BYTES);
    populate(this.h, base, SLAB_BYTES);
    let previous = 0;
    let count = 0;
    let first = 0;
    for (let i = 0; i < cells; i++) {
      const found = findWord(this.h, base, TAG + i * bytes, bytes, cells - i, -1, FREE);
      if (found < 0) break;
      i += found;
      const cell = (base + i * (bytes >>> 3)) | 0;
      if (previous === 0) first = cell;
      else store32(this.h, previous, NEXT, cell);
      previous = cell;
      count++;
    }
    if (previous !== 0) store32(this.h, previous, NEXT, 0);
    this.slab[sizeClass] = slab;
    this.list[sizeClass] = first;
    this.listed[sizeClass] = count;
    this.bump[sizeClass] = 0;
  }

  /**
   * Frees a cell that no participant can reach any more (or that was never published). Its tag becomes FREE by one
   * store, which is all that must survive.
   */
  free(cell: number): void {
    this.pages.touch(cell);
    const slab = cell >>> SLAB_SHIFT;
    const sizeClass = this.classOf(slab);
    if (sizeClass === 0) {
      freeCell(this.region, cell, this.slot);
      return;
    }
    // The tag first: until it is FREE a recoverer may need the leaf's checksum, which the link overwrites.
    store32(this.h, cell, TAG, FREE);
    store32(this.h, cell, NEXT, this.list[sizeClass]!);
    this.list[sizeClass] = cell;
    this.listed[sizeClass]!++;
  }

  /** Bytes that a leaf's cell, or its run of slabs, takes in the file. */
  bytesOf(leaf: number): number {
    return cellBytes(this.region, leaf);
  }

  /** The class for which this participant owns `slab`; 0 if it does not. */
  private classOf(slab: number): number {
    const word = load32(this.h, entryCell(slab), ENTRY_WORD);
    const sizeClass = entryClass(word);
    return entryOwner(word) === this.slot && sizeClass < CLASSES && this.slab[sizeClass] === slab
      ? sizeClass
      : 0;
  }

  /** Gives up all slabs (at close). */
  abandon(): void {
    for (let sizeClass = 1; sizeClass < CLASSES; sizeClass++) {
      const slab = this.slab[sizeClass]!;
      if (slab === 0) continue;
      this.slab[sizeClass] = 0;
      abandonSlab(this.region, slab, sizeClass, this.listed[sizeClass]! + this.bump[sizeClass]!);
      this.list[sizeClass] = 0;
      this.listed[sizeClass] = 0;
      this.bump[sizeClass] = 0;
    }
  }
}
