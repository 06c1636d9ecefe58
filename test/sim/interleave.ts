/**
 * Two participants: operation B of the second runs as a whole just before the n-th access of operation A of the first,
 * for every n. Where access n of A and all that B touched are independent of each other, running B after it makes no
 * difference: such n are stepped over ({@link Machine.footprint}).
 *
 * B may meet a lock that A holds. Then it reports that it would wait, withdraws as after any exception, and runs again
 * when A has ended. B may also die at one of its stores; then A goes on, recovering B if it is in the way.
 */
import { contents, rebuild, settle, verify } from "./audit.ts";
import type { Manner } from "./machine.ts";
import { machine } from "./machine.ts";
import { type Contents, explain, type Operation } from "./model.ts";
import { Play } from "./play.ts";
import { type Failures, told } from "./report.ts";
import type { Scenario } from "./scenarios.ts";
import { type Actor, guests, newWorld, openActor, remember, run, runToDeath } from "./world.ts";

/** A world with two participants on the tree of a scenario. */
export interface Stage {
  readonly scenario: Scenario;
  readonly a: Actor;
  readonly b: Actor;
  /** Died before the two begin, and its operation may have happened. */
  readonly dead: Actor | null;
  readonly accident: Accident | null;
  readonly before: Contents;
  readonly back: () => void;
}

/** A third participant, who died in an operation of its own. */
export interface Accident {
  readonly operation: Operation;
  /** The store it did not make any more. */
  readonly at: number;
  readonly manner: Manner;
}

/**
 * Two participants on the tree of a scenario. Leaves that a sync has promised (`promised`) wait for a sync before they
 * are reused.
 */
export function stage(scenario: Scenario, promised: boolean, accident: Accident | null = null): Stage {
  newWorld(scenario.slabs);
  let a = openActor("A");
  const before = new Map(scenario.keys);
  for (const [key, value] of scenario.keys) run(a, (store) => store.set(key, value));
  for (const key of scenario.removed ?? []) {
    before.delete(key);
    run(a, (store) => store.delete(key));
  }
  if (promised) {
    // Whoever opens a file that nobody has open counts all that is in it as promised.
    run(a, (store) => store.close());
    a = openActor("A");
  }
  const b = openActor("B");
  // Both have met the keys before, and search by their hints at first; no more keys than have room in the first table.
  // Refused, and so only met: from then on they take hints for changes as well.
  for (const actor of [a, b]) {
    run(actor, (store) => store.compareAndSet(scenario.keys[0]![0], "never there", "nor this"));
    for (const [key] of scenario.keys.slice(0, 32)) run(actor, (store) => store.get(key));
  }
  const problems: string[] = [];
  verify(a, problems);
  if (problems.length > 0) throw new Error(`${scenario.name}: ${problems.join("; ")}`);
  let dead: Actor | null = null;
  if (accident !== null) {
    dead = openActor("D");
    runToDeath(dead, accident.operation.run, accident.at, accident.manner);
  }
  return { scenario, a, b, dead, accident, before, back: remember([a, b]) };
}

/** `BANCOS_SIM_EVERY=1` steps over nothing: it takes ten times as long and must end in the same files. */
const EVERY = process.env.BANCOS_SIM_EVERY === "1";

/** What was run and found. */
export interface Coverage {
  runs: number;
  /** Different files at the end of a run. */
  endings: Map<string, Contents>;
  waited: number;
  died: number;
}

export const noCoverage = (): Coverage => ({ runs: 0, endings: new Map(), waited: 0, died: 0 });

/** How B ends: undefined as it will, or at its store with this number. */
export interface Cut {
  readonly at: number;
  readonly manner: Manner;
}

/** Runs A with B just before its access `n`. Returns the next `n` that makes a difference, or Infinity. */
export function interleaveAt(
  { scenario, a, b, accident, before, back }: Stage,
  opA: Operation,
  opB: Operation,
  n: number,
  cut: Cut | undefined,
  coverage: Coverage,
  failures: Failures,
): number {
  back();
  const problems: string[] = [];
  const play = new Play(problems);
  if (accident !== null) play.accident(accident.operation);
  let ran = false;
  if (cut !== undefined) {
    b.thread.dieAt = cut.at;
    b.thread.manner = cut.manner;
  }
  machine.footprint = new Map();
  a.thread.hookAt = n;
  a.thread.hook = () => {
    ran = true;
    play.start(b, opB);
  };
  let next = Number.POSITIVE_INFINITY;
  try {
    play.start(a, opA);
    if (machine.conflictAt < Number.POSITIVE_INFINITY) next = machine.conflictAt + 1;
    if (EVERY) next = n + 1;
    machine.footprint = null;
    if (!ran) return Number.POSITIVE_INFINITY;
    b.thread.rearm();
    play.finish();
    coverage.waited += play.waited;
    coverage.died += play.died;
    a.thread.rearm();
    coverage.runs++;
    const hash = machine.hash();
    // The same file at the end was looked at already.
    const seen = coverage.endings.get(hash);
    const after = seen ?? contents(a, problems);
    const wrong = explain(before, play.played, after);
    if (wrong !== null) problems.push(wrong);
    problems.push(...machine.violations);
    machine.violations = [];
    if (seen === undefined && problems.length === 0) {
      coverage.endings.set(hash, after);
      // Whoever died is recovered first, else what it has under way counts as a problem.
      let last = after;
      if (b.thread.dead || accident !== null) {
        run(a, (store) => store.collect());
        last = contents(a, problems);
        const then = explain(before, play.played, last);
        if (then !== null) problems.push(`after recovery: ${then}`);
      }
      verify(a, problems);
      const copy = machine.copy();
      const others = [b, ...guests].filter(({ thread }) => !thread.dead);
      settle([a, ...others], last.size, problems);
      machine.putBack(copy);
      rebuild((there) => explain(last, [], there), Number.POSITIVE_INFINITY, problems);
    }
  } catch (error) {
    problems.push(told(error));
  }
  const cutText = cut === undefined ? "" : `, ${cut.manner} at its store ${cut.at}`;
  const accidentText =
    accident === null ? "" : `${accident.operation.name} ${accident.manner} at ${accident.at}; `;
  failures.note(
    `${scenario.name}: ${accidentText}${opA.name}, and before its access ${n} ${opB.name}${cutText}`,
    problems,
  );
  return next;
}

/** All n for one pair. */
export function interleave(
  on: Stage,
  opA: Operation,
  opB: Operation,
  cut: Cut | undefined,
  coverage: Coverage,
  failures: Failures,
): void {
  for (let n = 1; n < Number.POSITIVE_INFINITY && !failures.enough; ) {
    n = interleaveAt(on, opA, opB, n, cut, coverage, failures);
  }
}
