/** Node4: up to four children; digits and children in the order they were added, gated by the used count. */
import { COUNTS, N4_CHILDREN, N4_DIGITS, USED_MASK } from "../memory/layout.ts";
import { load32, store8, store32 } from "../memory/primitives.ts";

export const CAPACITY4 = 4;

/** Byte offset of the child slot of `digit`, 0 if the node has none. The slot may be empty. */
export function slotOf4(h: number, node: number, digit: number): number {
  const used = load32(h, node, COUNTS) & USED_MASK;
  const digits = load32(h, node, N4_DIGITS);
  if ((digits & 0xff) === digit && used > 0) return N4_CHILDREN;
  if (((digits >>> 8) & 0xff) === digit && used > 1) return N4_CHILDREN + 4;
  if (((digits >>> 16) & 0xff) === digit && used > 2) return N4_CHILDREN + 8;
  if (digits >>> 24 === digit && used > 3) return N4_CHILDREN + 12;
  return 0;
}

/** Writes what the next count will uncover. The caller holds the lock, or the node is private. */
export function place4(h: number, node: number, used: number, digit: number, child: number): void {
  store8(h, node, N4_DIGITS + used, digit);
  store32(h, node, N4_CHILDREN + used * 4, child);
}
