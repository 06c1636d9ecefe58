/** Keys to measure with. */
import words from "an-array-of-english-words";

/** A repeatable random number generator (mulberry32): the same order of keys in every run. */
export function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Shuffles in place. */
export function shuffle<T>(items: T[], next: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    const swapped = items[i] as T;
    items[i] = items[j] as T;
    items[j] = swapped;
  }
  return items;
}

/** The same texts as strings that no engine has seen: as they come from a network. */
export const fresh = (keys: readonly string[]): string[] => keys.map((key) => Buffer.from(key).toString());

/** Data sets by name. */
export const DATA: Readonly<Record<string, () => string[]>> = {
  words: () => [...(words as unknown as string[])],
  hex: () => {
    const next = random(7);
    const word = (): string =>
      Math.floor(next() * 2 ** 32)
        .toString(16)
        .padStart(8, "0");
    return Array.from({ length: 1_000_000 }, () => word() + word());
  },
  sequential: () => Array.from({ length: 1_000_000 }, (_, i) => i.toString().padStart(10, "0")),
};
