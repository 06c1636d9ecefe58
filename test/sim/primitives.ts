/** `src/memory/primitives.ts` on the simulated machine: the same exports. Words are one step each; copies are one. */
import { CLASS_BYTES, CLASSES, FIRST_LEAF_CLASS } from "../../src/memory/classes.ts";
import {
  AUX_SHIFT,
  COUNTS,
  ENTRY_CLASS_MASK,
  ENTRY_CLASS_SHIFT,
  ENTRY_KIND_MASK,
  ENTRY_WORD,
  entryCell,
  FIRST_DATA_SLAB,
  KEY_LENGTH_MASK,
  KIND_MASK,
  LEAF,
  LEAF_CHECKSUM,
  LEAF_KEY,
  LEAF_MARK_HIGH,
  LEAF_SEQ,
  LIVE,
  MARK_SEQ_SHIFT,
  N4_BYTES,
  N4_CHILDREN,
  N4_DIGITS,
  N16_BYTES,
  N16_CHILDREN,
  N16_DIGITS,
  N48_BYTES,
  N48_CHILDREN,
  N48_INDEX,
  N256_BYTES,
  N256_CHILDREN,
  NODE4,
  NODE16,
  NODE48,
  NODE256,
  numberOffset,
  PRIVATE,
  REACHABLE,
  SB,
  SB_SLABS_FREED,
  SLAB_CELLS,
  SLAB_RUN,
  SLAB_SHIFT,
  SLAB_UNITS,
  SLOT_MASK,
  STATE_MASK,
  TYPE_SHIFT,
  USED_MASK,
} from "../../src/memory/layout.ts";
import { hashDigits, mix32 } from "../../src/memory/mix.ts";
import { machine, mappingOf, NO_SCRATCH } from "./machine.ts";

/** Byte address, or -1 if out of range of the handle's mapping. */
function address(h: number, cell: number, off: number, length: number): number {
  const mapping = mappingOf(h);
  const at = (cell >>> 0) * 8 + off;
  return mapping !== undefined && at >= 0 && at + length <= mapping.limit ? at : -1;
}

/** One step of the current thread: the address of what it is about to read, or -1. */
function reading(h: number, cell: number, off: number, length: number): number {
  machine.step(false);
  const at = address(h, cell, off, length);
  if (at >= 0) {
    machine.watch(at, false);
    machine.trace(at, length, false);
  }
  return at;
}

/** The same for a store of `length` bytes whose first word will be `value`. */
function writing(h: number, cell: number, off: number, length: number): number {
  machine.step(true);
  const at = address(h, cell, off, length);
  if (at >= 0) {
    machine.touch(at, length);
    machine.trace(at, length, true);
  }
  return at;
}

function get64(at: number): number {
  return machine.words[(at >>> 2) + 1]! * 2 ** 32 + (machine.words[at >>> 2]! >>> 0);
}

function put64(at: number, v: number): void {
  machine.watchWord(at, v | 0);
  machine.view.setBigInt64(at, BigInt(v), true);
}

function put32(at: number, v: number): void {
  machine.watchWord(at, v);
  machine.words[at >>> 2] = v;
}

// ---- loads ---------------------------------------------------------------------------------------------------------

export function load8(h: number, cell: number, off: number): number {
  const at = reading(h, cell, off, 1);
  return at < 0 ? 0 : machine.bytes[at]!;
}

export function load16(h: number, cell: number, off: number): number {
  const at = reading(h, cell, off, 2);
  return at < 0 ? 0 : machine.view.getUint16(at, true);
}

export function load32(h: number, cell: number, off: number): number {
  // Some processors fault there.
  if ((off & 3) !== 0) throw new Error(`load32 at ${off}, which is no multiple of 4`);
  const at = reading(h, cell, off, 4);
  return at < 0 ? 0 : machine.words[at >>> 2]!;
}

export function load64(h: number, cell: number, off: number): number {
  const at = reading(h, cell, off, 8);
  return at < 0 ? 0 : get64(at);
}

export function loadF64(h: number, cell: number, off: number): number {
  const at = reading(h, cell, off, 8);
  return at < 0 ? 0 : machine.view.getFloat64(at, true);
}

// ---- stores --------------------------------------------------------------------------------------------------------

export function store8(h: number, cell: number, off: number, v: number): void {
  const at = writing(h, cell, off, 1);
  if (at < 0) return;
  machine.watch(at, true);
  machine.bytes[at] = v;
}

export function store16(h: number, cell: number, off: number, v: number): void {
  const at = writing(h, cell, off, 2);
  if (at < 0) return;
  machine.watch(at, true);
  machine.view.setUint16(at, v & 0xffff, true);
}

export function store32(h: number, cell: number, off: number, v: number): void {
  const at = writing(h, cell, off, 4);
  if (at >= 0) put32(at, v | 0);
}

export function store64(h: number, cell: number, off: number, v: number): void {
  const at = writing(h, cell, off, 8);
  if (at >= 0) put64(at, v);
}

export function storePair(h: number, cell: number, off: number, lo: number, hi: number): void {
  const at = writing(h, cell, off, 8);
  if (at < 0) return;
  machine.watch(at, true);
  machine.words[at >>> 2] = lo;
  machine.words[(at >>> 2) + 1] = hi;
}

export function storeF64(h: number, cell: number, off: number, v: number): void {
  const at = writing(h, cell, off, 8);
  if (at < 0) return;
  machine.watch(at, true);
  machine.view.setFloat64(at, v, true);
}

// ---- read-modify-writes ----------------------------------------------------------------------------------------------

export function exchange32(h: number, cell: number, off: number, v: number): number {
  const at = writing(h, cell, off, 4);
  if (at < 0) return 0;
  const old = machine.words[at >>> 2]!;
  put32(at, v | 0);
  return old;
}

export function exchange64(h: number, cell: number, off: number, v: number): number {
  const at = writing(h, cell, off, 8);
  if (at < 0) return 0;
  const old = get64(at);
  put64(at, v);
  return old;
}

export function fetchAdd32(h: number, cell: number, off: number, v: number): number {
  const at = writing(h, cell, off, 4);
  if (at < 0) return 0;
  const old = machine.words[at >>> 2]!;
  put32(at, (old + v) | 0);
  return old;
}

export function fetchAdd64(h: number, cell: number, off: number, v: number): number {
  const at = writing(h, cell, off, 8);
  if (at < 0) return 0;
  const old = get64(at);
  put64(at, old + v);
  return old;
}

export function cas32(h: number, cell: number, off: number, expected: number, desired: number): number {
  const at = writing(h, cell, off, 4);
  if (at < 0 || machine.words[at >>> 2] !== (expected | 0)) return 0;
  put32(at, desired | 0);
  return 1;
}

export function cas64(h: number, cell: number, off: number, expected: number, desired: number): number {
  const at = writing(h, cell, off, 8);
  if (at < 0 || get64(at) !== expected) return 0;
  put64(at, desired);
  return 1;
}

/** What the tree does not use is not simulated; whoever begins to use it finds out here. */
const missing = (): never => {
  throw new Error("the simulated memory lacks this access");
};
export const fetchAdd8: (h: number, cell: number, off: number, v: number) => number = missing;
export const fetchAdd16: (h: number, cell: number, off: number, v: number) => number = missing;
export const fetchSub8: (h: number, cell: number, off: number, v: number) => number = missing;
export const fetchSub16: (h: number, cell: number, off: number, v: number) => number = missing;
export const fetchOr8: (h: number, cell: number, off: number, v: number) => number = missing;
export const fetchOr16: (h: number, cell: number, off: number, v: number) => number = missing;
export const fetchOr64: (h: number, cell: number, off: number, v: number) => number = missing;
export const cas8: (h: number, cell: number, off: number, expected: number, desired: number) => number =
  missing;
export const cas16: (h: number, cell: number, off: number, expected: number, desired: number) => number =
  missing;
export const casWeak8: (h: number, cell: number, off: number, expected: number, desired: number) => number =
  missing;
export const casWeak16: (h: number, cell: number, off: number, expected: number, desired: number) => number =
  missing;
export const casWeak32: (h: number, cell: number, off: number, expected: number, desired: number) => number =
  cas32;
export const casWeak64: (h: number, cell: number, off: number, expected: number, desired: number) => number =
  cas64;

export function fetchSub32(h: number, cell: number, off: number, v: number): number {
  return fetchAdd32(h, cell, off, -v);
}

export function fetchSub64(h: number, cell: number, off: number, v: number): number {
  return fetchAdd64(h, cell, off, -v);
}

export function fetchOr32(h: number, cell: number, off: number, v: number): number {
  const at = writing(h, cell, off, 4);
  if (at < 0) return 0;
  const old = machine.words[at >>> 2]!;
  put32(at, old | v);
  return old;
}

// ---- order -----------------------------------------------------------------------------------------------------------

/** The load and the store are two steps: others can come in between. */
export function enterEpoch(
  h: number,
  fromCell: number,
  fromOff: number,
  toCell: number,
  toOff: number,
): number {
  const epoch = load32(h, fromCell, fromOff);
  store32(h, toCell, toOff, epoch);
  return epoch;
}

export function fence(): void {}
/** How often the kernel was asked to fence others, and whether it does. */
export const fences = { asked: 0, works: true };
/** Sequential consistency needs none. */
export const letOthersFence = (): number => 0;
export const fenceOthers = (): number => {
  fences.asked++;
  return fences.works ? 1 : 0;
};
export function acquireFence(): void {}
export function pause(_n: number): void {
  if (machine.current.dead) machine.step(false);
}
export function prefetch(_h: number, _cell: number): void {}
export function yieldThread(): void {
  machine.wait(1);
}
export function monotonicNs(): number {
  machine.now += 1000;
  return machine.now;
}

// ---- persistent memory -------------------------------------------------------------------------------------------------

export const movnt32: (h: number, cell: number, off: number, v: number) => void = store32;
export const movnt64: (h: number, cell: number, off: number, lo: number, hi: number) => void = storePair;
export const setN48Key: (h: number, cell: number, off: number, byte: number) => void = store8;
export function persist(h: number, cell: number, off: number, len: number): void {
  machine.step(true);
  const at = address(h, cell, off, len);
  if (at >= 0 && len > 0) machine.onPersist?.(at, len);
}

// ---- many words --------------------------------------------------------------------------------------------------------

export function findByte16(h: number, cell: number, off: number, count: number, byte: number): number {
  const at = reading(h, cell, off, Math.min(count, 16));
  if (at < 0) return -1;
  for (let i = 0; i < count && i < 16; i++) if (machine.bytes[at + i] === byte) return i;
  return -1;
}

export function findWord(
  h: number,
  cell: number,
  off: number,
  stride: number,
  count: number,
  mask: number,
  value: number,
): number {
  machine.step(false);
  for (let i = 0; i < count; i++) {
    const at = address(h, cell, off + i * stride, 4);
    if (at < 0) return -1;
    machine.trace(at, 4, false);
    if ((machine.words[at >>> 2]! & mask) === value) return i;
  }
  return -1;
}

export function findEntry(
  h: number,
  cell: number,
  off: number,
  stride: number,
  count: number,
  mask: number,
  value: number,
  off2: number,
  min: number,
): number {
  machine.step(false);
  for (let i = 0; i < count; i++) {
    const at = address(h, cell, off + i * stride, 4);
    const second = address(h, cell, off2 + i * stride, 4);
    if (at < 0 || second < 0) return -1;
    machine.trace(at, 4, false);
    machine.trace(second, 4, false);
    if ((machine.words[at >>> 2]! & mask) === value && machine.words[second >>> 2]! >>> 0 >= min) return i;
  }
  return -1;
}

/** Two steps: the first half, then the rest. */
export function fillWord(
  h: number,
  cell: number,
  off: number,
  stride: number,
  count: number,
  value: number,
): void {
  if (count <= 0) return;
  for (const [from, to] of [
    [0, count >>> 1],
    [count >>> 1, count],
  ] as const) {
    machine.step(true);
    if (stride === 4) {
      const at = address(h, cell, off + from * 4, (to - from) * 4);
      if (at < 0) return;
      if (to > from) machine.touch(at, (to - from) * 4);
      machine.trace(at, (to - from) * 4, true);
      machine.words.fill(value, at >>> 2, (at >>> 2) + to - from);
      continue;
    }
    for (let i = from; i < to; i++) {
      const at = address(h, cell, off + i * stride, 4);
      if (at < 0) return;
      machine.touch(at, 4);
      machine.trace(at, 4, true);
      machine.words[at >>> 2] = value;
    }
  }
}

/** A step for each word: the sum is of no one moment. */
export function sum64(h: number, cell: number, off: number, stride: number, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += load64(h, cell, off + i * stride);
  return sum;
}

function scratchOf(h: number): Uint8Array {
  return mappingOf(h)?.scratch ?? NO_SCRATCH;
}

export function compareBytes(h: number, cell: number, off: number, scratchOff: number, len: number): number {
  const at = reading(h, cell, off, len);
  if (at < 0) return 0;
  const scratch = scratchOf(h);
  if (
    Buffer.compare(machine.bytes.subarray(at, at + len), scratch.subarray(scratchOff, scratchOff + len)) === 0
  )
    return -1;
  for (let i = 0; i < len; i++) if (machine.bytes[at + i] !== scratch[scratchOff + i]) return i;
  return -1;
}

function copyFrom(h: number, cell: number, off: number, bytes: Uint8Array): number {
  const at = writing(h, cell, off, bytes.length);
  if (at < 0) return 0;
  machine.watch(at, true);
  machine.bytes.set(bytes, at);
  return 1;
}

export function copyIn(h: number, cell: number, off: number, scratchOff: number, len: number): number {
  return copyFrom(h, cell, off, scratchOf(h).subarray(scratchOff, scratchOff + len));
}

export function copyOut(h: number, cell: number, off: number, scratchOff: number, len: number): number {
  const at = reading(h, cell, off, len);
  if (at < 0) return 0;
  scratchOf(h).set(machine.bytes.subarray(at, at + len), scratchOff);
  return 1;
}

export function copyInFrom(h: number, cell: number, off: number, bytes: Uint8Array, len: number): number {
  return len === 0 ? 1 : copyFrom(h, cell, off, bytes.subarray(0, len));
}

export function copyOutTo(h: number, cell: number, off: number, bytes: Uint8Array, len: number): number {
  const at = reading(h, cell, off, len);
  if (at < 0) return 0;
  bytes.set(machine.bytes.subarray(at, at + len));
  return 1;
}

export const copyWithin: (
  h: number,
  toCell: number,
  toOff: number,
  fromCell: number,
  fromOff: number,
  len: number,
) => number = missing;

export const load16Bytes: (h: number, cell: number, off: number, scratchOff: number) => number = missing;

export function loadWords(h: number, cell: number, off: number, scratchOff: number, count: number): number {
  if (address(h, cell, off, count * 4) < 0) return 0;
  const scratch = scratchOf(h);
  const words = new Int32Array(scratch.buffer, scratch.byteOffset + scratchOff, count);
  for (let i = 0; i < count; i++) words[i] = load32(h, cell, off + i * 4);
  return 1;
}

/** Any good hash will do; the three forms of it agree. */
function hashOf(bytes: Uint8Array, from: number, len: number, seed: number): number {
  let state = seed ^ Math.imul(len, 0x9e3779b1);
  for (let i = from; i < from + len; i++) {
    state = Math.imul(state ^ bytes[i]!, 0x85ebca6b);
    state ^= state >>> 15;
  }
  return Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
}

export function hash(h: number, cell: number, off: number, len: number, seed: number): number {
  const at = reading(h, cell, off, len);
  return at < 0 ? 0 : hashOf(machine.bytes, at, len, seed);
}

export function hashScratch(h: number, scratchOff: number, len: number, seed: number): number {
  return hashOf(scratchOf(h), scratchOff, len, seed);
}

export function hashFrom(bytes: Uint8Array, len: number, seed: number): number {
  return hashOf(bytes, 0, len, seed);
}

export function storeWords(h: number, cell: number, off: number, scratchOff: number, count: number): number {
  if (address(h, cell, off, count * 4) < 0) return 0;
  const scratch = scratchOf(h);
  const words = new Int32Array(scratch.buffer, scratch.byteOffset + scratchOff, count);
  for (let i = 0; i < count; i++) store32(h, cell, off + i * 4, words[i]!);
  return 1;
}

// ---- nodes and leaves --------------------------------------------------------------------------------------------------

const NODE_SIZE = [0, N4_BYTES, N16_BYTES, N48_BYTES, N256_BYTES, 0, 0, 0];

function slotsInUse(h: number, node: number, most: number): number {
  return Math.min(load32(h, node, COUNTS) & USED_MASK, most);
}

/** Its loads are steps of their own, in the order of c/bancos.c. */
export function childOf(h: number, node: number, tag: number, digit: number, tagOff: number): number {
  const kind = tag & KIND_MASK;
  const size = NODE_SIZE[kind]!;
  if (size === 0 || address(h, node, 0, size) < 0) return 0;
  let child = 0;
  if (kind === NODE256) {
    child = load32(h, node, N256_CHILDREN + digit * 4);
  } else if (kind === NODE48) {
    const index = load8(h, node, N48_INDEX + digit);
    if (index !== 0) child = load32(h, node, N48_CHILDREN + ((index - 1) % 48) * 4);
  } else if (kind === NODE16) {
    const i = findByte16(h, node, N16_DIGITS, slotsInUse(h, node, 16), digit);
    if (i >= 0) child = load32(h, node, N16_CHILDREN + i * 4);
  } else {
    const used = slotsInUse(h, node, 4);
    let digits = load32(h, node, N4_DIGITS);
    for (let i = 0; i < used; i++, digits >>>= 8) {
      if ((digits & 0xff) === digit) {
        child = load32(h, node, N4_CHILDREN + i * 4);
        break;
      }
    }
  }
  if (child !== 0 && tagOff >= 0) {
    const scratch = scratchOf(h);
    new Int32Array(scratch.buffer, scratch.byteOffset + tagOff, 1)[0] = load32(h, child, 0);
  }
  return child;
}

/** As `in_leaf_slab` of c/: by the slab table, without a look at the cell. */
function isInLeafSlab(h: number, cell: number): boolean {
  const word = load32(h, entryCell(cell >>> SLAB_SHIFT), ENTRY_WORD);
  const kind = word & ENTRY_KIND_MASK;
  const sizeClass = (word & ENTRY_CLASS_MASK) >>> ENTRY_CLASS_SHIFT;
  return kind === SLAB_RUN || (kind === SLAB_CELLS && sizeClass >= FIRST_LEAF_CLASS);
}

export function listChildren(h: number, node: number, tag: number, outOff: number): number {
  const kind = tag & KIND_MASK;
  const size = NODE_SIZE[kind]!;
  if (size === 0 || address(h, node, 0, size) < 0) return -1;
  const found: { digit: number; child: number }[] = [];
  if (kind === NODE256 || kind === NODE48) {
    for (let digit = 0; digit < 256; digit++) {
      let child = 0;
      if (kind === NODE256) child = load32(h, node, N256_CHILDREN + digit * 4);
      else {
        const index = load8(h, node, N48_INDEX + digit);
        if (index !== 0) child = load32(h, node, N48_CHILDREN + ((index - 1) % 48) * 4);
      }
      if (child !== 0) found.push({ digit, child });
    }
  } else {
    const used = slotsInUse(h, node, kind === NODE4 ? 4 : 16);
    for (let i = 0; i < used; i++) {
      const child = load32(h, node, (kind === NODE4 ? N4_CHILDREN : N16_CHILDREN) + i * 4);
      if (child !== 0) found.push({ digit: load8(h, node, N4_DIGITS + i), child });
    }
    found.sort((a, b) => a.digit - b.digit);
  }
  const scratch = scratchOf(h);
  const words = new Int32Array(scratch.buffer, scratch.byteOffset + outOff, 256);
  for (const [i, { digit, child }] of found.entries()) {
    words[i] = child;
    scratch[outOff + 1024 + i] = digit;
  }
  return found.length;
}

export const WALK_REVERSE = 1;
export const WALK_CELLS = 2;
export const WALK_NO_NODE = -1;
export const WALK_NOT_DEEPER = -2;
export const WALK_BARREN = -3;
export const WALK_UNREACHABLE = -4;
export const WALK_REFUSED = -5;
export const WALK_HEIGHT = 0;
export const WALK_LEAVES = 4;
export const WALK_EMPTY = 8;
export const WALK_CELL = 12;
export const WALK_STACK = 16;
export const WALK_LEAF = 1;
export const WALK_REST = 2;
export const WALK_FROM = 4;
export const WALK_DEPTH = 13;
export const WALK_LISTED = 1024;
const MOST_DIGITS = 8192;
const STACK_HIGHEST = WALK_LISTED + 8200;
const LEAVES_NEAR = 24;
const NODE_LEAVES = 4;
const LARGE_LISTED = 8;
const MOST_BARREN = 100_000;

/** A walk under way. The names are those of c/bancos.c, and the order of the loads is the same. */
class Walker {
  readonly state: Int32Array;
  readonly turn: number;
  private readonly h: number;

  constructor(h: number, stackOff: number, how: number) {
    this.h = h;
    const scratch = scratchOf(h);
    this.state = new Int32Array(scratch.buffer, scratch.byteOffset + stackOff);
    this.turn = (how & WALK_REVERSE) !== 0 ? 255 : 0;
  }

  push(cell: number, known: number): void {
    const at = WALK_STACK / 4 + this.state[WALK_HEIGHT / 4]!++ * 2;
    this.state[at] = cell;
    this.state[at + 1] = known;
  }

  pop(): { cell: number; known: number } {
    const at = WALK_STACK / 4 + --this.state[WALK_HEIGHT / 4]! * 2;
    return { cell: this.state[at]!, known: this.state[at + 1]! };
  }

  ask(child: number, above: number): number {
    const leaf = address(this.h, child, 0, 4) >= 0 && isInLeafSlab(this.h, child);
    return (above << WALK_DEPTH) | (leaf ? WALK_LEAF : 0);
  }

  listSmall(cell: number, kind: number, from: number, above: number): number {
    const { h, turn } = this;
    const used = slotsInUse(h, cell, kind === NODE4 ? 4 : 16);
    const places: number[] = [];
    for (let i = 0; i < used; i++) places.push(load8(h, cell, N4_DIGITS + i) ^ turn);
    const found: { place: number; child: number; known: number }[] = [];
    for (const [i, place] of places.entries()) {
      const child = load32(h, cell, (kind === NODE4 ? N4_CHILDREN : N16_CHILDREN) + i * 4);
      found.push({ place, child, known: this.ask(child, above) });
    }
    const listed = found.filter(({ place }) => place >= from).sort((a, b) => b.place - a.place);
    for (const { child, known } of listed) this.push(child, known);
    return listed.filter(({ child }) => child !== 0).length;
  }

  listSome(cell: number, kind: number, first: number, above: number, most: number): number {
    const { h, turn } = this;
    const found: number[] = [];
    let from = first;
    if (kind === NODE4 || kind === NODE16) {
      const used = slotsInUse(h, cell, kind === NODE4 ? 4 : 16);
      let least = 256;
      for (let i = 0; i < used; i++) {
        const place = load8(h, cell, N4_DIGITS + i) ^ turn;
        const child = load32(h, cell, (kind === NODE4 ? N4_CHILDREN : N16_CHILDREN) + i * 4);
        if (child === 0 || place < from || place >= least) continue;
        least = place;
        found[0] = child;
      }
      from = least + 1;
    } else {
      for (; from < 256 && found.length < most; from++) {
        let child = 0;
        if (kind === NODE256) child = load32(h, cell, N256_CHILDREN + (from ^ turn) * 4);
        else {
          const index = load8(h, cell, N48_INDEX + (from ^ turn));
          if (index !== 0) child = load32(h, cell, N48_CHILDREN + ((index - 1) % 48) * 4);
        }
        if (child !== 0) found.push(child);
      }
    }
    if (found.length > 0 && from < 256) this.push(cell, WALK_REST | (from << WALK_FROM));
    for (const child of found.toReversed()) this.push(child, this.ask(child, above));
    return found.length;
  }

  expand(cell: number, known: number): number {
    const { h, state } = this;
    const tag = load32(h, cell, 0);
    const kind = tag & KIND_MASK;
    const depth = tag >>> AUX_SHIFT;
    if ((tag & REACHABLE) === 0) return WALK_UNREACHABLE;
    if (kind === LEAF) {
      this.push(cell, WALK_LEAF);
      return 0;
    }
    const size = NODE_SIZE[kind]!;
    if (size === 0 || address(h, cell, 0, size) < 0) return WALK_NO_NODE;
    const rest = (known & WALK_REST) !== 0;
    if (depth > MOST_DIGITS || (!rest && depth < known >>> WALK_DEPTH)) return WALK_NOT_DEEPER;
    const from = rest ? (known >>> WALK_FROM) & 511 : 0;
    const high = state[WALK_HEIGHT / 4]! > WALK_LISTED;
    const listed =
      !high && kind <= NODE16
        ? this.listSmall(cell, kind, from, depth + 1)
        : this.listSome(cell, kind, from, depth + 1, high ? 1 : LARGE_LISTED);
    return listed === 0 && !rest && ++state[WALK_EMPTY / 4]! > MOST_BARREN ? WALK_BARREN : 0;
  }
}

export function walk(h: number, stackOff: number, listOff: number, most: number, how: number): number {
  const walker = new Walker(h, stackOff, how);
  const { state } = walker;
  const scratch = scratchOf(h);
  const list = new Int32Array(scratch.buffer, scratch.byteOffset + listOff, most);
  const height = (): number => state[WALK_HEIGHT / 4]!;
  if (height() > STACK_HIGHEST || state[WALK_LEAVES / 4]! > most) return WALK_REFUSED;
  while (state[WALK_LEAVES / 4]! < most && height() > 0) {
    const top = walker.pop();
    if ((top.known & WALK_LEAF) !== 0) {
      list[state[WALK_LEAVES / 4]!++] = top.cell;
      continue;
    }
    walker.push(top.cell, top.known);
    if (height() > STACK_HIGHEST) {
      state[WALK_CELL / 4] = top.cell;
      return WALK_NOT_DEEPER;
    }
    const high = height() > WALK_LISTED;
    const wanted = Math.min(most - state[WALK_LEAVES / 4]!, LEAVES_NEAR);
    const near: { cell: number; known: number }[] = [];
    let leaves = 0;
    do {
      const entry = walker.pop();
      near.push(entry);
      leaves += (entry.known & WALK_LEAF) !== 0 ? 1 : NODE_LEAVES;
    } while (leaves < wanted && height() > 0 && (near.at(-1)!.known & WALK_REST) === 0 && !high);
    for (let i = near.length - 1; i >= 0; i--) {
      const { cell, known } = near[i]!;
      if (cell === 0) continue;
      const failed = (known & WALK_LEAF) !== 0 ? 0 : walker.expand(cell, known);
      if ((known & WALK_LEAF) === 0 && failed === 0) continue;
      walker.push(cell, known);
      if (failed !== 0 && i === 0) {
        state[WALK_CELL / 4] = cell;
        return failed;
      }
    }
  }
  return state[WALK_LEAVES / 4]!;
}

/** As `leafIsSound` of src/: the checksum of the bytes from the key up to `end`. */
export function leafIsSound(h: number, leaf: number, tag: number, salt: number, end: number): number {
  const at = reading(h, leaf, 0, end);
  if (at < 0 || end < LEAF_KEY) return 0;
  const digits = (tag >>> AUX_SHIFT) & KEY_LENGTH_MASK;
  const seed = mix32(mix32(salt, leaf), ((tag >>> TYPE_SHIFT) << 16) | digits);
  const sum = hashOf(machine.bytes, at + LEAF_KEY, end - LEAF_KEY, seed);
  const low = machine.words[(at + LEAF_SEQ) >>> 2]!;
  const high = machine.words[(at + LEAF_MARK_HIGH) >>> 2]! >>> MARK_SEQ_SHIFT;
  return mix32(mix32(sum, low), high) === machine.words[(at + LEAF_CHECKSUM) >>> 2] ? 1 : 0;
}

const TYPE_FLOAT64 = 1;
const SECTOR_BYTES = 512;

const inOneSector = (leaf: number, digits: number): boolean =>
  ((leaf << 3) & (SECTOR_BYTES - 1)) + numberOffset(digits) + 8 <= SECTOR_BYTES;

/** As `leaf_tag` of c/. */
function leafTag(h: number, cell: number): number {
  const slab = cell >>> SLAB_SHIFT;
  if (slab < FIRST_DATA_SLAB || address(h, cell, 0, LEAF_KEY) < 0) return 0;
  const freed = load32(h, SB, SB_SLABS_FREED);
  const word = load32(h, entryCell(slab), ENTRY_WORD);
  const kind = word & ENTRY_KIND_MASK;
  const units = cell & (SLAB_UNITS - 1);
  if (kind === SLAB_CELLS) {
    const sizeClass = (word & ENTRY_CLASS_MASK) >>> ENTRY_CLASS_SHIFT;
    if (sizeClass < FIRST_LEAF_CLASS || sizeClass >= CLASSES) return 0;
    const size = CLASS_BYTES[sizeClass]! / 8;
    if (units % size !== 0 || units + size > SLAB_UNITS) return 0;
  } else if (kind !== SLAB_RUN || units !== 0) return 0;
  const tag = load32(h, cell, 0);
  if ((tag & KIND_MASK) !== LEAF) return 0;
  if (load32(h, entryCell(slab), ENTRY_WORD) !== word) return 0;
  return load32(h, SB, SB_SLABS_FREED) === freed ? tag : 0;
}

export function findLeaf(
  h: number,
  cell: number,
  scratchOff: number,
  len: number,
  valueOff: number,
  salt: number,
  checks: number,
): number {
  const tag = leafTag(h, cell);
  if ((tag & (KIND_MASK | STATE_MASK | SLOT_MASK)) !== (LEAF | LIVE)) return 0;
  if (((tag >>> AUX_SHIFT) & KEY_LENGTH_MASK) !== len) return 0;
  if (compareBytes(h, cell, LEAF_KEY, scratchOff, len) >= 0) return 0;
  if (valueOff < 0) return tag;
  const scratch = scratchOf(h);
  const out = new DataView(scratch.buffer, scratch.byteOffset + valueOff, 12);
  const at = numberOffset(len);
  let found = tag >>> TYPE_SHIFT === TYPE_FLOAT64 && address(h, cell, 0, at + 8) >= 0;
  if (found) {
    out.setFloat64(0, loadF64(h, cell, at), true);
    const end = inOneSector(cell, len) ? LEAF_KEY + len : at + 8;
    found = (checks & CHECK_SUMS) === 0 || leafIsSound(h, cell, tag, salt, end) === 1;
  }
  out.setInt32(8, found ? cell : 0, true);
  return tag;
}

export function hashLeaves(
  h: number,
  cell: number,
  stride: number,
  count: number,
  outOff: number,
  most: number,
): number {
  if (count <= 0 || address(h, cell, 0, (count - 1) * stride + LEAF_KEY) < 0) return 0;
  const scratch = scratchOf(h);
  const list = new Int32Array(scratch.buffer, scratch.byteOffset + outOff, count * 2);
  let n = 0;
  for (let i = 0; i < count; i++) {
    const leaf = (cell + (i * stride) / 8) | 0;
    // Without the watch on free cells: a hint may be of a time when the slab was cut into others. What it leads to is not believed.
    machine.step(false);
    const first = address(h, leaf, 0, 4);
    machine.trace(first, 4, false);
    const tag = machine.words[first >>> 2]!;
    const state = tag & STATE_MASK;
    const length = (tag >>> AUX_SHIFT) & KEY_LENGTH_MASK;
    if ((tag & KIND_MASK) !== LEAF || (state !== PRIVATE && state !== LIVE) || length > most) continue;
    // Without the watch on private cells: what it makes of one that is written meanwhile is never believed.
    machine.step(false);
    const at = address(h, leaf, LEAF_KEY, length);
    if (at < 0) continue;
    const padded = new Uint8Array((length + 3) & ~3);
    padded.set(machine.bytes.subarray(at, at + length));
    list[n * 2] = leaf;
    list[n * 2 + 1] = hashDigits(new Int32Array(padded.buffer), 0, length);
    n++;
  }
  return n;
}

export const CHECK_SUMS = 1;
export const CHECK_ASCENDING = 2;
export const CHECK_DESCENDING = 4;

export function gather(
  h: number,
  listOff: number,
  n: number,
  outOff: number,
  outSize: number,
  valuesOff: number,
  salt: number,
  checks: number,
): number {
  if (n <= 0) return 0;
  const scratch = scratchOf(h);
  const list = new Int32Array(scratch.buffer, scratch.byteOffset + listOff, n * 2);
  let out = outOff;
  let previous: Uint8Array | null = null;
  for (let i = 0; i < n; i++) {
    const leaf = list[i]!;
    let tag = load32(h, leaf, 0);
    let length = (tag >>> AUX_SHIFT) & KEY_LENGTH_MASK;
    const at = address(h, leaf, LEAF_KEY, length);
    if (at < 0 || (tag & (KIND_MASK | REACHABLE)) !== (LEAF | REACHABLE)) tag = 0;
    if (valuesOff >= 0 && tag >>> TYPE_SHIFT === TYPE_FLOAT64) {
      const off = numberOffset(length);
      const inPlace = inOneSector(leaf, length);
      if (
        (checks & CHECK_SUMS) !== 0 &&
        leafIsSound(h, leaf, tag, salt, inPlace ? LEAF_KEY + length : off + 8) === 0
      )
        tag = 0;
      else {
        const value = loadF64(h, leaf, off);
        new Float64Array(scratch.buffer, scratch.byteOffset + valuesOff + i * 8, 1)[0] = value;
      }
    }
    if (tag !== 0 && previous !== null && (checks & (CHECK_ASCENDING | CHECK_DESCENDING)) !== 0) {
      const order = Buffer.compare(previous, machine.bytes.subarray(at, at + length));
      if ((checks & CHECK_ASCENDING) !== 0 ? order >= 0 : order <= 0) tag = 0;
    }
    if (tag === 0) length = 0;
    if (out + length > outOff + outSize) return i;
    if (length > 0) {
      machine.watch(at, false);
      scratch.set(machine.bytes.subarray(at, at + length), out);
    }
    if (tag !== 0) previous = scratch.slice(out, out + length);
    list[n + i] = tag;
    out += length;
  }
  return n;
}

export function bindScratch(h: number, bytes: Uint8Array, size: number): void {
  const mapping = mappingOf(h);
  if (mapping === undefined) throw new RangeError(`handle ${h} is not open`);
  mapping.scratch = bytes.subarray(0, size);
}

export function releaseScratch(h: number): void {
  const mapping = machine.mappings[h];
  if (mapping !== undefined) mapping.scratch = NO_SCRATCH;
}
