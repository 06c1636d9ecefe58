/** Who reclaims while somebody announces epochs without a fence has the kernel fence him, or frees nothing. */
import { expect, test } from "bun:test";
import { SB, SB_EPOCH, SB_UNFENCED } from "../../src/memory/layout.ts";
import { exchange32, load32 } from "../../src/memory/primitives.ts";
import { reclaimableBefore } from "../../src/reclaim/epoch.ts";
import { fences } from "./primitives.ts";
import { newWorld, openActor, run } from "./world.ts";

test("others are fenced before their announcements are looked at, and if they can't be nothing is free", () => {
  newWorld();
  const actor = openActor("alone");
  /** Asks what is free of something retired just now; how often others were fenced for that, and whether it is. */
  const ask = (): [number, boolean] => {
    const { result } = run(actor, (store) => {
      const { h } = store.participant();
      const oldest = load32(h, SB, SB_EPOCH);
      const before = fences.asked;
      const free = reclaimableBefore(h, oldest) !== oldest;
      return [fences.asked - before, free];
    }) as { result: [number, boolean] };
    return result;
  };
  expect(ask()).toEqual([0, true]);
  openActor("other");
  // Everybody fences himself.
  expect(ask()).toEqual([0, true]);
  run(actor, (store) => exchange32(store.participant().h, SB, SB_UNFENCED, 1));
  expect(ask()).toEqual([1, true]);
  fences.works = false;
  expect(ask()).toEqual([1, false]);
  fences.works = true;
});
