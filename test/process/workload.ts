/**
 * What the writers under fire do. Operation `i` of a writer is a function of its seed and `i` alone, and a writer counts
 * in shared memory what it started and what returned. So whoever knows the two counts knows what must be in the store
 * after a kill: everything that returned, and of one operation more either nothing or all.
 */
import { BancosError, type Store } from "../../src/index.ts";
import { mixed, Random } from "./support.ts";

/** Writers; key `k` belongs to writer `k % WRITERS`, so that neighbours in a node belong to different ones. */
export const WRITERS = 4;
export const KEYS = 640;
export const STEADY = 64;
export const COUNTERS = 4;

export type Kept = number | bigint | string;

/** Keys of two families: dense ones that are prefixes of one another, and ones that share a long prefix. */
export function keyOf(k: number): string {
  if (k % 2 === 0) return `k${(k >>> 1).toString(4)}`;
  return `a/long/prefix/that/they/all/share/${mixed(k).toString(16)}`;
}

const INDEX: ReadonlyMap<string, number> = new Map(
  Array.from({ length: KEYS }, (_, k) => [keyOf(k), k] as const),
);

export const steadyKey = (i: number): string => `steady/${i.toString().padStart(3, "0")}`;
export const counterKey = (i: number): string => `count/${i}`;

/** A value that says which key it belongs to, of a type and length that `random` chooses. */
function valueFor(k: number, random: Random): Kept {
  const n = random.below(1 << 20);
  const shape = random.below(100);
  if (shape < 35) return n * 1024 + k;
  if (shape < 50) return BigInt(n) * 1024n + BigInt(k);
  if (shape < 85) return `${k}|${n}|`;
  if (shape < 97) return `${k}|${n}|${"x".repeat(random.below(400))}`;
  if (shape < 99) return `${k}|${n}|${"y".repeat(random.below(6000))}`;
  return `${k}|${n}|${"z".repeat(random.below(60_000))}`;
}

/** Is this a value that some writer gave to key `k`? */
function belongs(k: number, value: unknown): boolean {
  if (typeof value === "number") return value % 1024 === k;
  if (typeof value === "bigint") return value % 1024n === BigInt(k);
  return typeof value === "string" && /^\d+\|\d+\|(x*|y*|z*)$/.test(value) && value.startsWith(`${k}|`);
}

/** One operation. `key` is -1 where it is not about a key of the writer's own. */
export type Operation =
  | {
      readonly kind: "set" | "insert" | "compareAndSet" | "wrong";
      readonly key: number;
      readonly value: Kept;
    }
  | { readonly kind: "delete" | "compareAndDelete"; readonly key: number }
  | { readonly kind: "steady"; readonly key: -1; readonly at: number; readonly text: string }
  | { readonly kind: "add"; readonly key: -1; readonly at: number };

/** Operation `i` of writer `me` in its life number `life`. */
export function operation(seed: number, me: number, life: number, i: number): Operation {
  const random = new Random(mixed(seed, me, life, i));
  const key = random.below(KEYS / WRITERS) * WRITERS + me;
  const dice = random.below(100);
  if (dice < 40) return { kind: "set", key, value: valueFor(key, random) };
  if (dice < 58) return { kind: "delete", key };
  if (dice < 66) return { kind: "compareAndSet", key, value: valueFor(key, random) };
  if (dice < 70) return { kind: "compareAndDelete", key };
  if (dice < 76) return { kind: "insert", key, value: valueFor(key, random) };
  if (dice < 78) return { kind: "wrong", key, value: valueFor(key, random) };
  if (dice < 90) {
    const at = random.below(STEADY);
    return { kind: "steady", key: -1, at, text: `${at}:${me}:${life}:${i}:${"s".repeat(random.below(40))}` };
  }
  return { kind: "add", key: -1, at: random.below(COUNTERS) };
}

/** What a writer's own keys hold. */
export type Model = Map<number, Kept>;

/** What `op` makes of the key's value. */
export function after(op: Operation, before: Kept | undefined): Kept | undefined {
  switch (op.kind) {
    case "set":
    case "compareAndSet":
      return op.value;
    case "insert":
      return before ?? op.value;
    case "delete":
    case "compareAndDelete":
      return undefined;
    default:
      return before;
  }
}

export function put(model: Model, key: number, value: Kept | undefined): void {
  if (value === undefined) model.delete(key);
  else model.set(key, value);
}

/** Performs `op` on the store. Throws if what it returns is not what the model says. */
export function perform(store: Store, op: Operation, model: Model): void {
  const before = model.get(op.key);
  const wrong = (what: unknown): never => {
    throw new Error(
      `${op.kind} of ${op.key < 0 ? "a common key" : keyOf(op.key)} gave ${String(what)}; the key had ${String(before)}`,
    );
  };
  switch (op.kind) {
    case "set":
      store.set(keyOf(op.key), op.value);
      break;
    case "insert":
      try {
        store.insert(keyOf(op.key), op.value);
        if (before !== undefined) wrong("no error");
      } catch (error) {
        if (!(error instanceof BancosError) || error.code !== "DUPLICATE_KEY") throw error;
        if (before === undefined) wrong(error.code);
      }
      break;
    case "delete":
      if (store.delete(keyOf(op.key)) !== (before !== undefined)) wrong("the wrong answer");
      break;
    case "compareAndSet":
      if (!store.compareAndSet(keyOf(op.key), before, op.value)) wrong(false);
      break;
    case "compareAndDelete":
      if (!store.compareAndSet(keyOf(op.key), before, undefined)) wrong(false);
      break;
    case "wrong":
      if (store.compareAndSet(keyOf(op.key), `not ${String(before)}`, op.value)) wrong(true);
      break;
    case "steady":
      store.set(steadyKey(op.at), op.text);
      break;
    case "add":
      // Even ones are bigints, which are replaced; odd ones are changed in place.
      store.add(counterKey(op.at), op.at % 2 === 0 ? 1n : 1);
      break;
  }
  put(model, op.key, after(op, before));
  if (op.key < 0) model.delete(op.key);
}

/** What the store holds of the keys of writer `me`. */
export function ownState(store: Store, me: number): Model {
  const model: Model = new Map();
  for (let k = me; k < KEYS; k += WRITERS) {
    const value = store.get(keyOf(k)) as Kept | undefined;
    if (value !== undefined) model.set(k, value);
  }
  return model;
}

/** Puts in what is there from the start and never goes. */
export function fillSteady(store: Store): void {
  for (let i = 0; i < STEADY; i++) store.set(steadyKey(i), `${i}:0:0:0:`);
  for (let i = 0; i < COUNTERS; i++) store.set(counterKey(i), i % 2 === 0 ? 0n : 0);
}

/**
 * One look at everything by a reader: order, each steady key exactly once and with a value of its own, no value under
 * a key that it does not belong to. Throws what is wrong.
 */
export function look(store: Store, random: Random): void {
  const reverse = random.oneIn(2);
  let last: string | undefined;
  let steady = 0;
  for (const [key, value] of store.entries({ reverse })) {
    // The keys are ASCII: JavaScript's order is that of their bytes.
    if (last !== undefined && (reverse ? key >= last : key <= last)) {
      throw new Error(`a scan gives ${key} after ${last}${reverse ? ", in reverse" : ""}`);
    }
    last = key;
    checkEntry(key, value);
    if (key.startsWith("steady/")) steady++;
  }
  if (steady !== STEADY) throw new Error(`a scan gives ${steady} of ${STEADY} keys that are always there`);
  for (let n = 0; n < 200; n++) {
    const key = steadyKey(random.below(STEADY));
    const value = store.get(key);
    if (value === undefined) throw new Error(`get does not find ${key}, which is always there`);
    checkEntry(key, value);
  }
  const some = Array.from({ length: 32 }, () => steadyKey(random.below(STEADY)));
  store.getMany(some).forEach((value, i) => {
    if (value === undefined) throw new Error(`getMany does not find ${some[i]}, which is always there`);
    checkEntry(some[i] ?? "", value);
  });
}

function checkEntry(key: string, value: unknown): void {
  const k = INDEX.get(key);
  let fits: boolean;
  if (k !== undefined) fits = belongs(k, value);
  else if (key.startsWith("steady/")) {
    fits =
      typeof value === "string" &&
      /^\d+:\d+:\d+:\d+:s*$/.test(value) &&
      Number.parseInt(value, 10) === Number(key.slice(7));
  } else if (key.startsWith("count/")) fits = typeof value === "bigint" || typeof value === "number";
  else throw new Error(`a scan gives ${JSON.stringify(key)}, which nobody wrote`);
  if (!fits) throw new Error(`${key} has a value that nobody gave it: ${String(value).slice(0, 200)}`);
}
