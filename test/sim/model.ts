/**
 * What a store should do: operations on it, each with its meaning for a sorted map, and the judge who says whether what
 * a world shows can be explained by some order of them.
 */
import { BancosError } from "../../src/errors.ts";
import type { Flusher } from "../../src/store/flusher.ts";
import type { Store } from "../../src/store/store.ts";
import type { Value } from "../../src/store/types.ts";

/** Contents of a store: value by key. */
export type Contents = ReadonlyMap<string, Value>;

/** An operation. */
export interface Operation {
  readonly name: string;
  readonly run: (store: Store) => unknown;
  /** What it does to a map, and what it returns. Undefined for walks, which are of no one moment. */
  readonly apply?: (map: Map<string, Value>) => unknown;
  /** Done one after the other; each has a time of its own. */
  readonly parts?: readonly Operation[];
  /** For walks: is the result, a list of entries, in order? */
  readonly walk?: { readonly reverse: boolean; readonly within: (key: string) => boolean };
}

export const show = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === "bigint" ? `${part}n` : part instanceof Map ? [...part].sort() : part,
  ) ?? "undefined";

// ---- operations ------------------------------------------------------------------------------------------------------

export const set = (key: string, value: Value): Operation => ({
  name: `set ${key}`,
  run: (store) => {
    store.set(key, value);
    return undefined;
  },
  apply: (map) => {
    map.set(key, value);
    return undefined;
  },
});

export const insert = (key: string, value: Value): Operation => ({
  name: `insert ${key}`,
  run: (store) => {
    try {
      store.insert(key, value);
      return true;
    } catch (error) {
      if (error instanceof BancosError && error.code === "DUPLICATE_KEY") return false;
      throw error;
    }
  },
  apply: (map) => {
    if (map.has(key)) return false;
    map.set(key, value);
    return true;
  },
});

export const remove = (key: string): Operation => ({
  name: `delete ${key}`,
  run: (store) => store.delete(key),
  apply: (map) => map.delete(key),
});

export const compareAndSet = (
  key: string,
  expected: Value | undefined,
  value: Value | undefined,
): Operation => ({
  name: `compareAndSet ${key} ${show(expected)}`,
  run: (store) => store.compareAndSet(key, expected, value),
  apply: (map) => {
    if (show(map.get(key)) !== show(expected)) return false;
    if (value === undefined) map.delete(key);
    else map.set(key, value);
    return true;
  },
});

export const add = (key: string, delta: number | bigint): Operation => ({
  name: `add ${key}`,
  run: (store) => {
    try {
      return store.add(key, delta);
    } catch (error) {
      if (error instanceof BancosError && error.code === "INVALID_VALUE") return "no number";
      throw error;
    }
  },
  apply: (map) => {
    const old = map.get(key);
    let sum: number | bigint;
    if (old === undefined) sum = delta;
    else if (typeof old !== "bigint" && typeof old !== "number") return "no number";
    else if (typeof old === "bigint") sum = old + BigInt(delta);
    else sum = old + Number(delta);
    map.set(key, sum);
    return sum;
  },
});

export const lookup = (key: string): Operation => ({
  name: `get ${key}`,
  run: (store) => store.get(key),
  apply: (map) => map.get(key),
});

const everything = (): boolean => true;

export const forwards: Operation = {
  name: "entries",
  run: (store) => [...store.entries()],
  walk: { reverse: false, within: everything },
};

export const backwards: Operation = {
  name: "entries reverse",
  run: (store) => [...store.entries({ reverse: true })],
  walk: { reverse: true, within: everything },
};

export const from = (key: string): Operation => ({
  name: `entries gte ${key}`,
  run: (store) => [...store.entries({ gte: key })],
  walk: { reverse: false, within: (one) => one >= key },
});

export const below = (key: string): Operation => ({
  name: `entries lt ${key} reverse`,
  run: (store) => [...store.entries({ lt: key, reverse: true })],
  walk: { reverse: true, within: (one) => one < key },
});

/** Several, one after the other, as one: what one participant does while the other stands still. */
export const sequence = (...parts: readonly Operation[]): Operation => ({
  name: parts.map(({ name }) => name).join(", "),
  run: (store) => parts.map((part) => part.run(store)),
  parts,
});

const nothing = (): undefined => undefined;

export const collect: Operation = {
  name: "collect",
  run: (store) => {
    store.collect();
    return undefined;
  },
  apply: nothing,
};

export const flush: Operation = {
  name: "flush",
  run: (store) => {
    store.flushSync();
    return undefined;
  },
  apply: nothing,
};

/** As a write does that needs memory, while much waits for the disk. */
export const flushForRoom: Operation = {
  name: "flush for room",
  run: (store) => {
    (store as unknown as { flusher: Flusher }).flusher.flushSync(true);
    return undefined;
  },
  apply: nothing,
};

/** A call of the caller's own that does not change the contents. */
export const other = (name: string, run: () => void): Operation => ({
  name,
  run: () => {
    run();
    return undefined;
  },
  apply: nothing,
});

// ---- the judge -------------------------------------------------------------------------------------------------------

/** An operation that took part, when, and how it ended. */
export interface Played {
  readonly operation: Operation;
  /** `died`: it may have happened or not. */
  readonly ended: "done" | "died";
  readonly result?: unknown;
  /** When it began and ended; who died may be recovered at any time after, `to` is Infinity. */
  readonly from: number;
  readonly to: number;
}

/** All orders in which nothing comes before what had ended when it began. */
function* orders(played: readonly Played[]): Generator<readonly Played[]> {
  if (played.length === 0) {
    yield [];
    return;
  }
  for (const [i, first] of played.entries()) {
    if (played.some((one) => one.to < first.from)) continue;
    const rest = played.filter((_, j) => j !== i);
    for (const order of orders(rest)) yield [first, ...order];
    if (first.ended === "died") yield* orders(rest);
  }
}

/**
 * Looks for an order of what was played that leads from `before` to `after` with the results that were seen. Returns
 * null, or what is wrong.
 */
export function explain(before: Contents, played: readonly Played[], after: Contents | null): string | null {
  // What neither changes anything nor gives a result needs no place in the order.
  const changes = played.filter(({ operation }) => operation.apply !== undefined && operation !== collect);
  const expected = after === null ? null : show(after);
  const states: Contents[] = [before];
  let explained = false;
  let firstTry = "";
  for (const order of orders(changes)) {
    const map = new Map(before);
    let possible = true;
    const passed: Contents[] = [];
    for (const { operation, ended, result } of order) {
      const wanted = operation.apply?.(map);
      if (ended === "done" && show(wanted) !== show(result)) {
        possible = false;
        if (firstTry === "") firstTry = `${operation.name} gave ${show(result)} and not ${show(wanted)}`;
        break;
      }
      passed.push(new Map(map));
    }
    if (!possible) continue;
    if (expected !== null && show(map) !== expected) {
      if (firstTry === "") firstTry = `there is ${expected} and not ${show(map)}`;
      continue;
    }
    explained = true;
    states.push(...passed);
  }
  if (!explained) return `no order explains it: ${firstTry}`;
  for (const { operation, ended, result } of played) {
    if (operation.walk === undefined || ended !== "done") continue;
    const wrong = checkWalk(operation, result as [string, Value][], states);
    if (wrong !== null) return `${operation.name}: ${wrong}`;
  }
  return null;
}

/** Every key that was there throughout exactly once, in order; nothing that was never there. */
function checkWalk(
  operation: Operation,
  seen: readonly [string, Value][],
  states: readonly Contents[],
): string | null {
  const { reverse, within } = operation.walk!;
  for (let i = 1; i < seen.length; i++) {
    const [before, after] = [seen[i - 1]![0], seen[i]![0]];
    if (reverse ? after >= before : after <= before) return `${after} comes after ${before}`;
  }
  const keys = new Set(seen.map(([key]) => key));
  for (const key of states[0]!.keys()) {
    if (within(key) && states.every((state) => state.has(key)) && !keys.has(key)) return `${key} is missing`;
  }
  for (const [key, value] of seen) {
    if (!within(key)) return `${key} is out of the range`;
    if (!states.some((state) => state.has(key) && show(state.get(key)) === show(value)))
      return `${key} never had ${show(value)}`;
  }
  return null;
}
