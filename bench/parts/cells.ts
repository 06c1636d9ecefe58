/** Memory: a cell is taken, given back, retired and reclaimed. */
import { AUX_SHIFT, NODE4, RETIRED, SB, SB_EPOCH, SLOT_SHIFT, TAG } from "../../src/memory/layout.ts";
import { load32, store32 } from "../../src/memory/primitives.ts";
import { RECLAIM_EVERY } from "../../src/reclaim/participant.ts";
import { RECLAIM_MOST, reclaim } from "../../src/reclaim/reclaim.ts";
import type { Inside } from "./inside.ts";
import type { Part } from "./part.ts";

/** Bytes of a leaf with a short key and a number. */
const LEAF_BYTES = 40;

export function cellParts({ participant: p }: Inside): { parts: Part[]; free: () => void } {
  const { h, heap } = p;
  const retired = NODE4 | RETIRED | (p.slot << SLOT_SHIFT) | (1 << AUX_SHIFT);
  let n = 0;
  return {
    parts: [
      {
        group: "allocation",
        name: "take a Node4 and free it",
        run: () => heap.free(heap.take(NODE4)),
      },
      {
        group: "allocation",
        name: `take a leaf of ${LEAF_BYTES} bytes and free it`,
        run: () => heap.free(heap.takeLeaf(LEAF_BYTES)),
      },
      {
        group: "retire",
        name: "take a Node4, retire it; reclaim, one in 64",
        run: () => {
          const cell = heap.take(NODE4);
          p.limbo.reserve();
          store32(h, cell, TAG, retired);
          p.limbo.append(cell, load32(h, SB, SB_EPOCH));
          if (++n % RECLAIM_EVERY === 0) reclaim(p, RECLAIM_MOST);
        },
      },
    ],
    free: () => {
      while (p.limbo.length > 0 && reclaim(p, RECLAIM_MOST) > 0);
    },
  };
}
