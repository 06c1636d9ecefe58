/**
 * Death at every store: an operation stops for ever after its n-th store; others go on without it, and recover it; and
 * the recoverer may die at any of its stores too, and so on.
 *
 * What must hold after each death: an open store that recovers nothing sees every key that was there, in order, both
 * ways, and the key under way whole or not at all; so does whoever recovers, before it writes anything; the file
 * verifies; work goes on; in the end every cell is accounted for and everything retired is free.
 */
import { INTENT_STATE, SB, SB_SLOTS_USED, slotCell } from "../../src/memory/layout.ts";
import type { Store } from "../../src/store/store.ts";
import { contents, rebuild, settle, verify } from "./audit.ts";
import { type Manner, machine, type Thread } from "./machine.ts";
import { type Contents, explain, type Operation, type Played } from "./model.ts";
import { type Failures, type Random, told } from "./report.ts";
import type { Scenario } from "./scenarios.ts";
import { type Actor, newWorld, openActor, openIn, remember, run } from "./world.ts";

/** An operation that dies, and what others do about it. */
export interface Case {
  readonly scenario: Scenario;
  /** Run before, by the one who will die. */
  readonly before?: readonly Operation[];
  readonly victim: Operation;
  /** Its leaves are promised to a sync beforehand. */
  readonly promised: boolean;
}

export interface DeathCoverage {
  /** Different files right after a death, by hash. */
  readonly states: Set<string>;
  /** Files after recovery that were looked at in full. */
  readonly recovered: Set<string>;
  /** Per operation: different files after its death, at any depth. */
  readonly byOperation: Map<string, Set<string>>;
  deaths: number;
  rebuilds: number;
  inspected: number;
}

/** One in so many is worked on after it was looked at, where there are very many. */
const SHARE = process.env.BANCOS_SIM_SECONDS === undefined ? 4 : 1;

export const noDeaths = (): DeathCoverage => ({
  states: new Set(),
  recovered: new Set(),
  byOperation: new Map(),
  deaths: 0,
  rebuilds: 0,
  inspected: 0,
});

/** Who meets the dead: whoever opens the file, whoever collects, whoever needs the lock. */
export type Rescue = "open" | "collect" | "same";
export const RESCUES: readonly Rescue[] = ["open", "collect", "same"];

interface Ready {
  readonly what: Case;
  readonly victim: Actor;
  /** Has the file open all the time. */
  readonly witness: Actor;
  readonly before: Contents;
  readonly back: () => void;
  readonly label: string;
  /** What there was before each store of the last rescuer that lived. */
  moments: string[];
}

export function prepare(what: Case): Ready {
  const { scenario, promised, before = [] } = what;
  newWorld(scenario.slabs);
  let victim = openActor("victim");
  const map = new Map(scenario.keys);
  for (const [key, value] of scenario.keys) run(victim, (store) => store.set(key, value));
  for (const key of scenario.removed ?? []) {
    map.delete(key);
    run(victim, (store) => store.delete(key));
  }
  if (promised) {
    run(victim, (store) => store.close());
    victim = openActor("victim");
  }
  const witness = openActor("witness");
  for (const operation of before) {
    run(victim, operation.run);
    operation.apply?.(map);
  }
  const problems: string[] = [];
  verify(victim, problems);
  if (problems.length > 0) throw new Error(`${scenario.name}: ${problems.join("; ")}`);
  const label = `${scenario.name}${promised ? " (promised)" : ""}: ${what.victim.name}`;
  return { what, victim, witness, before: map, back: remember([victim, witness]), label, moments: [] };
}

function arm(thread: Thread, at: number, manner: Manner): void {
  thread.rearm();
  thread.dieAt = at;
  thread.manner = manner;
}

/** The rescue as an operation of a thread; the thread may have been armed to die in it. */
function rescue(ready: Ready, how: Rescue, opener: Thread, played: Played[]): Actor | null {
  if (how === "open") {
    try {
      return openIn(opener);
    } catch (error) {
      if (opener.dead) return null;
      throw error;
    }
  }
  const actor = ready.witness;
  const operation = how === "same" ? ready.what.victim : undefined;
  const ending = run(actor, operation?.run ?? ((store: Store) => store.collect()));
  if (ending.how === "waits") throw new Error("the rescuer waits for nobody");
  if (operation !== undefined)
    played.push(
      ending.how === "done"
        ? { operation, ended: "done", result: ending.result, from: 1, to: 1 }
        : { operation, ended: "died", from: 1, to: Number.POSITIVE_INFINITY },
    );
  return ending.how === "done" ? actor : null;
}

/** Everything that must hold once somebody has recovered the dead and done its work. */
function inspect(
  { before, witness, victim }: Ready,
  rescuer: Actor,
  played: readonly Played[],
  thorough: boolean,
  coverage: DeathCoverage,
  problems: string[],
): void {
  const essence = machine.essence();
  const results = JSON.stringify(played, (_, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value,
  );
  if (coverage.recovered.has(`${essence} ${results}`)) return;
  const wrong = explain(before, played, contents(rescuer, problems));
  if (wrong !== null) problems.push(wrong);
  if (problems.length > 0) return;
  // Who was not in the way is dead still: now it is looked for, by verify(), which may find no damage in what it left.
  verify(rescuer, problems);
  run(rescuer, (store) => store.collect());
  const there = contents(rescuer, problems);
  const then = explain(before, played, there);
  if (then !== null) problems.push(`after collect: ${then}`);
  verify(rescuer, problems);
  // What is new at depth 1 is worked on; of the many more at the next depths, by torture all and else every fourth.
  coverage.inspected++;
  if (!thorough && coverage.inspected % SHARE !== 0) {
    if (problems.length === 0) coverage.recovered.add(`${essence} ${results}`);
    return;
  }
  // Work goes on: the same keys and new ones, by who recovered.
  const map = new Map(there);
  rescuer.thread.rearm();
  for (const key of [...there.keys()].slice(0, 3).concat("k!after", "zz")) {
    map.set(key, "after");
    run(rescuer, (store) => store.set(key, "after"));
  }
  for (const key of [...there.keys()].slice(1, 2).concat("k!after")) {
    map.delete(key);
    run(rescuer, (store) => store.delete(key));
  }
  const last = contents(rescuer, problems);
  const lost = explain(map, [], last);
  if (lost !== null) problems.push(`after recovery: ${lost}`);
  const alive = [rescuer, witness, victim].filter(
    (actor, i, all) => !actor.thread.dead && all.indexOf(actor) === i && isOpen(actor),
  );
  settle(alive, map.size, problems);
  if (problems.length === 0) coverage.recovered.add(`${essence} ${results}`);
}

function isOpen(actor: Actor): boolean {
  try {
    actor.store.participant();
    return true;
  } catch {
    return false;
  }
}

/** A chain of deaths: the victim at store `at[0]`, the first rescuer at its store `at[1]`, ... ; then one who lives. */
export interface Chain {
  readonly at: readonly number[];
  readonly rescues: readonly Rescue[];
  readonly manner: Manner;
}

/**
 * Plays a chain of deaths: "beyond" if some link did not die, since it makes fewer stores; "known" if what the last
 * death left was recovered from before.
 */
export function play(
  ready: Ready,
  { at, rescues, manner }: Chain,
  coverage: DeathCoverage,
  failures: Failures,
  known: Set<string> | null,
): "complete" | "beyond" | "known" {
  const { what, victim, witness, before, back, label } = ready;
  back();
  const problems: string[] = [];
  const played: Played[] = [];
  try {
    arm(victim.thread, at[0]!, manner);
    const ending = run(victim, what.victim.run);
    if (ending.how !== "died") return "beyond";
    played.push({ operation: what.victim, ended: "died", from: 0, to: Number.POSITIVE_INFINITY });
    for (let link = 1; link < at.length; link++) {
      const how = witness.thread.dead ? "open" : rescues[link - 1]!;
      const thread = how === "open" ? machine.spawn(`opener ${link}`) : witness.thread;
      arm(thread, at[link]!, manner);
      if (rescue(ready, how, thread, played) !== null) return "beyond";
    }
    coverage.deaths++;
    const hash = `${label} ${machine.hash()}`;
    coverage.states.add(hash);
    const own = coverage.byOperation.get(label) ?? new Set();
    coverage.byOperation.set(label, own.add(hash));
    const how = witness.thread.dead ? "open" : rescues[at.length - 1]!;
    let careful = true;
    if (known !== null) {
      // What differs only in cells that nobody reads ends as before.
      const key = `${machine.essence()} ${how} ${played.length}`;
      if (known.has(key)) return "known";
      known.add(key);
      careful = at.length === 1 || at[at.length - 1]! % 4 === 0;
    }
    if (!witness.thread.dead && careful) {
      // Readers go on whatever has happened, and recover nothing.
      witness.thread.rearm();
      const seen = contents(witness, problems);
      const wrong = explain(before, played, seen);
      if (wrong !== null) problems.push(`before recovery: ${wrong}`);
    }
    problems.push(...machine.violations);
    machine.violations = [];
    if (!witness.thread.dead) witness.thread.rearm();
    const copy = at.length === 1 && at[0]! % 3 === 0 ? machine.copy() : null;
    const playedThen = [...played];
    const thread = how === "open" ? machine.spawn("opener") : witness.thread;
    ready.moments = [];
    if (known !== null && at.length === 1) thread.onStore = () => ready.moments.push(machine.essence());
    const rescuer = rescue(ready, how, thread, played);
    thread.onStore = null;
    if (rescuer === null) problems.push("the rescuer died of nothing");
    else inspect(ready, rescuer, played, at.length === 1, coverage, problems);
    if (copy !== null && problems.length === 0) {
      // And if the machine goes down as well: the tree is made anew, by one who dies in it and one who does not.
      machine.putBack(copy);
      const explained = (there: Contents): string | null => explain(before, playedThen, there);
      const stores = rebuild(explained, Number.POSITIVE_INFINITY, problems);
      machine.putBack(copy);
      rebuild(explained, (at[0]! * 101) % stores, problems);
      coverage.rebuilds += 2;
    }
  } catch (error) {
    problems.push(...machine.violations, told(error));
  }
  failures.note(
    `${label}: ${manner} at ${at.map((n, i) => (i === 0 ? `store ${n}` : `${rescues[i - 1]} ${n}`)).join(", ")}, then ${rescues[at.length - 1]}`,
    problems,
  );
  return "complete";
}

/** Every store of the victim; and of each rescuer after each of those deaths, if `depth` is 2. */
export function dieEverywhere(
  ready: Ready,
  depth: 1 | 2,
  rescues: readonly Rescue[],
  coverage: DeathCoverage,
  failures: Failures,
): void {
  const known = new Set<string>();
  const knownThen = new Set<string>();
  for (const rescue of rescues) {
    for (let n = 0; !failures.enough; n++) {
      // Alternately: both ways to die occur at every kind of store, and twice as many would say little more.
      const manner: Manner = n % 2 === 0 ? "killed" : "terminated";
      const first = play(ready, { at: [n], rescues: [rescue], manner }, coverage, failures, known);
      if (first === "beyond") {
        if (n === 0) failures.note(ready.label, ["it makes no store to die at"]);
        break;
      }
      if (first === "known" || depth === 1) continue;
      for (const [m, moment] of ready.moments.entries()) {
        const next: Rescue = m % 3 === 0 ? "collect" : "open";
        // The same was left by somebody who died before, or by who stopped a store earlier that nobody can tell.
        const key = `${moment} ${manner} ${next}`;
        if (knownThen.has(key)) continue;
        knownThen.add(key);
        const chain: Chain = { at: [n, m], rescues: [rescue, next], manner };
        if (failures.enough || play(ready, chain, coverage, failures, known) === "beyond") break;
      }
    }
  }
}

/** Chains of three to five deaths, at random. */
export function dieAtRandom(ready: Ready, random: Random, coverage: DeathCoverage, failures: Failures): void {
  const length = 3 + random.below(3);
  const at = [random.below(90), ...Array.from({ length: length - 1 }, () => random.below(45))];
  const rescues = Array.from({ length }, () => random.pick(RESCUES));
  for (;;) {
    const manner: Manner = random.next() < 0.5 ? "killed" : "terminated";
    if (play(ready, { at, rescues, manner }, coverage, failures, null) !== "beyond") return;
    // Some link had fewer stores: try earlier ones.
    for (let i = 0; i < at.length; i++) at[i] = Math.floor(at[i]! * 0.7);
    if (at.every((n) => n === 0)) return;
  }
}

/** The intent state that a dead participant left, by slot. */
export function intents(): number[] {
  const states: number[] = [];
  for (let slot = 1; slot <= machine.words[(SB * 8 + SB_SLOTS_USED) >>> 2]!; slot++) {
    states.push(machine.words[(slotCell(slot) * 8 + INTENT_STATE) >>> 2]!);
  }
  return states;
}
