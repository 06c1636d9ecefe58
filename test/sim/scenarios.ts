/** Small trees, and operations that make each of them do everything a tree can do. */
import type { Value } from "../../src/store/types.ts";
import {
  add,
  backwards,
  below,
  collect,
  compareAndSet,
  flush,
  forwards,
  from,
  insert,
  lookup,
  type Operation,
  remove,
  sequence,
  set,
} from "./model.ts";

export interface Scenario {
  readonly name: string;
  /** Keys of the tree, in the order they are inserted. */
  readonly keys: readonly (readonly [string, Value])[];
  /** Keys removed afterwards: their slots stay their digits' own. */
  readonly removed?: readonly string[];
  /** Slabs of the file; few: it must grow. */
  readonly slabs?: number;
  /** What is run on it, alone and in pairs. */
  readonly operations: readonly Operation[];
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.,;:+*!?";

/** `count` keys below one node: `prefix`, a digit of their own, `suffix`. */
const below1 = (prefix: string, count: number, suffix = ""): [string, Value][] =>
  Array.from({ length: count }, (_, i) => [`${prefix}${DIGITS[i]}${suffix}`, `v${i}`]);

const digits = (from: number, to: number, prefix: string, suffix = ""): string[] =>
  Array.from({ length: to - from }, (_, i) => `${prefix}${DIGITS[from + i]}${suffix}`);

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "Node4 with room",
    keys: [...below1("k", 3), ["z", "last"]],
    operations: [
      sequence(remove("kA"), collect, set("kA", "in a cell used before"), collect),
      sequence(set("kB", "promised at once"), flush),
      set("kB", "replaced"),
      set("kb", "added"),
      insert("kc", "added too"),
      remove("kA"),
      set("k", "the prefix itself"),
      set("kAx", "splits the leaf"),
      remove("z"),
      set("m", "a child of the root"),
      lookup("kB"),
      forwards,
      backwards,
      from("kB"),
      collect,
    ],
  },
  {
    name: "Node4 that is full",
    keys: below1("k", 4),
    operations: [
      sequence(set("kb", "grows"), collect, remove("kA"), collect, set("kc", "reuses")),
      set("kb", "grows"),
      insert("kc", "grows too"),
      remove("kB"),
      set("kA", "replaced"),
      set("kBx", "splits the leaf"),
      compareAndSet("kC", "v2", "swapped"),
      compareAndSet("kC", "v2", undefined),
      lookup("kC"),
      forwards,
      below("kC"),
      collect,
    ],
  },
  {
    name: "a full Node4 at the end of a long edge",
    keys: below1("abc", 4),
    operations: [
      set("abcb", "grows"),
      insert("abcc", "grows too"),
      set("aX", "splits the edge above"),
      remove("abcA"),
      remove("abcB"),
      lookup("abcC"),
    ],
  },
  {
    name: "Node4 with two children",
    keys: [
      ["pkA", "a"],
      ["pkB", "b"],
      ["q", "other"],
    ],
    operations: [
      sequence(remove("pkA"), collect, collect, set("pkD", "splits again")),
      remove("pkA"),
      remove("pkB"),
      set("pkC", "added"),
      set("pkAx", "splits the leaf"),
      set("px", "splits the edge"),
      set("pkA", "replaced"),
      lookup("pkB"),
      forwards,
      backwards,
      from("pkB"),
      collect,
    ],
  },
  {
    name: "a long edge",
    keys: [
      ["abcdefghA", "1"],
      ["abcdefghB", "2"],
      ["abcdefghC", "3"],
    ],
    operations: [
      set("abcX", "splits it"),
      set("abcdeX", "splits it lower"),
      insert("abX", "splits it higher"),
      set("abcdefghD", "below it"),
      remove("abcdefghA"),
      remove("abcdefghB"),
      lookup("abcdefghB"),
      forwards,
      below("abcdefghC"),
      flush,
    ],
  },
  {
    name: "nodes one above the other",
    keys: [
      ["aA", "1"],
      ["aBA", "2"],
      ["aBB", "3"],
      ["aBBA", "4"],
    ],
    operations: [
      remove("aA"),
      remove("aBA"),
      remove("aBB"),
      remove("aBBA"),
      set("aBC", "added"),
      set("aC", "added above"),
      set("aBBB", "added below"),
      forwards,
      backwards,
      collect,
    ],
  },
  {
    name: "numbers",
    keys: [
      ["nA", 1],
      ["nB", 2n],
      ["nC", "text"],
      ["nD", 0.5],
    ],
    operations: [
      sequence(remove("nB"), collect, set("nB", 11n), collect),
      set("nA", 7),
      add("nA", 10),
      add("nB", 5n),
      add("nE", 3),
      compareAndSet("nA", 1, 4),
      compareAndSet("nB", 2n, 9n),
      compareAndSet("nA", 1, undefined),
      compareAndSet("nA", 1, "swapped for a text"),
      set("nA", "no number any more"),
      set("nC", 3),
      remove("nA"),
      lookup("nA"),
      forwards,
    ],
  },
  {
    name: "two numbers below a node",
    keys: [
      ["pkA", 1.5],
      ["pkB", 2.5],
      ["q", 3.5],
    ],
    operations: [
      set("pkA", 10.5),
      add("pkB", 0.25),
      compareAndSet("pkA", 1.5, 7.5),
      compareAndSet("pkB", 2.5, undefined),
      remove("pkA"),
      set("pkB", "no number any more"),
      set("pkAx", 0.5),
      set("px", 8.5),
      set("pkC", 9.5),
      lookup("pkA"),
    ],
  },
  {
    name: "slots that are empty",
    keys: below1("k", 4),
    removed: ["kB"],
    operations: [
      set("kB", "into its own slot"),
      insert("kB", "into its own slot as well"),
      set("kb", "full by used slots: compacted"),
      remove("kA"),
      set("kA", "replaced"),
      lookup("kB"),
      forwards,
      backwards,
      collect,
    ],
  },
  {
    name: "Node16",
    keys: below1("k", 5),
    removed: ["kE"],
    operations: [
      sequence(remove("kA"), collect, set("kA", "reuses"), collect),
      remove("kA"),
      remove("kB"),
      set("kC", "replaced"),
      set("kb", "added"),
      set("kE", "its own slot"),
      lookup("kC"),
      forwards,
      backwards,
      collect,
    ],
  },
  {
    name: "Node16 that is full",
    keys: below1("k", 16),
    operations: [
      set("kz", "grows"),
      insert("ky", "grows too"),
      remove("kB"),
      set("kC", "replaced"),
      forwards,
      collect,
    ],
  },
  {
    name: "Node48",
    keys: below1("k", 17),
    removed: digits(12, 16, "k"),
    operations: [
      remove("kA"),
      remove("kB"),
      set("kC", "replaced"),
      set("kz", "added"),
      insert("ky", "added too"),
      set(`k${DIGITS[12]}`, "its own slot"),
      forwards,
      backwards,
      collect,
    ],
  },
  {
    name: "Node48 that is full",
    keys: below1("k", 48),
    operations: [
      set("k!", "grows"),
      insert("k?", "grows too"),
      remove("kB"),
      set("kC", "replaced"),
      forwards,
    ],
  },
  {
    name: "Node256",
    keys: below1("k", 49),
    removed: digits(40, 48, "k"),
    operations: [remove("kA"), remove("kB"), set("kC", "replaced"), set("k!", "added"), forwards, collect],
  },
  {
    name: "a file that must grow, and large values",
    keys: [
      ["kA", "1"],
      ["kB", "x".repeat(40_000)],
    ],
    slabs: 26,
    operations: [
      set("kC", "y".repeat(50_000)),
      set("kB", "short now"),
      set("kA", "z".repeat(30_000)),
      remove("kB"),
      lookup("kB"),
      forwards,
      collect,
    ],
  },
];
