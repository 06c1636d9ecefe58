/** Mixing of 32-bit words, for checksums of small records. Pure. */

/** Mixes `word` into the hash `state`: multiply and xor-shift rounds, a bijection of `state ^ word`. */
export function mix32(state: number, word: number): number {
  let x = (Math.imul(state, 0x9e3779b1) ^ word) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** The number that gives 1 when it is multiplied by the odd number `n`, in 32 bits (Newton's iteration). */
function inverse(n: number): number {
  let x = n;
  for (let bits = 3; bits < 32; bits *= 2) x = Math.imul(x, 2 - Math.imul(n, x));
  return x;
}

const INVERSE_STATE = inverse(0x9e3779b1 | 0);
const INVERSE_FIRST = inverse(0x85ebca6b | 0);
const INVERSE_SECOND = inverse(0xc2b2ae35 | 0);

/** The state that `mix32(state, word)` made `mixed` of. */
export function unmix32(mixed: number, word: number): number {
  let x = mixed ^ (mixed >>> 16);
  x = Math.imul(x, INVERSE_SECOND);
  x ^= (x >>> 13) ^ (x >>> 26);
  x = Math.imul(x, INVERSE_FIRST);
  x ^= x >>> 16;
  return Math.imul(x ^ word, INVERSE_STATE);
}

/**
 * Hash of `length` digits, which begin at word `from` of `words`: by it hints are kept (rowex/hints.ts). `hint_hash` of
 * c/bancos.c says the same.
 */
export function hashDigits(words: Int32Array, from: number, length: number): number {
  let hash = length;
  const end = from + (length >>> 2);
  for (let i = from; i < end; i++) {
    hash = Math.imul(hash ^ words[i]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  const rest = length & 3;
  if (rest !== 0) {
    hash = Math.imul(hash ^ (words[end]! & ((1 << (rest * 8)) - 1)), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash, 0x85ebca6b);
  return hash ^ (hash >>> 13);
}
