/**
 * Somebody has died in the middle of a change. Two others go on, one in the other at every access that makes a
 * difference: each of them may find the dead, wait for its lock, recover it, or see nothing of it.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { INTENT_STATE, slotCell } from "../../src/memory/layout.ts";
import { interleave, noCoverage, stage } from "./interleave.ts";
import { type Manner, machine } from "./machine.ts";
import {
  collect,
  compareAndSet,
  forwards,
  lookup,
  type Operation,
  other,
  remove,
  sequence,
  set,
} from "./model.ts";
import { Failures } from "./report.ts";
import { SCENARIOS } from "./scenarios.ts";
import { guests, openActor, run } from "./world.ts";

const open: Operation = other("open and close", () => {
  const opener = openActor("opener");
  run(opener, (store) => store.close());
});

let came = false;
/** Recovers the dead, and another comes to stay, in the slot that has become free. */
const replaceTheDead: Operation = sequence(collect, {
  name: "another takes the slot",
  run: () => {
    const heir = openActor("heir");
    guests.push(heir);
    // It may have to wait for who is stopped; then it has done nothing.
    came = run(heir, (store) => store.set("heir", "is here")).how === "done";
    return came;
  },
  apply: (map) => {
    if (came) map.set("heir", "is here");
    return came;
  },
});

interface Accident {
  readonly scenario: string;
  readonly dying: Operation;
  readonly promised: boolean;
  /** What the others do beside collecting. */
  readonly others: readonly Operation[];
}

const ACCIDENTS: readonly Accident[] = [
  {
    scenario: "Node4 with room",
    dying: set("kb", "added"),
    promised: false,
    others: [set("kb", "by another"), set("kc", "beside it"), forwards],
  },
  {
    scenario: "Node4 with room",
    dying: set("kB", "replaced"),
    promised: true,
    others: [remove("kB"), compareAndSet("kB", "v1", "swapped"), lookup("kB")],
  },
  {
    scenario: "Node4 that is full",
    dying: set("kb", "grows"),
    promised: false,
    others: [set("kc", "grows too"), remove("kA"), forwards],
  },
  {
    scenario: "Node4 with two children",
    dying: remove("pkA"),
    promised: true,
    others: [remove("pkB"), set("pkC", "added"), forwards],
  },
  {
    scenario: "a long edge",
    dying: set("abcX", "splits it"),
    promised: false,
    others: [set("abcY", "splits it as well"), remove("abcdefghA")],
  },
  {
    scenario: "Node48",
    dying: set("kz", "added"),
    promised: false,
    others: [set("ky", "added too"), remove("kA")],
  },
];

/** For each state that the intent of the dying passes, the first and the last store at which it has that state. */
function momentsOf({ scenario, dying, promised }: Accident): number[] {
  const moments = new Map<number, number[]>();
  for (let at = 0; ; at++) {
    const on = stage(find(scenario), promised, { operation: dying, at, manner: "killed" });
    if (on.dead === null || !on.dead.thread.dead) break;
    const state = machine.words[(slotCell(on.dead.store.participant().slot) * 8 + INTENT_STATE) >>> 2]!;
    moments.set(state, [...(moments.get(state) ?? []), at]);
  }
  return [...moments.values()].flatMap((at) => [...new Set([at[0]!, at[at.length - 1]!])]);
}

function find(name: string) {
  const found = SCENARIOS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no scenario ${name}`);
  return found;
}

const total = { runs: 0, waited: 0, endings: 0 };

describe("with one dead in the middle of a change", () => {
  for (const accident of ACCIDENTS) {
    const { scenario, dying, promised, others } = accident;
    test(`${scenario}: ${dying.name}: two who meet it, in any order, finish or undo it once`, () => {
      const failures = new Failures();
      for (const [i, at] of momentsOf(accident).entries()) {
        const manner: Manner = i % 2 === 0 ? "killed" : "terminated";
        const on = stage(find(scenario), promised, { operation: dying, at, manner });
        const coverage = noCoverage();
        const operations = [collect, ...others];
        for (const opA of operations) {
          for (const opB of [...operations, open, replaceTheDead])
            interleave(on, opA, opB, undefined, coverage, failures);
        }
        total.runs += coverage.runs;
        total.waited += coverage.waited;
        total.endings += coverage.endings.size;
      }
      expect(failures.report()).toEqual([]);
    });
  }
});

afterAll(() => {
  console.log(
    `with one dead: ${total.runs} schedules, ${total.waited} in which one waited, ${total.endings} different files at the end`,
  );
});
