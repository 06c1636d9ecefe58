/**
 * A number that changes in place locks its leaf and nothing else: who changes its neighbours, or the nodes above it, is
 * never in the way, and nobody who died with a leaf's lock is.
 */
import { expect, test } from "bun:test";
import { contents, settle, verify } from "./audit.ts";
import { type Stage, stage } from "./interleave.ts";
import { machine } from "./machine.ts";
import {
  add,
  collect,
  compareAndSet,
  explain,
  insert,
  type Operation,
  type Played,
  remove,
  set,
} from "./model.ts";
import { Failures, told } from "./report.ts";
import type { Scenario } from "./scenarios.ts";
import { measure, run, runToDeath } from "./world.ts";

const NEIGHBOURS: Scenario = {
  name: "neighbours",
  keys: [
    ["pkA", 1.5],
    ["pkB", 2.5],
    ["q", 3.5],
  ],
  operations: [],
};

/** What happens to pkB and to the nodes above pkA: in place, replaced, removed with the node, split below and above. */
const BESIDE: readonly Operation[] = [
  set("pkB", 20.5),
  add("pkB", 4),
  set("pkB", "a text"),
  compareAndSet("pkB", 2.5, "a text"),
  remove("pkB"),
  insert("pkBx", 6.5),
  insert("pkC", 7.5),
  insert("px", 8.5),
  insert("pkAx", 9.5),
];

/** What is done to pkA, in place. */
const IN_PLACE: readonly Operation[] = [set("pkA", 10.5), add("pkA", 0.25), compareAndSet("pkA", 1.5, 11.5)];

/** Is the end what some order of `played` gives, and is nothing left behind? */
function judge({ a, b, before }: Stage, played: readonly Played[], problems: string[]): void {
  const alive = [a, b].filter(({ thread }) => !thread.dead);
  const after = contents(alive[0]!, problems);
  const wrong = explain(before, played, after);
  if (wrong !== null) problems.push(wrong);
  verify(alive[0]!, problems);
  settle(alive, after.size, problems);
  problems.push(...machine.violations);
  machine.violations = [];
}

test("who changes a number in place waits for nobody who changes its neighbours or the nodes above it", () => {
  const failures = new Failures();
  const on = stage(NEIGHBOURS, false);
  let runs = 0;
  for (const change of BESIDE) {
    on.back();
    const { accesses } = measure(on.a, change.run);
    for (const number of IN_PLACE) {
      for (let n = 1; n <= accesses; n++) {
        on.back();
        const problems: string[] = [];
        const played: Played[] = [];
        on.a.thread.hookAt = n;
        on.a.thread.hook = () => {
          const ending = run(on.b, number.run);
          runs++;
          if (ending.how !== "done") problems.push(`${number.name} ${ending.how}`);
          else played.push({ operation: number, ended: "done", result: ending.result, from: 1, to: 2 });
        };
        try {
          const ending = run(on.a, change.run);
          on.a.thread.rearm();
          if (ending.how !== "done") problems.push(`${change.name} ${ending.how}`);
          else played.push({ operation: change, ended: "done", result: ending.result, from: 0, to: 3 });
          judge(on, played, problems);
        } catch (error) {
          problems.push(told(error));
        }
        on.a.thread.rearm();
        failures.note(`${change.name}, and before its access ${n} ${number.name}`, problems);
      }
    }
  }
  console.log(`numbers: ${runs} changed in place beside other changes`);
  expect(failures.report()).toEqual([]);
});

test("who changes a number in place goes on when the holder of its leaf's lock has died", () => {
  const failures = new Failures();
  const on = stage(NEIGHBOURS, false);
  const victims = [
    ...IN_PLACE,
    set("pkA", "a text"),
    compareAndSet("pkA", 1.5, "a text"),
    remove("pkA"),
    compareAndSet("pkA", 1.5, undefined),
  ];
  let runs = 0;
  let recovered = 0;
  for (const victim of victims) {
    for (const number of IN_PLACE) {
      for (const manner of ["killed", "terminated"] as const) {
        for (let n = 0; ; n++) {
          on.back();
          if (runToDeath(on.a, victim.run, n, manner).how !== "died") break;
          runs++;
          const problems: string[] = [];
          try {
            const played: Played[] = [
              { operation: victim, ended: "died", from: 0, to: Number.POSITIVE_INFINITY },
            ];
            const ending = run(on.b, number.run);
            if (ending.how !== "done") problems.push(`${number.name} ${ending.how}`);
            else played.push({ operation: number, ended: "done", result: ending.result, from: 1, to: 2 });
            if (machine.as(on.b.thread, () => on.b.store.stats()).recoveries > 0) recovered++;
            // Who met no lock of the dead has not recovered them.
            run(on.b, collect.run);
            judge(on, played, problems);
          } catch (error) {
            problems.push(told(error));
          }
          failures.note(`${victim.name}, ${manner} after ${n} stores; then ${number.name}`, problems);
        }
      }
    }
  }
  console.log(`numbers: ${runs} changed in place after a death, ${recovered} of them recovered the dead`);
  expect(recovered).toBeGreaterThan(0);
  expect(failures.report()).toEqual([]);
});
