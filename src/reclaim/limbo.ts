/**
 * Limbo: retired cells on their way to being free, oldest first, in the file, so that what a dead participant had
 * retired is not lost. Each participant has two: cells that wait for epochs alone (nodes, and leaves that no sync ever
 * promised), and leaves that must also wait until the disk is known to hold what came after them.
 *
 * A limbo is a chain of chunks, each 128 entries of (cell, epoch). Positions are counted for ever, modulo 2^32, so
 * that a recoverer can write an entry again at the position that the intent names. A chunk's tag carries its ordinal
 * (position / 128) and its owner's slot.
 *
 * Crash argument.
 * - An entry counts once `tail` is past it; until the intent is cleared, a recoverer writes it again in the same place.
 * - An entry is done with when `head` is past it, and `head` moves after the cell's tag became FREE. Whoever inherits
 *   a limbo first drops the entries at the head whose cell is not RETIRED by this slot any more ({@link repairLimbo}).
 *   Nobody writes RETIRED with this slot's number meanwhile, so a leftover can't be taken for a later retirement.
 * - When `head` enters a new chunk, `head` moves before the chunk word does; the ordinals tell.
 * - A chunk on its way in or out is named in the transit word first; the repair frees it if it belongs to this slot and
 *   the chain does not reach it.
 */
import { corrupt } from "../errors.ts";
import type { Heap } from "../memory/heap.ts";
import {
  AUX_SHIFT,
  CHUNK_ENTRIES,
  CHUNK_ENTRY_BYTES,
  CHUNK_LENGTH,
  CHUNK_NEXT,
  KIND_MASK,
  LIMBO,
  LIMBO_CHUNK,
  LIMBO_HEAD,
  LIMBO_TAIL,
  LIMBO_TRANSIT,
  LIVE,
  PRIVATE,
  RETIRED,
  SLOT_LIMBO,
  SLOT_MASK,
  SLOT_SHIFT,
  SLOT_WAITING,
  STATE_MASK,
  slotCell,
  TAG,
} from "../memory/layout.ts";
import { load32, store32 } from "../memory/primitives.ts";
import type { Region } from "../memory/region.ts";
import { beginsCell } from "../memory/slabs.ts";
import { isBefore } from "./order.ts";

/** Entries that one operation may append to one limbo. */
const MOST_PER_OPERATION = 2;
/** Entries between two tries to have the next chunk. */
const TRY_EVERY = 32;
const CHUNK_BITS = Math.log2(CHUNK_LENGTH);
const ORDINAL_MASK = 0x1ffff;
/** More than any limbo has: a chain that is longer goes in a circle. */
const MOST_CHUNKS = 1 << 20;

/** With room for `left` entries in the last chunk, is the next one to be had now? */
const isNextDue = (left: number): boolean => left <= MOST_PER_OPERATION || left % TRY_EVERY === 0;
const ordinal = (position: number): number => (position >>> CHUNK_BITS) & ORDINAL_MASK;
const entryOffset = (position: number): number =>
  CHUNK_ENTRIES + (position & (CHUNK_LENGTH - 1)) * CHUNK_ENTRY_BYTES;

/** Checks that `chunk` is a chunk of the limbo of `slot` and gives its ordinal. */
function chunkOrdinal(h: number, chunk: number, slot: number): number {
  const tag = load32(h, chunk, TAG);
  if ((tag & KIND_MASK) !== LIMBO || (tag & SLOT_MASK) !== slot << SLOT_SHIFT) {
    throw corrupt("a limbo leads to a cell that is no chunk of it", chunk);
  }
  return tag >>> AUX_SHIFT;
}

/** The chunk of the head: the slot names it, or, when the head has just entered a new one, its predecessor. */
function chunkOfHead(h: number, slot: number, base: number): number {
  const me = slotCell(slot);
  const chunk = load32(h, me, base + LIMBO_CHUNK);
  if (chunk === 0 || chunkOrdinal(h, chunk, slot) === ordinal(load32(h, me, base + LIMBO_HEAD))) return chunk;
  return load32(h, chunk, CHUNK_NEXT);
}

/** The chunk that holds position `position`, walked to from the head. Repeatable by a recoverer. */
function chunkOf(h: number, slot: number, base: number, position: number): number {
  let chunk = chunkOfHead(h, slot, base);
  const head = load32(h, slotCell(slot), base + LIMBO_HEAD);
  let steps = ((position >>> CHUNK_BITS) - (head >>> CHUNK_BITS)) & (2 ** (32 - CHUNK_BITS) - 1);
  for (; steps > 0 && chunk !== 0; steps--) chunk = load32(h, chunk, CHUNK_NEXT);
  if (chunk === 0 || chunkOrdinal(h, chunk, slot) !== ordinal(position)) {
    throw corrupt(
      "a limbo's chain of chunks does not lead where it should",
      chunk === 0 ? slotCell(slot) : chunk,
    );
  }
  return chunk;
}

/**
 * Makes the limbo at `base` of slot `slot` whole after its owner died: by a recoverer, before anything else is done to
 * it, or by who inherits it. May be repeated after any step. `free` frees a cell.
 */
export function repairLimbo(region: Region, slot: number, base: number, free: (cell: number) => void): void {
  const { h } = region;
  const me = slotCell(slot);
  let chunk = chunkOfHead(h, slot, base);
  let head = load32(h, me, base + LIMBO_HEAD);
  const tail = load32(h, me, base + LIMBO_TAIL);
  store32(h, me, base + LIMBO_CHUNK, chunk);
  const transit = load32(h, me, base + LIMBO_TRANSIT);
  if (transit !== 0) {
    const tag = load32(h, transit, TAG);
    if (
      (tag & KIND_MASK) === LIMBO &&
      (tag & SLOT_MASK) === slot << SLOT_SHIFT &&
      beginsCell(region, transit, tag)
    ) {
      let reached = chunk;
      for (let steps = 0; reached !== 0 && reached !== transit; reached = load32(h, reached, CHUNK_NEXT)) {
        if (++steps > MOST_CHUNKS) throw corrupt("a limbo's chain of chunks does not end", reached);
      }
      if (reached === 0) free(transit);
      else if ((tag & STATE_MASK) === PRIVATE) store32(h, transit, TAG, (tag & ~STATE_MASK) | LIVE);
    }
    store32(h, me, base + LIMBO_TRANSIT, 0);
  }
  // Entries whose cell was freed already: the head had only not moved yet.
  while (head !== tail) {
    const cell = load32(h, chunk, entryOffset(head));
    const tag = load32(h, cell, TAG);
    const retired = (tag & (STATE_MASK | SLOT_MASK)) === (RETIRED | (slot << SLOT_SHIFT));
    if (retired && beginsCell(region, cell, tag)) return;
    head = (head + 1) | 0;
    chunk = moveHead(h, me, base, head, chunk, free);
  }
}

/** Moves the head of a limbo to `head`; gives the chunk of the head, `chunk` or its successor. */
function moveHead(
  h: number,
  me: number,
  base: number,
  head: number,
  chunk: number,
  free: (cell: number) => void,
): number {
  if ((head & (CHUNK_LENGTH - 1)) !== 0) {
    store32(h, me, base + LIMBO_HEAD, head);
    return chunk;
  }
  const next = load32(h, chunk, CHUNK_NEXT);
  store32(h, me, base + LIMBO_TRANSIT, chunk);
  store32(h, me, base + LIMBO_HEAD, head);
  store32(h, me, base + LIMBO_CHUNK, next);
  free(chunk);
  store32(h, me, base + LIMBO_TRANSIT, 0);
  return next;
}

/** Writes entry `position` of the limbo at `base` of slot `slot` and moves its tail past it (recovery). */
export function appendAgain(
  h: number,
  slot: number,
  base: number,
  position: number,
  cell: number,
  epoch: number,
): void {
  const me = slotCell(slot);
  const chunk = chunkOf(h, slot, base, position);
  store32(h, chunk, entryOffset(position), cell);
  store32(h, chunk, entryOffset(position) + 4, epoch);
  store32(h, me, base + LIMBO_TAIL, (position + 1) | 0);
}

/** Calls `visit` for every cell in the limbo at `base` of slot `slot` and for every chunk. For `verify`. */
export function visitLimbo(
  h: number,
  slot: number,
  base: number,
  entry: (cell: number, epoch: number) => void,
  chunk: (cell: number) => void,
): void {
  const me = slotCell(slot);
  const tail = load32(h, me, base + LIMBO_TAIL);
  const head = load32(h, me, base + LIMBO_HEAD);
  let at = chunkOfHead(h, slot, base);
  for (let next = at, steps = 0; next !== 0; next = load32(h, next, CHUNK_NEXT)) {
    if (++steps > MOST_CHUNKS) throw corrupt("a limbo's chain of chunks does not end", at);
    chunk(next);
  }
  for (let position = head; position !== tail; position = (position + 1) | 0) {
    if (position === head || (position & (CHUNK_LENGTH - 1)) === 0) at = chunkOf(h, slot, base, position);
    entry(load32(h, at, entryOffset(position)), load32(h, at, entryOffset(position) + 4));
  }
}

/** Is there anything in the limbos of slot `slot`? */
export function hasLimbo(h: number, slot: number): boolean {
  const me = slotCell(slot);
  for (const base of [SLOT_LIMBO, SLOT_WAITING]) {
    if (load32(h, me, base + LIMBO_HEAD) !== load32(h, me, base + LIMBO_TAIL)) return true;
  }
  return false;
}

/** One limbo of a participant that is alive. Its words in the slot have no other writer. */
export class Limbo {
  private readonly h: number;
  private readonly heap: Heap;
  private readonly slot: number;
  private readonly me: number;
  private readonly base: number;
  private head: number;
  private tail: number;
  private headChunk: number;
  /** The chunk of position `tail`. */
  private tailChunk = 0;
  private readonly freeChunk: (cell: number) => void;
  private readonly recycle: (chunk: number) => void;

  /** Takes over what is in the slot at `base` (SLOT_LIMBO or SLOT_WAITING). */
  constructor(heap: Heap, slot: number, base: number) {
    this.h = heap.h;
    this.heap = heap;
    this.slot = slot;
    this.me = slotCell(slot);
    this.base = base;
    this.freeChunk = (cell) => heap.free(cell);
    this.recycle = (chunk) => this.recycleChunk(chunk);
    if (slot === 0) {
      // Whoever has no slot retires nothing.
      this.head = 0;
      this.tail = 0;
      this.headChunk = 0;
      return;
    }
    repairLimbo(heap.region, slot, base, this.freeChunk);
    this.head = load32(this.h, this.me, base + LIMBO_HEAD);
    this.tail = load32(this.h, this.me, base + LIMBO_TAIL);
    this.headChunk = load32(this.h, this.me, base + LIMBO_CHUNK);
    if (this.headChunk !== 0) this.tailChunk = chunkOf(this.h, slot, base, this.tail);
  }

  /** Entries in limbo. */
  get length(): number {
    return (this.tail - this.head) >>> 0;
  }

  /** The position that the next append will have; the intent records it. */
  get position(): number {
    return this.tail;
  }

  /** Epoch of the oldest entry. Only where there is one. */
  get oldestEpoch(): number {
    return load32(this.h, this.headChunk, entryOffset(this.head) + 4);
  }

  /** The oldest cell. Only where there is one. */
  get oldestCell(): number {
    return load32(this.h, this.headChunk, entryOffset(this.head));
  }

  /** Entries that the last chunk has room for. */
  private get left(): number {
    return CHUNK_LENGTH - (this.tail & (CHUNK_LENGTH - 1));
  }

  /** Would {@link reserve} find all there is to be? */
  get isReserved(): boolean {
    return (
      this.headChunk !== 0 && (!isNextDue(this.left) || load32(this.h, this.tailChunk, CHUNK_NEXT) !== 0)
    );
  }

  /**
   * Makes room for what one operation may append. Called before the operation takes any lock.
   * Throws FULL, NO_SPACE, IO_ERROR.
   */
  reserve(): void {
    if (this.headChunk === 0) {
      const chunk = this.newChunk(ordinal(this.tail));
      store32(this.h, this.me, this.base + LIMBO_CHUNK, chunk);
      this.publishChunk(chunk);
      this.headChunk = chunk;
      this.tailChunk = chunk;
    }
    // The next chunk long before it is needed: on a full disk there is room for deletes, and by the time that is used
    // up a chunk that has emptied is the one after.
    const { left } = this;
    if (!isNextDue(left) || load32(this.h, this.tailChunk, CHUNK_NEXT) !== 0) return;
    let chunk: number;
    try {
      chunk = this.newChunk((ordinal(this.tail) + 1) & ORDINAL_MASK);
    } catch (error) {
      if (left <= MOST_PER_OPERATION) throw error;
      return;
    }
    store32(this.h, this.tailChunk, CHUNK_NEXT, chunk);
    this.publishChunk(chunk);
  }

  private newChunk(number: number): number {
    const chunk = this.heap.take(LIMBO);
    store32(this.h, this.me, this.base + LIMBO_TRANSIT, chunk);
    this.prepareChunk(chunk, number);
    return chunk;
  }

  /** Makes `chunk` the one of ordinal `number`, with nothing in it. The transit word names it. */
  private prepareChunk(chunk: number, number: number): void {
    store32(this.h, chunk, CHUNK_NEXT, 0);
    store32(this.h, chunk, TAG, LIMBO | PRIVATE | (this.slot << SLOT_SHIFT) | (number << AUX_SHIFT));
  }

  private publishChunk(chunk: number): void {
    store32(this.h, chunk, TAG, (load32(this.h, chunk, TAG) & ~STATE_MASK) | LIVE);
    store32(this.h, this.me, this.base + LIMBO_TRANSIT, 0);
  }

  /** Appends a retired cell; {@link reserve} has made room. */
  append(cell: number, epoch: number): void {
    const offset = entryOffset(this.tail);
    store32(this.h, this.tailChunk, offset, cell);
    store32(this.h, this.tailChunk, offset + 4, epoch);
    this.tail = (this.tail + 1) | 0;
    if ((this.tail & (CHUNK_LENGTH - 1)) === 0) this.tailChunk = load32(this.h, this.tailChunk, CHUNK_NEXT);
    store32(this.h, this.me, this.base + LIMBO_TAIL, this.tail);
  }

  /** After a recovery of ourselves, which moved the words in the slot. */
  reload(): void {
    this.head = load32(this.h, this.me, this.base + LIMBO_HEAD);
    this.tail = load32(this.h, this.me, this.base + LIMBO_TAIL);
    this.headChunk = load32(this.h, this.me, this.base + LIMBO_CHUNK);
    this.tailChunk = this.headChunk === 0 ? 0 : chunkOf(this.h, this.slot, this.base, this.tail);
  }

  /** Frees the oldest cell, whose time has come, unless its epoch is not before `before`. */
  releaseOldest(before: number): boolean {
    if (this.head === this.tail) return false;
    const offset = entryOffset(this.head);
    if (!isBefore(load32(this.h, this.headChunk, offset + 4), before)) return false;
    const cell = load32(this.h, this.headChunk, offset);
    if ((load32(this.h, cell, TAG) & STATE_MASK) !== RETIRED)
      throw corrupt("a cell in limbo is not retired", cell);
    this.heap.free(cell);
    this.head = (this.head + 1) | 0;
    this.headChunk = moveHead(this.h, this.me, this.base, this.head, this.headChunk, this.recycle);
    return true;
  }

  /**
   * What to do with the chunk that the head has left, which the transit word names: it becomes the next one at the
   * other end if there is none. Given back, another might take its memory, and on a full disk we could not delete.
   */
  private recycleChunk(chunk: number): void {
    if (load32(this.h, this.tailChunk, CHUNK_NEXT) !== 0) {
      this.heap.free(chunk);
      return;
    }
    this.prepareChunk(chunk, (ordinal(this.tail) + 1) & ORDINAL_MASK);
    store32(this.h, this.tailChunk, CHUNK_NEXT, chunk);
    this.publishChunk(chunk);
  }
}
