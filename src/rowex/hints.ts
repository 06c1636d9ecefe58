/**
 * Hints: where this participant has met keys before, so that the next search for one need not descend from the root.
 *
 * Who reads needs the key's leaf: {@link Hints.leafOf}. Who changes needs the node above it, whose lock he must take
 * unless a number changes in place: {@link Hints.find}. Both are guesses, and nothing is believed that is not found in
 * the file again, within an epoch: a leaf, or a node, begins at that cell; its tag says that it is in the tree; the
 * leaf has this very key. README.md of this folder, "Hints", says why that is enough. A hint that fails costs one
 * descent, as if there had been none.
 *
 * The tables are private to the participant. They grow with the keys that are asked for.
 */
import {
  AUX_SHIFT,
  KIND_MASK,
  LEAF,
  LEAF_KEY,
  LIVE,
  NODE256,
  REACHABLE,
  SLAB_BYTES,
  SLOT_MASK,
  STATE_MASK,
} from "../memory/layout.ts";
import { childOf, compareBytes, prefetch } from "../memory/primitives.ts";
import { SCRATCH_KEY, SCRATCH_TAG } from "../memory/scratch.ts";
import { tagOfCell } from "../memory/slabs.ts";
import { keyLengthOf } from "../node/leaf.ts";
import type { Participant } from "../reclaim/participant.ts";
import { HintTable } from "./hinttable.ts";

/** 64 bytes each: 16 MiB for leaves, 8 MiB for nodes. */
const MOST_LEAF_LINES = 1 << 18;
const MOST_NODE_LINES = 1 << 17;
/** A table takes at most this share of the file's size. */
const SHARE_OF_FILE = 2;
/** Longer keys are not worth the hash. */
const MOST_DIGITS = 512;
const TAG_WORD = SCRATCH_TAG >>> 2;

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
  private readonly leaves = new HintTable(MOST_LEAF_LINES);
  private readonly nodes = new HintTable(MOST_NODE_LINES);
  /** Hash of the key that was searched for last; and the leaf that a hint names for it, 0: none. */
  private hash = 0;
  private leaf = 0;
  /** Who only reads needs no nodes. */
  private changes = false;

  /**
   * The leaf of the key in the scratch buffer by its hint, or 0; `p.leafTag` is its tag. The caller is in an epoch, and
   * only reads.
   */
  leafOf(p: Participant): number {
    const length = p.keyLength;
    if (length > MOST_DIGITS) return 0;
    this.hash = hashDigits(p.words, SCRATCH_KEY >>> 2, length);
    const leaf = this.leaves.probe(this.hash);
    return leaf === 0 ? 0 : this.checkLeaf(p, leaf, SCRATCH_KEY, length);
  }

  /** What the hint for a hash names, or 0; it has been asked for. For {@link checkLeaf}. */
  probe(p: Participant, hash: number): number {
    const leaf = this.leaves.probe(hash);
    if (leaf !== 0) prefetch(p.h, leaf);
    return leaf;
  }

  /** `leaf`, if it is in the tree and has the key at `scratchOff` of the scratch buffer; else 0. `p.leafTag` is its tag. */
  checkLeaf(p: Participant, leaf: number, scratchOff: number, length: number): number {
    const h = p.h;
    const tag = tagOfCell(p.region, leaf);
    if ((tag & (KIND_MASK | STATE_MASK | SLOT_MASK)) !== (LEAF | LIVE)) return 0;
    if (keyLengthOf(tag) !== length || compareBytes(h, leaf, LEAF_KEY, scratchOff, length) >= 0) return 0;
    p.leafTag = tag;
    return leaf;
  }

  /**
   * Looks for the key in the scratch buffer by the hint of the node above its leaf. True: `p.leaf`, `p.leafTag` are its
   * leaf, and the path of `p` is that one node, as far as a change of the leaf needs it. The caller is in an epoch.
   */
  find(p: Participant): boolean {
    const length = p.keyLength;
    this.changes = true;
    if (length > MOST_DIGITS) return false;
    this.hash = hashDigits(p.words, SCRATCH_KEY >>> 2, length);
    const node = this.nodes.probe(this.hash);
    if (node === 0) {
      this.leaf = 0;
      return false;
    }
    prefetch(p.h, node);
    this.leaf = this.probe(p, this.hash);
    return this.checkNode(p, node, length);
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

  /** Notes where the key is that {@link leafOf} was asked for last: `leaf`, below `node`. */
  note(p: Participant, node: number, leaf: number): void {
    if (p.keyLength <= MOST_DIGITS) this.noteHash(p, this.hash, node, leaf);
  }

  /** As {@link note}, for a key with this hash. */
  noteHash(p: Participant, hash: number, node: number, leaf: number): void {
    const room = (p.region.capacity * SLAB_BYTES) / SHARE_OF_FILE;
    this.leaves.note(hash, leaf, room);
    if (this.changes) this.nodes.note(hash, node, room);
  }

  /** Notes where a change has left the key that {@link find} was asked for last, and whether that had `found` it. */
  noteChange(p: Participant, found: boolean): void {
    if (p.leafNode === 0 || p.keyLength > MOST_DIGITS) return;
    const room = (p.region.capacity * SLAB_BYTES) / SHARE_OF_FILE;
    if (!found) this.nodes.note(this.hash, p.leafNode, room);
    if (p.leaf !== this.leaf) this.leaves.note(this.hash, p.leaf, room);
  }
}
