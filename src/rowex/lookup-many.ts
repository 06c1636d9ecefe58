/**
 * Many lookups at once: sixteen descents take turns, a node each, and every step only asks for the next node. By the
 * time that it is that lane's turn again its node is there, so that up to sixteen cache misses are under way together.
 */
import { AUX_SHIFT, KIND_MASK, LEAF, LEAF_KEY, LIVE, NODE256, TAG } from "../memory/layout.ts";
import { hashDigits } from "../memory/mix.ts";
import { childOf, compareBytes, load32 } from "../memory/primitives.ts";
import {
  LANE_BYTES,
  LANE_VALUE_BYTES,
  LANES,
  SCRATCH_LANE_VALUES,
  SCRATCH_LANES,
} from "../memory/scratch.ts";
import { keyLengthOf } from "../node/leaf.ts";
import type { Participant } from "../reclaim/participant.ts";
import type { Hints } from "./hints.ts";
import { checkChild } from "./place.ts";

/** Digits that a lane holds, with the terminator. */
export const LANE_DIGITS = LANE_BYTES - 1;

const valueWord = (lane: number): number => (SCRATCH_LANE_VALUES + lane * LANE_VALUE_BYTES) >>> 2;

/** The lanes of one participant. */
export class Lanes {
  /** Where the i-th key is encoded. */
  readonly keys: Buffer[];
  /** Only so that touching the keys is not for nothing. */
  touched = 0;
  /** How many digits it has. */
  readonly lengths = new Int32Array(LANES);
  /** The leaf that has the key, 0: none; and its tag. */
  readonly leaves = new Int32Array(LANES);
  readonly tags = new Int32Array(LANES);
  private readonly depths = new Int32Array(LANES);
  private readonly hashes = new Int32Array(LANES);
  /** The node that the leaf found hangs from. */
  private readonly nodes = new Int32Array(LANES);
  /** Lanes that are still on their way. */
  private readonly active = new Int32Array(LANES);

  constructor(scratch: Buffer) {
    this.keys = Array.from({ length: LANES }, (_, i) => scratch.subarray(SCRATCH_LANES + i * LANE_BYTES));
  }

  /**
   * Looks up the keys in the first `count` lanes. The caller is in an epoch. Throws CORRUPT. `checks`: as of `findLeaf`.
   */
  lookup(p: Participant, count: number, hints: Hints, checks: number): void {
    const { lengths, leaves, hashes, tags } = this;
    for (let i = 0; i < count; i++) {
      hashes[i] = hashDigits(p.words, (SCRATCH_LANES + i * LANE_BYTES) >>> 2, lengths[i]!);
    }
    // What the hints name is asked for all at once, before any of it is looked at.
    hints.prepare(p, hashes, count);
    let left = 0;
    for (let i = 0; i < count; i++) {
      const leaf = hints.leafFor(
        p,
        hashes[i]!,
        SCRATCH_LANES + i * LANE_BYTES,
        lengths[i]!,
        SCRATCH_LANE_VALUES + i * LANE_VALUE_BYTES,
        checks,
      );
      leaves[i] = leaf;
      if (leaf !== 0) tags[i] = p.leafTag;
      else if (!hints.provesAbsentFor(p, hashes[i]!)) {
        p.words[valueWord(i) + 2] = 0;
        this.active[left++] = i;
      }
    }
    if (left > 0) this.descend(p, left, hints);
  }

  /** Was the number of the leaf in lane `i` found with it? Then it is {@link numberOf}. */
  hasNumber(p: Participant, i: number): boolean {
    return p.words[valueWord(i) + 2] === this.leaves[i];
  }

  numberOf(p: Participant, i: number): number {
    return p.doubles[valueWord(i) >>> 1]!;
  }

  /** The first `left` of `active`, from the root. */
  private descend(p: Participant, most: number, hints: Hints): void {
    const h = p.h;
    const { keys, lengths, leaves, tags, depths, active, nodes } = this;
    for (let a = 0; a < most; a++) {
      const i = active[a]!;
      leaves[i] = childOf(h, p.root, NODE256 | LIVE, keys[i]![0]!, -1);
      nodes[i] = p.root;
      depths[i] = 0;
    }
    let left = most;
    while (left > 0) {
      let kept = 0;
      for (let a = 0; a < left; a++) {
        const i = active[a]!;
        const cell = leaves[i]!;
        if (cell === 0) continue;
        const tag = checkChild(p, cell, load32(h, cell, TAG), depths[i]!);
        if ((tag & KIND_MASK) === LEAF) {
          tags[i] = tag;
          const length = lengths[i]!;
          const key = SCRATCH_LANES + i * LANE_BYTES;
          if (keyLengthOf(tag) !== length || compareBytes(h, cell, LEAF_KEY, key, length) >= 0) leaves[i] = 0;
          hints.learnHash(p, this.hashes[i]!, nodes[i]!, leaves[i]!);
          continue;
        }
        const depth = tag >>> AUX_SHIFT;
        if (depth > lengths[i]!) {
          leaves[i] = 0;
          continue;
        }
        depths[i] = depth;
        nodes[i] = cell;
        leaves[i] = childOf(h, cell, tag, keys[i]![depth]!, -1);
        active[kept++] = i;
      }
      left = kept;
    }
  }
}
