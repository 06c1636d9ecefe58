/** Node48: 17 to 48 children; an index byte per digit tells the slot. A slot is published by its index byte. */
import { N48_CHILDREN, N48_INDEX } from "../memory/layout.ts";
import { load8, store8, store32 } from "../memory/primitives.ts";

export const CAPACITY48 = 48;

/** Byte offset of the child slot of `digit`, 0 if the node has none. The slot may be empty. */
export function slotOf48(h: number, node: number, digit: number): number {
  const index = load8(h, node, N48_INDEX + digit);
  // A damaged index leads to a slot of this node all the same.
  return index === 0 ? 0 : N48_CHILDREN + ((index - 1) % CAPACITY48) * 4;
}

/** Fills slot `used` without publishing it. */
export function fill48(h: number, node: number, used: number, child: number): void {
  store32(h, node, N48_CHILDREN + used * 4, child);
}

/** Adds a child to a private node. */
export function place48(h: number, node: number, used: number, digit: number, child: number): void {
  fill48(h, node, used, child);
  store8(h, node, N48_INDEX + digit, used + 1);
}
