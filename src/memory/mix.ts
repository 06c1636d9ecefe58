/** Mixing of 32-bit words, for checksums of small records. Pure. */

/** Mixes `word` into the hash `state`: multiply and xor-shift rounds, a bijection of `state ^ word`. */
export function mix32(state: number, word: number): number {
  let x = (Math.imul(state, 0x9e3779b1) ^ word) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
