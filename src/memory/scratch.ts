/**
 * How a participant's scratch buffer is divided. Keys and values cross between JavaScript and the file through it, so
 * that no buffer ever lies over the mapping.
 */

/** Digits of the key of the operation under way, and its terminator. Offset 0: comparisons rely on it. */
export const SCRATCH_KEY = 0;
/** Words of a node being looked at. */
export const SCRATCH_SNAPSHOT = 8256;
/** The value being written or read, if it is not too large. */
export const SCRATCH_VALUE = 9344;
export const SCRATCH_VALUE_BYTES = 65536;
/** Leaves of a batch of an iteration: their cells, then their tags. */
export const SCRATCH_LEAVES = SCRATCH_VALUE + SCRATCH_VALUE_BYTES;
export const MOST_LEAVES = 1024;
/** Keys of a batch, one after the other. */
export const SCRATCH_KEYS = SCRATCH_LEAVES + MOST_LEAVES * 8;
export const SCRATCH_BYTES = 1 << 18;
export const SCRATCH_KEYS_BYTES = SCRATCH_BYTES - SCRATCH_KEYS;
