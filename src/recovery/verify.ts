/**
 * Verify: a check of the whole file. Walks everything from the root, every limbo, every intent, and every cell of every
 * slab: each cell is reachable, free, in limbo or private, and exactly one of these.
 *
 * Others may write meanwhile. What they have under way can look wrong for a moment, so that a finding counts only if
 * it is found again after everybody has moved past the epoch of the first look.
 */
import { BancosError } from "../errors.ts";
import { CLASS_BYTES, CLASS_CELLS, CLASSES, FIRST_LEAF_CLASS } from "../memory/classes.ts";
import {
  AUX_SHIFT,
  COUNTS,
  ENTRY_RUN,
  ENTRY_WORD,
  entryCell,
  FIRST_DATA_SLAB,
  FREE,
  INTENT_STATE,
  isTableSlab,
  KIND_MASK,
  LEAF,
  LEAF_KEY,
  LIMBO,
  LIVE,
  N4_CHILDREN,
  N4_DIGITS,
  N16_CHILDREN,
  NODE4,
  NODE16,
  NODE256,
  PRIVATE,
  RETIRED,
  SB,
  SB_EPOCH,
  SB_FRONTIER,
  SLAB_BYTES,
  SLAB_CELLS,
  SLAB_FREE,
  SLAB_RESERVED,
  SLAB_RUN,
  SLAB_RUN_NEXT,
  SLAB_UNITS,
  SLOT_ALIVE,
  SLOT_FREE,
  SLOT_LIMBO,
  SLOT_MASK,
  SLOT_PRIVATE0,
  SLOT_PRIVATE1,
  SLOT_ROLE,
  SLOT_SHIFT,
  SLOT_WAITING,
  SLOT_WORD,
  SLOTS,
  STATE_MASK,
  slotCell,
  TAG,
  UNIT,
} from "../memory/layout.ts";
import { sleepMs } from "../memory/platform.ts";
import { load8, load32 } from "../memory/primitives.ts";
import type { Region } from "../memory/region.ts";
import { SCRATCH_KEYS } from "../memory/scratch.ts";
import { entryClass, entryIsSound, entryKind, entryOwner, nextInRun } from "../memory/slabs.ts";
import { readToScratch } from "../node/bytes.ts";
import { keyLengthOf } from "../node/leaf.ts";
import { isNode, liveOf, NODE_CAPACITY, recount, slotOf, usedOf } from "../node/node.ts";
import { enter, leave, reclaimableBefore } from "../reclaim/epoch.ts";
import { visitLimbo } from "../reclaim/limbo.ts";
import { isBefore } from "../reclaim/order.ts";
import type { Participant } from "../reclaim/participant.ts";
import { countKeys, isDead, ROLE_WRITER, slotState, slotsUsed } from "../reclaim/registry.ts";
import { isValidLeaf } from "./rebuild.ts";
import { recoverSlot } from "./recover.ts";

/** Something that is wrong in a file; part of {@link VerifyReport}. */
export interface Problem {
  /** What kind of thing is wrong. Stable between versions. */
  readonly code:
    | "SLAB"
    | "POINTER"
    | "DEPTH"
    | "DIGITS"
    | "ORDER"
    | "COUNTS"
    | "CHECKSUM"
    | "STATE"
    | "UNREACHABLE"
    | "LIMBO"
    | "INTENT"
    | "KEY_COUNT";
  /** Byte offset in the file. */
  readonly offset: number;
  /** What is wrong, in words. */
  readonly message: string;
}

/**
 * What {@link Store.verify} found.
 *
 * @example
 * ```ts
 * import { open, type VerifyReport } from "bancos";
 * using store = open("a.bancos");
 * store.set("key", 1);
 * const { ok, keys, problems }: VerifyReport = store.verify();
 * console.log(ok, keys, problems); // → true 1 []
 * ```
 */
export interface VerifyReport {
  /** Is nothing wrong? */
  readonly ok: boolean;
  /** What is wrong: at most 1,000 of them. */
  readonly problems: readonly Problem[];
  /** Keys that were looked at. */
  readonly keys: number;
  /** Inner nodes that were looked at. */
  readonly nodes: number;
  /** Cells that were looked at, free ones among them. */
  readonly cells: number;
}

const MOST_PROBLEMS = 1000;
const LOOKS = 4;

/** Told now and then how much of a look at the file is done, 0 to 1, and how many cells were looked at. */
export type VerifyProgress = (share: number, cells: number) => void;

/** Cells between two calls of a {@link VerifyProgress}. */
const PROGRESS_EVERY = 1 << 14;

/**
 * Checks the whole file; what is wrong is in the report. `recovers`: what the dead left half done is finished or undone
 * first, as before any change, so that it is not taken for damage.
 */
export function verifyRegion(
  p: Participant,
  recovers: boolean,
  onProgress: VerifyProgress | null = null,
): VerifyReport {
  const stuck = new Map<number, Problem>();
  const look = (): VerifyReport => {
    if (recovers) recoverAll(p, stuck);
    return new Look(p, onProgress).run();
  };
  let wrote = othersWrite(p);
  let report = look();
  for (let looks = 1; looks < LOOKS && !report.ok; looks++) {
    // Whoever wrote during the look may be gone by now.
    const writes = othersWrite(p);
    if (!wrote && !writes) break;
    wrote = writes;
    waitForEpoch(p);
    const again = look();
    const before = new Set(report.problems.map((problem) => `${problem.code}@${problem.offset}`));
    const problems = again.problems.filter((problem) => before.has(`${problem.code}@${problem.offset}`));
    report = { ...again, problems, ok: problems.length === 0 };
  }
  return stuck.size === 0
    ? report
    : { ...report, ok: false, problems: [...stuck.values(), ...report.problems] };
}

/** Recovers the dead; `stuck` has for each slot what stands in the way of its recovery. */
function recoverAll({ h, region, slot: me }: Participant, stuck: Map<number, Problem>): void {
  for (let slot = 1; slot <= slotsUsed(h); slot++) {
    try {
      recoverSlot(region, slot, me);
      stuck.delete(slot);
    } catch (error) {
      if (!(error instanceof BancosError && error.code === "CORRUPT")) throw error;
      const message = `what the participant in slot ${slot} left when it died can't be finished: ${error.message}`;
      stuck.set(slot, { code: "INTENT", offset: slotCell(slot) * UNIT, message });
    }
  }
}

function othersWrite(p: Participant): boolean {
  const { h, region } = p;
  for (let slot = 1; slot <= slotsUsed(h); slot++) {
    const me = slotCell(slot);
    if (slot === p.slot || slotState(load32(h, me, SLOT_WORD)) !== SLOT_ALIVE) continue;
    if (load32(h, me, SLOT_ROLE) === ROLE_WRITER && !isDead(region, slot)) return true;
  }
  return false;
}

/** Until every operation that was under way has ended; not for ever, if somebody is stopped in one. */
function waitForEpoch(p: Participant): void {
  const now = load32(p.h, SB, SB_EPOCH);
  for (let i = 0; i < 200; i++) {
    if (isBefore(now, reclaimableBefore(p.h, now))) return;
    sleepMs(1);
  }
}

/** A set of cells. */
class Cells {
  private readonly bits: Uint32Array;
  constructor(region: Region) {
    this.bits = new Uint32Array((region.capacity * SLAB_UNITS) >>> 5);
  }
  /** Adds a cell; false if it was in already. */
  add(cell: number): boolean {
    const unit = cell >>> 0;
    const bit = 1 << (unit & 31);
    const word = this.bits[unit >>> 5];
    if (word === undefined || (word & bit) !== 0) return false;
    this.bits[unit >>> 5] = word | bit;
    return true;
  }
  has(cell: number): boolean {
    const unit = cell >>> 0;
    return ((this.bits[unit >>> 5] ?? 0) & (1 << (unit & 31))) !== 0;
  }
}

interface Frame {
  readonly node: number;
  readonly depth: number;
  readonly digits: Uint8Array;
  readonly children: Int32Array;
  next: number;
}

/** One look at the file. */
class Look {
  private readonly p: Participant;
  private readonly h: number;
  private readonly region: Region;
  private readonly problems: Problem[] = [];
  private readonly reached: Cells;
  private readonly inLimbo: Cells;
  private readonly chunks: Cells;
  private readonly private = new Set<number>();
  private keys = 0;
  private nodes = 0;
  private cells = 0;
  private readonly onProgress: VerifyProgress | null;
  /** How many keys the slots count: what the walk over the tree has before it. */
  private readonly expected: number;

  constructor(p: Participant, onProgress: VerifyProgress | null) {
    this.p = p;
    this.onProgress = onProgress;
    this.h = p.h;
    this.region = p.region;
    this.region.refresh();
    this.reached = new Cells(p.region);
    this.inLimbo = new Cells(p.region);
    this.chunks = new Cells(p.region);
    this.expected = countKeys(this.h);
  }

  run(): VerifyReport {
    enter(this.p);
    try {
      this.attempt(() => this.walkTree());
      this.attempt(() => this.walkRegistry());
      this.attempt(() => this.walkSlabs());
    } finally {
      leave(this.p);
    }
    const counted = countKeys(this.h);
    if (counted !== this.keys) {
      this.report("KEY_COUNT", slotCell(1), `the slots count ${counted} keys, the tree has ${this.keys}`);
    }
    return {
      ok: this.problems.length === 0,
      problems: this.problems,
      keys: this.keys,
      nodes: this.nodes,
      cells: this.cells,
    };
  }

  /** Damage that stops one part of the check is a finding; the other parts go on. */
  private attempt(part: () => void): void {
    try {
      part();
    } catch (error) {
      if (!(error instanceof BancosError) || error.code !== "CORRUPT") throw error;
      this.report("POINTER", (error.offset ?? 0) / 8, error.message);
    }
  }

  private report(code: Problem["code"], cell: number, message: string): void {
    if (this.problems.length < MOST_PROBLEMS) this.problems.push({ code, offset: (cell >>> 0) * 8, message });
  }

  // ---- the tree ------------------------------------------------------------------------------------------------------

  private walkTree(): void {
    const { h, p } = this;
    const buf = p.scratch;
    const stack: Frame[] = [];
    let previous = Buffer.alloc(0);
    const rootTag = load32(h, p.root, TAG);
    if ((rootTag & ~SLOT_MASK) !== (NODE256 | LIVE)) {
      this.report("POINTER", p.root, "the root is no live Node256 at depth 0");
      return;
    }
    this.checkLock(p.root, rootTag);
    this.enterNode(stack, p.root, rootTag, -1);
    /** Depth of the deepest node that the present leaf and the one before it have in common. */
    let common = -1;
    while (stack.length > 0) {
      const frame = stack[stack.length - 1]!;
      if (frame.next === frame.children.length) {
        stack.pop();
        const above = stack[stack.length - 1];
        if (above !== undefined) common = above.depth;
        continue;
      }
      const child = frame.children[frame.next++]!;
      const tag = load32(h, child, TAG);
      const state = tag & STATE_MASK;
      if (state === LIVE) this.checkLock(child, tag);
      else {
        this.report("STATE", child, `a cell in the tree is ${STATES[state >>> 3]}, not live`);
        if (state === FREE || state === PRIVATE) continue;
      }
      if (!this.reached.add(child)) {
        this.report("POINTER", child, "two pointers lead to one cell, or beyond the file");
        continue;
      }
      if ((tag & KIND_MASK) !== LEAF) {
        if (!isNode(tag))
          this.report("POINTER", child, "a pointer leads to a cell that is neither node nor leaf");
        else this.enterNode(stack, child, tag, frame.depth);
        continue;
      }
      this.keys++;
      // The walk over the tree takes about four fifths of the time, the pass over the slabs the rest.
      if (this.onProgress !== null && this.keys % PROGRESS_EVERY === 0) {
        this.onProgress(0.8 * Math.min(1, this.keys / Math.max(1, this.expected)), this.keys + this.nodes);
      }
      const room = this.roomOf(child);
      if (!isValidLeaf(this.region, child, room, Number.MAX_SAFE_INTEGER)) {
        this.report("CHECKSUM", child, "a leaf's checksum is wrong, or it does not fit its cell");
        continue;
      }
      const length = keyLengthOf(tag);
      readToScratch(h, child, LEAF_KEY, SCRATCH_KEYS, length);
      const key = Buffer.from(buf.subarray(SCRATCH_KEYS, SCRATCH_KEYS + length + 1));
      key[length] = 0;
      for (const above of stack) {
        if (key[above.depth] !== above.digits[above.next - 1]) {
          this.report("DIGITS", child, `a leaf below a node of depth ${above.depth} has another digit there`);
          break;
        }
      }
      if (previous.length > 0) {
        if (Buffer.compare(previous, key) >= 0)
          this.report("ORDER", child, "a leaf is not after the one before it");
        else if (shared(previous, key) !== common) {
          this.report("DIGITS", child, `leaves below a node of depth ${common} differ elsewhere first`);
        }
      }
      previous = key;
      common = frame.depth;
    }
  }

  /** A lock is somebody's: of one who is there, or who died and is still to be recovered; ours in a change only. */
  private checkLock(cell: number, tag: number): void {
    const { h } = this;
    const slot = (tag & SLOT_MASK) >>> SLOT_SHIFT;
    if (slot === 0) return;
    const word = slot <= SLOTS ? load32(h, slotCell(slot), SLOT_WORD) : SLOT_FREE;
    if (slot !== this.p.slot && slotState(word) !== SLOT_FREE) return;
    // Unlocked, and the slot given up, in the meantime.
    if (load32(h, cell, TAG) !== tag || (slot <= SLOTS && load32(h, slotCell(slot), SLOT_WORD) !== word))
      return;
    this.report("STATE", cell, `a cell is locked by slot ${slot}, which is not there or in no change`);
  }

  private enterNode(stack: Frame[], node: number, tag: number, above: number): void {
    const { h } = this;
    const kind = tag & KIND_MASK;
    const depth = tag >>> AUX_SHIFT;
    this.nodes++;
    if (depth <= above) {
      this.report("DEPTH", node, `a node of depth ${depth} hangs from one of depth ${above}`);
      return;
    }
    if (this.classOf(node) !== kind) {
      this.report("SLAB", node, "a node lies in a slab of another class");
      return;
    }
    this.p.snapshot.read(h, node, tag);
    const count = this.p.snapshot.count;
    const counts = load32(h, node, COUNTS);
    const live = recount(h, node, kind);
    if ((tag & SLOT_MASK) === 0) {
      if (liveOf(counts) !== live || count !== live) {
        this.report(
          "COUNTS",
          node,
          `a node says it has ${liveOf(counts)} children and has ${live}, ${count} of them published`,
        );
      }
      if (kind !== NODE256 && usedOf(counts) > NODE_CAPACITY[kind]!) {
        this.report("COUNTS", node, `a node uses ${usedOf(counts)} slots of ${NODE_CAPACITY[kind]!}`);
      }
      if (node !== this.p.root && live < 2) this.report("COUNTS", node, `a node has ${live} children`);
    }
    this.checkDigits(node, kind, usedOf(counts));
    stack.push({
      node,
      depth,
      digits: this.p.snapshot.digits.slice(0, count),
      children: this.p.snapshot.children.slice(0, count),
      next: 0,
    });
  }

  /** An empty slot keeps its digit. Another slot of that digit would never be found behind it. */
  private checkDigits(node: number, kind: number, used: number): void {
    if (kind !== NODE4 && kind !== NODE16) return;
    const first = kind === NODE4 ? N4_CHILDREN : N16_CHILDREN;
    for (let i = 0; i < Math.min(used, NODE_CAPACITY[kind]!); i++) {
      const digit = load8(this.h, node, N4_DIGITS + i);
      if (slotOf(this.h, kind, node, digit) === first + i * 4) continue;
      this.report("DIGITS", node, `a node has two slots of the digit ${digit}`);
    }
  }

  private wordOf(cell: number): number {
    const slab = (cell >>> 0) / SLAB_UNITS;
    return slab < this.region.capacity ? load32(this.h, entryCell(Math.floor(slab)), ENTRY_WORD) : 0;
  }

  private classOf(cell: number): number {
    return entryClass(this.wordOf(cell));
  }

  /** Bytes that a leaf at `cell` may extend over; 0 where none can be. */
  private roomOf(cell: number): number {
    const word = this.wordOf(cell);
    const offset = (cell >>> 0) % SLAB_UNITS;
    if (entryKind(word) === SLAB_RUN) {
      return offset === 0 ? load32(this.h, entryCell((cell >>> 0) / SLAB_UNITS), ENTRY_RUN) * SLAB_BYTES : 0;
    }
    const bytes = CLASS_BYTES[entryClass(word)] ?? 0;
    if (entryKind(word) !== SLAB_CELLS || entryClass(word) < FIRST_LEAF_CLASS || bytes === 0) return 0;
    return (offset * 8) % bytes === 0 ? bytes : 0;
  }

  // ---- limbo and intents -----------------------------------------------------------------------------------------------

  private walkRegistry(): void {
    const { h } = this;
    for (let slot = 1; slot <= slotsUsed(h); slot++) {
      const me = slotCell(slot);
      if (load32(h, me, INTENT_STATE) !== 0) {
        if (slotState(load32(h, me, SLOT_WORD)) === SLOT_FREE) {
          this.report("INTENT", me, `slot ${slot} is free and has an intent`);
        } else if (slot === this.p.slot) {
          this.report("INTENT", me, `slot ${slot}, of who verifies, has an intent`);
        }
      }
      for (const base of [SLOT_LIMBO, SLOT_WAITING]) {
        this.attempt(() =>
          visitLimbo(
            h,
            slot,
            base,
            (cell) => {
              const tag = load32(h, cell, TAG);
              if ((tag & STATE_MASK) !== RETIRED || (tag & SLOT_MASK) !== slot << SLOT_SHIFT) {
                this.report("LIMBO", cell, `a cell in the limbo of slot ${slot} is not retired by it`);
              }
              if (!this.inLimbo.add(cell)) this.report("LIMBO", cell, "a cell is in limbo twice");
              if (this.reached.has(cell)) this.report("LIMBO", cell, "a cell in limbo is in the tree");
            },
            (chunk) => {
              if (!this.chunks.add(chunk)) this.report("LIMBO", chunk, "a chunk is in two limbos");
            },
          ),
        );
      }
      for (const field of [SLOT_PRIVATE0, SLOT_PRIVATE1]) {
        const cell = load32(h, me, field);
        if (cell !== 0) this.private.add(cell);
      }
    }
  }

  // ---- slabs -------------------------------------------------------------------------------------------------------------

  private walkSlabs(): void {
    const { h, region } = this;
    const frontier = load32(h, SB, SB_FRONTIER);
    if (frontier < FIRST_DATA_SLAB || frontier > region.capacity) {
      this.report("SLAB", SB, `the frontier, slab ${frontier}, lies outside the file`);
    }
    for (let slab = 0; slab < region.capacity; slab++) {
      const entry = entryCell(slab);
      const word = load32(h, entry, ENTRY_WORD);
      const kind = entryKind(word);
      if (this.onProgress !== null && slab % 256 === 0) {
        this.onProgress(0.8 + (0.2 * slab) / region.capacity, this.keys + this.nodes);
      }
      if (slab < FIRST_DATA_SLAB || (isTableSlab(slab) && slab < frontier)) {
        if (kind !== SLAB_RESERVED) this.report("SLAB", entry, `slab ${slab} is not reserved`);
      } else if (slab >= frontier) {
        if (kind !== SLAB_FREE) this.report("SLAB", entry, `slab ${slab} is in use beyond the frontier`);
      } else if (kind === SLAB_CELLS) {
        this.walkCells(slab, word);
      } else if (kind === SLAB_RUN) {
        slab = this.walkRun(slab, word);
      } else if (kind !== SLAB_FREE && !this.isUnderWay(word)) {
        this.report("SLAB", entry, `slab ${slab} belongs to nothing (kind ${kind})`);
      }
    }
  }

  /** Is somebody at work on the slab, or died at it and is still to be recovered? */
  private isUnderWay(word: number): boolean {
    const owner = entryOwner(word);
    if (owner === 0 || owner > slotsUsed(this.h)) return false;
    return slotState(load32(this.h, slotCell(owner), SLOT_WORD)) !== SLOT_FREE;
  }

  private walkRun(first: number, word: number): number {
    const { h, region } = this;
    const entry = entryCell(first);
    if (!entryIsSound(region, first)) {
      this.report("SLAB", entry, `the table entry of slab ${first} has a wrong checksum`);
      return first;
    }
    const count = load32(h, entry, ENTRY_RUN);
    let slab = first;
    for (let i = 1; i < count; i++) {
      const next = nextInRun(slab);
      if (next >= region.capacity || entryKind(load32(h, entryCell(next), ENTRY_WORD)) !== SLAB_RUN_NEXT) {
        this.report("SLAB", entry, `the run of ${count} slabs at slab ${first} is broken at slab ${next}`);
        return slab;
      }
      slab = next;
    }
    this.checkCell((first * SLAB_UNITS) | 0, LEAF, entryOwner(word) !== 0);
    return slab;
  }

  private walkCells(slab: number, word: number): void {
    const sizeClass = entryClass(word);
    const entry = entryCell(slab);
    if (sizeClass >= CLASSES || CLASS_CELLS[sizeClass] === 0) {
      this.report("SLAB", entry, `slab ${slab} has the unknown class ${sizeClass}`);
      return;
    }
    if (!entryIsSound(this.region, slab)) {
      this.report("SLAB", entry, `the table entry of slab ${slab} has a wrong checksum`);
    }
    const kind = sizeClass >= FIRST_LEAF_CLASS ? LEAF : sizeClass;
    const units = CLASS_BYTES[sizeClass]! >>> 3;
    for (let i = 0; i < CLASS_CELLS[sizeClass]!; i++)
      this.checkCell((slab * SLAB_UNITS + i * units) | 0, kind, true);
  }

  /** Exactly one of: reachable, in limbo, private, free. `mayBeFree`: a run that nobody owns must hold a leaf. */
  private checkCell(cell: number, kind: number, mayBeFree: boolean): void {
    this.cells++;
    const tag = load32(this.h, cell, TAG);
    const state = tag & STATE_MASK;
    if (state === FREE) {
      if (tag !== FREE) this.report("STATE", cell, "a free cell has a tag");
      else if (!mayBeFree) this.report("SLAB", cell, "a run of slabs holds nothing");
      return;
    }
    if ((tag & KIND_MASK) !== kind) {
      this.report("SLAB", cell, `a slab of kind ${kind} has a cell of kind ${tag & KIND_MASK}`);
      return;
    }
    if (kind === LIMBO) {
      if (!this.chunks.has(cell)) this.report("UNREACHABLE", cell, "a limbo chunk belongs to no limbo");
      return;
    }
    if (state === LIVE) {
      if (!this.reached.has(cell) && cell !== this.p.root)
        this.report("UNREACHABLE", cell, "a live cell is not in the tree");
    } else if (state === RETIRED) {
      if (!this.inLimbo.has(cell)) this.report("UNREACHABLE", cell, "a retired cell is in no limbo");
    } else if (!this.private.has(cell)) {
      this.report("UNREACHABLE", cell, "a private cell belongs to no change");
    }
  }
}

const STATES = ["free", "private", "live", "retired"];

/** Index of the first byte in which two keys differ. */
function shared(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return length;
}
