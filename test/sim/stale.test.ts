/**
 * Records that are older than what they name. A slot says which cells its participant has taken; it may die between
 * freeing such a cell and clearing the record, and by the time it is recovered the slab may have another use.
 */
import { expect, test } from "bun:test";
import {
  INTENT_ANNOUNCED,
  INTENT_LOCK2,
  INTENT_STATE,
  LEAF,
  LIVE,
  PRIVATE,
  SLOT_PRIVATE0,
  SLOT_PRIVATE1,
  SLOT_SHIFT,
  slotCell,
} from "../../src/memory/layout.ts";
import { settle } from "./audit.ts";
import { machine } from "./machine.ts";
import { newWorld, openActor, run } from "./world.ts";

for (const [what, field, bytes] of [
  ["a cell of another class", SLOT_PRIVATE0, 4800],
  ["a cell of another class, as a node", SLOT_PRIVATE1, 4800],
  ["a run of slabs", SLOT_PRIVATE0, 40_000],
] as const) {
  test(`nothing is freed where a dead participant's cell has become the middle of a value: ${what}`, () => {
    newWorld();
    const other = openActor("other");
    // Bytes that look like private cells of the next one to come, wherever a cell might begin.
    const slot = other.store.participant().slot + 1;
    const words = new Int32Array(bytes / 4).fill(LEAF | PRIVATE | (slot << SLOT_SHIFT));
    const value = new Uint8Array(words.buffer);
    run(other, (store) => store.set("k", value));
    const start = Math.ceil(machine.words.indexOf(words[0]!) / 2);
    for (const cell of [start, start + 1, start + 8, start + 128, start + bytes / 8 - 9]) {
      const victim = openActor("victim");
      expect(victim.store.participant().slot).toBe(slot);
      expect(machine.words[cell * 2]).toBe(words[0]!);
      machine.view.setInt32(slotCell(slot) * 8 + field, cell, true);
      machine.kill(victim.thread, "killed");
      run(other, (store) => store.collect());
      expect(run(other, (store) => store.get("k"))).toEqual({ how: "done", result: value });
    }
    const problems: string[] = [];
    settle([other], 1, problems);
    expect(problems).toEqual([]);
  });
}

// The field of the third lock is older than its first use: a bancos that does not know it leaves there what was there.
test("nothing is unlocked where a leaf was that a dead participant has not named itself", () => {
  newWorld();
  const other = openActor("other");
  const slot = other.store.participant().slot + 1;
  const words = new Int32Array(1200).fill(LEAF | LIVE | (slot << SLOT_SHIFT));
  const value = new Uint8Array(words.buffer);
  run(other, (store) => store.set("k", value));
  const start = Math.ceil(machine.words.indexOf(words[0]!) / 2);
  for (const cell of [start, start + 8, start + 128]) {
    const victim = openActor("victim");
    expect(victim.store.participant().slot).toBe(slot);
    machine.view.setInt32(slotCell(slot) * 8 + INTENT_LOCK2, cell, true);
    machine.view.setInt32(slotCell(slot) * 8 + INTENT_STATE, INTENT_ANNOUNCED, true);
    machine.kill(victim.thread, "killed");
    run(other, (store) => store.collect());
    expect(run(other, (store) => store.get("k"))).toEqual({ how: "done", result: value });
  }
  const problems: string[] = [];
  settle([other], 1, problems);
  expect(problems).toEqual([]);
});
