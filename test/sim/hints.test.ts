/**
 * Searches by a hint (src/rowex/hints.ts) while another participant changes the tree, stopped before each of its
 * accesses in turn, or dead after each of its stores: what a hint finds must be what a search from the root finds.
 */
import { expect, test } from "bun:test";
import type { Store } from "../../src/store/store.ts";
import { verify } from "./audit.ts";
import { stage } from "./interleave.ts";
import { machine } from "./machine.ts";
import { collect, type Operation, remove, sequence, set, show } from "./model.ts";
import { Failures, told } from "./report.ts";
import { SCENARIOS, type Scenario } from "./scenarios.ts";
import { type Actor, measure, newWorld, openActor, remember, run, runToDeath } from "./world.ts";

/** Of the accesses of a recovery, one in so many is looked at. */
const STRIDE = 797;

interface Three {
  readonly scenario: Scenario;
  /** Changes the tree. */
  readonly a: Actor;
  /** Has hints of all keys. */
  readonly b: Actor;
  /** Have none. */
  readonly c: Actor;
  readonly d: Actor;
  readonly back: () => void;
}

function three(scenario: Scenario): Three {
  const { a, b } = stage(scenario, false);
  const c = openActor("C");
  const d = openActor("D");
  return { scenario, a, b, c, d, back: remember([a, b, c, d]) };
}

/** What changes the tree: the scenario's own, and a key that goes and comes back, in the cells that it left: the value is as long as the old one. */
function changes({ keys, operations }: Scenario): Operation[] {
  const [first] = keys[0]!;
  const [second] = keys[1]!;
  return [
    ...operations.filter(({ apply, walk }) => apply !== undefined && walk === undefined),
    sequence(remove(first), collect, set(first, "w0")),
    sequence(remove(second), collect, collect, set(second, "w1")),
  ];
}

const someKeys = ({ keys }: Scenario): string[] => [
  ...new Set([keys[0]!, keys[1]!, keys.at(-1)!].map(([key]) => key)),
];

const get = (actor: Actor, key: string): string => {
  const ending = run(actor, (store) => store.get(key));
  return ending.how === "done" ? show(ending.result as never) : ending.how;
};

/** The values of a key, in the order in which an operation gives it them. */
function statesOf(scenario: Scenario, operation: Operation, key: string): string[] {
  const map = new Map(scenario.keys);
  for (const gone of scenario.removed ?? []) map.delete(gone);
  const states = [show(map.get(key))];
  for (const part of operation.parts ?? [operation]) {
    part.apply?.(map);
    states.push(show(map.get(key)));
  }
  return states;
}

/** Has what was read one after the other the order of `states`? */
function inOrder(states: readonly string[], read: readonly string[]): boolean {
  let at = 0;
  for (const value of read) {
    while (at < states.length && states[at] !== value) at++;
    if (at === states.length) return false;
  }
  return true;
}

/** All parts, one after the other, without a withdrawal in between. */
const inOne =
  ({ run: whole, parts }: Operation) =>
  (store: Store): unknown =>
    parts === undefined ? whole(store) : parts.map((part) => part.run(store));

function runAll(actor: Actor, operation: Operation): void {
  for (const part of operation.parts ?? [operation]) run(actor, part.run);
}

interface Case {
  readonly on: Three;
  readonly change: Operation;
  readonly key: string;
  /** Of the change, when nobody disturbs it. */
  readonly accesses: number;
  readonly stores: number;
  /** The values of the key, in the order in which the change gives it them. */
  readonly states: readonly string[];
  /** For reports. */
  readonly name: string;
}

function* cases(): Generator<Case> {
  for (const scenario of SCENARIOS) {
    const on = three(scenario);
    for (const change of changes(scenario)) {
      on.back();
      const { accesses, stores } = measure(on.a, inOne(change));
      const name = `${scenario.name}: ${change.name}`;
      for (const key of someKeys(scenario)) {
        yield { on, change, key, accesses, stores, states: statesOf(scenario, change, key), name };
      }
    }
  }
}

/** A's change of the case, with `inside` called before its access `n`. */
function stopped({ on, change }: Case, n: number, inside: () => void): void {
  on.back();
  on.a.thread.hookAt = n;
  on.a.thread.hook = inside;
  runAll(on.a, change);
  on.a.thread.rearm();
}

test("a write that has returned is what a hint finds, wherever another change stands still", () => {
  const failures = new Failures();
  let runs = 0;
  for (const each of cases()) {
    const { on, key } = each;
    for (const write of [set(key, "fresh"), remove(key)]) {
      const expected = write.name.startsWith("set") ? show("fresh") : show(undefined);
      for (let n = 1; n <= each.accesses; n++) {
        const problems: string[] = [];
        try {
          stopped(each, n, () => {
            if (run(on.c, write.run).how !== "done") return;
            runs++;
            const found = get(on.b, key);
            if (found !== expected) problems.push(`${key} is ${found}, not ${expected}`);
          });
        } catch (error) {
          problems.push(told(error));
        }
        on.a.thread.rearm();
        failures.note(`${each.name}, before access ${n}: ${write.name}`, problems);
        machine.violations = [];
      }
    }
  }
  console.log(`hints: ${runs} writes inside other changes`);
  expect(failures.report()).toEqual([]);
});

test("what a hint has shown every later search shows, whether the change goes on or its maker is dead", () => {
  const failures = new Failures();
  let runs = 0;
  for (const each of cases()) {
    const { on, key } = each;
    const judge = (when: string, read: readonly string[]): void => {
      runs++;
      if (!inOrder(each.states, read))
        failures.note(`${each.name}, ${when}`, [`${key} was ${read.join(", ")}`]);
    };
    for (let n = 1; n <= each.accesses; n++) {
      const read: string[] = [];
      stopped(each, n, () => read.push(get(on.b, key), get(on.c, key), get(on.b, key)));
      read.push(get(on.b, key), get(on.c, key));
      judge(`before access ${n}`, read);
    }
    for (let n = 0; n < each.stores; n++) {
      on.back();
      if (runToDeath(on.a, inOne(each.change), n, "killed").how !== "died") break;
      const read = [get(on.b, key), get(on.c, key), get(on.b, key)];
      run(on.c, collect.run);
      read.push(get(on.b, key), get(on.c, key));
      judge(`dead after ${n} stores`, read);
    }
  }
  console.log(`hints: ${runs} times read by a hint and from the root in turn`);
  expect(failures.report()).toEqual([]);
});

test("what a dead writer's recovery does to the tree, a hint shows at the same moment", () => {
  const failures = new Failures();
  let runs = 0;
  let turn = 0;
  for (const { on, change, key, stores, states, name } of cases()) {
    for (let n = 0; n < stores; n++) {
      // One access in so many of the recovery, not the same ones each time.
      for (let at = 1 + (turn++ % STRIDE); ; at += STRIDE) {
        on.back();
        if (runToDeath(on.a, inOne(change), n, "killed").how !== "died") break;
        const read: string[] = [];
        on.c.thread.hookAt = at;
        on.c.thread.hook = () => read.push(get(on.d, key), get(on.b, key), get(on.d, key));
        run(on.c, collect.run);
        on.c.thread.rearm();
        if (read.length === 0) break;
        runs++;
        read.push(get(on.b, key), get(on.c, key));
        if (!inOrder(states, read))
          failures.note(`${name}, dead after ${n} stores, recovery at ${at}`, [
            `${key} was ${read.join(", ")}`,
          ]);
      }
    }
  }
  console.log(`hints: ${runs} times read inside a recovery`);
  expect(failures.report()).toEqual([]);
});

test("who changes does not find by a hint what a search from the root has found to be gone", () => {
  const failures = new Failures();
  let runs = 0;
  for (const each of cases()) {
    const { on, key } = each;
    if (!each.states.includes(show(undefined))) continue;
    for (let n = 1; n <= each.accesses; n++) {
      const problems: string[] = [];
      stopped(each, n, () => {
        if (get(on.c, key) !== show(undefined)) return;
        runs++;
        try {
          run(on.b, (store) => store.insert(key, "inserted"));
        } catch (error) {
          problems.push(`${key} is absent; inserted: ${told(error)}`);
        }
      });
      failures.note(`${each.name}, before access ${n}`, problems);
      machine.violations = [];
    }
  }
  console.log(`hints: ${runs} inserts of a key that is gone, by a hint`);
  expect(failures.report()).toEqual([]);
});

// The schedule that `tree hintpairs new-node-unlocked` of model/ finds: A takes the cell of the node that B has a hint of.
test("a write from a hint that has returned is what a search from the root finds", () => {
  newWorld();
  const a = openActor("A");
  for (const key of ["pkA", "pkB", "q"]) run(a, set(key, "old").run);
  const b = openActor("B");
  const c = openActor("C");
  run(b, (store) => store.compareAndSet("pkA", "never there", "nor this"));
  run(b, (store) => store.get("pkA"));
  // The node above pkA and pkB goes, and is the next that A takes.
  run(a, remove("pkB").run);
  for (let i = 0; i < 6; i++) run(a, collect.run);
  const back = remember([a, b, c]);
  const split = set("pkB", "again");
  const size = measure(a, split.run);
  const wrong: string[] = [];
  let runs = 0;
  const writeAndRead = (when: string): void => {
    if (run(b, set("pkA", "fresh").run).how !== "done") return;
    runs++;
    const read = run(c, (store) => store.get("pkA"));
    const found = read.how === "done" ? show(read.result) : read.how;
    if (found !== show("fresh")) wrong.push(`${when}: ${found}`);
  };
  for (let n = 1; n <= size.accesses; n++) {
    back();
    a.thread.hookAt = n;
    a.thread.hook = () => writeAndRead(`before access ${n} of A`);
    run(a, split.run);
    a.thread.rearm();
  }
  for (let n = 0; n < size.stores; n++) {
    back();
    if (runToDeath(a, split.run, n, "killed").how !== "died") break;
    writeAndRead(`A dead after ${n} stores`);
  }
  console.log(`hints: ${runs} writes from a hint beside a split that takes the hint's node again`);
  expect(wrong).toEqual([]);
  expect(machine.violations).toEqual([]);
  const problems: string[] = [];
  verify(c, problems);
  expect(problems).toEqual([]);
});
