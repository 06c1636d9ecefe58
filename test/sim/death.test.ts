/** Death at every store, of the operation and of who recovers it. See death.ts. */
import { afterAll, describe, expect, test } from "bun:test";
import { type Case, dieAtRandom, dieEverywhere, noDeaths, prepare, RESCUES } from "./death.ts";
import { add, collect, compareAndSet, flush, insert, type Operation, remove, set } from "./model.ts";
import { budget, Failures, Random, SEED } from "./report.ts";
import { SCENARIOS } from "./scenarios.ts";

const scenario = (name: string) => {
  const found = SCENARIOS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no scenario ${name}`);
  return found;
};

const times = (count: number, operation: Operation): Operation[] =>
  Array.from({ length: count }, () => operation);
const replace = set("kA", "again");
const close: Operation = {
  name: "close",
  run: (store) => {
    store.close();
    return undefined;
  },
  apply: () => undefined,
};

const CASES: readonly Case[] = [
  { scenario: scenario("Node4 with room"), victim: set("kb", "added"), promised: false },
  { scenario: scenario("Node4 with room"), victim: set("kB", "replaced"), promised: false },
  { scenario: scenario("Node4 with room"), victim: set("kB", "replaced"), promised: true },
  { scenario: scenario("Node4 with room"), victim: set("m", "a child of the root"), promised: false },
  { scenario: scenario("Node4 with room"), victim: remove("kA"), promised: false },
  { scenario: scenario("Node4 with room"), victim: remove("kA"), promised: true },
  { scenario: scenario("Node4 with room"), victim: remove("z"), promised: true },
  { scenario: scenario("Node4 with room"), victim: close, promised: false },
  { scenario: scenario("Node4 with room"), victim: flush, promised: false },
  { scenario: scenario("Node4 that is full"), victim: set("kb", "grows"), promised: true },
  { scenario: scenario("Node4 that is full"), victim: compareAndSet("kC", "v2", "swapped"), promised: false },
  { scenario: scenario("Node4 that is full"), victim: compareAndSet("kC", "v2", undefined), promised: true },
  { scenario: scenario("Node4 with two children"), victim: remove("pkA"), promised: false },
  { scenario: scenario("Node4 with two children"), victim: remove("pkA"), promised: true },
  { scenario: scenario("a long edge"), victim: insert("abcX", "splits it"), promised: false },
  { scenario: scenario("numbers"), victim: set("nA", 7), promised: false },
  { scenario: scenario("numbers"), victim: add("nA", 10), promised: true },
  { scenario: scenario("numbers"), victim: add("nB", 5n), promised: false },
  { scenario: scenario("slots that are empty"), victim: set("kB", "into its own slot"), promised: false },
  { scenario: scenario("slots that are empty"), victim: set("kb", "compacts"), promised: true },
  { scenario: scenario("Node16"), victim: remove("kA"), promised: true },
  { scenario: scenario("Node16"), victim: set("kb", "added"), promised: false },
  { scenario: scenario("Node16 that is full"), victim: set("kz", "grows"), promised: false },
  { scenario: scenario("Node48"), victim: remove("kA"), promised: false },
  { scenario: scenario("Node48"), victim: set("kz", "added"), promised: false },
  { scenario: scenario("Node48"), victim: set("kM", "its own slot"), promised: false },
  { scenario: scenario("Node48 that is full"), victim: set("k!", "grows"), promised: true },
  { scenario: scenario("Node256"), victim: remove("kA"), promised: false },
  { scenario: scenario("Node256"), victim: set("k!", "added"), promised: false },
  // Reclamation: nodes and leaves that wait for epochs; leaves that wait for a sync; a chunk of limbo at its end.
  {
    scenario: scenario("Node4 that is full"),
    before: [set("kb", "grows"), remove("kB"), replace],
    victim: collect,
    promised: false,
  },
  {
    scenario: scenario("Node4 that is full"),
    before: [replace, remove("kB"), flush, replace, flush, flush],
    victim: collect,
    promised: true,
  },
  {
    scenario: scenario("Node4 with two children"),
    before: [
      remove("pkA"),
      set("pkA", "again"),
      ...times(125, set("q", "again")),
      collect,
      set("q", "again"),
    ],
    victim: collect,
    promised: false,
  },
  {
    scenario: scenario("Node4 that is full"),
    before: [...times(125, replace), collect],
    victim: replace,
    promised: false,
  },
  // The file grows, a run of slabs is taken, given back.
  {
    scenario: scenario("a file that must grow, and large values"),
    victim: set("kC", "y".repeat(50_000)),
    promised: false,
  },
  {
    scenario: scenario("a file that must grow, and large values"),
    before: [remove("kB"), flush, flush, flush],
    victim: collect,
    promised: false,
  },
];

const total = noDeaths();
const random = new Random(SEED);
const seconds = budget(25);

describe("after a death at any store, of whoever writes and of whoever recovers", () => {
  for (const what of CASES) {
    const name = `${what.scenario.name}${what.promised ? " (promised)" : ""}: ${what.victim.name}`;
    test(`${name} is whole or absent, the rest is there, and nothing leaks`, () => {
      const failures = new Failures();
      const ready = prepare(what);
      // Nobody can close what another has open.
      const rescues = what.victim === close ? RESCUES.filter((one) => one !== "same") : RESCUES;
      dieEverywhere(ready, 2, rescues, total, failures);
      expect(failures.report()).toEqual([]);
    });
  }

  test("and of those who recover the recoverers, three to five in a row, at random", () => {
    const failures = new Failures();
    const end = performance.now() + seconds * 1000;
    const most = 400;
    for (let round = 0; performance.now() < end && !failures.enough; round++) {
      const what = CASES[round % CASES.length]!;
      if (what.victim === close) continue;
      const ready = prepare(what);
      for (let i = 0; i < most && performance.now() < end; i++) dieAtRandom(ready, random, total, failures);
    }
    expect(failures.report()).toEqual([]);
  });
});

afterAll(() => {
  const least = [...total.byOperation].sort((a, b) => a[1].size - b[1].size)[0];
  console.log(
    `deaths: ${total.deaths}, ${total.states.size} different files after one, ${total.recovered.size} after recovery; ` +
      `the least for one operation: ${least?.[1].size} (${least?.[0]}); seed ${SEED}`,
  );
});
