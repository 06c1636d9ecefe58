/**
 * Hints: where the keys are, so that a search for one need not descend from the root.
 *
 * Who reads needs the key's leaf: {@link Hints.leafOf}. Who changes needs the node above it, whose lock he must take
 * unless a number changes in place: {@link Hints.find}. Both are guesses, and nothing is believed that is not found in
 * the file again, within an epoch: a leaf, or a node, begins at that cell; its tag says that it is in the tree; the
 * leaf has this very key. README.md of this folder, "Hints", says why that is enough. A hint that fails costs one
 * descent, as if there had been none.
 *
 * Who has searched for a sixteenth of the keys learns where all are, by sweeping over the slabs of leaves, a piece at each further
 * search. From then on, for as long as nobody else puts leaves into the tree, what the table does not name is absent:
 * {@link Hints.provesAbsent}; README.md, "Absence".
 *
 * The tables are private to the participant, in plain memory.
 */
import { CLASS_BYTES, CLASS_CELLS, CLASSES, FIRST_LEAF_CLASS } from "../memory/classes.ts";
import {
  AUX_SHIFT,
  ENTRY_WORD,
  entryCell,
  FIRST_DATA_SLAB,
  KIND_MASK,
  LEAF,
  LEAF_KEY,
  LIVE,
  NODE256,
  REACHABLE,
  SB,
  SB_FRONTIER,
  SB_LAST_START,
  SB_Q,
  SLAB_BYTES,
  SLAB_CELLS,
  SLAB_CLAIMED,
  SLAB_RUN,
  SLAB_UNITS,
  SLOT_MASK,
  STATE_MASK,
} from "../memory/layout.ts";
import { hashDigits } from "../memory/mix.ts";
import {
  childOf,
  compareBytes,
  findLeaf,
  hashLeaves,
  load32,
  load64,
  prefetch,
} from "../memory/primitives.ts";
import { SCRATCH_KEY, SCRATCH_LEAVES, SCRATCH_TAG } from "../memory/scratch.ts";
import { entryClass, entryKind, tagOfCell } from "../memory/slabs.ts";
import { keyLengthOf, TYPE_FLOAT64, typeOf } from "../node/leaf.ts";
import type { Participant } from "../reclaim/participant.ts";
import { countKeys } from "../reclaim/registry.ts";
import { HintTable } from "./hinttable.ts";
import { LeafTable } from "./leaftable.ts";

/** 64 bytes each: 8 MiB for nodes. */
const MOST_NODE_LINES = 1 << 17;
/** The table of nodes takes at most this share of the file's size. */
const SHARE_OF_FILE = 2;
/** Bytes that the table of leaves may take, unless the store says otherwise: room for 7 million keys. */
const MOST_BYTES = 64 << 20;
/** Bytes of that table per key, about. */
const BYTES_PER_KEY = 8;
/** Longer keys are not worth the hash. */
const MOST_DIGITS = 512;
const TAG_WORD = SCRATCH_TAG >>> 2;

/**
 * Learning where all leaves are is worth it after one search from the root for so many keys. To look at a leaf, and to note
 * it, takes 0.1 µs, and each search that follows takes 0.6 less: so who searches less is better off without, and who searches
 * more has lost little by waiting.
 */
const KEYS_PER_SEARCH = 16;
/** Where the table has no room for all, and holds what is asked for, there is no sweep to be paid for. */
const SEARCHES_FOR_CACHE = 1 << 14;
/** Searches, after as many, between two looks at how many keys there are. */
const COUNT_EVERY = 64;
/** Cells that one search sweeps over. */
const SWEEP = 128;
/** How often a slab is looked at that somebody has claimed for a moment. */
const MOST_WAITS = 1000;
/** What {@link Hints.find} found: nothing; the leaf alone; the leaf and, as the path, the node above it. */
export const NOT_FOUND = 0;
export const FOUND_LEAF = 1;
export const FOUND_PLACE = 2;

/** Room for more keys than there are: in a first table, in one that follows a table that became too small. */
const ROOM = 1.25;
const MORE_ROOM = 2;
/** Keys that a table has room for at least. */
const LEAST_KEYS = 24;

function prefetchLeaf(p: Participant, leaf: number): void {
  if (leaf !== 0) prefetch(p.h, leaf);
}

export class Hints {
  /** Null as long as too few keys were searched for. */
  private table: LeafTable | null = null;
  private readonly nodes = new HintTable(MOST_NODE_LINES);
  /** Hash of the key that was searched for last. */
  private hash = 0;
  /** Did the table name any leaf for it? */
  private named = false;
  /** Only who replaces leaves needs nodes. */
  private changes = false;
  /** Does the table hold what was asked for last, since it has no room for all? */
  private isCache = false;

  /** Searches that went down from the root although a table that knows everything would have spared that. */
  private missed = 0;
  /** The slab, and the cell in it, that the sweep goes on with; 0: none is under way. */
  private sweepSlab = 0;
  private sweepCell = 0;
  private sweepEnd = 0;
  private waits = 0;
  /** All leaves with a lower number that are in the tree are in the table, or lost there; NaN: not known of any number. */
  private known = Number.NaN;
  /** The same while a sweep is under way: what will be known at its end. */
  private coming = Number.NaN;
  /** Missed searches that the next sweep has to be worth: more each time that one was in vain. */
  private patience = 1;
  /** Absent keys that were proven to be since the last sweep. */
  private proven = 0;
  /** By which a new table is larger than what it has to hold. */
  private room = ROOM;

  /** `mostBytes`: of the table of leaves; 0: no hints of leaves. */
  constructor(private readonly mostBytes: number = MOST_BYTES) {}

  // ---- who reads ---------------------------------------------------------------------------------------------------

  /**
   * The leaf of the key in the scratch buffer by its hint, or 0; `p.leafTag` is its tag. The caller is in an epoch, and
   * only reads. `valueOff`, `checks`: as of `findLeaf`.
   */
  leafOf(p: Participant, valueOff: number, checks: number): number {
    const length = p.keyLength;
    if (this.table === null || length > MOST_DIGITS) return 0;
    this.hash = hashDigits(p.words, SCRATCH_KEY >>> 2, length);
    return this.leafFor(p, this.hash, SCRATCH_KEY, length, valueOff, checks);
  }

  /** The same for the key of `length` digits at `scratchOff` of the scratch buffer, whose hash is `hash`. */
  leafFor(
    p: Participant,
    hash: number,
    scratchOff: number,
    length: number,
    valueOff: number,
    checks: number,
  ): number {
    const table = this.table;
    if (table === null) return 0;
    let leaf = table.first(hash);
    this.named = leaf !== 0;
    for (; leaf !== 0; leaf = table.next()) {
      const tag = findLeaf(p.h, leaf, scratchOff, length, valueOff, p.region.salt, checks);
      if (tag !== 0) {
        p.leafTag = tag;
        return leaf;
      }
      this.dropIfStale(p, table, leaf, hash);
    }
    return 0;
  }

  /**
   * Forgets the entry that was looked at last if its cell has no leaf now, or one whose mark is another. Else what others
   * replace again and again would fill the table. A leaf with this mark may rely on the entry.
   */
  private dropIfStale(p: Participant, table: LeafTable, leaf: number, hash: number): void {
    const found = hashLeaves(p.h, leaf, SLAB_BYTES, 1, SCRATCH_LEAVES, MOST_DIGITS);
    if (found === 0 || !table.isMarkOf(p.words[(SCRATCH_LEAVES >>> 2) + 1]!, hash)) table.drop();
  }

  /** Is the key certainly absent for which {@link leafOf} has just found nothing? In the same epoch. */
  provesAbsent(p: Participant): boolean {
    return p.keyLength <= MOST_DIGITS && this.provesAbsentFor(p, this.hash);
  }

  /** The same for the key with this hash, at most {@link MOST_DIGITS} digits, for which {@link leafFor} has just found nothing. */
  provesAbsentFor(p: Participant, hash: number): boolean {
    const table = this.table;
    // A leaf that was named, and could not be taken, may be the key's and only be locked. Who has no slot does not see when
    // all others have gone, and the next to come counts what is there as promised.
    if (table === null || this.named || table.lacks(hash) || p.slot === 0 || !this.isCurrent(p.h))
      return false;
    this.proven++;
    return true;
  }

  /** Has nobody put a leaf into the tree of which this participant does not know? */
  private isCurrent(h: number): boolean {
    const next = load64(h, SB, SB_Q);
    if (next === this.known) return true;
    // The number may be one that a sync took, or a backup.
    if (this.known < next && load64(h, SB, SB_LAST_START) === this.known) this.known++;
    return next === this.known;
  }

  /** Begins to wait for what is known of several hashes; what {@link leafFor} will look at. */
  prepare(p: Participant, hashes: Int32Array, count: number): void {
    const table = this.table;
    if (table === null) return;
    let any = 0;
    for (let i = 0; i < count; i++) any ^= table.touch(hashes[i]!);
    this.touched = any;
    for (let i = 0; i < count; i++) {
      const leaf = table.first(hashes[i]!);
      if (leaf !== 0) prefetch(p.h, leaf);
    }
  }
  /** Only so that touching is not for nothing. */
  touched = 0;

  /** A search from the root has found `leaf` below `node` (0: none) for the key that {@link leafOf} was asked for last. */
  learn(p: Participant, node: number, leaf: number): void {
    if (p.keyLength <= MOST_DIGITS) this.learnHash(p, this.hash, node, leaf);
  }

  /** As {@link learn}, for a key with this hash. */
  learnHash(p: Participant, hash: number, node: number, leaf: number): void {
    const table = this.table;
    if (table === null) {
      this.missed++;
      if (this.mostBytes === 0 || (this.missed > COUNT_EVERY && this.missed % COUNT_EVERY !== 0)) return;
      const keys = countKeys(p.h);
      const enough = this.isTooMany(keys) ? SEARCHES_FOR_CACHE : keys / KEYS_PER_SEARCH;
      if (this.missed >= enough) this.begin(p, keys);
      return;
    }
    if (leaf !== 0) {
      table.add(hash, leaf, this.isCache);
      if (this.changes) this.nodes.note(hash, node, this.nodeRoom(p));
    }
    if (this.sweepSlab !== 0) this.sweep(p);
    else if (++this.missed > this.patience && !this.isCache) this.learnAgain(p, table);
  }

  private isTooMany(keys: number): boolean {
    return keys * BYTES_PER_KEY > this.mostBytes;
  }

  private nodeRoom(p: Participant): number {
    return (p.region.capacity * SLAB_BYTES) / SHARE_OF_FILE;
  }

  // ---- learning ------------------------------------------------------------------------------------------------------

  /** A new table, and a sweep to fill it. */
  private begin(p: Participant, keys: number): void {
    const wanted = Math.max(keys, LEAST_KEYS) * this.room;
    this.table = new LeafTable(wanted, this.mostBytes);
    // What the old table knew this one does not.
    this.known = Number.NaN;
    this.room = ROOM;
    this.patience = Math.max(1, keys / KEYS_PER_SEARCH);
    // What does not fit as a whole is kept as it is asked for.
    this.isCache = this.isTooMany(keys);
    if (!this.isCache) this.beginSweep(p);
  }

  /** The number first: what has a higher one is not looked for, and may be missed. */
  private beginSweep(p: Participant): void {
    this.coming = load64(p.h, SB, SB_Q);
    p.region.refresh();
    this.missed = 0;
    this.waits = 0;
    this.sweepSlab = FIRST_DATA_SLAB;
    this.sweepCell = 0;
    this.sweepEnd = Math.min(load32(p.h, SB, SB_FRONTIER), p.region.capacity);
  }

  /** Others have put leaves into the tree. If what was known before was of no use, the next sweep has to wait longer. */
  private learnAgain(p: Participant, table: LeafTable): void {
    if (table.isFull) {
      // Also where it is current: it has lost too much for that to be of use.
      this.room = MORE_ROOM;
      this.begin(p, countKeys(p.h));
      return;
    }
    if (this.isCurrent(p.h)) {
      this.missed = 0;
      return;
    }
    this.patience = this.proven < this.missed ? this.patience * 2 : this.patience;
    this.proven = 0;
    this.beginSweep(p);
  }

  /** One more piece of the slabs of leaves. In an epoch, between two searches. */
  private sweep(p: Participant): void {
    const { h, words } = p;
    const table = this.table;
    if (table === null) return;
    if (table.warm()) return;
    let left = SWEEP;
    while (left > 0 && this.sweepSlab < this.sweepEnd) {
      const slab = this.sweepSlab;
      const word = load32(h, entryCell(slab), ENTRY_WORD);
      const kind = entryKind(word);
      const sizeClass = entryClass(word);
      let stride = SLAB_BYTES;
      let cells = 0;
      if (kind === SLAB_RUN) cells = 1;
      else if (kind === SLAB_CELLS && sizeClass >= FIRST_LEAF_CLASS && sizeClass < CLASSES) {
        stride = CLASS_BYTES[sizeClass]!;
        cells = CLASS_CELLS[sizeClass]!;
      } else if (kind === SLAB_CLAIMED) {
        // It may have leaves: somebody looks whether it has any. Unless he is dead that takes a moment.
        if (++this.waits <= MOST_WAITS) return;
        this.coming = Number.NaN;
      }
      const count = Math.min(cells - this.sweepCell, left);
      if (count > 0) {
        const from = slab * SLAB_UNITS + this.sweepCell * (stride >>> 3);
        const found = hashLeaves(h, from, stride, count, SCRATCH_LEAVES, MOST_DIGITS);
        const list = SCRATCH_LEAVES >>> 2;
        // The waits for the lines of the table, one for each leaf, overlap that way.
        let any = 0;
        for (let i = 0; i < found; i++) any ^= table.touch(words[list + i * 2 + 1]!);
        this.touched = any;
        for (let i = 0; i < found; i++) table.add(words[list + i * 2 + 1]!, words[list + i * 2]!, false);
        this.sweepCell += count;
      }
      left -= Math.max(1, count);
      if (this.sweepCell >= cells) {
        this.sweepCell = 0;
        this.sweepSlab++;
      }
    }
    if (this.sweepSlab < this.sweepEnd) return;
    this.sweepSlab = 0;
    this.known = this.coming;
    this.coming = Number.NaN;
  }

  // ---- who changes ---------------------------------------------------------------------------------------------------

  /**
   * Looks for the key in the scratch buffer, for a change: {@link FOUND_LEAF}, {@link FOUND_PLACE} or {@link NOT_FOUND}.
   * `p.leaf`, `p.leafTag` are its leaf. `number`: if that is a float64 the change can make do with the leaf. The caller is in
   * an epoch.
   */
  find(p: Participant, number: boolean): number {
    const length = p.keyLength;
    p.leafNumber = 0;
    if (length > MOST_DIGITS) return NOT_FOUND;
    const { table } = this;
    if (table === null && !this.changes) return NOT_FOUND;
    this.hash = hashDigits(p.words, SCRATCH_KEY >>> 2, length);
    const node = this.changes ? this.nodes.probe(this.hash) : 0;
    if (node !== 0) prefetch(p.h, node);
    if (table !== null && number) {
      const leaf = this.leafFor(p, this.hash, SCRATCH_KEY, length, -1, 0);
      if (leaf !== 0 && typeOf(p.leafTag) === TYPE_FLOAT64) {
        p.leaf = leaf;
        p.leafNode = 0;
        return FOUND_LEAF;
      }
    }
    if (node === 0) return NOT_FOUND;
    if (table !== null && !number) prefetchLeaf(p, table.first(this.hash));
    return this.checkNode(p, node, length) ? FOUND_PLACE : NOT_FOUND;
  }

  /** Asks for the leaf of the key in the scratch buffer, which the caller is about to come to from the root. */
  prefetch(p: Participant): void {
    const { table } = this;
    if (table === null || p.keyLength > MOST_DIGITS) return;
    prefetchLeaf(p, table.first(hashDigits(p.words, SCRATCH_KEY >>> 2, p.keyLength)));
  }

  private checkNode(p: Participant, node: number, length: number): boolean {
    const h = p.h;
    const tag = tagOfCell(p.region, node);
    if ((tag & KIND_MASK) > NODE256 || (tag & (STATE_MASK | SLOT_MASK)) !== LIVE) return false;
    const depth = tag >>> AUX_SHIFT;
    if (depth > length) return false;
    const leaf = childOf(h, node, tag, p.key[depth]!, SCRATCH_TAG);
    if (leaf === 0) return false;
    const leafTag = p.words[TAG_WORD]!;
    if ((leafTag & (KIND_MASK | REACHABLE)) !== (LEAF | REACHABLE)) return false;
    if (keyLengthOf(leafTag) !== length || compareBytes(h, leaf, LEAF_KEY, SCRATCH_KEY, length) >= 0)
      return false;
    p.leaf = leaf;
    p.leafTag = leafTag;
    p.leafNode = node;
    p.path[0] = node;
    p.pathTag[0] = tag;
    p.pathLength = 1;
    return true;
  }

  /**
   * Notes where a change has left the key that {@link find} was asked for last, and what that had `found`. The change has put
   * one leaf into the tree, `p.leaf` with the number `p.leafNumber`, in the place of `p.oldLeaf`; or (0) none. In its epoch.
   */
  noteChange(p: Participant, found: number): void {
    if (p.keyLength > MOST_DIGITS) return;
    const isNew = p.leafNumber !== 0;
    const known = !isNew || p.oldLeaf !== 0;
    let { table } = this;
    if (table === null && !known) return;
    // A first change computed no hash for want of a table.
    if (table === null && !this.changes) this.hash = hashDigits(p.words, SCRATCH_KEY >>> 2, p.keyLength);
    if (isNew && known) {
      this.changes = true;
      if (found === NOT_FOUND) this.nodes.note(this.hash, p.leafNode, this.nodeRoom(p));
    }
    if (table === null) {
      this.learnHash(p, this.hash, 0, 0);
      table = this.table;
      if (table === null || !isNew) return;
    }
    if (isNew && known) table.replace(this.hash, p.oldLeaf, p.leaf, this.isCache);
    else table.add(this.hash, p.leaf, this.isCache);
    if (isNew) this.noteNumber(p.h, p.leafNumber);
    if (known && found === NOT_FOUND && this.sweepSlab !== 0) this.sweep(p);
    if (table.isFull && !this.isCache) this.forget();
  }

  /** Notes that the key in the scratch buffer has lost its leaf, `p.oldLeaf`. */
  noteRemoval(p: Participant): void {
    if (this.table === null || p.keyLength > MOST_DIGITS) return;
    this.table.remove(hashDigits(p.words, SCRATCH_KEY >>> 2, p.keyLength), p.oldLeaf);
  }

  /** The leaf with this number is in the table. Those before it may be a sync's, or leaves of others. */
  private noteNumber(h: number, number: number): void {
    const before = number === this.known + 1 && load64(h, SB, SB_LAST_START) === this.known;
    if (number === this.known || before) this.known = number + 1;
    const sooner = number === this.coming + 1 && load64(h, SB, SB_LAST_START) === this.coming;
    if (number === this.coming || sooner) this.coming = number + 1;
  }

  /** The table is too small: a larger one, as soon as it is worth it. */
  private forget(): void {
    this.table = null;
    this.sweepSlab = 0;
    this.missed = 0;
    this.coming = Number.NaN;
    this.known = Number.NaN;
    this.room = MORE_ROOM;
  }
}
