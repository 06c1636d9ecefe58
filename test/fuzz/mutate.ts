/**
 * Damage: mutant number `n` of a seed is always the same. What is hit is known by the layout: fields of the superblock,
 * of the slab table, of slots, of nodes and leaves; pointers become other plausible pointers. So are pages swapped,
 * cleared and copied, the file cut short and made longer. A checksum is made right again behind some of that, lest
 * nothing behind it is ever tried.
 */
import { CLASS_BYTES, CLASS_CELLS, CLASSES, FIRST_LEAF_CLASS } from "../../src/memory/classes.ts";
import * as layout from "../../src/memory/layout.ts";
import {
  COUNTS,
  ENTRY_BYTES,
  ENTRY_CHECKSUM,
  ENTRY_RUN,
  ENTRY_WORD,
  entryCell,
  FIRST_DATA_SLAB,
  KIND_MASK,
  LEAF_CHECKSUM,
  LEAF_KEY,
  LEAF_MARK,
  LEAF_MARK_HIGH,
  LEAF_SEQ,
  LIMBO,
  lengthOffset,
  MARK_KIND_MASK,
  MARK_M_HIGH_MASK,
  MARK_SEQ_SHIFT,
  N4_CHILDREN,
  N4_DIGITS,
  N16_CHILDREN,
  N48_CHILDREN,
  N48_INDEX,
  N256_CHILDREN,
  NODE4,
  NODE16,
  NODE48,
  SB_BOOT_ID,
  SB_CAPACITY,
  SB_CHECKSUM,
  SB_CLEAN,
  SB_DEVICE,
  SB_END,
  SB_FRONTIER,
  SB_IDENTITY_CHECKSUM,
  SB_SALT,
  SLAB_BYTES,
  SLAB_CELLS,
  SLAB_RUN,
  slotCell,
} from "../../src/memory/layout.ts";
import { mix32 } from "../../src/memory/mix.ts";
import { hashFrom } from "../../src/memory/primitives.ts";
import { entryChecksum, entryClass, entryKind } from "../../src/memory/slabs.ts";
import { finishChecksum, isNumber, keyLengthOf, leafBytes, typeOf } from "../../src/node/leaf.ts";
import { random } from "../random.ts";

/** Bytes that are swapped, cleared, copied and put back as one. */
export const PAGE = 4096;

/** Offsets of all fields of the superblock and of a slot, by the names that the layout gives them. */
const fields = Object.entries(layout).filter(
  (entry): entry is [string, number] => typeof entry[1] === "number",
);
const SB_FIELDS = fields.filter(([name, at]) => /^SB_/.test(name) && at < SB_END).map(([, at]) => at);
const SLOT_FIELDS = fields
  .filter(([name]) => /^(SLOT|INTENT)_[A-Z0-9_]+$/.test(name) && !/MASK|SHIFT|BYTES$|WORDS/.test(name))
  .map(([, at]) => at)
  .filter((at) => at < layout.SLOT_BYTES);

/** A valid file, and where in it there is something to damage. */
export interface Image {
  readonly name: string;
  readonly bytes: Buffer;
  /** Byte offsets of the cells in use, of all kinds; and by kind. */
  readonly cells: readonly number[];
  readonly nodes: readonly number[];
  readonly leaves: readonly number[];
  readonly frontier: number;
}

/** Looks through a valid file. */
export function surveyed(name: string, bytes: Buffer): Image {
  const cells: number[] = [];
  const nodes: number[] = [];
  const leaves: number[] = [];
  const frontier = bytes.readInt32LE(SB_FRONTIER);
  for (let slab = FIRST_DATA_SLAB; slab < frontier; slab++) {
    const word = bytes.readInt32LE(entryCell(slab) * 8 + ENTRY_WORD);
    const kind = entryKind(word);
    const sizeClass = entryClass(word);
    const step = kind === SLAB_RUN ? SLAB_BYTES : kind === SLAB_CELLS ? CLASS_BYTES[sizeClass]! : 0;
    const count = kind === SLAB_RUN ? 1 : CLASS_CELLS[sizeClass]!;
    for (let i = 0; step > 0 && i < count; i++) {
      const at = slab * SLAB_BYTES + i * step;
      if (bytes.readInt32LE(at) === 0) continue;
      cells.push(at);
      if (kind === SLAB_RUN || sizeClass >= FIRST_LEAF_CLASS) leaves.push(at);
      else if (sizeClass < LIMBO) nodes.push(at);
    }
  }
  return { name, bytes, cells, nodes, leaves, frontier };
}

/** A damage that was done to a file's bytes, but for its length. */
export interface Mutant {
  /** How long the file is to be; what lies beyond the bytes that were there is `tail`. */
  readonly length: number;
  readonly tail: Buffer;
  /** What was done, to be printed. */
  readonly what: string[];
  /** A wrong leaf has the right checksum, or the salt is another: nobody can know that a value was never written. */
  readonly forged: boolean;
}

export const identitySum = (bytes: Buffer): number => {
  let sum = 0x1d;
  for (let at = SB_DEVICE; at < SB_IDENTITY_CHECKSUM; at += 4) sum = mix32(sum, bytes.readInt32LE(at));
  return sum;
};

/** As if the machine had been booted anew since the file was in use. */
export function reboot(bytes: Buffer): void {
  bytes.writeInt32LE(bytes.readInt32LE(SB_BOOT_ID) ^ 1, SB_BOOT_ID);
  bytes.writeInt32LE(0, SB_CLEAN);
  bytes.writeInt32LE(identitySum(bytes), SB_IDENTITY_CHECKSUM);
}

function superblockSum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < SB_CHECKSUM; at += 4) sum = mix32(sum, bytes.readInt32LE(at));
  return sum;
}

/** Makes a leaf's checksum right for what the leaf is now, as far as that lies in the file. */
export function forgeLeaf(bytes: Buffer, at: number): void {
  const tag = bytes.readInt32LE(at);
  const type = typeOf(tag);
  const digits = keyLengthOf(tag);
  const lengthAt = at + lengthOffset(digits);
  if (type === 0 || lengthAt + 8 > bytes.length) return;
  const length = isNumber(type) ? 0 : bytes.readInt32LE(lengthAt);
  const end = at + (type === 1 ? LEAF_KEY + digits : leafBytes(digits, type, Math.max(0, length)));
  if (end > bytes.length) return;
  const salt = bytes.readInt32LE(SB_SALT);
  const content = bytes.subarray(at + LEAF_KEY, end);
  const seed = mix32(mix32(salt, (at / 8) | 0), (type << 16) | digits);
  const sum = hashFrom(content, content.length, seed);
  const high = bytes.readInt32LE(at + LEAF_MARK_HIGH) >>> MARK_SEQ_SHIFT;
  const before = bytes.readInt32LE(at + LEAF_CHECKSUM);
  const checksum = finishChecksum(sum, bytes.readInt32LE(at + LEAF_SEQ), high);
  bytes.writeInt32LE(checksum, at + LEAF_CHECKSUM);
  // The mark lies under a mask made of the checksum (docs/format.md): it stays the same mark.
  const low = mix32(before, MASK_LOW) ^ mix32(checksum, MASK_LOW);
  const masked =
    (mix32(before, MASK_HIGH) ^ mix32(checksum, MASK_HIGH)) & (MARK_KIND_MASK | MARK_M_HIGH_MASK);
  bytes.writeInt32LE(bytes.readInt32LE(at + LEAF_MARK) ^ low, at + LEAF_MARK);
  bytes.writeInt32LE(bytes.readInt32LE(at + LEAF_MARK_HIGH) ^ masked, at + LEAF_MARK_HIGH);
}

/** "mark", and the same backwards. */
const MASK_LOW = 0x6d61726b;
const MASK_HIGH = 0x6b72616d;

/** Makes the bytes of an image, which `file` has, those of its mutant number `number`. */
export function mutate(image: Image, file: Buffer, seed: number, number: number): Mutant {
  const pick = random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number, 0x85ebca6b));
  let bytes = file;
  let tail = Buffer.alloc(0);
  const what: string[] = [];
  let forged = false;
  const oneOf = <T>(list: readonly T[]): T => list[pick(list.length)]!;
  const put = (at: number, word: number): void => {
    if (at < 0 || at + 4 > bytes.length) return;
    what.push(`word ${bytes.readInt32LE(at)} at ${at} = ${word | 0}`);
    bytes.writeInt32LE(word | 0, at);
  };
  /** A cell that a pointer could lead to: in use, nearly one, at the edge of the file, or anything. */
  const pointer = (): number => {
    switch (pick(8)) {
      case 0:
        return oneOf(image.leaves) / 8;
      case 1:
      case 2:
        return oneOf(image.nodes) / 8;
      case 3:
        return oneOf(image.cells) / 8 + oneOf([1, -1, 2, 4]);
      case 4:
        return bytes.length / 8 - oneOf([0, 1, 2, 3, 4, 11, 57, 129]);
      case 5:
        return (pick(bytes.length) / 8) | 0;
      case 6:
        return oneOf([0, 1, -1, 2 ** 31, slotCell(1), entryCell(FIRST_DATA_SLAB), FIRST_DATA_SLAB * 2048]);
      default:
        return pick(2 ** 32);
    }
  };
  const word = (old: number): number => {
    switch (pick(9)) {
      case 0:
        return 0;
      case 1:
        return -1;
      case 2:
        return old + 1;
      case 3:
        return old - 1;
      case 4:
        return old ^ (1 << pick(32));
      case 5:
        return pick(300);
      case 6:
        return oneOf([2 ** 31 - 1, -(2 ** 31), 2 ** 21, 2 ** 16, 1 << 14, 16_384]);
      case 7:
        return pointer();
      default:
        return pick(2 ** 32);
    }
  };
  const change = (at: number): void => {
    if (at + 4 <= bytes.length) put(at, word(bytes.readInt32LE(at)));
  };

  const damageNode = (): void => {
    const at = oneOf(image.nodes);
    const kind = bytes.readInt32LE(at) & KIND_MASK;
    const children =
      kind === NODE4
        ? N4_CHILDREN
        : kind === NODE16
          ? N16_CHILDREN
          : kind === NODE48
            ? N48_CHILDREN
            : N256_CHILDREN;
    const count = kind === NODE4 ? 4 : kind === NODE16 ? 16 : kind === NODE48 ? 48 : 256;
    const child = at + children + pick(count) * 4;
    switch (pick(7)) {
      case 0:
        put(at, word(bytes.readInt32LE(at)));
        break;
      case 1:
        change(at + COUNTS);
        break;
      case 2:
        change(at + (kind === NODE48 ? N48_INDEX + pick(64) * 4 : N4_DIGITS));
        break;
      case 3:
        // All children are the same one: what is below it is there once for each.
        if (pick(3) === 0) {
          const same = pointer();
          for (let i = 0; i < count && at + children + i * 4 + 4 <= bytes.length; i++) {
            bytes.writeInt32LE(same | 0, at + children + i * 4);
          }
          what.push(`all children of the node at ${at} are ${same | 0}`);
          break;
        }
        put(child, at / 8);
        break;
      default:
        put(child, pointer());
    }
  };
  const damageLeaf = (): void => {
    const at = oneOf(image.leaves);
    const digits = keyLengthOf(bytes.readInt32LE(at));
    switch (pick(6)) {
      case 0:
        change(at);
        break;
      case 1:
        change(at + oneOf([LEAF_CHECKSUM, LEAF_MARK_HIGH - 4, LEAF_MARK_HIGH, LEAF_SEQ]));
        break;
      case 2:
        change(at + LEAF_KEY + (pick(digits + 1) & ~3));
        break;
      case 3:
        change(at + lengthOffset(digits));
        break;
      case 4:
        change(at + lengthOffset(digits) + 4);
        break;
      default:
        put(at, (bytes.readInt32LE(at) & 0x7fff) | (pick(2 ** 17) << 15));
    }
    if (pick(3) === 0) {
      forgeLeaf(bytes, at);
      forged = true;
      what.push("its checksum made right");
    }
  };
  const damageEntry = (): void => {
    const slab = pick(8) === 0 ? pick(1024) : FIRST_DATA_SLAB + pick(image.frontier - FIRST_DATA_SLAB + 2);
    const at = entryCell(slab) * 8;
    if (pick(3) === 0) {
      const kind = pick(7);
      const sizeClass = pick(3) === 0 ? pick(256) : pick(CLASSES);
      put(at + ENTRY_WORD, kind | (sizeClass << 4) | (pick(4) === 0 ? pick(1024) << 12 : 0));
    } else change(at + oneOf([ENTRY_WORD, ENTRY_RUN, ENTRY_CHECKSUM, 4]));
    if (pick(2) === 0) {
      const now = bytes.readInt32LE(at + ENTRY_WORD);
      const salt = bytes.readInt32LE(SB_SALT);
      const run = bytes.readInt32LE(at + ENTRY_RUN);
      put(at + ENTRY_CHECKSUM, entryChecksum(salt, slab, entryKind(now), entryClass(now), run));
    }
  };
  const damageSuperblock = (): void => {
    const at = oneOf(SB_FIELDS);
    change(at & ~3);
    if (at < SB_CHECKSUM && pick(2) === 0) {
      put(SB_CHECKSUM, superblockSum(bytes));
      forged = true;
    }
    if (at >= SB_DEVICE && at < SB_IDENTITY_CHECKSUM && pick(2) === 0)
      put(SB_IDENTITY_CHECKSUM, identitySum(bytes));
  };
  const damagePages = (): void => {
    const most = Math.ceil((image.frontier * SLAB_BYTES) / PAGE);
    const page = (): number => pick(most) * PAGE;
    const [a, b] = [page(), page()];
    const first = Buffer.from(bytes.subarray(a, a + PAGE));
    switch (pick(4)) {
      case 0:
        what.push(`pages at ${a} and ${b} swapped`);
        bytes.copy(bytes, a, b, b + PAGE);
        first.copy(bytes, b);
        break;
      case 1:
        what.push(`page at ${a} cleared`);
        bytes.fill(pick(3) === 0 ? 0xff : 0, a, a + PAGE);
        break;
      case 2:
        what.push(`page at ${a} copied to ${b}`);
        first.copy(bytes, b);
        break;
      default: {
        const sector = pick(8) * 512;
        what.push(`sector at ${a + sector} cleared`);
        bytes.fill(0, a + sector, a + sector + 512);
      }
    }
  };
  const damageLength = (): void => {
    const to = pick(2) === 0 ? pick(bytes.length) : pick(bytes.length / PAGE) * PAGE;
    if (pick(2) === 0) {
      what.push(`cut to ${to}`);
      bytes = bytes.subarray(0, to);
      if (pick(2) === 0 && to > SB_END) put(SB_CAPACITY, Math.floor(to / SLAB_BYTES));
    } else {
      const more = Buffer.alloc(1 + pick(SLAB_BYTES * 3), pick(2) === 0 ? 0 : pick(256));
      what.push(`${more.length} bytes more`);
      tail = more;
      if (pick(2) === 0) put(SB_CAPACITY, Math.floor((bytes.length + more.length) / SLAB_BYTES));
    }
  };

  for (let i = [1, 1, 1, 2, 2, 3, 6, 12][pick(8)]!; i > 0; i--) {
    const at = pick(16);
    if (at < 2) {
      const place = pick(4) === 0 ? pick(bytes.length) : oneOf(image.cells) + pick(64);
      const bit = pick(8);
      if (place < bytes.length) {
        bytes[place]! ^= 1 << bit;
        what.push(`bit ${bit} at ${place}`);
      }
    } else if (at < 3) {
      const place = oneOf(image.cells) + pick(48);
      for (let n = 1 + pick(32), j = 0; j < n && place + j < bytes.length; j++) bytes[place + j] = pick(256);
      what.push(`noise at ${place}`);
    } else if (at < 8) damageNode();
    else if (at < 10) damageLeaf();
    else if (at < 11) damageEntry();
    else if (at < 12) damageSuperblock();
    else if (at < 14) change(slotCell(1 + pick(pick(4) === 0 ? 512 : 2)) * 8 + (oneOf(SLOT_FIELDS) & ~3));
    else if (at < 15) damagePages();
    // A file that is cut short has little left to be damaged.
    else if (i === 1 && pick(2) === 0) damageLength();
    else {
      // A word in a limbo chunk, or in the registry's intents.
      const chunks = image.cells.filter((cell) => (image.bytes.readInt32LE(cell) & KIND_MASK) === LIMBO);
      if (chunks.length > 0) change(oneOf(chunks) + pick(24) * 4);
    }
    if (bytes.length < ENTRY_BYTES) break;
  }
  return { length: bytes.length + tail.length, tail, what, forged };
}
