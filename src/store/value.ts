/** Values of leaves, read out of the file. */
import { decodeValue, int64FromHalves, MAX_VALUE_BYTES } from "../codec/index.ts";
import { corrupt } from "../errors.ts";
import {
  LEAF_CHECKSUM,
  LEAF_MARK_HIGH,
  LEAF_SEQ,
  lengthOffset,
  MARK_SEQ_SHIFT,
  numberOffset,
  SLAB_BYTES,
} from "../memory/layout.ts";
import { load32, loadF64 } from "../memory/primitives.ts";
import { SCRATCH_VALUE, SCRATCH_VALUE_BYTES } from "../memory/scratch.ts";
import { readBytes, readToScratch } from "../node/bytes.ts";
import {
  contentHash,
  finishChecksum,
  keyLengthOf,
  leafBytes,
  TYPE_FLOAT64,
  TYPE_INT64,
  typeOf,
} from "../node/leaf.ts";
import type { Participant } from "../reclaim/participant.ts";

/** The value of a leaf with tag `tag`. The caller is in an epoch. Throws CORRUPT. */
export function readValue(p: Participant, leaf: number, tag: number, verify: boolean): unknown {
  const h = p.h;
  const type = typeOf(tag);
  const digits = keyLengthOf(tag);
  if (type === TYPE_FLOAT64) {
    if (verify) checkLeaf(p, leaf, digits, type, 0);
    return loadF64(h, leaf, numberOffset(digits));
  }
  if (type === TYPE_INT64) {
    if (verify) checkLeaf(p, leaf, digits, type, 0);
    const at = numberOffset(digits);
    return int64FromHalves(load32(h, leaf, at), load32(h, leaf, at + 4));
  }
  const at = lengthOffset(digits);
  const length = load32(h, leaf, at);
  if (length < 0 || length > MAX_VALUE_BYTES || (leaf >>> 0) * 8 + length > p.region.capacity * SLAB_BYTES) {
    throw corrupt("a leaf's value has an impossible length", leaf);
  }
  if (verify) checkLeaf(p, leaf, digits, type, length);
  if (length <= SCRATCH_VALUE_BYTES) {
    readToScratch(h, leaf, at + 4, SCRATCH_VALUE, length);
    return decodeValue(type, p.key, SCRATCH_VALUE, SCRATCH_VALUE + length);
  }
  const bytes = Buffer.allocUnsafeSlow(length);
  readBytes(h, leaf, at + 4, bytes);
  return decodeValue(type, bytes, 0, length);
}

/** Checks a leaf's checksum. Throws CORRUPT. */
function checkLeaf(p: Participant, leaf: number, digits: number, type: number, length: number): void {
  const h = p.h;
  const contents = contentHash(h, p.region.salt, leaf, digits, type, leafBytes(digits, type, length));
  const seqHigh = load32(h, leaf, LEAF_MARK_HIGH) >>> MARK_SEQ_SHIFT;
  if (finishChecksum(contents, load32(h, leaf, LEAF_SEQ), seqHigh) !== load32(h, leaf, LEAF_CHECKSUM)) {
    throw corrupt("a leaf's checksum is wrong", leaf);
  }
}
