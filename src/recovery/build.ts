/**
 * A tree made of leaves that come in key order, from its right edge up: no descent, no node that grows.
 *
 * Open are the nodes on the path to the leaf that came last, each with the children that it has so far. What is below
 * the last of them is not in it yet: the leaf, or the node that was closed last. A new leaf differs from the one before
 * it first in digit d. Then all open nodes deeper than d are complete: each takes its last child and is written, and is
 * itself the last child of the one above. If no open node has depth d, one is opened.
 */
import { corrupt } from "../errors.ts";
import { AUX_SHIFT, COUNTS, LEAF_KEY, LIVE, NODE256, TAG } from "../memory/layout.ts";
import { fillWord, load32, store32 } from "../memory/primitives.ts";
import { SCRATCH_KEY } from "../memory/scratch.ts";
import { readToScratch } from "../node/bytes.ts";
import { firstDifference, keyLengthOf } from "../node/leaf.ts";
import { clearNode, countsOf, kindFor, place } from "../node/node.ts";
import type { Participant } from "../reclaim/participant.ts";

/** A node that is not written yet. */
class OpenNode {
  depth = 0;
  count = 0;
  readonly digits = new Uint8Array(256);
  readonly children = new Int32Array(256);

  add(digit: number, child: number): void {
    this.digits[this.count] = digit;
    this.children[this.count++] = child;
  }
}

export class TreeBuilder {
  private readonly p: Participant;
  /** The path, from the root; `open[top]` is its last node. Those behind it are kept for the next time. */
  private readonly open: OpenNode[] = [new OpenNode()];
  private top = 0;
  /** The last child of `open[top]`, 0: no leaf has come. */
  private last = 0;
  /** Digits of the leaf that came last, with the terminator. */
  private digits: Buffer = Buffer.alloc(64);
  /** The first digit in which the leaf that is compared next differs from that one, as far as is known. */
  private difference = Number.POSITIVE_INFINITY;

  /** The root is `p.root`, empty. Nobody else is there. */
  constructor(p: Participant) {
    this.p = p;
  }

  /**
   * Compares the key of `leaf`, which comes next, with that of the leaf that was compared last; it is the one for the
   * next comparison. Is it another? Throws CORRUPT where it does not come after it.
   */
  isNext(leaf: number): boolean {
    const { p } = this;
    const { h, key } = p;
    const tag = load32(h, leaf, TAG);
    const digits = keyLengthOf(tag);
    const d = firstDifference(h, leaf, tag, p.keyLength);
    if (d < 0) return false;
    const before = key[d]!;
    readToScratch(h, leaf, LEAF_KEY, SCRATCH_KEY, digits);
    key[digits] = 0;
    p.keyLength = digits;
    // A terminator in the middle of a key has two keys in the same place.
    if (before >= key[d]!) throw corrupt("a leaf's key goes on behind its end", leaf);
    if (d < this.difference) this.difference = d;
    return true;
  }

  /** Begins the comparisons with `leaf`. */
  begin(leaf: number): void {
    const { p } = this;
    const digits = keyLengthOf(load32(p.h, leaf, TAG));
    readToScratch(p.h, leaf, LEAF_KEY, SCRATCH_KEY, digits);
    p.key[digits] = 0;
    p.keyLength = digits;
  }

  /** Adds `leaf`, whose key is the one that was compared last. */
  add(leaf: number): void {
    const { p } = this;
    if (this.last !== 0) this.makePlace(this.difference);
    this.difference = Number.POSITIVE_INFINITY;
    this.last = leaf;
    const length = p.keyLength + 1;
    if (this.digits.length < length) this.digits = Buffer.alloc(length * 2);
    p.key.copy(this.digits, 0, 0, length);
  }

  private makePlace(d: number): void {
    this.closeDownTo(d);
    let node = this.open[this.top]!;
    if (node.depth < d) {
      node = this.open[++this.top] ??= new OpenNode();
      node.depth = d;
      node.count = 0;
    }
    node.add(this.digits[d]!, this.last);
  }

  /** Writes all open nodes that are deeper than `d`. */
  private closeDownTo(d: number): void {
    for (; this.open[this.top]!.depth > d; this.top--) {
      const node = this.open[this.top]!;
      node.add(this.digits[node.depth]!, this.last);
      this.last = this.written(node);
    }
  }

  private written(node: OpenNode): number {
    const { h, heap } = this.p;
    const { depth, count } = node;
    const kind = kindFor(count);
    const cell = heap.take(kind);
    clearNode(h, kind, cell);
    fill(h, kind, cell, node);
    store32(h, cell, COUNTS, countsOf(kind === NODE256 ? 0 : count, count));
    store32(h, cell, TAG, kind | LIVE | (depth << AUX_SHIFT));
    return cell;
  }

  /** Writes what is open still, the root last. */
  finish(): void {
    const { h, root } = this.p;
    const node = this.open[0]!;
    if (this.last !== 0) {
      this.closeDownTo(0);
      node.add(this.digits[0]!, this.last);
    }
    fillWord(h, root, COUNTS, 4, 257, 0);
    fill(h, NODE256, root, node);
    store32(h, root, COUNTS, countsOf(0, node.count));
  }
}

function fill(h: number, kind: number, cell: number, node: OpenNode): void {
  for (let i = 0; i < node.count; i++) place(h, kind, cell, i, node.digits[i]!, node.children[i]!);
}
