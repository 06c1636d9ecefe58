/**
 * A world: the simulated file with stores open on it, each in a thread of its own, that can be put back to how it was
 * as often as wanted.
 */

import { ValueEncoder } from "../../src/codec/index.ts";
import { Heap } from "../../src/memory/heap.ts";
import { INITIAL_SLABS, SB_CAPACITY, SB_SALT, SLAB_BYTES } from "../../src/memory/layout.ts";
import { Region } from "../../src/memory/region.ts";
import { SCRATCH_VALUE } from "../../src/memory/scratch.ts";
import { emptyStore } from "../../src/memory/superblock.ts";
import { Limbo } from "../../src/reclaim/limbo.ts";
import { Participant } from "../../src/reclaim/participant.ts";
import { Hints } from "../../src/rowex/hints.ts";
import { HintTable } from "../../src/rowex/hinttable.ts";
import { LeafTable } from "../../src/rowex/leaftable.ts";
import { Flusher } from "../../src/store/flusher.ts";
import type { OpenOptions } from "../../src/store/options.ts";
import { Store } from "../../src/store/store.ts";
import { Upkeep } from "../../src/store/upkeep.ts";
import { Death, type Manner, machine, type Thread, WouldWait } from "./machine.ts";

/** A store and the thread that has it open. */
export interface Actor {
  readonly thread: Thread;
  readonly store: Store;
}

/** Slabs that a simulated file may have. */
const MAX_SLABS = 256;

/** Starts an empty file. `slabs`: how many it has blocks for; few, and it must grow. */
export function newWorld(slabs: number = INITIAL_SLABS): void {
  machine.reset(slabs * SLAB_BYTES);
  const getRandomValues = crypto.getRandomValues;
  // The salt is the one thing random in a file: the same for the same seed.
  crypto.getRandomValues = (array) => {
    if (array instanceof Int32Array) array.fill(0x5a17);
    return array;
  };
  try {
    for (const [offset, bytes] of emptyStore(0, MAX_SLABS)) machine.bytes.set(bytes, offset);
  } finally {
    crypto.getRandomValues = getRandomValues;
  }
  if (machine.view.getInt32(SB_SALT, true) !== 0x5a17)
    throw new Error("the salt is not what the test made it");
  machine.view.setInt32(SB_CAPACITY, slabs, true);
}

/** Opens the file in a new thread. */
export function openIn(thread: Thread, options: OpenOptions = {}): Actor {
  return {
    thread,
    store: machine.as(
      thread,
      () => new Store("simulated", { flushEvery: 0, maxSize: MAX_SLABS * SLAB_BYTES, ...options }),
    ),
  };
}

export function openActor(name: string): Actor {
  return openIn(machine.spawn(name));
}

/** Who came in the course of a run, to stay. */
export const guests: Actor[] = [];

// ---- going back ----------------------------------------------------------------------------------------------------

type Restore = () => void;
const PARTS = [
  Store,
  Flusher,
  Upkeep,
  Participant,
  Heap,
  Hints,
  HintTable,
  LeafTable,
  Limbo,
  Region,
  ValueEncoder,
];
/** Larger arrays hold nothing from one operation to the next. */
const SMALL = 256;

function capture(object: object, seen: Set<object>, out: Restore[]): void {
  if (seen.has(object)) return;
  seen.add(object);
  const fields = object as Record<string, unknown>;
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    if (value instanceof Int32Array) {
      if (value.length > SMALL && !(object instanceof LeafTable)) continue;
      const copy = value.slice();
      out.push(() => value.set(copy));
      continue;
    }
    const { writable } = Object.getOwnPropertyDescriptor(fields, name)!;
    if (writable === true) {
      out.push(() => {
        fields[name] = value;
      });
    }
    if (PARTS.some((part) => value instanceof part)) capture(value as object, seen, out);
    else if (name === "opened") capture(value as object, seen, out);
  }
}

/** Remembers the whole world: what it returns puts it back. */
export function remember(actors: readonly Actor[]): Restore {
  const image = machine.mark();
  const out: Restore[] = [];
  const seen = new Set<object>();
  for (const { store } of actors) {
    capture(store, seen, out);
    // What an operation leaves in its scratch buffer shows in the padding of the next one's leaf.
    const { scratch } = store.participant().region;
    out.push(() => scratch.fill(0, 0, SCRATCH_VALUE));
  }
  return () => {
    image();
    guests.length = 0;
    for (const restore of out) restore();
  };
}

// ---- running ---------------------------------------------------------------------------------------------------------

/** How an operation ended. */
export type Ending =
  | { readonly how: "done"; readonly result: unknown }
  | { readonly how: "died" }
  | { readonly how: "waits" };

/** Runs `fn` as the actor. Errors that are not of the simulation's making come out as they are. */
export function run(actor: Actor, fn: (store: Store) => unknown): Ending {
  try {
    const result = machine.as(actor.thread, () => fn(actor.store));
    return { how: "done", result };
  } catch (error) {
    // A death in the middle of growing the file comes out wrapped; the thread is dead all the same.
    if (actor.thread.dead) return { how: "died" };
    if (error instanceof WouldWait) return { how: "waits" };
    if (error instanceof Death) throw new Error("a dead thread ran into a living one", { cause: error });
    throw error;
  }
}

/** As {@link run}, but dies instead of making the store after `stores`. */
export function runToDeath(
  actor: Actor,
  fn: (store: Store) => unknown,
  stores: number,
  manner: Manner,
): Ending {
  actor.thread.rearm();
  actor.thread.dieAt = stores;
  actor.thread.manner = manner;
  const ending = run(actor, fn);
  actor.thread.dieAt = Number.POSITIVE_INFINITY;
  return ending;
}

/** How many accesses and stores `fn` makes when nobody disturbs it. The world is changed by it. */
export function measure(actor: Actor, fn: (store: Store) => unknown): { accesses: number; stores: number } {
  actor.thread.rearm();
  const ending = run(actor, fn);
  if (ending.how !== "done") throw new Error(`an undisturbed operation ${ending.how}`);
  const { accesses, stores } = actor.thread;
  actor.thread.rearm();
  return { accesses, stores };
}
