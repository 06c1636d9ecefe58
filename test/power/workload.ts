/** What a writer does: the same in the child that does it and in the parent that says what may be there. */
import type { Store, Value } from "../../src/index.ts";
import { mixed, Random } from "../process/support.ts";

/** Two writers, each with keys of its own; nodes and slabs they share. */
export const WRITERS = 2;
const KEYS = 1500;
/** Half of the changes are of these. */
const HOT = 12;
/** Changes between two flushes, about. */
export const FLUSH_EVERY = 900;

/** Words of the file in which a writer says how far it is. */
export const PROGRESS = { ready: 0, begun: 1, ended: 2, flushed: 3 } as const;
export const PROGRESS_BYTES = 16;

export interface Change {
  readonly key: string;
  /** Undefined: removed. */
  readonly value: Value | undefined;
  /** The value is reached by adding this to a number. */
  readonly delta?: number;
}

export const keyOf = (writer: number, n: number): string =>
  n % 3 === 0 ? `w${writer}/${n}` : `w${writer}/${n % 7}/${"long ".repeat(n % 15)}${n}`;

/** The changes of a writer, one after the other, for ever. */
export function* changes(seed: number, writer: number): Generator<Change, never> {
  const random = new Random(mixed(seed, writer));
  const numbers = new Map<string, number>();
  for (let i = 1; ; i++) {
    const key = keyOf(writer, random.below(random.oneIn(2) ? HOT : KEYS));
    const choice = random.below(100);
    const known = numbers.get(key);
    let change: Change;
    if (choice < 25) change = { key, value: undefined };
    else if (choice < 35 && known !== undefined) change = { key, value: known + i, delta: i };
    else if (choice < 60) change = { key, value: i };
    else if (choice < 65) change = { key, value: BigInt(i) };
    else {
      const most = choice < 90 ? 80 : choice < 99 ? 2500 : 40_000;
      change = { key, value: `${i}.`.padEnd(random.below(most), "0123456789") };
    }
    if (typeof change.value === "number") numbers.set(key, change.value);
    else numbers.delete(key);
    yield change;
  }
}

export function apply(store: Store, { key, value, delta }: Change): void {
  if (delta !== undefined) store.add(key, delta);
  else if (value === undefined) store.delete(key);
  else store.set(key, value);
}

/** A value in few characters: equal texts, equal values. */
export function brief(value: unknown): string {
  if (typeof value === "string" && value.length > 24)
    return `${value.slice(0, 12)}… ${value.length} ${Bun.hash(value).toString(36)}`;
  return typeof value === "bigint" ? `${value}n` : (JSON.stringify(value) ?? "absent");
}
