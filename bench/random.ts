/** Repeatable chance: every run sees the same keys in the same order. */

/** A random number generator (mulberry32): numbers from 0 up to, not including, 1. */
export function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Shuffles in place; with `count`, only as far as the first `count` items are a random draw of all. */
export function shuffle<T>(items: T[], next: () => number, count: number = items.length): T[] {
  const end = Math.min(count, items.length - 1);
  for (let i = 0; i < end; i++) {
    const j = i + Math.floor(next() * (items.length - i));
    const swapped = items[i] as T;
    items[i] = items[j] as T;
    items[j] = swapped;
  }
  return items;
}

/**
 * Draws from 0 … `items` - 1 so that few are drawn often (Zipf, exponent 0.99), as YCSB does (Gray et al. 1994, "Quickly
 * generating billion-record synthetic databases"). The popular ones are those with the lowest numbers.
 */
export function zipf(items: number, next: () => number): () => number {
  const theta = 0.99;
  let zeta = 0;
  for (let i = 1; i <= items; i++) zeta += 1 / i ** theta;
  const zeta2 = 1 + 0.5 ** theta;
  const alpha = 1 / (1 - theta);
  const eta = (1 - (2 / items) ** (1 - theta)) / (1 - zeta2 / zeta);
  return () => {
    const u = next();
    const uz = u * zeta;
    if (uz < 1) return 0;
    if (uz < zeta2) return Math.min(1, items - 1);
    return Math.min(items - 1, Math.floor(items * (eta * u - eta + 1) ** alpha));
  };
}
