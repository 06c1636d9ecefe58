/**
 * A writer whose every state is known: its n-th change follows from the seed and n alone, and after each change it
 * notes how many it has made. What a backup says of it is right if it is the state after as many changes as noted, or
 * after one more.
 */
import type { Store, Value } from "../../src/index.ts";
import { random } from "../random.ts";

const KEYS = 150;

export const countKey = (writer: number): string => `${writer}/count`;

export interface Change {
  readonly key: string;
  /** Not there: the key is deleted. */
  readonly value?: Value;
}

/** The n-th change of a writer. Values of all kinds; numbers change in place; a few leaves take slabs of their own. */
export function change(seed: number, writer: number, n: number): Change {
  const pick = random(seed * 7919 + writer * 104_729 + n * 1_299_709);
  pick(2);
  const number = pick(KEYS);
  const key = `${writer}/${"abcdefghijklmnop".slice(0, number % 13)}${number}`;
  const kind = pick(20);
  if (kind < 5) return { key };
  if (kind < 10) return { key, value: n };
  if (kind < 12) return { key, value: BigInt(n) };
  if (kind < 19) return { key, value: `${n}:${"v".repeat(pick(400))}` };
  return { key, value: `${n}:${"w".repeat(8_000 + pick(40_000))}` };
}

export function apply(store: Store, { key, value }: Change): void {
  if (value === undefined) store.delete(key);
  else store.set(key, value);
}

/** What a writer has written after a number of changes that only grows. */
export class Model {
  private readonly seed: number;
  private readonly writer: number;
  private readonly state = new Map<string, Value>();
  private changes = 0;

  constructor(seed: number, writer: number) {
    this.seed = seed;
    this.writer = writer;
  }

  private goTo(changes: number): void {
    if (changes < this.changes) throw new Error(`a count went back from ${this.changes} to ${changes}`);
    while (this.changes < changes) {
      const { key, value } = change(this.seed, this.writer, this.changes++);
      if (value === undefined) this.state.delete(key);
      else this.state.set(key, value);
    }
  }

  /** What is wrong with what a copy has of this writer; "" if it is right. */
  problem(copy: Store): string {
    const count = copy.get(countKey(this.writer)) ?? 0;
    if (typeof count !== "number") return `the count is ${String(count)}`;
    const found = new Map(copy.entries({ prefix: `${this.writer}/` }));
    found.delete(countKey(this.writer));
    this.goTo(count);
    const first = this.difference(found);
    if (first === "") return "";
    // The change after the last one that was noted.
    const { key, value } = change(this.seed, this.writer, count);
    const before = this.state.get(key);
    if (value === undefined) this.state.delete(key);
    else this.state.set(key, value);
    const second = this.difference(found);
    if (before === undefined) this.state.delete(key);
    else this.state.set(key, before);
    return second === "" ? "" : `after ${count} changes: ${first}; after one more: ${second}`;
  }

  private difference(found: ReadonlyMap<string, Value>): string {
    for (const [key, value] of this.state) {
      const other = found.get(key);
      if (other !== value) return `${key} is ${show(other)}, not ${show(value)}`;
    }
    for (const [key, value] of found)
      if (!this.state.has(key)) return `${key} is ${show(value)}, and not absent`;
    return "";
  }
}

const show = (value: unknown): string => (value === undefined ? "absent" : String(value).slice(0, 12));
