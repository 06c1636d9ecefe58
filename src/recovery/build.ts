/**
 * A tree made of leaves that come in key order, from its right edge up: no descent, no node that grows, no leaf that is
 * read: it is enough to know where each differs from the one before.
 *
 * Open are the nodes on the path to the leaf that came last, each with the children that it has so far. What is below
 * the last of them is not in it yet: the leaf, or the node that was closed last. A new leaf differs from the one before
 * it first in digit d. Then all open nodes deeper than d are complete: each takes its last child and is written, and is
 * itself the last child of the one above. If no open node has depth d, one is opened.
 */
import { AUX_SHIFT, COUNTS, LIVE, NODE256, TAG } from "../memory/layout.ts";
import { fillWord, store32 } from "../memory/primitives.ts";
import { clearNode, countsOf, kindFor, place } from "../node/node.ts";
import type { Participant } from "../reclaim/participant.ts";

/** A node that is not written yet. */
class OpenNode {
  depth = 0;
  count = 0;
  /** The digit of the child that is not in it yet. */
  lastDigit = 0;
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
  /** The first digit in which the leaf that comes next differs from the one that was added last, as far as is known. */
  private difference = Number.POSITIVE_INFINITY;
  /** That digit of either. */
  private before = 0;
  private after = 0;

  /** The root is `p.root`, empty. Nobody else is there. */
  constructor(p: Participant) {
    this.p = p;
  }

  /**
   * The next leaf, whether it will be added or not, differs from the one before it first in digit `d`: `after` instead of
   * `before`. Of the first leaf of all, `after` is its first digit, and `d` 0.
   */
  differ(d: number, before: number, after: number): void {
    if (d < this.difference) {
      this.difference = d;
      this.before = before;
      this.after = after;
    } else if (d === this.difference) {
      this.after = after;
    }
  }

  /** Adds a leaf: the one that {@link differ} was called for last. */
  add(leaf: number): void {
    const { difference, after } = this;
    if (this.last !== 0) this.makePlace(difference);
    this.open[this.top]!.lastDigit = after;
    this.difference = Number.POSITIVE_INFINITY;
    this.last = leaf;
  }

  private makePlace(d: number): void {
    this.closeDownTo(d);
    let node = this.open[this.top]!;
    if (node.depth < d) {
      node = this.open[++this.top] ??= new OpenNode();
      node.depth = d;
      node.count = 0;
    }
    node.add(this.before, this.last);
  }

  /** Writes all open nodes that are deeper than `d`. */
  private closeDownTo(d: number): void {
    for (; this.open[this.top]!.depth > d; this.top--) {
      const node = this.open[this.top]!;
      node.add(node.lastDigit, this.last);
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
      node.add(node.lastDigit, this.last);
    }
    fillWord(h, root, COUNTS, 4, 257, 0);
    fill(h, NODE256, root, node);
    store32(h, root, COUNTS, countsOf(0, node.count));
  }
}

function fill(h: number, kind: number, cell: number, node: OpenNode): void {
  for (let i = 0; i < node.count; i++) place(h, kind, cell, i, node.digits[i]!, node.children[i]!);
}
