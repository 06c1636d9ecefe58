/** Figures about a file and who uses it. */
import { CLASS_BYTES, CLASS_CELLS, CLASSES, FIRST_LEAF_CLASS } from "../memory/classes.ts";
import {
  ENTRY_RUN,
  ENTRY_WORD,
  entryCell,
  FIRST_DATA_SLAB,
  FREE,
  isTableSlab,
  NODE4,
  NODE16,
  NODE48,
  NODE256,
  RETIRED,
  SB,
  SB_EPOCH,
  SB_FRONTIER,
  SB_MAX_SLABS,
  SB_RECOVERIES,
  SLAB_BYTES,
  SLAB_CELLS,
  SLAB_FREE,
  SLAB_RUN,
  SLAB_UNITS,
  STATE_MASK,
  TAG,
} from "../memory/layout.ts";
import { native } from "../memory/native.ts";
import { cpuFeature } from "../memory/platform.ts";
import { load32 } from "../memory/primitives.ts";
import { entryClass, entryKind } from "../memory/slabs.ts";
import { slotHoldingBack } from "../reclaim/epoch.ts";
import { type ParticipantInfo, participants, ROLE_WRITER } from "../reclaim/registry.ts";
import type { RecoveryReport } from "../recovery/lifecycle.ts";
import type { Opened } from "./open.ts";

/** How many cells of one kind there are, and the bytes they take. Part of {@link Stats}. */
export interface CellFigures {
  /** In the tree (or private to a change under way). */
  readonly used: number;
  /** Retired: waiting until nobody can see them any more. */
  readonly limbo: number;
  /** Free, in slabs of this kind. */
  readonly free: number;
  /** Bytes of the used cells. */
  readonly usedBytes: number;
}

/**
 * What {@link Store.stats} returns. Sizes in bytes.
 *
 * @example
 * ```ts
 * import { open, type Stats } from "bancos";
 * const perKey = ({ bytes, keys }: Stats) => (bytes.leaves + bytes.nodes) / keys;
 *
 * using store = open("a.bancos");
 * for (let i = 0; i < 1000; i++) store.set(`key ${i}`, i);
 * console.log(perKey(store.stats()) < 64, store.stats().access); // → true write
 * ```
 */
export interface Stats {
  /** Absolute path of the file. */
  readonly path: string;
  /** How keys are encoded: a {@link KeyEncoding}. */
  readonly keyEncoding: string;
  /** How many keys there are. */
  readonly keys: number;
  /** What the bytes of the file are used for. */
  readonly bytes: {
    /** Length of the file. */
    readonly file: number;
    /** The most it may grow to. */
    readonly maxSize: number;
    /** Superblock, registry, slab tables. */
    readonly overhead: number;
    /** Inner nodes in the tree. */
    readonly nodes: number;
    /** Leaves in the tree: keys and values. */
    readonly leaves: number;
    /** Cells that are retired and not yet free. */
    readonly limbo: number;
    /** Free cells in slabs, and what is left over in them. */
    readonly slack: number;
    /** Slabs that are free, or have never been used. */
    readonly free: number;
  };
  /** Cells by kind. */
  readonly cells: {
    /** Nodes of up to 4 children. */
    readonly node4: CellFigures;
    /** Nodes of up to 16 children. */
    readonly node16: CellFigures;
    /** Nodes of up to 48 children. */
    readonly node48: CellFigures;
    /** Nodes of up to 256 children. */
    readonly node256: CellFigures;
    /** Leaves, one a key. */
    readonly leaves: CellFigures;
  };
  /** The present epoch: memory is used again when all participants have left the one in which it was retired. */
  readonly epoch: number;
  /**
   * `"unregistered"`: the file can't be opened for writing, so that this store has no slot in the registry and nobody
   * knows of it. What it reads is right only while nobody writes.
   */
  readonly access: "write" | "read" | "unregistered";
  /** Everybody who has the file open, this store among them. */
  readonly participants: readonly ParticipantInfo[];
  /** Who is in the oldest epoch and so delays the reuse of memory; null if nobody. */
  readonly heldBackBy: ParticipantInfo | null;
  /** The native part. */
  readonly native: {
    /** How it was built or loaded. */
    readonly build: string;
    /** What compiled it, where that is known. */
    readonly compiler: string | undefined;
    /** The instruction that writes a line of the cache back to persistent memory. */
    readonly writeBack: string;
  };
  /** What this open found and repaired. */
  readonly recovery: RecoveryReport;
  /** Dead participants recovered since the file was made, by anybody. */
  readonly recoveries: number;
  /** The option of the same name, as it is in force. */
  readonly verifyReads: boolean;
  /** Is the file in persistent memory (or was that forced), so that each change is durable when it returns? */
  readonly persistentMemory: boolean;
}

class Counter {
  used = 0;
  limbo = 0;
  free = 0;
  usedBytes = 0;
  limboBytes = 0;
  add(tag: number, bytes: number): void {
    const state = tag & STATE_MASK;
    if (state === FREE) this.free++;
    else if (state === RETIRED) {
      this.limbo++;
      this.limboBytes += bytes;
    } else {
      this.used++;
      this.usedBytes += bytes;
    }
  }
  figures(): CellFigures {
    return { used: this.used, limbo: this.limbo, free: this.free, usedBytes: this.usedBytes };
  }
}

/** Counts by a pass over all slabs; others may write meanwhile. */
export function statsOf(opened: Opened, keys: number, verifyReads: boolean): Stats {
  const { region, participant } = opened;
  const h = region.h;
  region.refresh();
  const frontier = Math.min(load32(h, SB, SB_FRONTIER), region.capacity);
  const counters = Array.from({ length: FIRST_LEAF_CLASS + 1 }, () => new Counter());
  const leaves = counters[FIRST_LEAF_CLASS]!;
  let freeSlabs = region.capacity - frontier;
  let reserved = FIRST_DATA_SLAB;
  for (let slab = FIRST_DATA_SLAB; slab < frontier; slab++) {
    if (isTableSlab(slab)) {
      reserved++;
      continue;
    }
    const word = load32(h, entryCell(slab), ENTRY_WORD);
    const kind = entryKind(word);
    if (kind === SLAB_FREE) freeSlabs++;
    else if (kind === SLAB_RUN) {
      leaves.add(load32(h, slab * SLAB_UNITS, TAG), load32(h, entryCell(slab), ENTRY_RUN) * SLAB_BYTES);
    } else if (kind === SLAB_CELLS) {
      const sizeClass = entryClass(word);
      if (sizeClass >= CLASSES) continue;
      const counter = counters[Math.min(sizeClass, FIRST_LEAF_CLASS)]!;
      const bytes = CLASS_BYTES[sizeClass]!;
      for (let i = 0; i < CLASS_CELLS[sizeClass]!; i++) {
        counter.add(load32(h, slab * SLAB_UNITS + i * (bytes >>> 3), TAG), bytes);
      }
    }
  }
  const nodeBytes = [NODE4, NODE16, NODE48, NODE256].reduce(
    (sum, kind) => sum + counters[kind]!.usedBytes,
    0,
  );
  const limboBytes = counters.reduce((sum, counter) => sum + counter.limboBytes, 0);
  const file = region.capacity * SLAB_BYTES;
  const overhead = reserved * SLAB_BYTES;
  const free = freeSlabs * SLAB_BYTES;
  const here = participants(region, participant.slot);
  const holder = slotHoldingBack(h, load32(h, SB, SB_EPOCH));
  return {
    path: region.path,
    keyEncoding: opened.keyEncoding,
    keys,
    bytes: {
      file,
      maxSize: load32(h, SB, SB_MAX_SLABS) * SLAB_BYTES,
      overhead,
      nodes: nodeBytes,
      leaves: leaves.usedBytes,
      limbo: limboBytes,
      slack: file - overhead - free - nodeBytes - leaves.usedBytes - limboBytes,
      free,
    },
    cells: {
      node4: counters[NODE4]!.figures(),
      node16: counters[NODE16]!.figures(),
      node48: counters[NODE48]!.figures(),
      node256: counters[NODE256]!.figures(),
      leaves: leaves.figures(),
    },
    epoch: load32(h, SB, SB_EPOCH) >>> 0,
    access: !opened.registered ? "unregistered" : opened.role === ROLE_WRITER ? "write" : "read",
    participants: here,
    heldBackBy: here.find((who) => who.slot === holder) ?? null,
    native: { build: native.build, compiler: native.compiler, writeBack: cpuFeature() },
    recovery: opened.report,
    recoveries: load32(h, SB, SB_RECOVERIES),
    verifyReads,
    persistentMemory: region.persists,
  };
}
