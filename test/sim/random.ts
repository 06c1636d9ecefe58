/**
 * Schedules at random: three participants, one in the other at any access, any of them dead at any of its stores. What
 * interleave.ts does for all pairs at one point each, this does for what is too much to enumerate.
 */
import { contents, settle, verify } from "./audit.ts";
import { stage } from "./interleave.ts";
import { machine } from "./machine.ts";
import { explain, type Operation } from "./model.ts";
import { Play } from "./play.ts";
import { type Failures, type Random, told } from "./report.ts";
import { SCENARIOS } from "./scenarios.ts";
import { type Actor, measure, openActor, remember, run } from "./world.ts";

export interface RandomCoverage {
  runs: number;
  waited: number;
  died: number;
  readonly endings: Set<number | bigint>;
}

export const nothingYet = (): RandomCoverage => ({ runs: 0, waited: 0, died: 0, endings: new Set() });

/** Schedules on one tree before the next is taken: making a tree costs as much as some. */
const ON_ONE_TREE = 200;

/** Runs schedules on one tree, until `end` at the latest. */
export function playAtRandom(
  random: Random,
  end: number,
  coverage: RandomCoverage,
  failures: Failures,
): void {
  const scenario = random.pick(SCENARIOS);
  const on = stage(scenario, random.next() < 0.5);
  const actors = [on.a, on.b, openActor("C")];
  const back = remember(actors);
  const sizes = scenario.operations.map((operation) => {
    back();
    return measure(on.a, operation.run);
  });
  const endings = new Set<string>();
  for (let i = 0; i < ON_ONE_TREE && performance.now() < end && !failures.enough; i++) {
    back();
    const count = random.next() < 0.6 ? 2 : 3;
    const chosen = Array.from({ length: count }, () => random.below(scenario.operations.length));
    const problems: string[] = [];
    const play = new Play(problems);
    let text = "";
    const operationOf = (k: number): Operation => scenario.operations[chosen[k]!]!;
    for (let k = 0; k < count; k++) {
      const { thread } = actors[k]!;
      const size = sizes[chosen[k]!]!;
      thread.rearm();
      text += `${k === 0 ? "" : `, before its access ${actors[k - 1]!.thread.hookAt} `}${operationOf(k).name}`;
      if (k + 1 < count) {
        thread.hookAt = 1 + random.below(size.accesses);
        thread.hook = () => play.start(actors[k + 1]!, operationOf(k + 1));
      }
      if (random.next() < 0.35) {
        thread.dieAt = random.below(size.stores + 8);
        thread.manner = random.next() < 0.5 ? "killed" : "terminated";
        text += ` (${thread.manner} at its store ${thread.dieAt})`;
      }
    }
    try {
      play.start(actors[0]!, operationOf(0));
      for (const { thread } of actors) thread.rearm();
      play.finish();
      coverage.waited += play.waited;
      coverage.died += play.died;
      coverage.runs++;
      const hash = machine.hash();
      const alive: Actor[] = actors.filter((actor) => !actor.thread.dead);
      const auditor = alive[0] ?? openActor("auditor");
      const there = contents(auditor, problems);
      const wrong = explain(on.before, play.played, there);
      if (wrong !== null) problems.push(wrong);
      problems.push(...machine.violations);
      machine.violations = [];
      if (problems.length === 0 && !endings.has(hash)) {
        endings.add(hash);
        coverage.endings.add(Bun.hash(`${scenario.name} ${hash}`));
        run(auditor, (store) => store.collect());
        const last = contents(auditor, problems);
        const then = explain(on.before, play.played, last);
        if (then !== null) problems.push(`after recovery: ${then}`);
        verify(auditor, problems);
        settle(alive.length > 0 ? alive : [auditor], last.size, problems);
      }
    } catch (error) {
      problems.push(told(error));
    }
    failures.note(`${scenario.name}: ${text}`, problems);
  }
}
