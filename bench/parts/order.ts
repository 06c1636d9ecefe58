/** What keeps participants out of each other's way: epochs, locks, intents. Nobody else is there. */
import { COUNTS, INTENT_ANNOUNCED, INTENT_STATE, TAG } from "../../src/memory/layout.ts";
import { load32, store32 } from "../../src/memory/primitives.ts";
import { enter, leave } from "../../src/reclaim/epoch.ts";
import { announceAndLock, clearIntent, giveUp } from "../../src/rowex/change.ts";
import { lock } from "../../src/rowex/lock.ts";
import type { Inside } from "./inside.ts";
import type { Part } from "./part.ts";

/** Operations in a `reader(fn)`. */
const GROUP = 64;

export function orderParts({ participant: p }: Inside): Part[] {
  const { h, me, root } = p;
  return [
    {
      group: "epoch",
      name: "enter and leave",
      run: () => {
        enter(p);
        leave(p);
      },
    },
    {
      group: "epoch",
      name: `enter and leave within a group of ${GROUP}`,
      times: GROUP,
      run: () => {
        enter(p);
        for (let i = 0; i < GROUP; i++) {
          enter(p);
          leave(p);
        }
        leave(p);
      },
    },
    {
      group: "lock",
      name: "lock a node and unlock it",
      run: () => store32(h, root, TAG, lock(p, root)),
    },
    {
      group: "intent",
      name: "announce and withdraw",
      run: () => {
        p.announced = true;
        store32(h, me, INTENT_STATE, INTENT_ANNOUNCED);
        clearIntent(p);
      },
    },
    {
      group: "intent",
      name: "announce, lock a node, give up",
      run: () => {
        if (announceAndLock(p, root, 0, 0)) giveUp(p);
      },
    },
    {
      group: "memory",
      name: "load a word: a call into C",
      run: () => load32(h, root, COUNTS),
    },
  ];
}
