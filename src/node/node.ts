/** What all node kinds have in common: dispatch by kind, counts, copies to another kind, snapshots. */
import { corrupt } from "../errors.ts";
import {
  AUX_SHIFT,
  COUNTS,
  KIND_MASK,
  LIVE_SHIFT,
  N4_BYTES,
  N4_CHILDREN,
  N4_DIGITS,
  N16_BYTES,
  N16_CHILDREN,
  N16_DIGITS,
  N48_BYTES,
  N48_INDEX,
  N256_BYTES,
  N256_CHILDREN,
  NODE4,
  NODE16,
  NODE48,
  NODE256,
  USED_MASK,
} from "../memory/layout.ts";
import { fillWord, listChildren, load32, store32 } from "../memory/primitives.ts";
import { SCRATCH_CHILDREN } from "../memory/scratch.ts";
import { CAPACITY4, place4, slotOf4 } from "./node4.ts";
import { CAPACITY16, place16, slotOf16 } from "./node16.ts";
import { CAPACITY48, place48, slotOf48 } from "./node48.ts";
import { CAPACITY256, place256, slotOf256 } from "./node256.ts";

export const NODE_BYTES = new Int32Array([0, N4_BYTES, N16_BYTES, N48_BYTES, N256_BYTES, 0, 0, 0]);
export const NODE_CAPACITY = new Int32Array([0, CAPACITY4, CAPACITY16, CAPACITY48, CAPACITY256, 0, 0, 0]);
/**
 * A node is copied to the kind below when it would be left with no more than this many children: some below that
 * kind's capacity, lest an insert and a delete in turn copy it each time. Node4 collapses instead.
 */
const SHRINK_AT = new Int32Array([0, 0, CAPACITY4 - 1, CAPACITY16 - 4, CAPACITY48 - 8, 0, 0, 0]);

export const isNode = (tag: number): boolean => ((tag & KIND_MASK) - 1) >>> 0 < 4;
export const kindOf = (tag: number): number => tag & KIND_MASK;
export const depthOf = (tag: number): number => tag >>> AUX_SHIFT;

export const usedOf = (counts: number): number => counts & USED_MASK;
export const liveOf = (counts: number): number => counts >>> LIVE_SHIFT;
export const countsOf = (used: number, live: number): number => used | (live << LIVE_SHIFT);

/** The kind that holds `children` children. */
export function kindFor(children: number): number {
  if (children <= CAPACITY4) return NODE4;
  if (children <= CAPACITY16) return NODE16;
  return children <= CAPACITY48 ? NODE48 : NODE256;
}

/** Should a node of `kind` that is left with `children` children be copied to a smaller kind? */
export const shouldShrink = (kind: number, children: number): boolean => children <= SHRINK_AT[kind]!;

/** Byte offset of the child slot of `digit` in a node of `kind`, 0 if it has none. */
export function slotOf(h: number, kind: number, node: number, digit: number): number {
  switch (kind) {
    case NODE4:
      return slotOf4(h, node, digit);
    case NODE16:
      return slotOf16(h, node, digit);
    case NODE48:
      return slotOf48(h, node, digit);
    default:
      return slotOf256(digit);
  }
}

/** Adds a child to a private node of `kind`, which has `used` already. Counts are the caller's to store. */
export function place(
  h: number,
  kind: number,
  node: number,
  used: number,
  digit: number,
  child: number,
): void {
  switch (kind) {
    case NODE4:
      place4(h, node, used, digit, child);
      break;
    case NODE16:
      place16(h, node, used, digit, child);
      break;
    case NODE48:
      place48(h, node, used, digit, child);
      break;
    default:
      place256(h, node, digit, child);
  }
}

/** Makes a private cell an empty node of `kind`, but for its tag. */
export function clearNode(h: number, kind: number, node: number): void {
  if (kind === NODE48) fillWord(h, node, N48_INDEX, 4, 64, 0);
  else if (kind === NODE256) fillWord(h, node, N256_CHILDREN, 4, 256, 0);
}

/**
 * The children of a node, each read once, in order of their digits. One of these serves one participant again and
 * again; `read` fills it. A child that comes or goes meanwhile may be in it or not; one that was there throughout is.
 */
export class Snapshot {
  /** Views of the scratch buffer: the next `read` overwrites them. */
  readonly children: Int32Array;
  readonly digits: Uint8Array;
  count = 0;

  constructor(scratch: Buffer) {
    const at = scratch.byteOffset + SCRATCH_CHILDREN;
    this.children = new Int32Array(scratch.buffer, at, 256);
    this.digits = new Uint8Array(scratch.buffer, at + 1024, 256);
  }

  /** Reads all live children of `node`, whose tag is `tag`. */
  read(h: number, node: number, tag: number): void {
    const count = listChildren(h, node, tag, SCRATCH_CHILDREN);
    if (count < 0)
      throw corrupt("a pointer leads to a cell that is no node, or reaches beyond the file", node);
    this.count = count;
  }
}

/**
 * Fills the private node `to` of `kind` with the live children in `snapshot`, without the child `without` (0: all),
 * and, unless `child` is 0, with `child` under `digit`. Stores the counts.
 */
export function fillCopy(
  h: number,
  snapshot: Snapshot,
  without: number,
  to: number,
  kind: number,
  digit: number,
  child: number,
): void {
  const count = snapshot.count + (without === 0 ? 0 : -1) + (child === 0 ? 0 : 1);
  if (count > NODE_CAPACITY[kind]!) throw corrupt("a node has more children than it counts", to);
  clearNode(h, kind, to);
  let used = 0;
  for (let i = 0; i < snapshot.count; i++) {
    const kept = snapshot.children[i]!;
    if (kept === without) continue;
    place(h, kind, to, used++, snapshot.digits[i]!, kept);
  }
  if (child !== 0) place(h, kind, to, used++, digit, child);
  store32(h, to, COUNTS, countsOf(kind === NODE256 ? 0 : used, used));
}

/** Counts the live children of a node anew (recovery, verify). */
export function recount(h: number, node: number, kind: number): number {
  let live = 0;
  if (kind === NODE48 || kind === NODE256) {
    // By digit: a slot of a Node48 that no index byte points to may hold a child that was never published.
    for (let digit = 0; digit < 256; digit++) {
      const offset = slotOf(h, kind, node, digit);
      if (offset !== 0 && load32(h, node, offset) !== 0) live++;
    }
    return live;
  }
  const used = Math.min(usedOf(load32(h, node, COUNTS)), NODE_CAPACITY[kind]!);
  const first = kind === NODE4 ? N4_CHILDREN : N16_CHILDREN;
  for (let i = 0; i < used; i++) if (load32(h, node, first + i * 4) !== 0) live++;
  return live;
}

if (N4_DIGITS !== N16_DIGITS) throw new Error("layout: Node4 and Node16 keep their digits in the same place");
