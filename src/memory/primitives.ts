/**
 * Every access to the mapped file, one function each. Nothing else in bancos touches shared memory.
 *
 * `h` is a handle of `newHandle`. The byte address is `cell * 8 + off` from the start of the file, both as unsigned
 * 32-bit integers; `cell` may be given signed or unsigned. Whoever calls sees to it that `off` is a multiple of the
 * width. Out of range, or on a closed handle: loads return 0, stores do nothing, read-modify-writes return 0. A
 * mapping that is read-only takes no stores. A call costs about 2 ns prebuilt and 10 ns built by TinyCC.
 *
 * The bindings are plain constants so that the JIT sees a constant callee. Tests put a module with the same exports
 * in the place of this one, before the tree loads, to interleave, stop or tear at the n-th access.
 */
import { symbols } from "./native.ts";

// ---- Loads: acquire ----

/** The byte, 0 to 255. */
export const load8: (h: number, cell: number, off: number) => number = symbols.bancos_load8;

/** The 16-bit word, 0 to 65,535; `off` is even. */
export const load16: (h: number, cell: number, off: number) => number = symbols.bancos_load16;

/** The 32-bit word, signed; `off` is a multiple of 4. */
export const load32: (h: number, cell: number, off: number) => number = symbols.bancos_load32;

/** The signed 64-bit word as a number, exact to 2^53; `off` is a multiple of 8. */
export const load64: (h: number, cell: number, off: number) => number = symbols.bancos_load64;

/** The 64-bit word's bits as a double, in one load; `off` is a multiple of 8. */
export const loadF64: (h: number, cell: number, off: number) => number = symbols.bancos_loadF64;

// ---- Stores: release ----

/** Stores the low 8 bits of `v` in the byte. */
export const store8: (h: number, cell: number, off: number, v: number) => void = symbols.bancos_store8;

/** Stores the low 16 bits of `v` in the 16-bit word. */
export const store16: (h: number, cell: number, off: number, v: number) => void = symbols.bancos_store16;

/** Stores `v` in the 32-bit word. */
export const store32: (h: number, cell: number, off: number, v: number) => void = symbols.bancos_store32;

/** Stores the integer `v` in the 64-bit word; outside the range of int64, or NaN, it counts as 0. */
export const store64: (h: number, cell: number, off: number, v: number) => void = symbols.bancos_store64;

/** Stores two 32-bit words by one aligned 8-byte store: `lo` at `off`, `hi` at `off + 4`. */
export const storePair: (h: number, cell: number, off: number, lo: number, hi: number) => void =
  symbols.bancos_storePair;

/** Stores the bits of the double in the 64-bit word. */
export const storeF64: (h: number, cell: number, off: number, v: number) => void = symbols.bancos_storeF64;

// ---- Read-modify-writes: sequentially consistent ----

/** Puts `v` in and returns the old word; a full fence. This is the sequentially consistent store. */
export const exchange32: (h: number, cell: number, off: number, v: number) => number =
  symbols.bancos_exchange32;

/** As {@link exchange32}, for 64 bits. */
export const exchange64: (h: number, cell: number, off: number, v: number) => number =
  symbols.bancos_exchange64;

/** Adds `v` in 8 bits, wrapping around; the old value, 0 to 255. */
export const fetchAdd8: (h: number, cell: number, off: number, v: number) => number =
  symbols.bancos_fetchAdd8;

/** Adds `v` in 16 bits, wrapping around; the old value, 0 to 65,535. */
export const fetchAdd16: (h: number, cell: number, off: number, v: number) => number =
  symbols.bancos_fetchAdd16;

/** Adds `v` in 32 bits, wrapping around; the old value, signed. */
export const fetchAdd32: (h: number, cell: number, off: number, v: number) => number =
  symbols.bancos_fetchAdd32;

/** Adds `v` in 64 bits, wrapping around; the old value, as a number. */
export const fetchAdd64: (h: number, cell: number, off: number, v: number) => number =
  symbols.bancos_fetchAdd64;

/** Subtracts `v` in 8 bits, wrapping around; the old value, 0 to 255. */
export const fetchSub8: (h: number, cell: number, off: number, v: number) => number =
  symbols.bancos_fetchSub8;

/** Subtracts `v` in 16 bits, wrapping around; the old value, 0 to 65,535. */
export const fetchSub16: (h: number, cell: number, off: number, v: number) => number =
  symbols.bancos_fetchSub16;

/** Subtracts `v` in 32 bits, wrapping around; the old value, signed. */
export const fetchSub32: (h: number, cell: number, off: number, v: number) => number =
  symbols.bancos_fetchSub32;

/** Subtracts `v` in 64 bits, wrapping around; the old value, as a number. */
export const fetchSub64: (h: number, cell: number, off: number, v: number) => number =
  symbols.bancos_fetchSub64;

/** Sets the bits of `v` in 8 bits; the old value, 0 to 255. */
export const fetchOr8: (h: number, cell: number, off: number, v: number) => number = symbols.bancos_fetchOr8;

/** Sets the bits of `v` in 16 bits; the old value, 0 to 65,535. */
export const fetchOr16: (h: number, cell: number, off: number, v: number) => number =
  symbols.bancos_fetchOr16;

/** Sets the bits of `v` in 32 bits; the old value, signed. */
export const fetchOr32: (h: number, cell: number, off: number, v: number) => number =
  symbols.bancos_fetchOr32;

/** Sets the bits of `v` in 64 bits; the old value, as a number. */
export const fetchOr64: (h: number, cell: number, off: number, v: number) => number =
  symbols.bancos_fetchOr64;

/** 1 if the word was `expected` and is now `desired`, else 0; 8 bits. */
export const cas8: (h: number, cell: number, off: number, expected: number, desired: number) => number =
  symbols.bancos_cas8;

/** 1 if the word was `expected` and is now `desired`, else 0; 16 bits. */
export const cas16: (h: number, cell: number, off: number, expected: number, desired: number) => number =
  symbols.bancos_cas16;

/** 1 if the word was `expected` and is now `desired`, else 0; 32 bits. */
export const cas32: (h: number, cell: number, off: number, expected: number, desired: number) => number =
  symbols.bancos_cas32;

/** 1 if the word was `expected` and is now `desired`, else 0; 64 bits. */
export const cas64: (h: number, cell: number, off: number, expected: number, desired: number) => number =
  symbols.bancos_cas64;

/** As the strong one, but may fail (0) for no reason: for loops; 8 bits. */
export const casWeak8: (h: number, cell: number, off: number, expected: number, desired: number) => number =
  symbols.bancos_casWeak8;

/** As the strong one, but may fail (0) for no reason: for loops; 16 bits. */
export const casWeak16: (h: number, cell: number, off: number, expected: number, desired: number) => number =
  symbols.bancos_casWeak16;

/** As the strong one, but may fail (0) for no reason: for loops; 32 bits. */
export const casWeak32: (h: number, cell: number, off: number, expected: number, desired: number) => number =
  symbols.bancos_casWeak32;

/** As the strong one, but may fail (0) for no reason: for loops; 64 bits. */
export const casWeak64: (h: number, cell: number, off: number, expected: number, desired: number) => number =
  symbols.bancos_casWeak64;

// ---- Order ----

/**
 * Reads the epoch at `from`, stores it at `to`, full fence; returns it. 0 and nothing stored if out of range. Without the
 * fence in a process that has called {@link letOthersFence}.
 */
export const enterEpoch: (
  h: number,
  fromCell: number,
  fromOff: number,
  toCell: number,
  toOff: number,
) => number = symbols.bancos_enterEpoch;

/** Full fence, for non-temporal stores as well. */
export const fence: () => void = symbols.bancos_fence;

/**
 * Lets {@link fenceOthers} of any process stand for the fence of `enterEpoch` in this one, from now on. 1, or 0 where the
 * kernel can't do that.
 */
export const letOthersFence: () => number = symbols.bancos_letOthersFence;

/**
 * Full fence, in this thread and in all threads of all processes that have called {@link letOthersFence}: 1; or 0, in this
 * thread alone. About 1.5 us.
 */
export const fenceOthers: () => number = symbols.bancos_fenceOthers;

/** Keeps later accesses behind earlier loads. */
export const acquireFence: () => void = symbols.bancos_acquireFence;

/** `n` spin-wait hints to the processor. */
export const pause: (n: number) => void = symbols.bancos_pause;

/** Asks for the cache line of the cell; never faults. */
export const prefetch: (h: number, cell: number) => void = symbols.bancos_prefetch;

/** Lets another thread run. */
export const yieldThread: () => void = symbols.bancos_yieldThread;

/** Nanoseconds since the machine started, the same in all processes; exact to 2 ns for 200 days. */
export const monotonicNs: () => number = symbols.bancos_monotonicNs;

// ---- Persistent memory ----

/** Non-temporal store of 32 bits (plain on arm64); order needs {@link fence}. */
export const movnt32: (h: number, cell: number, off: number, v: number) => void = symbols.bancos_movnt32;

/** Non-temporal store of two words at once; order needs {@link fence}. */
export const movnt64: (h: number, cell: number, off: number, lo: number, hi: number) => void =
  symbols.bancos_movnt64;

/** Sets one byte by a non-temporal store of its aligned 8-byte word. The caller holds the node's lock. */
export const setN48Key: (h: number, cell: number, off: number, byte: number) => void =
  symbols.bancos_setN48Key;

/** Writes back the cache lines of `len` bytes, then a store fence. */
export const persist: (h: number, cell: number, off: number, len: number) => void = symbols.bancos_persist;

// ---- Steps over many words ----

/** Index of `byte` among the first `count` (16 at most) bytes, or -1. */
export const findByte16: (h: number, cell: number, off: number, count: number, byte: number) => number =
  symbols.bancos_findByte16;

/** Index of the first of `count` words, `stride` bytes apart, with `(word & mask) === value`; or -1. */
export const findWord: (
  h: number,
  cell: number,
  off: number,
  stride: number,
  count: number,
  mask: number,
  value: number,
) => number = symbols.bancos_findWord;

/** As {@link findWord}, and the word at `off2`, as unsigned, is at least `min`. */
export const findEntry: (
  h: number,
  cell: number,
  off: number,
  stride: number,
  count: number,
  mask: number,
  value: number,
  off2: number,
  min: number,
) => number = symbols.bancos_findEntry;

/** Stores `value` in each of `count` words, `stride` bytes apart; nothing if the last is out of range. */
export const fillWord: (
  h: number,
  cell: number,
  off: number,
  stride: number,
  count: number,
  value: number,
) => void = symbols.bancos_fillWord;

/** Sum of `count` signed 64-bit words, `stride` bytes apart; 0 if the last is out of range. */
export const sum64: (h: number, cell: number, off: number, stride: number, count: number) => number =
  symbols.bancos_sum64;

/** Index of the first byte that differs between file and scratch, -1 if none does, 0 if out of range. */
export const compareBytes: (h: number, cell: number, off: number, scratchOff: number, len: number) => number =
  symbols.bancos_compareBytes;

/** Scratch to file. 1, or 0 if out of range, and then nothing is copied. */
export const copyIn: (h: number, cell: number, off: number, scratchOff: number, len: number) => number =
  symbols.bancos_copyIn;

/** File to scratch. 1, or 0 if out of range, and then nothing is copied. */
export const copyOut: (h: number, cell: number, off: number, scratchOff: number, len: number) => number =
  symbols.bancos_copyOut;

/** File to file, overlapping or not. 1, or 0 if out of range, and then nothing is copied. */
export const copyWithin: (
  h: number,
  toCell: number,
  toOff: number,
  fromCell: number,
  fromOff: number,
  len: number,
) => number = symbols.bancos_copyWithin;

/** 16 bytes to scratch. 1, or 0 if out of range. */
export const load16Bytes: (h: number, cell: number, off: number, scratchOff: number) => number =
  symbols.bancos_load16Bytes;

/** Loads `count` 32-bit words (acquire, lowest address first) into the scratch; 1, or 0 where out of range. */
export const loadWords: (h: number, cell: number, off: number, scratchOff: number, count: number) => number =
  symbols.bancos_loadWords;

/** 32-bit hash of `len` bytes of the file, 0 if out of range. About 3 ns per 8 bytes. */
export const hash: (h: number, cell: number, off: number, len: number, seed: number) => number =
  symbols.bancos_hash;

/** The same hash over scratch. */
export const hashScratch: (h: number, scratchOff: number, len: number, seed: number) => number =
  symbols.bancos_hashScratch;

/** Stores `count` 32-bit words from the scratch (release, lowest address first); 1, or 0 where out of range. */
export const storeWords: (h: number, cell: number, off: number, scratchOff: number, count: number) => number =
  symbols.bancos_storeWords;

// ---- Nodes and leaves: what a word at a time would make slow ----

/**
 * The child of `digit` in a node with tag `tag`, or 0; at `tagOff` of the scratch the child's own tag (0 if it lies
 * beyond the file). One call for three or four dependent loads. With a negative `tagOff` the child's tag is not read,
 * but prefetched.
 */
export const childOf: (h: number, node: number, tag: number, digit: number, tagOff: number) => number =
  symbols.bancos_childOf;

/**
 * All children of a node in order of their digits, each read once. At `outOff` of the scratch their cells (256 words),
 * 1,024 bytes further their digits (a byte each). Returns how many; -1: not a node.
 */
export const listChildren: (h: number, node: number, tag: number, outOff: number) => number =
  symbols.bancos_listChildren;

/** How {@link walk} walks, to be added up: backwards; so that leaves are not prefetched, since few will be looked at. */
export const WALK_REVERSE = 1;
export const WALK_CELLS = 2;
/** What stops {@link walk}: a cell that is neither node nor leaf, or a node that reaches beyond the file. */
export const WALK_NO_NODE = -1;
/** A node that is not deeper than the one above it, or deeper than any key. */
export const WALK_NOT_DEEPER = -2;
/** Nodes without children, again and again. */
export const WALK_BARREN = -3;
/** A cell that is not in use, or in blocks that another participant has added. */
export const WALK_UNREACHABLE = -4;
/** Arguments out of range. */
export const WALK_REFUSED = -5;

/** Byte offsets in the state of a walk: how high its stack is, leaves written, nodes without children, where it stopped. */
export const WALK_HEIGHT = 0;
export const WALK_LEAVES = 4;
export const WALK_EMPTY = 8;
export const WALK_CELL = 12;
/** The stack: two words each, a cell and what is known of it. */
export const WALK_STACK = 16;
/** It is a leaf. */
export const WALK_LEAF = 1;
/** Only what comes from a place on, which stands at bit {@link WALK_FROM}: a digit, or 255 - digit if the walk is backwards. */
export const WALK_REST = 2;
export const WALK_FROM = 4;
/** From this bit on 1 + the depth of the node above, or 0. */
export const WALK_DEPTH = 13;
/** On a higher stack nodes are not listed in whole. */
export const WALK_LISTED = 1024;

/**
 * Walks over the leaves of all that is on the stack at `stackOff` of the scratch, the top first, and writes their cells, in
 * order, to `listOff`; returns how many are there, `most` with those that were. Fewer: there are no more. Each child of a node is
 * read once; a leaf is not read if the slab table says that it is one. What comes next is prefetched.
 * Below 0: what stopped it, one of `WALK_…`; the cell is in the state, and the walk may be called again to go on.
 */
export const walk: (h: number, stackOff: number, listOff: number, most: number, how: number) => number =
  symbols.bancos_walk;

/**
 * The tag of the leaf that begins at `cell` if it is in the tree, nobody has it locked, and its key is the one of `len`
 * digits at `scratchOff`; else 0. The caller need know nothing of the cell: see `tagOfCell` in slabs.ts. Unless `valueOff`
 * is negative: if the leaf is a float64, its checksum verified with {@link CHECK_SUMS} in `checks`, its value goes to
 * `valueOff` of the scratch and the cell to the word behind it; if it is not, or the checksum is wrong, 0 goes there.
 */
export const findLeaf: (
  h: number,
  cell: number,
  scratchOff: number,
  len: number,
  valueOff: number,
  salt: number,
  checks: number,
) => number = symbols.bancos_findLeaf;

/**
 * Of `count` cells, `stride` bytes apart, those that are leaves, PRIVATE or LIVE, with a key of at most `most` digits: at
 * `outOff` of the scratch, in pairs, the cell and the hash of its key (`hashDigits` in rowex/hints.ts). Returns how many.
 */
export const hashLeaves: (
  h: number,
  cell: number,
  stride: number,
  count: number,
  outOff: number,
  most: number,
) => number = symbols.bancos_hashLeaves;

/**
 * Whether the checksum that a leaf carries is that of its bytes from the key up to `end`; for a leaf in one piece.
 */
export const leafIsSound: (h: number, leaf: number, tag: number, salt: number, end: number) => number =
  symbols.bancos_leafIsSound;

/** What {@link gather} checks, to be added up. */
export const CHECK_SUMS = 1;
export const CHECK_ASCENDING = 2;
export const CHECK_DESCENDING = 4;

/**
 * Reads a batch of `n` leaves, whose cells are at `listOff` of the scratch: their tags go to `listOff + (n + i) * 4`,
 * their keys back to back to `outOff`, and, if `valuesOff` is not negative, the values of float64 leaves to
 * `valuesOff + i * 8`, their checksums verified
 * with {@link CHECK_SUMS}. With {@link CHECK_ASCENDING} or {@link CHECK_DESCENDING} each key must come behind the one
 * before it. A leaf that is damaged, or out of order, has tag 0 and no bytes.
 * Returns how many keys fitted into `outSize` bytes.
 */
export const gather: (
  h: number,
  listOff: number,
  n: number,
  outOff: number,
  outSize: number,
  valuesOff: number,
  salt: number,
  checks: number,
) => number = symbols.bancos_gather;

// ---- Buffers of JavaScript. Checked here, since C cannot see how long they are ----

function checkLength(bytes: Uint8Array, len: number): void {
  if (!(bytes instanceof Uint8Array) || !(len >= 0 && len <= bytes.byteLength)) {
    throw new RangeError(`a buffer of ${bytes?.byteLength} bytes cannot take part with ${len}`);
  }
}

/** The first `len` bytes of `bytes` to the file. 1, or 0 if out of range of the file, and then nothing is copied. */
export function copyInFrom(h: number, cell: number, off: number, bytes: Uint8Array, len: number): number {
  checkLength(bytes, len);
  return len === 0 ? 1 : symbols.bancos_copyInFrom(h, cell, off, bytes, len);
}

/** `len` bytes of the file to the start of `bytes`. 1, or 0 if out of range of the file, and nothing is copied. */
export function copyOutTo(h: number, cell: number, off: number, bytes: Uint8Array, len: number): number {
  checkLength(bytes, len);
  return len === 0 ? 1 : symbols.bancos_copyOutTo(h, cell, off, bytes, len);
}

/** The hash of {@link hash} over the first `len` bytes of `bytes`. */
export function hashFrom(bytes: Uint8Array, len: number, seed: number): number {
  checkLength(bytes, len);
  return symbols.bancos_hashFrom(len === 0 ? EMPTY : bytes, len, seed);
}

const EMPTY = new Uint8Array(8);

/** The scratch buffers that C holds pointers to: they must outlive the garbage collector. */
const bound: (Uint8Array | undefined)[] = new Array(1024).fill(undefined);

/**
 * Makes the first `size` bytes of `bytes` the scratch of the handle, in place of an earlier one. The buffer must not
 * be transferred or resized afterwards. `unmapHandle` lets it go.
 * @throws RangeError if `size` is larger than the buffer, or the handle is not open
 */
export function bindScratch(h: number, bytes: Uint8Array, size: number): void {
  checkLength(bytes, size);
  // A small typed array moves when its ArrayBuffer is first asked for: that must happen before C learns the address.
  if (bytes.buffer.byteLength === 0 || symbols.bancos_bindScratch(h, bytes, size) !== 0) {
    throw new RangeError(`handle ${h} is not open, or its scratch would be empty`);
  }
  bound[h] = bytes;
}

/** Forgets the scratch buffer of a handle that has been unmapped. */
export function releaseScratch(h: number): void {
  bound[h] = undefined;
}
