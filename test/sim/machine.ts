/**
 * The simulated machine: one file, the threads that have it open, the locks of its bytes, a clock. It stands in for
 * c/bancos.c and the kernel under the real code of `src/`, in one thread, so that a test decides what happens between
 * any two accesses.
 *
 * - Every access of a thread to the file, and every system call that changes something others can see, is counted.
 *   Before the n-th one a *hook* can run: another thread's whole operation, say ({@link Thread.hookAt}).
 * - A thread can *die* instead of making its n-th store ({@link Thread.dieAt}): from then on each access it tries, in
 *   `catch` and `finally` blocks too, throws {@link Death}. The kernel then frees its locks, or, if it was a Worker
 *   that was terminated, its process keeps them and only its thread is gone.
 * - A thread that runs in a hook and comes to wait for the one below it gets {@link WouldWait} thrown.
 * - Watchers look at every store: the life of each cell (free, private, live, retired, free), who may unlock and who
 *   may change a node, and that no cell is freed under somebody who may still hold a pointer to it
 *   ({@link Machine.violations}).
 *
 * Memory is sequentially consistent: every access is one step. Reorderings of the processor are not explored here.
 */
import { CLASS_BYTES, CLASS_CELLS, CLASSES } from "../../src/memory/classes.ts";
import {
  CHUNK_ENTRIES,
  CHUNK_ENTRY_BYTES,
  COUNTS,
  ENTRY_BYTES,
  ENTRY_CLASS_MASK,
  ENTRY_CLASS_SHIFT,
  ENTRY_KIND_MASK,
  FIRST_DATA_SLAB,
  FIRST_TABLE_SLAB,
  FREE,
  INTENT_PUBLISHED,
  INTENT_STATE,
  KIND_MASK,
  LEAF,
  LIMBO,
  LIVE,
  PRIVATE,
  REGISTRY_SLAB,
  RETIRED,
  SB_EPOCH,
  SLAB_BYTES,
  SLAB_CELLS,
  SLAB_RUN,
  SLOT_ALIVE,
  SLOT_BYTES,
  SLOT_EPOCH,
  SLOT_FREE,
  SLOT_MASK,
  SLOT_RECOVERING,
  SLOT_SHIFT,
  SLOT_STATE_MASK,
  SLOT_WORD,
  SLOTS,
  STATE_MASK,
} from "../../src/memory/layout.ts";

/** The largest the simulated file can be. */
export const FILE_BYTES = 4 << 20;
const PAGE_SHIFT = 10;

/** Thrown at whatever a dead thread tries to do. */
export class Death extends Error {}
/** Thrown at a thread that waits for one that is stopped below it. */
export class WouldWait extends Error {}

/** How a thread ends: its process is killed, or it was a Worker and is terminated, and its process lives on. */
export type Manner = "killed" | "terminated";

/** In a footprint: what is touched can't be told. */
const EVERYTHING = -1;
const NEVER = Number.POSITIVE_INFINITY;

export class Thread {
  readonly tid: number;
  readonly name: string;
  dead = false;
  /** Accesses made, and stores (read-modify-writes and system calls with an effect included). */
  accesses = 0;
  stores = 0;
  /** Called before every store. */
  onStore: (() => void) | null = null;
  /** It dies instead of making the store after this many. */
  dieAt: number = NEVER;
  manner: Manner = "killed";
  /** Before the access with this number, `hook` runs, once. */
  hookAt: number = NEVER;
  hook: (() => void) | null = null;
  /** Rounds of waiting since the operation began. */
  waits = 0;

  constructor(tid: number, name: string) {
    this.tid = tid;
    this.name = name;
  }

  /** Counts from 0 again; no hook, no death. */
  rearm(): void {
    this.accesses = 0;
    this.stores = 0;
    this.onStore = null;
    this.waits = 0;
    this.dieAt = NEVER;
    this.hookAt = NEVER;
    this.hook = null;
  }
}

/** An open file description. */
interface Description {
  readonly thread: Thread;
  open: boolean;
}

/** A mapping. */
export interface Mapping {
  readonly fd: number;
  thread: Thread;
  used: boolean;
  limit: number;
  reserved: number;
  scratch: Uint8Array;
}

/** Waiting for somebody who is stopped below us cannot end: after so many rounds we say so. */
const NESTED_WAITS = 100;
/** At the bottom nobody is stopped: a wait that takes this long has no end. */
const MOST_WAITS = 5000;

const REGISTRY = REGISTRY_SLAB * SLAB_BYTES;
const REGISTRY_END = REGISTRY + SLOTS * SLOT_BYTES;
const DATA = FIRST_DATA_SLAB * SLAB_BYTES;
const EMPTY = new Uint8Array(0);

const STATES = ["free", "private", "live", "retired"];

export class Machine {
  readonly bytes = new Uint8Array(FILE_BYTES);
  readonly words = new Int32Array(this.bytes.buffer);
  readonly view = new DataView(this.bytes.buffer);
  /** Bytes that the file has. */
  size = 0;
  current: Thread = new Thread(0, "nobody");
  /** How many hooks are running inside one another. */
  depth = 0;
  clock = 0;
  /** Virtual nanoseconds. */
  now = 0;
  threads: Thread[] = [];
  descriptions = new Map<number, Description>();
  mappings: (Mapping | undefined)[] = [undefined];
  /** Locked byte of the file: the descriptor that holds it. */
  locks = new Map<number, number>();
  /** How long a lock that is held is; those that are not in here, one byte. */
  readonly lockLengths = new Map<number, number>();
  /** What the watchers saw that must never be. */
  violations: string[] = [];
  /**
   * The words that the threads in hooks have touched, while it is not null: 1 loaded, 2 stored. And of the thread
   * below, the first access after its hook that conflicts with them: until there, everything is as if the hook had
   * run just before that access.
   */
  footprint: Map<number, number> | null = null;
  conflictAt: number = NEVER;
  /** Off while a test damages or prepares the file by hand. */
  watching = true;
  /** Thread that has the slot: whoever locked its life byte last. */
  readonly slotOwner = new Int32Array(SLOTS + 1);
  /** What the machine calls this run of it, and what is synced: see disk.ts. */
  boot = 0;
  onSync: ((from: number, length: number) => void) | null = null;
  /** Called before bytes of the file change; when cache lines are written back to persistent memory. */
  onTouch: ((address: number, length: number) => void) | null = null;
  onPersist: ((address: number, length: number) => void) | null = null;
  private nextFd = 100;
  private nextTid = 1000;
  /** The file when it was last marked, and the pages changed since. */
  private base = EMPTY;
  private dirty = new Uint8Array(FILE_BYTES >>> PAGE_SHIFT);
  // What the watchers know.
  /** Per slot: when it entered the epoch it is in, 0: in none; when it last reached state 3 of an intent. */
  private entered = new Float64Array(SLOTS + 1);
  private published = new Float64Array(SLOTS + 1);
  /** The epoch in which it did. */
  private publishedIn = new Int32Array(SLOTS + 1);
  /** Per retired cell: when it was out of the tree at the latest. */
  private unlinked = new Map<number, number>();

  /** An empty machine with a file of `size` bytes, all zero. */
  reset(size: number): void {
    this.bytes.fill(0);
    this.size = size;
    this.current = new Thread(0, "nobody");
    this.depth = 0;
    this.clock = 0;
    this.now = 0;
    this.threads = [];
    this.descriptions = new Map();
    this.mappings = [undefined];
    this.locks = new Map();
    this.violations = [];
    this.footprint = null;
    this.conflictAt = NEVER;
    this.watching = true;
    this.boot = 0;
    this.onSync = null;
    this.onTouch = null;
    this.onPersist = null;
    this.nextFd = 100;
    this.nextTid = 1000;
    this.dirty.fill(1);
    this.entered.fill(0);
    this.published.fill(0);
    this.publishedIn.fill(0);
    this.unlinked = new Map();
  }

  // ---- threads -------------------------------------------------------------------------------------------------------

  spawn(name: string): Thread {
    const thread = new Thread(this.nextTid++, name);
    this.threads.push(thread);
    return thread;
  }

  /** Runs `fn` as `thread`. */
  as<T>(thread: Thread, fn: () => T): T {
    const before = this.current;
    this.current = thread;
    try {
      return fn();
    } finally {
      this.current = before;
    }
  }

  /** Ends a thread here and now. */
  kill(thread: Thread, manner: Manner): void {
    thread.dead = true;
    this.footprint?.set(EVERYTHING, 2);
    if (manner === "terminated") return;
    for (const [byte, fd] of this.locks) {
      if (this.descriptions.get(fd)?.thread === thread) this.locks.delete(byte);
    }
    for (const description of this.descriptions.values()) {
      if (description.thread === thread) description.open = false;
    }
    for (const mapping of this.mappings) {
      if (mapping?.thread === thread) mapping.used = false;
    }
  }

  /** Called before every access of the current thread; `store`: it changes something. */
  step(store: boolean): void {
    const thread = this.current;
    if (thread.dead) throw new Death();
    thread.accesses++;
    if (thread.accesses === thread.hookAt) {
      const hook = thread.hook;
      thread.hook = null;
      if (hook !== null) {
        this.depth++;
        try {
          hook();
        } finally {
          this.depth--;
          this.current = thread;
        }
      }
    }
    if (!store) return;
    if (thread.stores === thread.dieAt) {
      this.kill(thread, thread.manner);
      throw new Death();
    }
    thread.onStore?.();
    thread.stores++;
    this.clock++;
  }

  /** Takes note of which bytes a step is about. */
  trace(address: number, length: number, store: boolean): void {
    const footprint = this.footprint;
    if (footprint === null) return;
    const first = address >>> 2;
    const last = (address + length - 1) >>> 2;
    if (this.depth > 0) {
      for (let word = first; word <= last; word++)
        footprint.set(word, footprint.get(word)! | (store ? 2 : 1));
    } else if (this.conflictAt === NEVER && footprint.size > 0) {
      let conflict = footprint.has(EVERYTHING);
      for (let word = first; word <= last && !conflict; word++) {
        const touched = footprint.get(word);
        conflict = touched !== undefined && (store || (touched & 2) !== 0);
      }
      if (conflict) this.conflictAt = this.current.accesses;
    }
  }

  /** One round of waiting for somebody else. */
  wait(ms: number): void {
    const thread = this.current;
    if (thread.dead) throw new Death();
    this.now += ms * 1e6;
    thread.waits++;
    if (this.depth > 0 && thread.waits > NESTED_WAITS) throw new WouldWait();
    if (thread.waits > MOST_WAITS) {
      this.violate("a wait does not end");
      throw new WouldWait();
    }
  }

  violate(what: string): void {
    if (this.watching && this.violations.length < 20) this.violations.push(`${this.current.name}: ${what}`);
  }

  // ---- kernel --------------------------------------------------------------------------------------------------------

  open(): number {
    const fd = this.nextFd++;
    this.descriptions.set(fd, { thread: this.current, open: true });
    return fd;
  }

  close(fd: number): void {
    const description = this.descriptions.get(fd);
    if (description === undefined || !description.open)
      throw new Error(`close of descriptor ${fd}, which is not open`);
    description.open = false;
    for (const [byte, holder] of this.locks) if (holder === fd) this.locks.delete(byte);
  }

  // ---- memory --------------------------------------------------------------------------------------------------------

  touch(address: number, length: number): void {
    this.onTouch?.(address, length);
    for (let page = address >>> PAGE_SHIFT; page <= (address + length - 1) >>> PAGE_SHIFT; page++)
      this.dirty[page] = 1;
  }

  /** What the file is now, to go back to as often as wanted. */
  mark(): () => void {
    const size = this.size;
    const image = this.bytes.slice(0, size);
    this.base = image;
    const descriptions = [...this.descriptions].map(([fd, { thread, open }]) => ({ fd, thread, open }));
    const mappings = this.mappings.map((mapping) => (mapping === undefined ? undefined : { ...mapping }));
    const locks = new Map(this.locks);
    const threads = this.threads.map((thread) => ({ thread, dead: thread.dead }));
    const { clock, now, nextFd, nextTid, watching } = this;
    const entered = this.entered.slice();
    const published = this.published.slice();
    const publishedIn = this.publishedIn.slice();
    const unlinked = new Map(this.unlinked);
    const slotOwner = this.slotOwner.slice();
    this.dirty.fill(0);
    return () => {
      const bytes = 1 << PAGE_SHIFT;
      for (let page = 0; page < this.dirty.length; page++) {
        if (this.dirty[page] === 0) continue;
        const at = page * bytes;
        if (at < size) this.bytes.set(image.subarray(at, at + bytes), at);
        else this.bytes.fill(0, at, at + bytes);
      }
      this.dirty.fill(0);
      this.base = image;
      this.size = size;
      this.descriptions = new Map(descriptions.map(({ fd, thread, open }) => [fd, { thread, open }]));
      this.mappings = mappings.map((mapping) => (mapping === undefined ? undefined : { ...mapping }));
      this.locks = new Map(locks);
      this.threads = threads.map(({ thread, dead }) => {
        thread.dead = dead;
        thread.rearm();
        return thread;
      });
      Object.assign(this, { clock, now, nextFd, nextTid, watching });
      this.entered.set(entered);
      this.published.set(published);
      this.publishedIn.set(publishedIn);
      this.slotOwner.set(slotOwner);
      this.unlinked = new Map(unlinked);
      this.violations = [];
      this.depth = 0;
      this.footprint = null;
      this.conflictAt = NEVER;
    };
  }

  /** A copy of the file, to be put back with {@link putBack}, whatever is marked. */
  copy(): Uint8Array {
    return this.bytes.slice(0, this.size);
  }

  putBack(copy: Uint8Array): void {
    this.bytes.fill(0);
    this.bytes.set(copy);
    this.size = copy.length;
    this.dirty.fill(1);
  }

  /** The machine has lost its power and starts again, with this file. Nobody who was there is alive. */
  restart(file: Uint8Array): void {
    for (const thread of this.threads) thread.dead = true;
    this.threads = [];
    this.descriptions = new Map();
    this.mappings = [undefined];
    this.locks = new Map();
    this.depth = 0;
    this.footprint = null;
    this.conflictAt = NEVER;
    this.entered.fill(0);
    this.published.fill(0);
    this.publishedIn.fill(0);
    this.unlinked = new Map();
    this.boot++;
    this.putBack(file);
  }

  /** Runs `fn`, which may do with the machine what it likes, in the middle of anything: then all is as it was. */
  aside(fn: () => void): void {
    const { bytes, dirty, entered, published, publishedIn, slotOwner, ...kept } = this;
    const image = this.copy();
    const arrays = [dirty, entered, published, publishedIn, slotOwner];
    const copies = arrays.map((array) => array.slice());
    const alive = this.threads.filter((thread) => !thread.dead);
    const violations = [...this.violations];
    // Nobody recorded what is done here.
    this.onTouch = null;
    this.onSync = null;
    this.onPersist = null;
    try {
      fn();
    } finally {
      Object.assign(this, kept);
      this.violations = violations;
      bytes.fill(0);
      bytes.set(image);
      for (const [i, array] of arrays.entries()) array.set(copies[i]!);
      for (const thread of alive) thread.dead = false;
    }
  }

  /** A hash of how the file differs from what it was when it was last marked, and of who is alive. */
  hash(): string {
    const bytes = 1 << PAGE_SHIFT;
    let hash = 0n;
    for (let page = 0; page < this.dirty.length; page++) {
      if (this.dirty[page] === 0) continue;
      const at = page * bytes;
      const now = this.bytes.subarray(at, at + bytes);
      const before = this.base.subarray(at, at + bytes);
      if (before.length === bytes && Buffer.compare(before, now) === 0) continue;
      hash = Bun.hash.xxHash64(now, hash ^ BigInt(page));
    }
    return `${hash.toString(36)}${this.situation()}`;
  }

  /** The same, without what lies in cells that are free or private: nobody ever reads that (the watchers see to it). */
  essence(): string {
    const bytes = 1 << PAGE_SHIFT;
    let hash = 0n;
    for (let page = 0; page < this.dirty.length; page++) {
      if (this.dirty[page] === 0) continue;
      const at = page * bytes;
      const now = this.bytes.slice(at, at + bytes);
      for (let address = at; address < at + bytes && at >= DATA; ) {
        const cell = this.cellAt(address);
        const end = cell < 0 ? address + 8 : cell + this.cellBytes(cell);
        if (cell >= 0 && (this.words[cell >>> 2]! & STATE_MASK) <= PRIVATE) {
          now.fill(0, Math.max(cell + 4, at) - at, Math.min(end, at + bytes) - at);
        }
        address = Math.max(end, address + 8);
      }
      hash = Bun.hash.xxHash64(now, hash ^ BigInt(page));
    }
    return `${hash.toString(36)}${this.situation()}`;
  }

  private cellBytes(cell: number): number {
    const word =
      this.words[(FIRST_TABLE_SLAB * SLAB_BYTES + Math.floor(cell / SLAB_BYTES) * ENTRY_BYTES) >>> 2]!;
    return (word & ENTRY_KIND_MASK) === SLAB_RUN
      ? SLAB_BYTES
      : CLASS_BYTES[(word & ENTRY_CLASS_MASK) >>> ENTRY_CLASS_SHIFT]!;
  }

  private situation(): string {
    const alive = this.threads.map((thread) => (thread.dead ? "0" : "1")).join("");
    return `:${this.size}:${alive}:${[...this.locks.keys()].sort().join(",")}`;
  }

  // ---- watchers ------------------------------------------------------------------------------------------------------

  private slotWord(slot: number): number {
    return this.words[(REGISTRY + (slot - 1) * SLOT_BYTES + SLOT_WORD) >>> 2]!;
  }

  /** Address of the cell that `address` lies in, or -1. */
  cellAt(address: number): number {
    if (address < DATA) return -1;
    const slab = Math.floor(address / SLAB_BYTES);
    const word = this.words[(FIRST_TABLE_SLAB * SLAB_BYTES + slab * ENTRY_BYTES) >>> 2]!;
    const kind = word & ENTRY_KIND_MASK;
    if (kind === SLAB_RUN) return slab * SLAB_BYTES;
    if (kind !== SLAB_CELLS) return -1;
    const sizeClass = (word & ENTRY_CLASS_MASK) >>> ENTRY_CLASS_SHIFT;
    const bytes = sizeClass < CLASSES ? CLASS_BYTES[sizeClass]! : 0;
    if (bytes === 0) return -1;
    const index = Math.floor((address % SLAB_BYTES) / bytes);
    return index < CLASS_CELLS[sizeClass]! ? slab * SLAB_BYTES + index * bytes : -1;
  }

  /** Is `slot` the current thread's, or that of a dead one which somebody recovers? */
  private mayActAs(slot: number): boolean {
    const word = this.slotWord(slot);
    if ((word & SLOT_STATE_MASK) === SLOT_RECOVERING) return true;
    return this.slotOwner[slot] === this.current.tid;
  }

  /** Looks at an access to the contents of a cell. `store`: one to a node's words, or a leaf's, needs its lock. */
  watch(address: number, store: boolean): void {
    if (address < DATA) return;
    const cell = this.cellAt(address);
    if (cell < 0 || address - cell < COUNTS) return;
    const tag = this.words[cell >>> 2]!;
    const state = tag & STATE_MASK;
    const owner = (tag & SLOT_MASK) >>> SLOT_SHIFT;
    if (state === FREE) {
      if (address - cell >= 8)
        this.violate(`${store ? "a store to" : "a load from"} the free cell at ${cell}`);
    } else if (state === PRIVATE) {
      if (address - cell >= 8 && !this.mayActAs(owner))
        this.violate(`an access to the cell at ${cell}, which is private to slot ${owner}`);
    } else if (store && state === LIVE && (tag & KIND_MASK) <= LEAF) {
      if (owner === 0 || !this.mayActAs(owner))
        this.violate(`a store to the node or leaf at ${cell}, whose lock belongs to slot ${owner}`);
    }
  }

  /** Looks at a store of the 32-bit word `value` at `address`, before it is made. */
  watchWord(address: number, value: number): void {
    if (address < REGISTRY_END) {
      if (address < REGISTRY) return;
      const field = (address - REGISTRY) % SLOT_BYTES;
      const slot = Math.floor((address - REGISTRY) / SLOT_BYTES) + 1;
      if (field === SLOT_WORD) this.watchSlot(slot, value);
      else if (field === SLOT_EPOCH) {
        if (value === 0 && this.words[(address - SLOT_EPOCH + INTENT_STATE) >>> 2] !== 0)
          this.violate(`slot ${slot} leaves its epoch with an intent`);
        this.entered[slot] = value === 0 ? 0 : this.clock;
      } else if (field === INTENT_STATE && value === INTENT_PUBLISHED) {
        this.published[slot] = this.clock;
        this.publishedIn[slot] = this.words[SB_EPOCH >>> 2]!;
      }
      return;
    }
    if (address < DATA) return;
    const cell = this.cellAt(address);
    if (cell !== address) {
      this.watch(address, true);
      this.watchEntry(address, value);
      return;
    }
    const old = this.words[cell >>> 2]!;
    if (old !== value) this.watchTag(cell, old, value);
  }

  /** Only who is dead is recovered, and only by who claims it first. */
  private watchSlot(slot: number, value: number): void {
    const from = this.slotWord(slot) & SLOT_STATE_MASK;
    if ((value & SLOT_STATE_MASK) !== SLOT_RECOVERING || from === SLOT_RECOVERING) return;
    const owner = this.threads.find((thread) => thread.tid === this.slotOwner[slot]);
    if (from === SLOT_FREE || (from === SLOT_ALIVE && owner?.dead === false))
      this.violate(`slot ${slot} is recovered and has nobody dead in it`);
  }

  /** An entry of a limbo must carry an epoch that was read after the cell was out of the tree. */
  private watchEntry(address: number, value: number): void {
    const chunk = this.cellAt(address);
    if (chunk < 0) return;
    const tag = this.words[chunk >>> 2]!;
    if ((tag & KIND_MASK) !== LIMBO || (tag & STATE_MASK) !== LIVE || address - chunk < CHUNK_ENTRIES) return;
    if ((address - chunk - CHUNK_ENTRIES) % CHUNK_ENTRY_BYTES !== 4) return;
    const slot = (tag & SLOT_MASK) >>> SLOT_SHIFT;
    if (((value - this.publishedIn[slot]!) | 0) < 0)
      this.violate(`a cell goes into the limbo of slot ${slot} with an epoch from before it left the tree`);
  }

  private watchTag(cell: number, old: number, value: number): void {
    const from = old & STATE_MASK;
    const to = value & STATE_MASK;
    const oldSlot = (old & SLOT_MASK) >>> SLOT_SHIFT;
    const slot = (value & SLOT_MASK) >>> SLOT_SHIFT;
    const kind = old & KIND_MASK;
    const legal =
      from === to
        ? from === LIVE
        : (from === FREE && to === PRIVATE) ||
          (from === PRIVATE && (to === LIVE || to === FREE)) ||
          (from === LIVE && to === RETIRED) ||
          (from === RETIRED && to === FREE) ||
          // A chunk of limbo is given back, or used again at the other end.
          (from === LIVE && to <= PRIVATE && kind === LIMBO);
    const change = `${STATES[from >>> 3]} ${oldSlot} to ${STATES[to >>> 3]} ${slot} at ${cell}`;
    if (!legal) {
      this.violate(`a cell goes from ${change}`);
      return;
    }
    if (from === LIVE && kind <= LEAF) {
      // Lock, unlock, or obsolete and unlocked at once.
      if (to === LIVE && slot !== 0 && !(oldSlot === 0 && this.mayActAs(slot)))
        this.violate(`a lock is taken wrongly: ${change}`);
      if (slot === 0 && !this.mayActAs(oldSlot)) this.violate(`somebody else's lock is given up: ${change}`);
      if (to === RETIRED && !(oldSlot === slot && this.mayActAs(slot)))
        this.violate(`a node or leaf is retired without its lock: ${change}`);
    }
    if (from === PRIVATE && to === LIVE && kind <= LEAF && !this.mayActAs(oldSlot))
      this.violate(`a private cell is published by another: ${change}`);
    if (to === RETIRED) this.unlinked.set(cell, this.published[slot]!);
    if (from === RETIRED && to === FREE) {
      const since = this.unlinked.get(cell);
      if (since === undefined) return;
      for (let reader = 1; reader <= 16; reader++) {
        const entered = this.entered[reader]!;
        if (entered !== 0 && entered < since)
          this.violate(`a cell is freed while slot ${reader} may still use it: ${change}`);
      }
    }
  }
}

export const machine = new Machine();

/** The mapping of handle `h`, or undefined. */
export function mappingOf(h: number): Mapping | undefined {
  const mapping = machine.mappings[h];
  return mapping?.used === true ? mapping : undefined;
}

export const NO_SCRATCH = EMPTY;
