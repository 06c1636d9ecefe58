/** Operations to die in: each kind, with each effect it can have on the tree. */
import type { Case } from "./death.ts";
import { add, collect, compareAndSet, flush, insert, type Operation, remove, set } from "./model.ts";
import { SCENARIOS } from "./scenarios.ts";

const scenario = (name: string) => {
  const found = SCENARIOS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no scenario ${name}`);
  return found;
};

const times = (count: number, operation: Operation): Operation[] =>
  Array.from({ length: count }, () => operation);
const replace = set("kA", "again");
/** Nobody can close what another has open: not for rescuers. */
export const close: Operation = {
  name: "close",
  run: (store) => {
    store.close();
    return undefined;
  },
  apply: () => undefined,
};

export const CASES: readonly Case[] = [
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
  { scenario: scenario("numbers"), victim: compareAndSet("nA", 1, "a text"), promised: false },
  { scenario: scenario("two numbers below a node"), victim: remove("pkA"), promised: true },
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
