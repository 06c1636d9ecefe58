/** Node16: 5 to 16 children; as Node4, its digits compared sixteen at a time. */
import { COUNTS, N16_CHILDREN, N16_DIGITS, USED_MASK } from "../memory/layout.ts";
import { findByte16, load32, store8, store32 } from "../memory/primitives.ts";

export const CAPACITY16 = 16;

/** Byte offset of the child slot of `digit`, 0 if the node has none. The slot may be empty. */
export function slotOf16(h: number, node: number, digit: number): number {
  const used = load32(h, node, COUNTS) & USED_MASK;
  const position = findByte16(h, node, N16_DIGITS, used, digit);
  return position < 0 ? 0 : N16_CHILDREN + position * 4;
}

/** Writes what the next count will uncover. The caller holds the lock, or the node is private. */
export function place16(h: number, node: number, used: number, digit: number, child: number): void {
  store8(h, node, N16_DIGITS + used, digit);
  store32(h, node, N16_CHILDREN + used * 4, child);
}
