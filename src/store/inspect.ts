/**
 * Looking into the file: the path from the root to a key, and whatever lies at an offset.
 *
 * Meant for files that may be damaged. Everything read is checked before it is followed, every walk is bounded, and
 * what makes no sense comes back as a `problem`, never as an exception. Others may write meanwhile: what is shown is
 * then what was there when it was read.
 */
import { type KeyCodec, MAX_KEY_DIGITS, ValueType } from "../codec/index.ts";
import { BancosError } from "../errors.ts";
import { CLASS_BYTES, CLASS_CELLS, CLASSES, FIRST_LEAF_CLASS } from "../memory/classes.ts";
import {
  CHUNK_NEXT,
  CLEAN,
  COUNTS,
  ENTRY_BYTES,
  ENTRY_CHECKSUM,
  ENTRY_FREED,
  ENTRY_RUN,
  ENTRY_WORD,
  entryCell,
  FIRST_DATA_SLAB,
  FIRST_TABLE_SLAB,
  INTENT_CELL,
  INTENT_LOCK0,
  INTENT_LOCK1,
  INTENT_LOCK2,
  INTENT_NEW0,
  INTENT_NEW1,
  INTENT_OLD_LEAF,
  INTENT_OLD_NODE,
  INTENT_STATE,
  isTableSlab,
  LEAF,
  LEAF_CHECKSUM,
  LEAF_KEY,
  LEAF_MARK_HIGH,
  LEAF_SEQ,
  LIMBO,
  LIMBO_HEAD,
  LIMBO_TAIL,
  lengthOffset,
  MARK_DELETED,
  MARK_NONE,
  MARK_SEQ_SHIFT,
  MARK_SUPERSEDED,
  REACHABLE,
  REGION_SLABS,
  REGISTRY_SLAB,
  SB,
  SB_CAPACITY,
  SB_CLEAN,
  SB_DONE,
  SB_EPOCH,
  SB_FREE_SLABS,
  SB_FRONTIER,
  SB_KEY_ENCODING,
  SB_LAST_START,
  SB_MAX_SLABS,
  SB_Q,
  SB_RECOVERIES,
  SB_ROOT,
  SB_S,
  SB_SLOTS_USED,
  SB_SYNC_ERROR,
  SB_SYNC_OWNER,
  SB_VERSION,
  SB_W,
  SB_W_DISK,
  SLAB_BYTES,
  SLAB_CELLS,
  SLAB_RUN,
  SLAB_RUN_NEXT,
  SLAB_UNITS,
  SLOT_BYTES,
  SLOT_EPOCH,
  SLOT_KEY_COUNT,
  SLOT_LIMBO,
  SLOT_MASK,
  SLOT_PID,
  SLOT_PRIVATE0,
  SLOT_PRIVATE1,
  SLOT_ROLE,
  SLOT_SHIFT,
  SLOT_SINCE,
  SLOT_TID,
  SLOT_WAITING,
  SLOT_WORD,
  SLOTS,
  STATE_MASK,
  slotCell,
  TAG,
  UNIT,
} from "../memory/layout.ts";
import { copyOutTo, load32, load64, loadF64 } from "../memory/primitives.ts";
import { SCRATCH_KEYS } from "../memory/scratch.ts";
import { entryClass, entryIsSound, entryKind, entryOwner } from "../memory/slabs.ts";
import { readToScratch } from "../node/bytes.ts";
import {
  contentHash,
  finishChecksum,
  hasOld,
  isNumber,
  keyLengthOf,
  leafBytes,
  markedAt,
  markKind,
  sequenceOf,
  typeOf,
} from "../node/leaf.ts";
import { depthOf, isNode, kindOf, liveOf, NODE_BYTES, NODE_CAPACITY, slotOf, usedOf } from "../node/node.ts";
import { enter, leave } from "../reclaim/epoch.ts";
import type { Participant } from "../reclaim/participant.ts";
import { ROLE_READER, slotIncarnation, slotState, slotsUsed } from "../reclaim/registry.ts";
import type { VerifyProgress, VerifyReport } from "../recovery/verify.ts";
import type { Store } from "./store.ts";
import { readValue } from "./value.ts";

/** A node's child. */
export interface ChildView {
  /** The digit that leads to it. */
  readonly digit: number;
  /** Byte offset in the file. */
  readonly offset: number;
  /** Its node kind, or "leaf". */
  readonly kind: string;
}

/** An inner node. */
export interface NodeView {
  /** Byte offset in the file. */
  readonly offset: number;
  /** Its node kind. */
  readonly kind: "Node4" | "Node16" | "Node48" | "Node256";
  /** Is it in the tree (`"live"`), of a change under way (`"private"`), or no more? */
  readonly state: "free" | "private" | "live" | "retired";
  /** Index of the digit by which it tells its children apart. */
  readonly depth: number;
  /** Slots that have ever been filled; a Node256 does not count them. */
  readonly used: number;
  /** Children it has now. */
  readonly live: number;
  /** The most that it can have. */
  readonly capacity: number;
  /** The participant slot that has it locked (or retired it), 0: nobody. */
  readonly slot: number;
}

/** A node on the way to a key. */
export interface PathStep extends NodeView {
  /** The key's digit at the node's depth; null where the key has ended above it. */
  readonly digit: number | null;
  /** Byte offset of the child under that digit, null: none. */
  readonly child: number | null;
}

/** A leaf: one key and its value. */
export interface LeafView {
  /** Byte offset in the file. */
  readonly offset: number;
  /** Is it in the tree (`"live"`), of a change under way (`"private"`), or no more? */
  readonly state: "free" | "private" | "live" | "retired";
  /** How many digits its key has. */
  readonly digits: number;
  /** The key; undefined where its digits make no sense. */
  readonly key: unknown;
  /** Type of the value, such as "number", "json". */
  readonly type: string;
  /** Of two leaves of one key the one with the higher number is the later. */
  readonly sequence: number;
  /** Whether a later change of the key put an end to it. */
  readonly mark: "none" | "superseded" | "deleted" | "void";
  /** How many syncs had been started when it was marked. */
  readonly markedAt: number;
  /** Did an older leaf of the key, which a sync had promised, exist when it was written? */
  readonly hasOld: boolean;
  /** Is its checksum that of what it holds? */
  readonly checksum: "right" | "wrong";
  /** Bytes of the value. */
  readonly valueBytes: number;
  /** Bytes of the whole leaf. */
  readonly bytes: number;
  /** The value; undefined if it is large (over 1 MiB) or makes no sense. */
  readonly value: unknown;
  /** What is wrong with it, null: nothing. */
  readonly problem: string | null;
}

/** The way from the root to a key. */
export interface KeyInspection {
  /** Is the key in the store? */
  readonly found: boolean;
  /** The key's digits, without the terminator. */
  readonly digits: Uint8Array;
  /** The nodes on the way, from the root on. */
  readonly path: readonly PathStep[];
  /** The leaf where the way ends: of this key if `found`, else of another one; null if it ends at a node. */
  readonly leaf: LeafView | null;
  /** What is wrong on the way, null: nothing. */
  readonly problem: string | null;
}

/** The slab around an offset. */
export interface SlabView {
  /** Its number, from 0. */
  readonly number: number;
  /** Byte offset in the file. */
  readonly offset: number;
  /** What it is used for. */
  readonly kind:
    | "free"
    | "claimed"
    | "cells"
    | "run"
    | "part of a run"
    | "reserved"
    | "never used"
    | "unknown";
  /** Size class of its cells; 0 where it has none. */
  readonly sizeClass: number;
  /** Bytes of one of its cells; 0 where it has none. */
  readonly cellBytes: number;
  /** How many cells it has; 0 where it has none. */
  readonly cells: number;
  /** First slab and slabs of the run that it is part of; null if of none. */
  readonly run: { readonly first: number; readonly slabs: number } | null;
  /** The participant slot that owns it, 0: nobody. */
  readonly owner: number;
  /** The process of the owner, 0: nobody. */
  readonly ownerPid: number;
  /** Is the table entry's checksum right? null for kinds that have none. */
  readonly sound: boolean | null;
}

/** What lies at an offset. */
export interface CellInspection {
  /** What it is, such as "leaf", "Node48", "superblock", "participant slot 3". */
  readonly what: string;
  /** Byte offset where it starts. */
  readonly offset: number;
  /** Its length in bytes. */
  readonly bytes: number;
  /** Of a cell: is it in the tree (`"live"`), of a change under way (`"private"`), or no more? null: no cell. */
  readonly state: "free" | "private" | "live" | "retired" | null;
  /** The participant slot in the cell's tag, 0: none. */
  readonly slot: number;
  /** The slab it lies in. */
  readonly slab: SlabView;
  /** What it says if it is an inner node, else null. */
  readonly node: NodeView | null;
  /** The children of an inner node, by digit. */
  readonly children: readonly ChildView[];
  /** What it says if it is a leaf, else null. */
  readonly leaf: LeafView | null;
  /** Named values, for what is neither node nor leaf. */
  readonly fields: readonly (readonly [string, number | string])[];
  /** Its first bytes, as many as were asked for. */
  readonly dump: Uint8Array;
  /** What is wrong with it, null: nothing. */
  readonly problem: string | null;
}

const NODE_NAMES = ["", "Node4", "Node16", "Node48", "Node256"] as const;
const STATES = ["free", "private", "live", "retired"] as const;
const SLAB_KINDS = ["free", "claimed", "cells", "run", "part of a run", "reserved"] as const;
const SLOT_STATES = ["free", "alive", "recovering", "collecting"] as const;
const INTENT_STATES = ["none", "announced", "checked", "published"] as const;
const TYPE_NAMES = new Map<number, string>([
  [ValueType.FLOAT64, "number"],
  [ValueType.INT64, "bigint"],
  [ValueType.LATIN1, "string (Latin-1)"],
  [ValueType.UTF8, "string (UTF-8)"],
  [ValueType.UTF16, "string (UTF-16)"],
  [ValueType.BYTES, "bytes"],
  [ValueType.JSON, "JSON"],
]);

/** Values above this are not decoded: one look at a damaged file must not take a GiB. */
const MOST_VALUE = 1 << 20;
const MOST_DUMP = 1 << 20;

const offsetOf = (cell: number): number => (cell >>> 0) * UNIT;
const cellAt = (offset: number): number => (offset / UNIT) | 0;
const stateOf = (tag: number): (typeof STATES)[number] => STATES[(tag & STATE_MASK) >>> 3]!;
const slotIn = (tag: number): number => (tag & SLOT_MASK) >>> SLOT_SHIFT;

/** The message of damage that was met; anything else is a fault of ours. */
function problemOf(error: unknown): string {
  if (error instanceof BancosError && error.code === "CORRUPT") return error.message;
  throw error;
}

/** Takes note of growth by others. What is wrong with it comes back; we go on with as much as we know. */
function refresh(p: Participant): string | null {
  try {
    p.region.refresh();
    return null;
  } catch (error) {
    return problemOf(error);
  }
}

// ---- slabs -----------------------------------------------------------------------------------------------------------

function slabView(p: Participant, slab: number): SlabView {
  const { h, region } = p;
  const entry = entryCell(slab);
  const word = load32(h, entry, ENTRY_WORD);
  const kind = entryKind(word);
  const sizeClass = kind === SLAB_CELLS ? entryClass(word) : 0;
  const owner = entryOwner(word);
  let run: SlabView["run"] = null;
  if (kind === SLAB_RUN || kind === SLAB_RUN_NEXT) {
    let first = slab;
    while (first > FIRST_DATA_SLAB && entryKind(load32(h, entryCell(first), ENTRY_WORD)) !== SLAB_RUN) {
      first--;
      if (isTableSlab(first)) first--;
      if (entryKind(load32(h, entryCell(first), ENTRY_WORD)) < SLAB_RUN) break;
    }
    run = { first, slabs: load32(h, entryCell(first), ENTRY_RUN) };
  }
  const unused = slab >= load32(h, SB, SB_FRONTIER) && kind === 0;
  return {
    number: slab,
    offset: slab * SLAB_BYTES,
    kind: unused ? "never used" : (SLAB_KINDS[kind] ?? "unknown"),
    sizeClass,
    cellBytes: CLASS_BYTES[sizeClass] ?? 0,
    cells: CLASS_CELLS[sizeClass] ?? 0,
    run,
    owner,
    ownerPid: owner > 0 && owner <= SLOTS ? load32(h, slotCell(owner), SLOT_PID) : 0,
    sound: kind === SLAB_CELLS || kind === SLAB_RUN ? entryIsSound(region, slab) : null,
  };
}

/** Bytes that a leaf at `cell` may extend over; 0 where none can be. */
function roomFor(p: Participant, cell: number): number {
  const slab = Math.floor((cell >>> 0) / SLAB_UNITS);
  if (slab < FIRST_DATA_SLAB || slab >= p.region.capacity) return 0;
  const word = load32(p.h, entryCell(slab), ENTRY_WORD);
  const within = ((cell >>> 0) % SLAB_UNITS) * UNIT;
  if (entryKind(word) === SLAB_RUN) {
    // Past the tables it steps over: no more than the rest of the file.
    const slabs = Math.min(load32(p.h, entryCell(slab), ENTRY_RUN), p.region.capacity - slab);
    return within === 0 && slabs > 0 ? slabs * SLAB_BYTES : 0;
  }
  const sizeClass = entryClass(word);
  const bytes = CLASS_BYTES[sizeClass] ?? 0;
  if (entryKind(word) !== SLAB_CELLS || sizeClass < FIRST_LEAF_CLASS || bytes === 0) return 0;
  return within % bytes === 0 ? bytes : 0;
}

// ---- nodes and leaves ------------------------------------------------------------------------------------------------

/** Of a cell whose tag says that it is a node. */
function nodeView(p: Participant, node: number, tag: number): NodeView {
  const kind = kindOf(tag);
  const counts = load32(p.h, node, COUNTS);
  return {
    offset: offsetOf(node),
    kind: NODE_NAMES[kind as 1 | 2 | 3 | 4],
    state: stateOf(tag),
    depth: depthOf(tag),
    used: usedOf(counts),
    live: liveOf(counts),
    capacity: NODE_CAPACITY[kind]!,
    slot: slotIn(tag),
  };
}

function childrenOf(p: Participant, node: number, tag: number): ChildView[] {
  p.snapshot.read(p.h, node, tag);
  const { digits, children, count } = p.snapshot;
  return Array.from({ length: count }, (_, i) => {
    const child = children[i]!;
    const childTag = load32(p.h, child, TAG);
    const kind = (childTag & REACHABLE) === 0 ? stateOf(childTag) : cellName(kindOf(childTag));
    return { digit: digits[i]!, offset: offsetOf(child), kind };
  });
}

function cellName(kind: number): string {
  if (kind === LEAF) return "leaf";
  if (kind === LIMBO) return "limbo chunk";
  return NODE_NAMES[kind] || `cell of unknown kind ${kind}`;
}

function markName(mark: number): LeafView["mark"] {
  if (mark === MARK_NONE) return "none";
  if (mark === MARK_SUPERSEDED) return "superseded";
  return mark === MARK_DELETED ? "deleted" : "void";
}

/** Of a cell whose tag says that it is a leaf. */
function leafView(p: Participant, codec: KeyCodec, leaf: number, tag: number): LeafView {
  const { h } = p;
  const type = typeOf(tag);
  const digits = keyLengthOf(tag);
  const room = roomFor(p, leaf);
  const problems: string[] = [];
  let key: unknown;
  let value: unknown;
  let valueBytes = 8;
  let checksum: LeafView["checksum"] = "wrong";
  if (!isNumber(type)) valueBytes = load32(h, leaf, lengthOffset(digits));
  const bytes = leafBytes(digits, type, valueBytes);
  if (type === 0) problems.push("no value has type 0");
  if (digits > MAX_KEY_DIGITS) problems.push(`no key has ${digits} digits`);
  if (room === 0) problems.push("no leaf can lie here");
  else if (valueBytes < 0 || bytes > room) problems.push(`it does not fit in the ${room} bytes it has`);
  if (problems.length === 0) {
    const contents = contentHash(h, p.region.salt, leaf, digits, type, bytes);
    const high = load32(h, leaf, LEAF_MARK_HIGH) >>> MARK_SEQ_SHIFT;
    if (finishChecksum(contents, load32(h, leaf, LEAF_SEQ), high) === load32(h, leaf, LEAF_CHECKSUM)) {
      checksum = "right";
    } else {
      problems.push("its checksum is wrong");
    }
    try {
      readToScratch(h, leaf, LEAF_KEY, SCRATCH_KEYS, digits);
      key = codec.decode(p.scratch, SCRATCH_KEYS, SCRATCH_KEYS + digits);
      if (valueBytes <= MOST_VALUE) value = readValue(p, leaf, tag, false);
    } catch (error) {
      problems.push(problemOf(error));
    }
  }
  return {
    offset: offsetOf(leaf),
    state: stateOf(tag),
    digits,
    key,
    type: TYPE_NAMES.get(type) ?? `unknown type ${type}`,
    sequence: sequenceOf(h, leaf),
    mark: markName(markKind(h, leaf)),
    markedAt: markedAt(h, leaf),
    hasOld: hasOld(h, leaf),
    checksum,
    valueBytes,
    bytes,
    value,
    problem: problems.length === 0 ? null : problems.join("; "),
  };
}

// ---- the way to a key ------------------------------------------------------------------------------------------------

/**
 * The way from the root to `key`, node by node, and the leaf at its end.
 *
 * @throws BancosError `INVALID_KEY`, `KEY_TOO_LONG`, `CLOSED`; damage is told in the result
 *
 * @example
 * ```ts
 * import { inspectKey, open } from "bancos";
 * using store = open("mail.bancos");
 * store.set("alice@example.org", 42).set("albert@example.org", 7);
 * for (const step of inspectKey(store, "alice@example.org").path) console.log(step.kind, step.depth, step.live);
 * // → Node256 0 1
 * // → Node4 2 2
 * ```
 */
export function inspectKey<V, K>(store: Store<V, K>, key: K): KeyInspection {
  const p = store.participant();
  const { h } = p;
  let problem = refresh(p);
  const length = store.codec.encode(key, p.key);
  const digits = Uint8Array.from(p.key.subarray(0, length));
  const path: PathStep[] = [];
  let leaf: LeafView | null = null;
  enter(p);
  try {
    let cell = p.root;
    let above = -1;
    // Depths grow at each step, or the walk ends: no more steps than a key has digits.
    while (cell !== 0) {
      const tag = load32(h, cell, TAG);
      if ((tag & REACHABLE) === 0) {
        problem = `the pointer to offset ${offsetOf(cell)} leads to a cell that is ${stateOf(tag)}, or beyond the file`;
        break;
      }
      if (kindOf(tag) === LEAF) {
        leaf = leafView(p, store.codec, cell, tag);
        problem = leaf.problem ?? problem;
        break;
      }
      if (!isNode(tag)) {
        problem = `the cell at offset ${offsetOf(cell)} is neither node nor leaf`;
        break;
      }
      const depth = depthOf(tag);
      if (depth <= above) {
        problem = `the node at offset ${offsetOf(cell)} has depth ${depth}, not more than the ${above} of the node above it`;
        break;
      }
      above = depth;
      const digit = depth < length ? digits[depth]! : depth === length ? 0 : null;
      const slot = digit === null ? 0 : slotOf(h, kindOf(tag), cell, digit);
      const child = slot === 0 ? 0 : load32(h, cell, slot);
      path.push({ ...nodeView(p, cell, tag), digit, child: child === 0 ? null : offsetOf(child) });
      cell = child;
    }
    const found = leaf !== null && sameDigits(p, leaf, digits);
    return { found, digits, path, leaf, problem };
  } finally {
    leave(p);
  }
}

function sameDigits(p: Participant, leaf: LeafView, digits: Uint8Array): boolean {
  if (leaf.digits !== digits.length) return false;
  const own = new Uint8Array(digits.length);
  return (
    copyOutTo(p.h, cellAt(leaf.offset), LEAF_KEY, own, own.length) === 1 && Buffer.compare(own, digits) === 0
  );
}

// ---- what lies at an offset ------------------------------------------------------------------------------------------

type Found = Omit<CellInspection, "slab" | "dump" | "problem">;

const nothing = (what: string, offset: number, bytes: number, fields: Found["fields"] = []): Found => ({
  what,
  offset,
  bytes,
  state: null,
  slot: 0,
  node: null,
  children: [],
  leaf: null,
  fields,
});

/**
 * What lies at byte `offset` of the file: cell, slab, table entry, participant slot or superblock. `dump` bytes of it
 * come along (256 unless told, a MiB at most).
 *
 * @throws BancosError `INVALID_OPTION` if the offset is none in the file; `CLOSED`; damage is told in the result
 *
 * @example
 * ```ts
 * import { inspectAt, open } from "bancos";
 * using store = open("mail.bancos");
 * store.set("alice@example.org", 42);
 * for (const { offset } of store.verify().problems) console.log(inspectAt(store, offset).what);
 * console.log(inspectAt(store, 0).what); // → superblock
 * ```
 */
export function inspectAt<V, K>(store: Store<V, K>, offset: number, dump = 256): CellInspection {
  const p = store.participant();
  const stale = refresh(p);
  const end = p.region.capacity * SLAB_BYTES;
  if (!Number.isInteger(offset) || offset < 0 || offset >= end) {
    throw new BancosError("INVALID_OPTION", `there is no offset ${offset} in the file; it ends at ${end}`);
  }
  if (!Number.isInteger(dump) || dump < 0) {
    throw new BancosError(
      "INVALID_OPTION",
      `cannot show ${dump} bytes; it must be a whole number, 0 or more`,
    );
  }
  enter(p);
  try {
    const slab = slabView(p, Math.floor(offset / SLAB_BYTES));
    let problem =
      slab.sound === false ? `the table entry of slab ${slab.number} has a wrong checksum` : stale;
    let found: Found;
    try {
      found = look(p, store.codec, slab, offset);
    } catch (error) {
      problem = problemOf(error);
      found = nothing("damaged cell", offset - (offset % UNIT), UNIT);
    }
    problem = found.leaf?.problem ?? problem;
    const bytes = Buffer.alloc(Math.min(dump, found.bytes, MOST_DUMP, end - found.offset));
    const whole = found.offset - (found.offset % UNIT);
    if (copyOutTo(p.h, cellAt(whole), found.offset - whole, bytes, bytes.length) === 0) {
      problem ??= "its bytes cannot be read";
    }
    return { ...found, slab, dump: bytes, problem };
  } finally {
    leave(p);
  }
}

function look(p: Participant, codec: KeyCodec, slab: SlabView, offset: number): Found {
  const within = offset - slab.offset;
  if (slab.number < FIRST_DATA_SLAB || slab.kind === "reserved") return lookAtReserved(p, slab, within);
  if (slab.run !== null) {
    const first = slab.run.first * SLAB_BYTES;
    return lookAtCell(
      p,
      codec,
      first,
      Math.max(SLAB_BYTES, Math.min(slab.run.slabs, p.region.capacity) * SLAB_BYTES),
    );
  }
  if (slab.kind !== "cells") return nothing(`slab (${slab.kind})`, slab.offset, SLAB_BYTES);
  if (slab.sizeClass >= CLASSES || slab.cellBytes === 0) {
    return nothing(`slab of the unknown class ${slab.sizeClass}`, slab.offset, SLAB_BYTES);
  }
  const index = Math.floor(within / slab.cellBytes);
  if (index >= slab.cells) {
    const start = slab.cells * slab.cellBytes;
    return nothing("rest of a slab behind its last cell", slab.offset + start, SLAB_BYTES - start);
  }
  return lookAtCell(p, codec, slab.offset + index * slab.cellBytes, slab.cellBytes);
}

function lookAtCell(p: Participant, codec: KeyCodec, offset: number, bytes: number): Found {
  const { h } = p;
  const cell = cellAt(offset);
  const tag = load32(h, cell, TAG);
  const state = stateOf(tag);
  const common = { ...nothing("free cell", offset, bytes), state, slot: slotIn(tag) };
  if (state === "free") return common;
  const kind = kindOf(tag);
  const found = { ...common, what: cellName(kind) };
  if (kind === LEAF) return { ...found, leaf: leafView(p, codec, cell, tag) };
  if (kind === LIMBO) {
    return { ...found, fields: [["next chunk", offsetOf(load32(h, cell, CHUNK_NEXT))]] };
  }
  if (!isNode(tag) || NODE_BYTES[kind]! > bytes) return found;
  return { ...found, node: nodeView(p, cell, tag), children: childrenOf(p, cell, tag) };
}

function lookAtReserved(p: Participant, slab: SlabView, within: number): Found {
  if (slab.number === SB) return nothing("superblock", 0, SLAB_BYTES, superblockFields(p));
  if (slab.number >= REGISTRY_SLAB && slab.number < FIRST_DATA_SLAB) {
    const slot = Math.floor((slab.offset - REGISTRY_SLAB * SLAB_BYTES + within) / SLOT_BYTES) + 1;
    return nothing(`participant slot ${slot}`, offsetOf(slotCell(slot)), SLOT_BYTES, slotFields(p, slot));
  }
  const region = slab.number === FIRST_TABLE_SLAB ? 0 : slab.number - (slab.number % REGION_SLABS);
  const described = region + Math.floor(within / ENTRY_BYTES);
  const fields = described < p.region.capacity ? entryFields(p, described) : [];
  const start = slab.offset + within - (within % ENTRY_BYTES);
  return nothing(`table entry of slab ${described}`, start, ENTRY_BYTES, fields);
}

function superblockFields(p: Participant): Found["fields"] {
  const { h } = p;
  return [
    ["format version", load32(h, SB, SB_VERSION)],
    ["key encoding", load32(h, SB, SB_KEY_ENCODING)],
    ["root", offsetOf(load32(h, SB, SB_ROOT))],
    ["closed in order", load32(h, SB, SB_CLEAN) === CLEAN ? "yes" : "no"],
    ["capacity, slabs", load32(h, SB, SB_CAPACITY)],
    ["largest size, slabs", load32(h, SB, SB_MAX_SLABS)],
    ["frontier, slab", load32(h, SB, SB_FRONTIER)],
    ["free slabs below it (hint)", load32(h, SB, SB_FREE_SLABS)],
    ["epoch", load32(h, SB, SB_EPOCH) >>> 0],
    ["Q, next sequence number", load64(h, SB, SB_Q)],
    ["promised to a sync up to", load64(h, SB, SB_LAST_START)],
    ["S, syncs started", load64(h, SB, SB_S)],
    ["last sync completed", load64(h, SB, SB_DONE)],
    ["W", load64(h, SB, SB_W)],
    ["W on the disk", load64(h, SB, SB_W_DISK)],
    ["slot that syncs", load32(h, SB, SB_SYNC_OWNER)],
    ["a sync has failed", load32(h, SB, SB_SYNC_ERROR) === 0 ? "no" : "yes"],
    ["slots ever used", load32(h, SB, SB_SLOTS_USED)],
    ["recoveries", load32(h, SB, SB_RECOVERIES)],
  ];
}

function slotFields(p: Participant, slot: number): Found["fields"] {
  const { h } = p;
  const me = slotCell(slot);
  const word = load32(h, me, SLOT_WORD);
  const cell = (field: number): number => offsetOf(load32(h, me, field));
  const since = new Date(loadF64(h, me, SLOT_SINCE));
  const intent = load32(h, me, INTENT_STATE);
  return [
    ["state", slot > slotsUsed(h) ? "never used" : SLOT_STATES[slotState(word) as 0 | 1 | 2 | 3]],
    ["incarnation", slotIncarnation(word)],
    ["process", load32(h, me, SLOT_PID)],
    ["thread", load32(h, me, SLOT_TID)],
    ["role", load32(h, me, SLOT_ROLE) === ROLE_READER ? "reader" : "writer"],
    ["since", Number.isNaN(since.getTime()) ? "?" : since.toISOString()],
    ["epoch", load32(h, me, SLOT_EPOCH) >>> 0],
    ["keys added less removed", load64(h, me, SLOT_KEY_COUNT)],
    ["intent", INTENT_STATES[intent] ?? `unknown (${intent})`],
    // Without an intent these words are what the last one left.
    ...(intent === 0
      ? []
      : ([
          ["locks", `${cell(INTENT_LOCK0)}, ${cell(INTENT_LOCK1)}, ${cell(INTENT_LOCK2)}`],
          ["commits at", cell(INTENT_CELL)],
          ["new cells", `${cell(INTENT_NEW0)}, ${cell(INTENT_NEW1)}`],
          ["old leaf", cell(INTENT_OLD_LEAF)],
          ["old node", cell(INTENT_OLD_NODE)],
        ] as const)),
    ["private cells", `${cell(SLOT_PRIVATE0)}, ${cell(SLOT_PRIVATE1)}`],
    [
      "limbo, entries",
      (load32(h, me, SLOT_LIMBO + LIMBO_TAIL) - load32(h, me, SLOT_LIMBO + LIMBO_HEAD)) >>> 0,
    ],
    [
      "limbo for the disk, entries",
      (load32(h, me, SLOT_WAITING + LIMBO_TAIL) - load32(h, me, SLOT_WAITING + LIMBO_HEAD)) >>> 0,
    ],
  ];
}

function entryFields(p: Participant, slab: number): Found["fields"] {
  const { h } = p;
  const entry = entryCell(slab);
  const view = slabView(p, slab);
  return [
    ["slab at", view.offset],
    ["kind", view.kind],
    ["class", view.sizeClass],
    ["owner slot", view.owner],
    ["freed since adopted (hint)", load32(h, entry, ENTRY_FREED)],
    ["slabs in the run", load32(h, entry, ENTRY_RUN)],
    ["checksum", `0x${(load32(h, entry, ENTRY_CHECKSUM) >>> 0).toString(16).padStart(8, "0")}`],
  ];
}

// ---- verify ------------------------------------------------------------------------------------------------------------

/** `store.verify()`, and `onProgress` is told now and then how much is done and how many cells were looked at. */
export function verifyWithProgress<V, K>(store: Store<V, K>, onProgress: VerifyProgress): VerifyReport {
  return store.verifyWith(onProgress);
}
