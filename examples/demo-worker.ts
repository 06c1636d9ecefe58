/** A Worker of demo.ts: opens the file by itself, and writes or reads. */
import { open } from "bancos";

declare const self: Worker;

/** Places of the counters and the signal that all share. */
export const WRITTEN = 0;
export const FOUND = 1;
export const MISSED = 2;
export const STOP = 3;
export const SIGNALS = 4;

export interface Task {
  readonly role: "read" | "write";
  readonly path: string;
  readonly words: readonly string[];
  /** This one takes the words `part`, `part + of`, `part + 2 * of`, … */
  readonly part: number;
  readonly of: number;
  readonly signals: Int32Array;
}

/** After so many operations the others are told. */
const BATCH = 500;

/** A copy in random order (Fisher and Yates). */
export function shuffled(words: readonly string[]): string[] {
  const copy = [...words];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}

function write({ path, words, part, of, signals }: Task): number {
  using store = open<number>(path);
  const share = shuffled(words.filter((_, i) => i % of === part));
  const began = performance.now();
  for (let i = 0; i < share.length; i += BATCH) {
    const batch = share.slice(i, i + BATCH);
    store.writer((writer) => {
      for (const word of batch) writer.set(word, word.length);
    });
    Atomics.add(signals, WRITTEN, batch.length);
  }
  return performance.now() - began;
}

function read({ path, words, signals }: Task): number {
  using store = open<number>(path, { readOnly: true });
  const began = performance.now();
  while (Atomics.load(signals, STOP) === 0) {
    let found = 0;
    for (let i = 0; i < BATCH; i++) {
      const word = words[Math.floor(Math.random() * words.length)]!;
      const length = store.get(word);
      if (length === undefined) continue;
      if (length !== word.length) throw new Error(`${word} has the value ${length}`);
      found++;
    }
    Atomics.add(signals, FOUND, found);
    Atomics.add(signals, MISSED, BATCH - found);
  }
  return performance.now() - began;
}

// demo.ts imports the names above, in no Worker.
if (!Bun.isMainThread) {
  self.onmessage = (event: MessageEvent<Task>) => {
    postMessage(event.data.role === "write" ? write(event.data) : read(event.data));
    process.exit();
  };
}
