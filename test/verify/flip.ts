/** Which bit the n-th flip of a seed turns over: where there is something to damage. */
import {
  FIRST_DATA_SLAB,
  FIRST_TABLE_SLAB,
  REGISTRY_SLAB,
  SB_END,
  SLAB_BYTES,
  SLOT_BYTES,
} from "../../src/memory/layout.ts";
import { random } from "../random.ts";

export function flipOf(image: Buffer, seed: number, index: number): { offset: number; bit: number } {
  const pick = random(Math.imul(seed, 31) + index);
  const bit = pick(8);
  switch (pick(8)) {
    case 0:
      return { offset: pick(SB_END), bit };
    case 1:
      return { offset: FIRST_TABLE_SLAB * SLAB_BYTES + pick(64 * 16), bit };
    case 2:
      return { offset: REGISTRY_SLAB * SLAB_BYTES + pick(SLOT_BYTES), bit };
    default: {
      // Bytes of cells: most of them are not 0.
      const start = FIRST_DATA_SLAB * SLAB_BYTES;
      let offset = start;
      for (let tries = 0; tries < 64; tries++) {
        offset = start + pick(image.length - start);
        // Few of them in the bytes of the large value, whose checksum sees them all.
        if (image[offset] !== 0 && (image[offset] !== 0x72 || pick(50) === 0)) break;
      }
      return { offset, bit };
    }
  }
}
