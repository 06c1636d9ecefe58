/**
 * The file, byte by byte: the one place that knows where a field lies. Pure arithmetic.
 *
 * A **cell** is addressed by its byte offset in the file divided by 8, held as a signed 32-bit integer (a file has at
 * most 32 GiB). A field is addressed by its cell and a byte offset from it. Everything is little-endian and aligned.
 *
 * ```
 * slab 0          superblock                    16 KiB, of which 4 KiB are used
 * slab 1          slab table of region 0        1,024 entries of 16 bytes
 * slab 2..17      registry                      512 participant slots of 512 bytes
 * slab 18..1023   cells, runs
 * slab 1024       slab table of region 1, and so on every 1,024 slabs (16 MiB)
 * ```
 */

// ---- units ---------------------------------------------------------------------------------------------------------

/** Bytes in a cell unit. */
export const UNIT = 8;
/** Bytes in a slab. */
export const SLAB_BYTES = 16384;
/** Cell units in a slab; a cell's slab is `cell >>> SLAB_SHIFT`. */
export const SLAB_UNITS = SLAB_BYTES / UNIT;
export const SLAB_SHIFT = 11;
/** Slabs described by one slab table. */
export const REGION_SLABS = 1024;
export const REGION_SHIFT = 10;
/** Slabs in the largest file: 32 GiB. */
export const MAX_SLABS = 2 ** 32 / SLAB_UNITS;

export const SUPERBLOCK_SLAB = 0;
export const FIRST_TABLE_SLAB = 1;
export const REGISTRY_SLAB = 2;
/** Participant slots, numbered 1 to 512; 0 means nobody. */
export const SLOTS = 512;
export const SLOT_BYTES = 512;
const REGISTRY_SLABS = (SLOTS * SLOT_BYTES) / SLAB_BYTES;
/** The first slab that holds cells; its first cell is the root. */
export const FIRST_DATA_SLAB = REGISTRY_SLAB + REGISTRY_SLABS;
/** Slabs of a new file: 1 MiB. */
export const INITIAL_SLABS = 64;

// ---- superblock ----------------------------------------------------------------------------------------------------

/** "\x89BNCS\r\n\x1a": not text, and mangled visibly by whatever mangles line ends. */
export const MAGIC = [0x89, 0x42, 0x4e, 0x43, 0x53, 0x0d, 0x0a, 0x1a] as const;
export const FORMAT_VERSION = 1;

/** Cell of the superblock. */
export const SB = 0;
// Constant from creation on; covered by SB_CHECKSUM.
export const SB_MAGIC = 0;
export const SB_VERSION = 8;
export const SB_SLAB_BYTES = 12;
export const SB_SALT = 16;
export const SB_SALT_HIGH = 20;
export const SB_KEY_ENCODING = 24;
export const SB_ROOT = 28;
export const SB_SLOTS = 32;
export const SB_CHECKSUM = 36;
/** Which file this is and since which boot; written by the first opener, under the open lock. */
export const SB_DEVICE = 64;
export const SB_INODE = 72;
export const SB_BIRTH = 80;
export const SB_BOOT_ID = 88; // 16 bytes
export const SB_IDENTITY_CHECKSUM = 104;
/** Was it closed by its last writer after a full sync, and nothing written since? See recovery/lifecycle.ts, `markUnclean`. */
export const SB_CLEAN = 108;
export const UNCLEAN = 0;
export const CLEAN = 1;
/** Not any more; the disk may not know it yet. */
export const BECOMING_UNCLEAN = 2;
/** Identity unset, to be adopted without a rebuild (backups): 1. */
export const SB_ADOPT = 112;

// Words that change while the store is in use: one cache line each, or those that change together.
/** Slabs that have blocks on the disk. */
export const SB_CAPACITY = 512;
/** Slabs the file may grow to: the largest `maxSize` asked for. */
export const SB_MAX_SLABS = 516;
/** The global epoch, from 1, stepping over 0. */
export const SB_EPOCH = 576;
/** Q: the next sequence number of a leaf. */
export const SB_Q = 640;
/** S: how many syncs have been started. */
export const SB_S = 704;
/** Sequence number below or at which a leaf counts as promised to a sync. */
export const SB_LAST_START = 712;
/** Ordinal of the last sync that completed. */
export const SB_DONE = 768;
/** W: ordinal that was `done` when the sync under way started; and the W known to be on the disk. */
export const SB_W = 776;
export const SB_W_DISK = 784;
/** A byte that stays 0. Written by a call that returns when it is on the disk, and all of page 0 with it. */
export const SB_NOTHING = 800;
/** Who starts a sync or a backup, or syncs in his own thread: slot (10 bits), incarnation; 0: nobody. */
export const SB_SYNC_OWNER = 832;
/** Non-zero: a sync failed; sticks until a rebuild. */
export const SB_SYNC_ERROR = 836;
/** Backup: writers wait at the gate while it is not 0; leaves are not changed in place while it is not 0. */
export const SB_GATE = 840;
export const SB_NO_IN_PLACE = 844;
/** Futex word: moves whenever that word is given back. */
export const SB_SYNC_TURN = 848;
/** Slabs at or above it have never been used. */
export const SB_FRONTIER = 896;
/** Hint: free slabs below the frontier. */
export const SB_FREE_SLABS = 900;
/** How often a slab was freed: moves before the slab can be cut in another way (rowex/hints.ts). */
export const SB_SLABS_FREED = 904;
/** Highest slot number ever claimed. */
export const SB_SLOTS_USED = 960;
/** Hint: free slots that still have entries in their limbo. */
export const SB_ORPHANS = 964;
/** Number of times a dead participant was recovered since the file was made. */
export const SB_RECOVERIES = 968;
/** Not 0: somebody announces epochs without a fence, and who reclaims has to fence all. */
export const SB_UNFENCED = 972;
/** Hint, by size class: free cells in slabs that nobody owns. 64 words. */
export const SB_FREE_CELLS = 1024;
/** Bytes of page 0 in use. */
export const SB_END = 1280;

// ---- slab table ----------------------------------------------------------------------------------------------------

export const ENTRY_BYTES = 16;
/** kind (4 bits), size class (8 bits), owner (10 bits). Changed by compare-and-swap. */
export const ENTRY_WORD = 0;
/** Hint: cells freed since the slab was adopted last. */
export const ENTRY_FREED = 4;
/** Slabs in the run (kind RUN). */
export const ENTRY_RUN = 8;
/** Over salt, slab number, kind, class and run length, not over the owner. */
export const ENTRY_CHECKSUM = 12;

export const SLAB_FREE = 0;
/** Being set up, or torn down, by its owner. */
export const SLAB_CLAIMED = 1;
export const SLAB_CELLS = 2;
export const SLAB_RUN = 3;
/** A further slab of a run. */
export const SLAB_RUN_NEXT = 4;
/** Superblock, table, registry. */
export const SLAB_RESERVED = 5;

export const ENTRY_KIND_MASK = 0xf;
export const ENTRY_CLASS_SHIFT = 4;
export const ENTRY_CLASS_MASK = 0xff0;
export const ENTRY_OWNER_SHIFT = 12;
export const ENTRY_OWNER_MASK = 0x3ff000;

/** Cell of the table entry of slab `slab`. */
export function entryCell(slab: number): number {
  const region = slab >>> REGION_SHIFT;
  const table = region === 0 ? FIRST_TABLE_SLAB : slab & ~(REGION_SLABS - 1);
  return (table * SLAB_UNITS + (slab & (REGION_SLABS - 1)) * 2) | 0;
}

/** Is `slab` the table of a region but the first? */
export function isTableSlab(slab: number): boolean {
  return (slab & (REGION_SLABS - 1)) === 0 && slab !== 0;
}

// ---- tags ----------------------------------------------------------------------------------------------------------

/**
 * Word 0 of every cell: kind (3 bits), state (2), slot (10), and 17 bits that never change in a cell's life. The slot of
 * a LIVE cell is its lock.
 */
export const TAG = 0;
export const KIND_MASK = 7;
export const NODE4 = 1;
export const NODE16 = 2;
export const NODE48 = 3;
export const NODE256 = 4;
export const LEAF = 5;
export const LIMBO = 6;
export const STATE_MASK = 3 << 3;
/** A FREE cell's tag is 0 in all its bits. */
export const FREE = 0;
export const PRIVATE = 1 << 3;
export const LIVE = 2 << 3;
export const RETIRED = 3 << 3;
/** Set in LIVE and RETIRED and in no other state: what a reader may meet. */
export const REACHABLE = 2 << 3;
export const SLOT_SHIFT = 5;
export const SLOT_MASK = 0x3ff << SLOT_SHIFT;
/** Node: its depth (14 bits). Leaf: the number of its key's digits (14 bits), then its type (3 bits). */
export const AUX_SHIFT = 15;
export const KEY_LENGTH_MASK = 0x3fff;
export const TYPE_SHIFT = 29;

/** Tag without state and slot: what stays the same in a cell's life. */
export const IDENTITY_MASK = ~(STATE_MASK | SLOT_MASK);

// ---- nodes ---------------------------------------------------------------------------------------------------------

/** Word 1 of every node: slots used (8 bits), live children (from bit 8). */
export const COUNTS = 4;
export const LIVE_SHIFT = 8;
export const USED_MASK = 0xff;

export const N4_DIGITS = 8;
export const N4_CHILDREN = N4_DIGITS + 4;
export const N4_BYTES = 32;
export const N16_DIGITS = 8;
export const N16_CHILDREN = N16_DIGITS + 16;
export const N16_BYTES = N16_CHILDREN + 16 * 4;
/** Node48: per digit 0 (none) or 1 + the number of its slot. */
export const N48_INDEX = 8;
export const N48_CHILDREN = N48_INDEX + 256;
export const N48_BYTES = N48_CHILDREN + 48 * 4;
export const N256_CHILDREN = 8;
export const N256_BYTES = N256_CHILDREN + 256 * 4;

// ---- leaves --------------------------------------------------------------------------------------------------------

/** Over salt, cell, sequence number, type, lengths, key, and the value unless it may change in place. */
export const LEAF_CHECKSUM = 4;
/**
 * 8 aligned bytes, stored at once: m (41 bits), kind of mark (2 bits), hasOld (1 bit), high 20 bits of the sequence
 * number. m: how many syncs had been started when the mark was set.
 */
export const LEAF_MARK = 8;
export const LEAF_MARK_HIGH = 12;
export const MARK_M_HIGH_MASK = 0x1ff;
export const MARK_KIND_SHIFT = 9;
export const MARK_KIND_MASK = 3 << MARK_KIND_SHIFT;
export const MARK_NONE = 0;
/** A newer leaf of the key took its place. */
export const MARK_SUPERSEDED = 1 << MARK_KIND_SHIFT;
export const MARK_DELETED = 2 << MARK_KIND_SHIFT;
/** No sync ever promised it: a rebuild ignores it. */
export const MARK_VOID = 3 << MARK_KIND_SHIFT;
/** An older leaf of the key had been promised to a sync. */
export const MARK_HAS_OLD = 1 << 11;
export const MARK_SEQ_SHIFT = 12;
/** Low 32 bits of the sequence number. */
export const LEAF_SEQ = 16;
/** The key's digits, without the terminator. */
export const LEAF_KEY = 20;

/** Byte offset of the value of a number leaf (aligned to 8) whose key has `digits` digits. */
export function numberOffset(digits: number): number {
  return (LEAF_KEY + digits + 7) & ~7;
}
/** Byte offset of the 32-bit value length of any other leaf; the value's bytes follow it. */
export function lengthOffset(digits: number): number {
  return (LEAF_KEY + digits + 3) & ~3;
}

// ---- registry ------------------------------------------------------------------------------------------------------

/** Cell of participant slot `slot` (1 to 512). */
export function slotCell(slot: number): number {
  return (REGISTRY_SLAB * SLAB_BYTES + (slot - 1) * SLOT_BYTES) / UNIT;
}
/** incarnation (20 bits), the slot that recovers or collects it (10 bits), state (2 bits). */
export const SLOT_WORD = 0;
export const SLOT_STATE_MASK = 3;
export const SLOT_FREE = 0;
export const SLOT_ALIVE = 1;
export const SLOT_RECOVERING = 2;
export const SLOT_COLLECTING = 3;
export const SLOT_BY_SHIFT = 2;
export const SLOT_BY_MASK = 0x3ff << SLOT_BY_SHIFT;
export const SLOT_INCARNATION_SHIFT = 12;
export const SLOT_PID = 4;
export const SLOT_TID = 8;
export const SLOT_ROLE = 12;
export const SLOT_THREAD_START = 16;
export const SLOT_PID_NAMESPACE = 24;
/** Milliseconds since 1970. */
export const SLOT_SINCE = 32;
/** The epoch it works in, 0: in none. */
export const SLOT_EPOCH = 64;
/** Ordinal of the sync in the background that it has under way, 0: none. */
export const SLOT_SYNC_TICKET = 72;
// The intent: what a recoverer needs to undo or redo the write under way.
export const INTENT_STATE = 128;
/** The leaf to lock after the nodes, 0: none. Stored together with the state. */
export const INTENT_LOCK2 = 132;
/** Nodes to lock; or the leaf of a number in place. */
export const INTENT_LOCK0 = 136;
export const INTENT_LOCK1 = 140;
/** Cell, byte offset with width, and new value of the committing store. */
export const INTENT_CELL = 144;
export const INTENT_FIELD = 148;
export const INTENT_VALUE = 152;
export const INTENT_NEW0 = 156;
export const INTENT_NEW1 = 160;
export const INTENT_OLD_LEAF = 164;
export const INTENT_OLD_NODE = 168;
/** What the old leaf is marked as: INTENT_MARK_* */
export const INTENT_MARK = 172;
/** Tails of the two limbos when the intent was made. */
export const INTENT_LIMBO = 176;
export const INTENT_WAITING = 180;
export const INTENT_KEY_COUNT = 184;
/** The redo record is written as one run of words, from INTENT_CELL. */
export const INTENT_RECORD_WORDS = (INTENT_KEY_COUNT + 8 - INTENT_CELL) / 4;
/** Kept by the slot for ever; the sum over all slots is the number of keys. */
export const SLOT_KEY_COUNT = 192;
/** Cells that are PRIVATE, or may be: new leaf, new node. */
export const SLOT_PRIVATE0 = 200;
export const SLOT_PRIVATE1 = 204;
/** Hint: bytes of the leaves in the second limbo. */
export const SLOT_WAITING_BYTES = 208;
/** Two limbos: what waits for epochs alone, and leaves that wait for a sync as well. */
export const SLOT_LIMBO = 256;
export const SLOT_WAITING = 320;
// Fields of a limbo: first and next position, counted for ever modulo 2^32; the chunk that holds the first; a chunk
// on its way in or out.
export const LIMBO_HEAD = 0;
export const LIMBO_TAIL = 4;
export const LIMBO_CHUNK = 8;
export const LIMBO_TRANSIT = 12;

export const INTENT_NONE = 0;
export const INTENT_ANNOUNCED = 1;
export const INTENT_CHECKED = 2;
export const INTENT_PUBLISHED = 3;

/** INTENT_FIELD: byte offset, and this bit when the store is 8 bits wide. */
export const FIELD_BYTE = 1 << 16;
export const INTENT_MARK_NONE = 0;
export const INTENT_MARK_REPLACED = 1;
export const INTENT_MARK_REMOVED = 2;

// ---- limbo ---------------------------------------------------------------------------------------------------------

/** A limbo chunk: tag, next chunk, then entries of two words: cell, epoch. */
export const CHUNK_NEXT = 4;
export const CHUNK_ENTRIES = 8;
export const CHUNK_ENTRY_BYTES = 8;
export const CHUNK_LENGTH = 128;
export const CHUNK_BYTES = CHUNK_ENTRIES + CHUNK_LENGTH * CHUNK_ENTRY_BYTES;

// ---- lock bytes: open-file-description locks far beyond the end of any file ------------------------------------------

const LOCK_BASE = 2 ** 40;
/** Held by a participant for as long as it lives. */
export const lifeByte = (slot: number): number => LOCK_BASE + slot;
/** From here on: held while a store is created, opened or closed (reclaim/openlock.ts). */
export const OPEN_BYTE = LOCK_BASE + 4096;

// ---- the sizes above, asserted -------------------------------------------------------------------------------------

const EXPECTED: readonly [string, number, number][] = [
  ["registry slabs", REGISTRY_SLABS, 16],
  ["slab units", SLAB_UNITS, 1 << SLAB_SHIFT],
  ["slab table", REGION_SLABS * ENTRY_BYTES, SLAB_BYTES],
  ["Node4", N4_CHILDREN + 16 + 4, N4_BYTES],
  ["Node16", N16_BYTES, 88],
  ["Node48", N48_BYTES, 456],
  ["Node256", N256_BYTES, 1032],
  ["superblock", SB_FREE_CELLS + 64 * 4, SB_END],
  ["limbo chunk", CHUNK_BYTES, 1032],
  ["third lock of an intent, beside the state", INTENT_LOCK2, INTENT_STATE + 4],
  ["largest file in slabs", MAX_SLABS, 1 << 21],
];
for (const [what, is, expected] of EXPECTED) {
  if (is !== expected) throw new Error(`layout: ${what} is ${is}, expected ${expected}`);
}
