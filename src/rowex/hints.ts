/**
 * Hints: where this participant has met keys before, so that the next search for one need not descend from the root.
 *
 * A hint names the node above the key's leaf. It is a guess, and nothing is believed that is not found in the file again,
 * within an epoch: the node is in the tree, which its tag tells, and its slot for the key holds a leaf of that key.
 * README.md of this folder, "Hints", says why that is enough. A hint that fails costs one descent, as if there had been none.
 *
 * The table is private to the participant, a set-associative cache: a line of {@link WAYS} hints for each value of some
 * bits of the key's hash. It grows with the keys that are asked for, up to half of the file and 16 MiB.
 */
import {
  AUX_SHIFT,
  KIND_MASK,
  LEAF,
  LEAF_KEY,
  LIVE,
  NODE256,
  REACHABLE,
  SB,
  SB_SLABS_FREED,
  SLAB_BYTES,
  SLOT_MASK,
  STATE_MASK,
  TAG,
} from "../memory/layout.ts";
import { childOf, compareBytes, load32, prefetch } from "../memory/primitives.ts";
import { SCRATCH_KEY, SCRATCH_TAG } from "../memory/scratch.ts";
import { keyLengthOf } from "../node/leaf.ts";
import type { Participant } from "../reclaim/participant.ts";

/** Words of a hint: the node; the leaf as it was last, only to be asked for early; the key's hash. */
const LEAF_CELL = 1;
const HASH = 2;
const HINT_WORDS = 3;
/** As many as fit in a cache line. */
const WAYS = 5;
const LINE_WORDS = 16;
const LINE_SHIFT = 4;
const FIRST_LINES = 16;
const MOST_LINES = 1 << 18;
/** The table takes at most this share of the file's size. */
const SHARE_OF_FILE = 2;
/** Longer keys are not worth the hash. */
const MOST_DIGITS = 512;
const TAG_WORD = SCRATCH_TAG >>> 2;

if (LINE_WORDS !== 1 << LINE_SHIFT || WAYS * HINT_WORDS > LINE_WORDS)
  throw new Error("hints: size of a line");

/** Hash of `length` digits, which begin at word `from` of the scratch buffer. */
export function hashDigits(words: Int32Array, from: number, length: number): number {
  let hash = length;
  const end = from + (length >>> 2);
  for (let i = from; i < end; i++) {
    hash = Math.imul(hash ^ words[i]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  const rest = length & 3;
  if (rest !== 0) {
    hash = Math.imul(hash ^ (words[end]! & ((1 << (rest * 8)) - 1)), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash, 0x85ebca6b);
  return hash ^ (hash >>> 13);
}

export class Hints {
  private table = new Int32Array(FIRST_LINES * LINE_WORDS);
  private mask = FIRST_LINES - 1;
  /** SB_SLABS_FREED when the table was empty last. */
  private slabsFreed = 0;
  /** Which way of a full line goes next. */
  private turn = 0;
  /** Hints that had to go since the table grew last. */
  private evicted = 0;
  /** Hash of the key that was searched for last. */
  private hash = 0;
  /** What the last `find` or `check` that found something met: the node and its tag. */
  node = 0;
  nodeTag = 0;

  /**
   * Looks for the key in the scratch buffer by its hint. True: `p.leaf`, `p.leafTag` are its leaf, and the path of `p`
   * is the one node above it, as far as a change of the leaf needs it. The caller is in an epoch.
   */
  find(p: Participant): boolean {
    const length = p.keyLength;
    if (length > MOST_DIGITS) return false;
    this.hash = hashDigits(p.words, SCRATCH_KEY >>> 2, length);
    const at = this.probe(this.hash);
    if (at < 0) return false;
    prefetch(p.h, this.table[at + LEAF_CELL]!);
    const leaf = this.check(p, at, p.key, SCRATCH_KEY, length);
    if (leaf === 0) return false;
    p.leaf = leaf;
    p.path[0] = this.node;
    p.pathTag[0] = this.nodeTag;
    p.pathLength = 1;
    return true;
  }

  /** Index of the hint for a hash, or -1. */
  probe(hash: number): number {
    const table = this.table;
    const line = (hash & this.mask) << LINE_SHIFT;
    for (let at = line; at < line + WAYS * HINT_WORDS; at += HINT_WORDS) {
      if (table[at + HASH]! === hash && table[at]! !== 0) return at;
    }
    return -1;
  }

  /** Asks for what the hint at `at` names, before {@link check}. */
  prefetch(h: number, at: number): void {
    prefetch(h, this.table[at]!);
    prefetch(h, this.table[at + LEAF_CELL]!);
  }

  /**
   * The leaf of the key, which is in `key` and at `scratchOff` of the scratch buffer, if it hangs from the node that the
   * hint at `at` names and that node is in the tree; else 0. `p.leafTag` is its tag.
   */
  check(p: Participant, at: number, key: Buffer, scratchOff: number, length: number): number {
    const h = p.h;
    const table = this.table;
    // Where many are looked up together, another's check may have emptied the table.
    const node = table[at] ?? 0;
    if (node === 0) return 0;
    const tag = load32(h, node, TAG);
    // After the tag: as long as this word stands still, cells begin where they did when the hint was noted.
    if (load32(h, SB, SB_SLABS_FREED) !== this.slabsFreed) {
      this.clear(h);
      return 0;
    }
    if ((tag & (STATE_MASK | SLOT_MASK)) !== LIVE || ((tag & KIND_MASK) - 1) >>> 0 >= NODE256) return 0;
    const depth = tag >>> AUX_SHIFT;
    if (depth > length) return 0;
    const leaf = childOf(h, node, tag, key[depth]!, SCRATCH_TAG);
    if (leaf === 0) return 0;
    const leafTag = p.words[TAG_WORD]!;
    if ((leafTag & (KIND_MASK | REACHABLE)) !== (LEAF | REACHABLE)) return 0;
    if (keyLengthOf(leafTag) !== length || compareBytes(h, leaf, LEAF_KEY, scratchOff, length) >= 0) return 0;
    // It may have been replaced since.
    table[at + LEAF_CELL] = leaf;
    p.leafTag = leafTag;
    this.node = node;
    this.nodeTag = tag;
    return leaf;
  }

  /** Notes where the key is that {@link find} was asked for last: `leaf`, below `node`. */
  note(p: Participant, node: number, leaf: number): void {
    if (p.keyLength <= MOST_DIGITS) this.noteHash(p, this.hash, node, leaf);
  }

  /** As {@link note}, for a key with this hash. */
  noteHash(p: Participant, hash: number, node: number, leaf: number): void {
    let at = this.wayFor(hash);
    if (at < 0) {
      if (++this.evicted > this.mask * WAYS && this.grow(p)) {
        at = this.wayFor(hash);
      }
      if (at < 0) {
        this.turn = this.turn === WAYS - 1 ? 0 : this.turn + 1;
        at = ((hash & this.mask) << LINE_SHIFT) + this.turn * HINT_WORDS;
      }
    }
    const table = this.table;
    table[at] = node;
    table[at + LEAF_CELL] = leaf;
    table[at + HASH] = hash;
  }

  /** Index of the hint that has this hash, or of a free one in its line, or -1. */
  private wayFor(hash: number): number {
    const table = this.table;
    const line = (hash & this.mask) << LINE_SHIFT;
    for (let at = line; at < line + WAYS * HINT_WORDS; at += HINT_WORDS) {
      if (table[at]! === 0 || table[at + HASH]! === hash) return at;
    }
    return -1;
  }

  /** Four times as large, or twice, if there is room. */
  private grow(p: Participant): boolean {
    this.evicted = 0;
    const room = (p.region.capacity * SLAB_BYTES) / (LINE_WORDS * 4 * SHARE_OF_FILE);
    let lines = (this.mask + 1) * 4;
    if (lines > room) lines /= 2;
    if (lines > room || lines > MOST_LINES) return false;
    const old = this.table;
    this.table = new Int32Array(lines * LINE_WORDS);
    this.mask = lines - 1;
    for (let line = 0; line < old.length; line += LINE_WORDS) {
      for (let at = line; at < line + WAYS * HINT_WORDS; at += HINT_WORDS) {
        if (old[at]! === 0) continue;
        const to = this.wayFor(old[at + HASH]!);
        if (to >= 0) this.table.set(old.subarray(at, at + HINT_WORDS), to);
      }
    }
    return true;
  }

  /** Empty, and small again: where nodes go all the time a large table would be wiped all the time. */
  private clear(h: number): void {
    if (this.table.length === FIRST_LINES * LINE_WORDS) {
      this.table.fill(0);
    } else {
      this.table = new Int32Array(FIRST_LINES * LINE_WORDS);
      this.mask = FIRST_LINES - 1;
    }
    this.evicted = 0;
    this.slabsFreed = load32(h, SB, SB_SLABS_FREED);
  }
}
