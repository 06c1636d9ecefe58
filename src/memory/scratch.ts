/**
 * How a participant's scratch buffer is divided. Keys and values cross between JavaScript and the file through it, so
 * that no buffer ever lies over the mapping.
 */
import { LEAF_KEY } from "./layout.ts";
import { WALK_LISTED, WALK_STACK } from "./primitives.ts";

/** A leaf in the making: what is at offset n here will be at offset n of the leaf. The key is encoded in its place. */
export const SCRATCH_LEAF = 0;
/** Digits of the key of the operation under way, and its terminator. */
export const SCRATCH_KEY = SCRATCH_LEAF + LEAF_KEY;
/** The tag of the child that was found last. */
export const SCRATCH_TAG = 8256;
/** A number that was found with its leaf, and (a word) the cell of that leaf, 0: none was. */
export const SCRATCH_FOUND = 8400;
export const SCRATCH_FOUND_LEAF = SCRATCH_FOUND + 8;
/** Words on their way into a record of the file. */
export const SCRATCH_RECORD = 8264;
/** Children of a node: 256 cells, 256 digits. */
export const SCRATCH_CHILDREN = 8448;
/** The value being written or read, if it is not too large. */
export const SCRATCH_VALUE = SCRATCH_CHILDREN + 1280;
export const SCRATCH_VALUE_BYTES = 65536;
/** Leaves of a batch of an iteration: their cells, then their tags. */
export const SCRATCH_LEAVES = SCRATCH_VALUE + SCRATCH_VALUE_BYTES;
export const MOST_LEAVES = 1024;
/** Their values, where those are float64. */
export const SCRATCH_NUMBERS = SCRATCH_LEAVES + MOST_LEAVES * 8;
/** Their keys, one after the other. */
export const SCRATCH_KEYS = SCRATCH_NUMBERS + MOST_LEAVES * 8;
export const SCRATCH_KEYS_BYTES = 131072;
/**
 * Keys that are looked up together: a lane of 256 bytes each. A longer key runs over into lanes that are not filled
 * yet, and is looked up alone.
 */
export const SCRATCH_LANES = SCRATCH_KEYS + SCRATCH_KEYS_BYTES;
export const LANES = 16;
export const LANE_BYTES = 256;
/** For each of them, as at SCRATCH_FOUND: a number, and the cell of its leaf. Nobody iterates meanwhile. */
export const SCRATCH_LANE_VALUES = SCRATCH_NUMBERS;
export const LANE_VALUE_BYTES = 16;
/** A walk under way: what it counts, then its stack. */
export const SCRATCH_WALK = SCRATCH_LANES + LANES * LANE_BYTES + 16384;
/** Longest path from the root to a leaf: depths grow, and no key has more digits than this. */
export const MOST_NODES = 8200;
/** One path, beside what comes of listing small nodes. */
export const WALK_ENTRIES = WALK_LISTED + MOST_NODES + 16;
export const SCRATCH_BYTES = SCRATCH_WALK + WALK_STACK + WALK_ENTRIES * 8;

if ([SCRATCH_NUMBERS, SCRATCH_FOUND, SCRATCH_WALK].some((at) => at % 8 !== 0) || SCRATCH_CHILDREN % 4 !== 0)
  throw new Error("scratch: alignment");
