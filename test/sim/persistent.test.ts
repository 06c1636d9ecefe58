/**
 * Persistent memory. Stores reach it a cache line at a time, in any order and at any time, but for those lines that
 * were written back by `persist`. Every write is promised when it returns, with no sync at all.
 *
 * What must hold after a loss of power: each write that has returned is there; those under way happened or did not;
 * nothing else ever appears; the file verifies; and so again after the next.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { INTENT_CHECKED, INTENT_STATE, slotCell } from "../../src/memory/layout.ts";
import type { Value } from "../../src/store/types.ts";
import { contents, verify } from "./audit.ts";
import { CACHE_LINE } from "./disk.ts";
import { Ledger } from "./ledger.ts";
import { machine } from "./machine.ts";
import { collect, type Operation, remove, set } from "./model.ts";
import { Failures, Random, SEED, told } from "./report.ts";
import { nothingSeen, Scene } from "./scene.ts";
import { LIMIT, tell } from "./stories.ts";
import { newWorld } from "./world.ts";

const seen = nothingSeen();

test(
  "in persistent memory each write that has returned survives any loss of power",
  () => {
    const manner = { unit: CACHE_LINE, persistent: true, looks: 0.01, looksAtPersist: 0.1 };
    expect(tell("persistent memory", manner, 2500)).toEqual([]);
  },
  LIMIT,
);

// ---- one after the other -----------------------------------------------------------------------------------------------

const LONG = `k${"-".repeat(40)}`;

/** Each needs one of the things that are written back. Values of different lengths share no cache line. */
const STEPS: readonly (readonly [string, Operation])[] = [
  ["kA", set("kA", "first ".repeat(40))],
  ["kA", set("kA", "second ".repeat(60))],
  ["kA", remove("kA")],
  [LONG, set(LONG, 3)],
  [LONG, set(LONG, 4)],
  [LONG, remove(LONG)],
  ["kB", set("kB", "a run of slabs ".repeat(2500))],
  ["kB", remove("kB")],
  ["kA", set("kA", "third ".repeat(80))],
  ["z", set("z", "in a slab that the file has only just been given ".repeat(60))],
  ["kA", set("kA", "fourth ".repeat(100))],
  ["kA", remove("kA")],
];

test("in persistent memory each write that has returned is there whichever cache line is not", () => {
  const failures = new Failures();
  for (const flushed of [false, true]) {
    newWorld(22);
    const manner = { unit: CACHE_LINE, persistent: true, looks: 0.01, looksAtPersist: 0 };
    const scene = new Scene(new Random(SEED), manner, seen, new Ledger(["kA", "kB", "z", LONG]));
    const { ledger, problems } = scene;
    const actor = scene.open("A");
    scene.thorough = true;
    try {
      for (const [key, operation] of STEPS) {
        const map = new Map<string, Value>();
        operation.apply?.(map);
        scene.text += ` ${operation.name};`;
        ledger.begin(actor.thread, key, map.get(key));
        scene.run(actor, operation.run);
        ledger.forget(actor.thread);
        ledger.has(key, scene.get(actor, key), true);
        scene.lookThoroughly();
        if (flushed) scene.run(actor, (store) => store.flushSync());
        else scene.run(actor, collect.run);
        if (problems.length > 0) break;
      }
    } catch (error) {
      problems.push(told(error));
    }
    scene.thorough = false;
    verify(actor, problems);
    failures.note(flushed ? "flushed" : "never flushed", problems);
  }
  expect(failures.report()).toEqual([]);
});

// ---- a death, its recovery, and what comes after -----------------------------------------------------------------------

interface Case {
  readonly name: string;
  readonly before: readonly (readonly [string, Value])[];
  /** Is what is there promised to a sync? Then it is not void when it goes. */
  readonly flushed: boolean;
  readonly key: string;
  readonly dying: Operation;
  /** Of another, of the same key, when the dead has been recovered. */
  readonly after: readonly Operation[];
}

const CASES: readonly Case[] = [
  {
    name: "a new number whose value lies in another cache line than its header",
    // Its cell has had another number before, and is free again.
    before: [],
    flushed: false,
    key: LONG,
    dying: set(LONG, 7),
    after: [set("z", "other")],
  },
  {
    name: "a new number that is then changed in place",
    before: [],
    flushed: false,
    key: LONG,
    dying: set(LONG, 7),
    after: [set(LONG, 9)],
  },
  {
    name: "a replacement, and then the removal of what it had put there",
    before: [["kA", "old"]],
    flushed: false,
    key: "kA",
    dying: set("kA", "new"),
    after: [remove("kA")],
  },
  {
    name: "the replacement of what was flushed, and then the removal",
    before: [["kA", "old"]],
    flushed: true,
    key: "kA",
    dying: set("kA", "new ".repeat(40)),
    after: [remove("kA")],
  },
  {
    name: "a removal, and then another value, and its removal",
    // So long that what comes after has no part in its cache lines.
    before: [["kA", "old ".repeat(50)]],
    flushed: true,
    key: "kA",
    dying: remove("kA"),
    after: [set("kA", "new"), remove("kA")],
  },
];

let places = 0;

/** One dies at store `at`; another recovers it and goes on. Returns whether it died, and with how much done. */
function dieAndGoOn(what: Case, at: number, problems: string[]): "unrecorded" | "recorded" | "alive" {
  newWorld(24);
  const { before, flushed, key, dying, after } = what;
  const keys = ["kA", "kB", "z", LONG];
  const random = new Random((SEED + at) >>> 0);
  const manner = { unit: CACHE_LINE, persistent: true, looks: 0.02, looksAtPersist: 0 };
  const scene = new Scene(random, manner, seen, new Ledger(keys));
  const { ledger } = scene;
  scene.share = 0;
  const a = scene.open("A");
  const b = scene.open("B");
  const write = (who: typeof a, operation: Operation, where: string): void => {
    const map = new Map<string, Value>();
    operation.apply?.(map);
    ledger.begin(who.thread, where, map.get(where));
    if (scene.run(who, operation.run).how !== "done") throw new Error("nobody is in the way");
    ledger.forget(who.thread);
    ledger.has(where, scene.get(who, where), true);
  };
  // Cells that have been of use before.
  write(b, set(key, typeof before[0]?.[1] === "string" ? "x".repeat(10) : 3), key);
  write(b, remove(key), key);
  scene.run(b, collect.run);
  for (const [there, value] of before) write(b, set(there, value), there);
  if (flushed) scene.run(a, (store) => store.flushSync());
  const map = new Map(before);
  dying.apply?.(map);
  ledger.begin(b.thread, key, map.get(key));
  const { how } = scene.run(b, dying.run, { at });
  if (how === "done") return "alive";
  const state = machine.words[(slotCell(b.store.participant().slot) * 8 + INTENT_STATE) >>> 2]!;
  if (state < INTENT_CHECKED) return "unrecorded";
  scene.share = 1;
  scene.thorough = true;
  scene.run(a, collect.run);
  ledger.forget(b.thread);
  // Whether it is durable nobody was promised: what comes after it is.
  ledger.has(key, scene.get(a, key), false);
  for (const operation of after) write(a, operation, operation.name.endsWith(" z") ? "z" : key);
  scene.lookThoroughly();
  problems.push(...scene.problems);
  scene.share = 0;
  scene.thorough = false;
  contents(a, problems);
  verify(a, problems);
  return "recorded";
}

describe("in persistent memory, when one has died in the middle of a change and another finished it", () => {
  for (const what of CASES) {
    test(`${what.name}: what is written after that counts`, () => {
      const failures = new Failures();
      for (let at = 0; ; at++) {
        const problems: string[] = [];
        let ending: string;
        try {
          ending = dieAndGoOn(what, at, problems);
        } catch (error) {
          ending = "recorded";
          problems.push(told(error));
        }
        failures.note(`death at store ${at}`, problems);
        if (ending === "alive" || problems.length > 0) break;
        if (ending === "recorded") places++;
      }
      expect(failures.report()).toEqual([]);
    });
  }
});

afterAll(() => {
  console.log(
    `persistent memory: ${places} places to die in, ${seen.images.size} different images; seed ${SEED}`,
  );
});
