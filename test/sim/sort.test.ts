/**
 * The backup sorts leaves by windows of their keys; here each load says where it reads: at whole words only, however many
 * digits the keys share, since arm64 faults at others.
 */
import { expect, test } from "bun:test";
import { FREE, TAG } from "../../src/memory/layout.ts";
import { load32 } from "../../src/memory/primitives.ts";
import { forEachLeafCell } from "../../src/recovery/rebuild.ts";
import { sortByKey } from "../../src/recovery/sort.ts";
import { newWorld, openActor, run } from "./world.ts";

/** More than the sort takes for a small range. */
const KEYS = 600;

test("leaves that share any number of digits are sorted by loads of whole words", () => {
  for (let shared = 0; shared <= 12; shared++) {
    newWorld();
    const actor = openActor("A");
    for (let i = 0; i < KEYS; i++) run(actor, (store) => store.set(`${"s".repeat(shared)}${i * 7919}`, "v"));
    const sorted = run(actor, (store) => {
      const { region } = store.participant();
      const cells: number[] = [];
      forEachLeafCell(region, (cell) => {
        if (load32(region.h, cell, TAG) !== FREE) cells.push(cell);
      });
      const sorting = sortByKey(region.h, Int32Array.from(cells), cells.length);
      let step = sorting.next();
      while (step.done !== true) step = sorting.next();
      return step.value.at.filter((at) => at > 0).length;
    });
    expect(sorted).toMatchObject({ how: "done", result: KEYS - 1 });
  }
});
