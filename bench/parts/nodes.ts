/** Finding the child of a digit in each kind of node. */
import { NODE4, NODE16, NODE48, NODE256 } from "../../src/memory/layout.ts";
import { childOf } from "../../src/memory/primitives.ts";
import { SCRATCH_TAG } from "../../src/memory/scratch.ts";
import { fillCopy, NODE_CAPACITY } from "../../src/node/node.ts";
import type { Participant } from "../../src/reclaim/participant.ts";
import { dropNewNode, newNodeCell } from "../../src/rowex/change.ts";
import type { Inside } from "./inside.ts";
import type { Part } from "./part.ts";

const KINDS = [
  ["Node4", NODE4],
  ["Node16", NODE16],
  ["Node48", NODE48],
  ["Node256", NODE256],
] as const;

/** A full private node of `kind`, whose children are all the root; its tag. */
function fullNode(p: Participant, kind: number): { node: number; tag: number; digits: number[] } {
  const node = newNodeCell(p, kind, 1);
  const count = NODE_CAPACITY[kind] as number;
  // Spread over all digits, in no order: children come as keys come.
  const digits = Array.from({ length: count }, (_, i) => (i * 167 + 5) & 255);
  p.snapshot.count = count;
  for (const [i, digit] of digits.entries()) {
    p.snapshot.children[i] = p.root;
    p.snapshot.digits[i] = digit;
  }
  fillCopy(p.h, p.snapshot, 0, node, kind, 0, 0);
  return { node, tag: p.newNodeTag, digits };
}

export function nodeParts({ participant: p }: Inside): { parts: Part[]; free: () => void } {
  const { h } = p;
  const nodes: number[] = [];
  const parts = KINDS.map(([name, kind]): Part => {
    const { node, tag, digits } = fullNode(p, kind);
    nodes.push(node);
    const asked = Array.from({ length: 256 }, (_, i) => digits[(i * 31) % digits.length] as number);
    if (childOf(h, node, tag, asked[0] as number, SCRATCH_TAG) !== p.root)
      throw new Error(`${name} has lost a child`);
    let i = 0;
    return {
      group: "find a child",
      name: `in a full ${name}`,
      run: () => childOf(h, node, tag, asked[i++ & 255] as number, SCRATCH_TAG),
    };
  });
  return {
    parts,
    free: () => {
      const last = nodes.pop() ?? 0;
      for (const node of nodes) p.heap.free(node);
      // The slot names the one that was made last.
      p.newNode = last;
      dropNewNode(p);
    },
  };
}
