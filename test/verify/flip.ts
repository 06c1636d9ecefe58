/** What the n-th damage of a seed does to the sample: where there is something to damage, and to what. */
import {
  FIRST_DATA_SLAB,
  FIRST_TABLE_SLAB,
  REGISTRY_SLAB,
  SB_END,
  SLAB_BYTES,
  SLOT_BYTES,
} from "../../src/memory/layout.ts";
import { random } from "../random.ts";

/** The bytes to be written at an offset, and how to say it. */
export interface Damage {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly what: string;
}

export function damageOf(image: Buffer, seed: number, index: number): Damage {
  const pick = random(Math.imul(seed, 0x9e3779b1) + index);
  const offset = placeOf(image, pick);
  const bit = pick(8);
  if (pick(4) > 0)
    return { offset, bytes: Uint8Array.of(image[offset]! ^ (1 << bit)), what: `bit ${bit} at ${offset}` };
  // A whole word: nothing, everything, a small number, noise, or what stands elsewhere in the file.
  const at = offset & ~3;
  const other = placeOf(image, pick) & ~3;
  const word = [0, -1, 1, pick(300), pick(2 ** 32) | 0, image.readInt32LE(other)][pick(6)]!;
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(word);
  return { offset: at, bytes, what: `word ${word} at ${at}` };
}

function placeOf(image: Buffer, pick: (below: number) => number): number {
  switch (pick(8)) {
    case 0:
      return pick(SB_END);
    case 1:
      return FIRST_TABLE_SLAB * SLAB_BYTES + pick(64 * 16);
    case 2:
      return REGISTRY_SLAB * SLAB_BYTES + pick(SLOT_BYTES);
    default: {
      // Bytes of cells: most of them are not 0.
      const start = FIRST_DATA_SLAB * SLAB_BYTES;
      let offset = start;
      for (let tries = 0; tries < 64; tries++) {
        offset = start + pick(image.length - start);
        // Few of them in the bytes of the large value, whose checksum sees them all.
        if (image[offset] !== 0 && (image[offset] !== 0x72 || pick(50) === 0)) break;
      }
      return offset;
    }
  }
}
