/** What each key may have after a loss of power: what was promised last, or anything that was written later. */
import type { Thread } from "./machine.ts";
import { show } from "./model.ts";

/** A value in few characters: equal texts, equal values. */
export function brief(value: unknown): string {
  const text = show(value);
  return text.length <= 40 ? text : `${text.slice(0, 20)}… ${text.length} ${Bun.hash(text).toString(36)}`;
}

interface History {
  /** States in the order in which they came, or may have come. */
  states: string[];
  /** Index of the one that was promised. */
  promised: number;
}

export class Ledger {
  private readonly keys = new Map<string, History>();
  /** What is under way, or was when its thread died. */
  private readonly pending = new Map<Thread, { key: string; state: string }>();

  constructor(keys: readonly string[]) {
    for (const key of keys) this.keys.set(key, { states: [brief(undefined)], promised: 0 });
  }

  /** `thread` begins to write `value` to `key`. */
  begin(thread: Thread, key: string, value: unknown): void {
    const state = brief(value);
    this.keys.get(key)!.states.push(state);
    this.pending.set(thread, { key, state });
  }

  /** Nothing of `thread` is under way any more: its write has happened or never will. */
  forget(thread: Thread): void {
    this.pending.delete(thread);
  }

  /** `key` has `value` now. `promised`: the disk has, too. */
  has(key: string, value: unknown, promised: boolean): void {
    const history = this.keys.get(key)!;
    const state = brief(value);
    if (history.states.at(-1) !== state) history.states.push(state);
    if (promised) history.promised = history.states.length - 1;
  }

  /** A flush begins: what it promises when it ends. */
  flushBegins(contents: (key: string) => unknown): () => void {
    const marks: [History, number][] = [];
    for (const [key, history] of this.keys) {
      this.has(key, contents(key), false);
      marks.push([history, history.states.length - 1]);
    }
    return () => {
      for (const [history, mark] of marks) history.promised = Math.max(history.promised, mark);
    };
  }

  /** What is wrong with what is there after a loss of power. */
  judge(there: ReadonlyMap<string, unknown>, problems: string[]): void {
    for (const [key, { states, promised }] of this.keys) {
      const found = brief(there.get(key));
      const allowed = states.slice(promised);
      for (const one of this.pending.values()) if (one.key === key) allowed.push(one.state);
      if (!allowed.includes(found)) {
        const may = [...new Set(allowed)].slice(0, 6).join(" ");
        const when = states.lastIndexOf(found) < 0 ? "which it never had" : "which it had before";
        problems.push(`${key.slice(0, 20)} has ${found}, ${when}, and not one of ${may}`);
      }
    }
    for (const key of there.keys()) if (!this.keys.has(key)) problems.push(`${key} was never written`);
  }

  /** The machine has started again, and `there` was found and is on the disk. */
  restarted(there: ReadonlyMap<string, unknown>): void {
    this.pending.clear();
    for (const [key, history] of this.keys) {
      history.states = [brief(there.get(key))];
      history.promised = 0;
    }
  }
}
