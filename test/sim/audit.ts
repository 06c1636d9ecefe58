/** What must hold of a world after anything whatever was done to it. */
import { CLASS_BYTES, CLASS_CELLS, CLASSES, FIRST_LEAF_CLASS } from "../../src/memory/classes.ts";
import {
  ENTRY_CLASS_MASK,
  ENTRY_CLASS_SHIFT,
  ENTRY_KIND_MASK,
  ENTRY_WORD,
  entryCell,
  FIRST_DATA_SLAB,
  FREE,
  INTENT_STATE,
  KIND_MASK,
  LEAF,
  LIVE,
  PRIVATE,
  RETIRED,
  SB,
  SB_CAPACITY,
  SB_SLOTS_USED,
  SLAB_BYTES,
  SLAB_CELLS,
  SLAB_FREE,
  SLAB_RUN,
  SLAB_RUN_NEXT,
  SLOT_EPOCH,
  SLOT_MASK,
  SLOT_STATE_MASK,
  SLOT_WORD,
  STATE_MASK,
  slotCell,
  TAG,
} from "../../src/memory/layout.ts";
import type { Value } from "../../src/store/types.ts";
import { machine } from "./machine.ts";
import { type Contents, show } from "./model.ts";
import { type Actor, openIn, run } from "./world.ts";

const word = (cell: number, off: number): number => machine.words[(cell * 8 + off) >>> 2]!;
/** A node or leaf with a lock: a chunk of limbo has its owner there. */
const isLocked = (tag: number): boolean =>
  (tag & STATE_MASK) === LIVE && (tag & KIND_MASK) <= LEAF && (tag & SLOT_MASK) !== 0;

function done(actor: Actor, what: string, fn: (store: Actor["store"]) => unknown): unknown {
  actor.thread.rearm();
  const ending = run(actor, fn);
  if (ending.how !== "done") throw new Error(`${what} ${ending.how}, with nobody to wait for`);
  return ending.result;
}

/** The contents, walked both ways and looked up one by one; what is wrong with them goes to `problems`. */
export function contents(actor: Actor, problems: string[]): Contents {
  const there = done(actor, "entries", (store) => [...store.entries()]) as [string, Value][];
  const back = done(actor, "entries reverse", (store) => [...store.entries({ reverse: true })]) as [
    string,
    Value,
  ][];
  if (show(there) !== show(back.reverse())) problems.push(`there ${show(there)}, back ${show(back)}`);
  for (let i = 1; i < there.length; i++) {
    if (there[i - 1]![0] >= there[i]![0]) problems.push(`${there[i]![0]} comes after ${there[i - 1]![0]}`);
  }
  for (const [key, value] of there) {
    const found = done(actor, "get", (store) => store.get(key));
    if (show(found) !== show(value)) problems.push(`get ${key} gives ${show(found)}, entries ${show(value)}`);
  }
  return new Map(there);
}

/** verify(), and what the watchers saw. */
export function verify(actor: Actor, problems: string[]): void {
  const report = done(actor, "verify", (store) => store.verify()) as {
    ok: boolean;
    problems: readonly { code: string; message: string }[];
  };
  for (const { code, message } of report.problems) problems.push(`verify: ${code}: ${message}`);
  if (report.ok !== (report.problems.length === 0)) problems.push("verify contradicts itself");
  problems.push(...machine.violations);
  machine.violations = [];
}

/**
 * Everybody has done what they had to do, and nothing is under way: collects all there is to collect and accounts for
 * every cell. What is retired must become free; slots, locks and intents must be clear. `actors` are those alive.
 */
export function settle(actors: readonly Actor[], keys: number, problems: string[]): void {
  for (let round = 0; round < 3; round++) {
    done(actors[0]!, "flush", (store) => store.flushSync());
    for (const actor of actors) done(actor, "collect", (store) => store.collect());
  }
  for (let slot = 1; slot <= word(SB, SB_SLOTS_USED); slot++) {
    const me = slotCell(slot);
    if ((word(me, SLOT_WORD) & SLOT_STATE_MASK) > 1) problems.push(`slot ${slot} is left in recovery`);
    if (word(me, INTENT_STATE) !== 0) problems.push(`slot ${slot} is left with an intent`);
    if (word(me, SLOT_EPOCH) !== 0) problems.push(`slot ${slot} is left in an epoch`);
  }
  let leaves = 0;
  for (let slab = FIRST_DATA_SLAB; slab < word(SB, SB_CAPACITY); slab++) {
    const entry = word(entryCell(slab), ENTRY_WORD);
    const kind = entry & ENTRY_KIND_MASK;
    const sizeClass = (entry & ENTRY_CLASS_MASK) >>> ENTRY_CLASS_SHIFT;
    if (kind === SLAB_RUN) {
      leaves++;
      const tag = word(slab * (SLAB_BYTES / 8), TAG);
      if ((tag & STATE_MASK) !== LIVE || isLocked(tag))
        problems.push(`the run at slab ${slab} is not live, or stays locked`);
    } else if (kind === SLAB_CELLS && sizeClass < CLASSES) {
      for (let i = 0; i < CLASS_CELLS[sizeClass]!; i++) {
        const cell = (slab * SLAB_BYTES + i * CLASS_BYTES[sizeClass]!) / 8;
        const state = word(cell, TAG) & STATE_MASK;
        if (state === RETIRED) problems.push(`the cell at ${cell * 8} stays retired for ever`);
        else if (state === PRIVATE) problems.push(`the cell at ${cell * 8} stays private for ever`);
        else if (isLocked(word(cell, TAG))) problems.push(`the cell at ${cell * 8} stays locked for ever`);
        else if (state !== FREE && sizeClass >= FIRST_LEAF_CLASS) leaves++;
      }
    } else if (kind !== SLAB_FREE && kind !== SLAB_RUN_NEXT) {
      problems.push(`slab ${slab} is left as kind ${kind}`);
    }
  }
  if (leaves !== keys) problems.push(`${leaves} leaves are in use for ${keys} keys`);
  verify(actors[0]!, problems);
}

/**
 * The machine goes down with the file as it is, every page on the disk: the tree rebuilt from the leaves alone must be
 * one that `explained` accepts. `cut`: whoever rebuilds dies instead of making that store, and the next, who was told
 * nothing, must find that there is something to rebuild. Nobody is alive afterwards. Returns how many stores it took.
 */
export function rebuild(
  explained: (there: Contents) => string | null,
  cut: number,
  problems: string[],
): number {
  for (const thread of machine.threads) if (!thread.dead) machine.kill(thread, "killed");
  machine.locks.clear();
  machine.violations = [];
  // A rebuild makes the ground anew: the life of cells begins again.
  machine.watching = false;
  let actor: Actor;
  const first = machine.spawn("rebuilder");
  first.dieAt = cut;
  try {
    actor = openIn(first, { recover: "rebuild" });
  } catch (error) {
    if (!first.dead) throw error;
    actor = openIn(machine.spawn("second rebuilder"));
  }
  const { stores } = first;
  const wrong = explained(contents(actor, problems));
  if (wrong !== null) problems.push(`rebuilt: ${wrong}`);
  verify(actor, problems);
  return stores;
}
