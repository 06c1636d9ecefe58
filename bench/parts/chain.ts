/**
 * What a look-up can't do without: the pointer that each node on its way gives, and the leaf, one load after the other,
 * with nothing around them. What a `get` takes above that is its own; what this takes is the machine's.
 */
import { KIND_MASK, SLOT_MASK, TAG } from "../../src/memory/layout.ts";
import { load32 } from "../../src/memory/primitives.ts";
import { slotOf } from "../../src/node/node.ts";
import { enter, leave } from "../../src/reclaim/epoch.ts";
import { depthOnPath, descend } from "../../src/rowex/place.ts";
import { generatedKey } from "../data.ts";
import { random, shuffle } from "../random.ts";
import type { Inside } from "./inside.ts";
import type { Part } from "./part.ts";

/** Look-ups in a row. */
const ROW = 64;
const MOST_KEYS = 1 << 18;

export function chainParts({ participant: p, keys, say }: Inside): Part[] {
  const { h, root } = p;
  const numbers = Array.from({ length: keys }, (_, i) => i);
  const asked = shuffle(numbers, random(5)).slice(0, MOST_KEYS);
  const offsets: number[] = [];
  enter(p);
  for (const number of asked) {
    say(generatedKey(number));
    descend(p);
    if (p.leaf === 0) throw new Error("a key is lost");
    for (let i = 0; i < p.pathLength; i++) {
      const kind = p.pathTag[i]! & KIND_MASK;
      offsets.push(slotOf(h, kind, p.path[i]!, p.key[depthOnPath(p, i)]!));
    }
    offsets.push(TAG);
  }
  leave(p);
  const loads = Int32Array.from(offsets);
  let at = 0;
  return [
    {
      group: "lookup",
      name: `the loads of a descent to a random leaf and no more (${(loads.length / asked.length).toFixed(1)} a key)`,
      run: () => {
        let cell = root;
        for (let i = 0; i < ROW; i++) {
          for (;;) {
            const off = loads[at++]!;
            const word = load32(h, cell, off);
            if (off === TAG) {
              // No look-up begins before the one before it has ended, as where more than loads lies between them.
              cell = root + (word & SLOT_MASK);
              break;
            }
            cell = word;
          }
          if (at === loads.length) at = 0;
        }
        return cell;
      },
      times: ROW,
    },
  ];
}
