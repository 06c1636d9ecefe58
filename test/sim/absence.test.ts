/**
 * What a participant proves to be absent (src/rowex/README.md, "Absence") while another one changes the tree, stopped
 * before each of its accesses in turn, or dead after each of its stores: no key that a search from the root finds.
 */
import { expect, test } from "bun:test";
import { stage } from "./interleave.ts";
import { machine } from "./machine.ts";
import { collect, flush, type Operation, remove, sequence, set, show } from "./model.ts";
import { Failures } from "./report.ts";
import { SCENARIOS, type Scenario } from "./scenarios.ts";
import { type Actor, measure, openActor, remember, run, runToDeath } from "./world.ts";

/** Searches that are enough to learn where all leaves are, in a file as small as these. */
const ENOUGH = 200;

const get = (actor: Actor, key: string): string => {
  const ending = run(actor, (store) => store.get(key));
  return ending.how === "done" ? show(ending.result) : ending.how;
};

/** How many absences the actor has proven so far. */
const proven = (actor: Actor): number =>
  (actor.store as unknown as { hints: { proven: number } }).hints.proven;

function learn(actor: Actor): void {
  for (let i = 0; i < ENOUGH; i++) run(actor, (store) => store.get("not there"));
}

interface Trio {
  readonly scenario: Scenario;
  /** Changes the tree. */
  readonly a: Actor;
  /** Learns. */
  readonly b: Actor;
  /** Searches from the root. */
  readonly c: Actor;
  readonly back: () => void;
}

function trio(scenario: Scenario, learned: boolean): Trio {
  const { a } = stage(scenario, false);
  const b = openActor("learner");
  const c = openActor("C");
  if (learned) {
    learn(b);
    const before = proven(b);
    get(b, "not there");
    if (proven(b) === before) throw new Error(`${scenario.name}: the learner has learned nothing`);
  }
  return { scenario, a, b, c, back: remember([a, b, c]) };
}

/** Changes that bring keys that were not there, some of them twice, in cells that were used before. */
const CHANGES: readonly Operation[] = [
  set("kQ", "new"),
  set("kQ", 17),
  set("z9", "a child of another node"),
  set("m", "a child of the root"),
  sequence(set("kQ", "one"), remove("kQ"), collect, collect, set("kQ", "two")),
  sequence(flush, set("kQ", 1), flush),
];
const ASKED = ["kQ", "z9", "m"];

const inOne =
  ({ run: whole, parts }: Operation) =>
  (store: Actor["store"]): unknown =>
    parts === undefined ? whole(store) : parts.map((part) => part.run(store));

/** A key that C finds is not proven to be absent by B right after. */
function compare({ b, c }: Trio, problems: string[], when: string): void {
  for (const key of ASKED) {
    const there = get(c, key);
    const found = get(b, key);
    if (found !== there) problems.push(`${when}: ${key} is ${there}, and ${found} to the learner`);
  }
}

test("whoever has learned where all leaves are proves no absence of what a search from the root finds", () => {
  const failures = new Failures();
  let runs = 0;
  let proofs = 0;
  for (const scenario of SCENARIOS) {
    const on = trio(scenario, true);
    for (const change of CHANGES) {
      on.back();
      const { accesses, stores } = measure(on.a, inOne(change));
      for (let n = 1; n <= accesses; n++) {
        const problems: string[] = [];
        on.back();
        on.a.thread.hookAt = n;
        on.a.thread.hook = () => {
          const before = proven(on.b);
          compare(on, problems, "inside");
          proofs += Math.max(0, proven(on.b) - before);
        };
        run(on.a, inOne(change));
        on.a.thread.rearm();
        compare(on, problems, "after");
        runs++;
        failures.note(`${scenario.name}: ${change.name}, before access ${n}`, problems);
      }
      for (let n = 0; n < stores; n++) {
        const problems: string[] = [];
        on.back();
        if (runToDeath(on.a, inOne(change), n, "killed").how !== "died") break;
        compare(on, problems, "dead");
        run(on.c, collect.run);
        compare(on, problems, "recovered");
        runs++;
        failures.note(`${scenario.name}: ${change.name}, dead after ${n} stores`, problems);
      }
    }
  }
  console.log(`absence: ${runs} changes beside one who has learned, ${proofs} proofs inside them`);
  expect(proofs).toBeGreaterThan(0);
  expect(failures.report()).toEqual([]);
  expect(machine.violations).toEqual([]);
});

test("whoever learns in the middle of a change, or dies in it and is recovered, proves no absence of its keys", () => {
  const failures = new Failures();
  let runs = 0;
  let proofs = 0;
  for (const scenario of SCENARIOS.slice(0, 4)) {
    const on = trio(scenario, false);
    for (const change of CHANGES) {
      on.back();
      const { accesses, stores } = measure(on.a, inOne(change));
      for (let n = 1; n <= accesses; n++) {
        const problems: string[] = [];
        on.back();
        on.a.thread.hookAt = n;
        on.a.thread.hook = () => learn(on.b);
        run(on.a, inOne(change));
        on.a.thread.rearm();
        const before = proven(on.b);
        compare(on, problems, "after");
        get(on.b, "not there");
        proofs += Math.max(0, proven(on.b) - before);
        runs++;
        failures.note(`${scenario.name}: ${change.name}, learned before access ${n}`, problems);
      }
      for (let n = 0; n < stores; n++) {
        const problems: string[] = [];
        on.back();
        if (runToDeath(on.a, inOne(change), n, "killed").how !== "died") break;
        learn(on.b);
        run(on.c, collect.run);
        compare(on, problems, "recovered");
        runs++;
        failures.note(
          `${scenario.name}: ${change.name}, learned beside one dead after ${n} stores`,
          problems,
        );
      }
    }
  }
  console.log(`absence: learned in the middle of ${runs} changes, ${proofs} proofs after them`);
  expect(proofs).toBeGreaterThan(0);
  expect(failures.report()).toEqual([]);
  expect(machine.violations).toEqual([]);
});

test("changes by others between two pieces of a sweep, and inside one", () => {
  const failures = new Failures();
  let runs = 0;
  for (const scenario of SCENARIOS.slice(0, 4)) {
    const on = trio(scenario, false);
    on.back();
    const { accesses } = measure(on.b, () => {
      for (let i = 0; i < ENOUGH; i++) on.b.store.get("not there");
    });
    const step = Math.max(1, Math.floor(accesses / 150));
    for (const change of CHANGES) {
      for (let n = 1; n <= accesses; n += step) {
        const problems: string[] = [];
        on.back();
        on.b.thread.hookAt = n;
        on.b.thread.hook = () => void run(on.a, inOne(change));
        run(on.b, () => {
          for (let i = 0; i < ENOUGH; i++) on.b.store.get("not there");
        });
        on.b.thread.rearm();
        compare(on, problems, "after");
        runs++;
        failures.note(`${scenario.name}: ${change.name} at access ${n} of the sweep`, problems);
      }
    }
  }
  console.log(`absence: ${runs} changes in the middle of a sweep`);
  expect(failures.report()).toEqual([]);
  expect(machine.violations).toEqual([]);
});
