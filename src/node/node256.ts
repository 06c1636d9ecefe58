/** Node256: 49 to 256 children, and the root; one slot per digit. */
import { N256_CHILDREN } from "../memory/layout.ts";
import { store32 } from "../memory/primitives.ts";

export const CAPACITY256 = 256;

/** Byte offset of the child slot of `digit`; every digit has one. */
export function slotOf256(digit: number): number {
  return N256_CHILDREN + digit * 4;
}

/** Adds a child to a private node. */
export function place256(h: number, node: number, digit: number, child: number): void {
  store32(h, node, N256_CHILDREN + digit * 4, child);
}
