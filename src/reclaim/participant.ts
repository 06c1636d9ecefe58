/** Changes between two reclamations, of one who is alone, and bytes of large leaves, of anybody: limbos stay small. */
export const RECLAIM_EVERY = 64;
export const BYTES_FOR_RECLAIM = 256 << 10;

/**
 * A participant: one open store, in one thread, with one slot in the file's registry. All that the tree's verbs need
 * at hand travels in this object; its shape never changes after construction.
 */
import { Heap } from "../memory/heap.ts";
import { SLOT_KEY_COUNT, SLOT_LIMBO, SLOT_WAITING, SLOT_WAITING_BYTES, slotCell } from "../memory/layout.ts";
import { load64 } from "../memory/primitives.ts";
import type { Region } from "../memory/region.ts";
import { MOST_LEAVES, MOST_NODES, SCRATCH_BYTES, SCRATCH_KEY } from "../memory/scratch.ts";
import { Snapshot } from "../node/node.ts";
import { Limbo } from "./limbo.ts";

export class Participant {
  readonly region: Region;
  /** Handle of the mapping. */
  readonly h: number;
  /** Number of its registry slot, 1 to 512; 0: it has none, and can't write a byte. */
  readonly slot: number;
  /** Cell of its registry slot. */
  readonly me: number;
  readonly root: number;
  readonly heap: Heap;
  /** Retired cells that wait for epochs. */
  readonly limbo: Limbo;
  /** Retired leaves that wait for epochs and for the disk. */
  readonly waiting: Limbo;
  /**
   * May it store to more of the file than the superblock and the registry? The disk knows then that the file was not closed in
   * order (recovery/lifecycle.ts). False for who only reads.
   */
  unclean = true;
  /** Groups entered and not yet left (`reader`, `writer`, an operation): the epoch is held while it is above 0. */
  entered = 0;

  /** The scratch buffer, whole; as words and as doubles; and from the key on. See memory/scratch.ts. */
  readonly scratch: Buffer;
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  /** Digits of the key of the operation under way, ended by the terminator 0, and how many there are without it. */
  readonly key: Buffer;
  keyLength = 0;

  // The place that the last descent found.
  /** Nodes from the root down. */
  readonly path = new Int32Array(MOST_NODES);
  /** Their tags as they were met: kind and depth never change. */
  readonly pathTag = new Int32Array(MOST_NODES);
  pathLength = 0;
  /**
   * The leaf that the search ended at, or 0; its tag. And the node that it hangs from: after a search, or after a write
   * that has replaced it or changed its number in place; 0 after other changes.
   */
  leaf = 0;
  leafTag = 0;
  leafNode = 0;
  /** Sequence number of the leaf that a change has put into the tree; whoever wants to know sets it to 0 before. */
  leafNumber = 0;

  /** Lengths of the keys of a batch of an iteration. */
  readonly lengths = new Int32Array(MOST_LEAVES);

  /** The children of the node being copied or listed. */
  readonly snapshot: Snapshot;

  // The change under way: what the intent says of it, and what it needs beside. Filled by the verbs, used by `commit`.
  /** An intent of ours is announced and not yet cleared. */
  announced = false;
  /** A leaf that is written and PRIVATE, 0: none; its tag, the hash of its content. It outlives failed checks. */
  newLeaf = 0;
  newLeafTag = 0;
  newLeafHash = 0;
  newLeafHasRun = false;
  /** A node that is PRIVATE, 0: none; its tag. */
  newNode = 0;
  newNodeTag = 0;
  oldLeaf = 0;
  /** INTENT_MARK_NONE, _REPLACED, _REMOVED */
  oldLeafMark = 0;
  oldNode = 0;
  /**
   * Nodes that are locked, and the leaf that goes, 0: none; and their tags without the lock. The first may be a leaf
   * whose number changes in place.
   */
  lock0 = 0;
  lock1 = 0;
  lock2 = 0;
  lockTag0 = 0;
  lockTag1 = 0;
  lockTag2 = 0;
  /** Node, byte offset (with FIELD_BYTE for an 8-bit store) and value of the committing store. */
  commitNode = 0;
  commitField = 0;
  commitValue = 0;
  /** How the live children of `commitNode` change after the committing store, and the number of keys. */
  liveChange = 0;
  keyChange = 0;
  /** Changes that retired something since the last reclamation; large leaves count for more than one. */
  retired = 0;
  /** Retired bytes that bring the next reclamation as near as one change does. */
  bytesPerChange = BYTES_FOR_RECLAIM / RECLAIM_EVERY;
  /** Bytes of the leaves in `waiting`: an estimate after a recovery, exact again once it has been empty. */
  waitingBytes: number;
  /** The value that a number changed in place has now. */
  number = 0;
  /** Number of keys this slot has added, less those it removed; may be negative. */
  keyCount: number;

  /**
   * Called when a lock has been waited for a long time: looks whether the holder, a slot number, is dead and recovers
   * it. Set by the layer that knows recovery.
   */
  readonly onLongWait: (holder: number) => void;
  /** Called in turns while a backup keeps the gate shut. */
  readonly waitAtGate: (round: number) => void;

  constructor(
    region: Region,
    slot: number,
    root: number,
    onLongWait: (holder: number) => void,
    waitAtGate: (round: number) => void,
  ) {
    this.region = region;
    this.h = region.h;
    this.slot = slot;
    this.me = slotCell(slot);
    this.root = root;
    this.heap = new Heap(region, slot);
    this.limbo = new Limbo(this.heap, slot, SLOT_LIMBO);
    this.waiting = new Limbo(this.heap, slot, SLOT_WAITING);
    const { buffer, byteOffset } = region.scratch;
    this.scratch = region.scratch;
    this.words = new Int32Array(buffer, byteOffset, SCRATCH_BYTES / 4);
    this.doubles = new Float64Array(buffer, byteOffset, SCRATCH_BYTES / 8);
    this.key = region.scratch.subarray(SCRATCH_KEY);
    this.snapshot = new Snapshot(region.scratch);
    this.keyCount = load64(this.h, this.me, SLOT_KEY_COUNT);
    this.waitingBytes = this.waiting.length === 0 ? 0 : load64(this.h, this.me, SLOT_WAITING_BYTES);
    this.onLongWait = onLongWait;
    this.waitAtGate = waitAtGate;
  }
}
