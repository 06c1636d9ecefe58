/** Values of leaves, read out of the file. */
import { decodeValue, int64FromHalves, MAX_VALUE_BYTES } from "../codec/index.ts";
import { corrupt } from "../errors.ts";
import { lengthOffset, numberOffset, SLAB_BYTES, TAG } from "../memory/layout.ts";
import { load32, loadF64 } from "../memory/primitives.ts";
import { SCRATCH_VALUE, SCRATCH_VALUE_BYTES } from "../memory/scratch.ts";
import { readBytes, readToScratch } from "../node/bytes.ts";
import { isSound, keyLengthOf, leafBytes, TYPE_FLOAT64, TYPE_INT64, typeOf } from "../node/leaf.ts";
import type { Participant } from "../reclaim/participant.ts";

/** The value of a leaf with tag `tag`. The caller is in an epoch. Throws CORRUPT. */
export function readValue(p: Participant, leaf: number, tag: number, verify: boolean): unknown {
  const h = p.h;
  const type = typeOf(tag);
  const digits = keyLengthOf(tag);
  if (type === TYPE_FLOAT64) {
    if (verify) checkLeaf(p, leaf, tag, digits, type, 0);
    return loadF64(h, leaf, numberOffset(digits));
  }
  if (type === TYPE_INT64) {
    if (verify) checkLeaf(p, leaf, tag, digits, type, 0);
    const at = numberOffset(digits);
    return int64FromHalves(load32(h, leaf, at), load32(h, leaf, at + 4));
  }
  const at = lengthOffset(digits);
  const length = load32(h, leaf, at);
  if (!canHold(p, leaf, length)) throw corrupt("a leaf's value has an impossible length", leaf);
  if (verify) checkLeaf(p, leaf, tag, digits, type, length);
  if (length <= SCRATCH_VALUE_BYTES) {
    readToScratch(h, leaf, at + 4, SCRATCH_VALUE, length);
    return decodeValue(type, p.scratch, SCRATCH_VALUE, SCRATCH_VALUE + length);
  }
  const bytes = Buffer.allocUnsafeSlow(length);
  readBytes(h, leaf, at + 4, bytes);
  return decodeValue(type, bytes, 0, length);
}

/**
 * Can a value of `length` bytes be in this leaf, as far as the file goes? A run of slabs may begin in blocks that this
 * participant knows and end in ones that another has added since, so the file's length is looked up before a no.
 */
export function canHold(p: Participant, leaf: number, length: number): boolean {
  if (length < 0 || length > MAX_VALUE_BYTES) return false;
  const end = (leaf >>> 0) * 8 + lengthOffset(keyLengthOf(load32(p.h, leaf, TAG))) + 4 + length;
  if (end <= p.region.capacity * SLAB_BYTES) return true;
  return p.region.refresh() && end <= p.region.capacity * SLAB_BYTES;
}

/** Checks a leaf's checksum. Throws CORRUPT. */
function checkLeaf(
  p: Participant,
  leaf: number,
  tag: number,
  digits: number,
  type: number,
  length: number,
): void {
  if (!isSound(p.h, p.region.salt, leaf, tag, digits, type, leafBytes(digits, type, length))) {
    throw corrupt("a leaf's checksum is wrong", leaf);
  }
}
