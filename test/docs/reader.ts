/**
 * Reads a file that nobody has open, by what docs/format.md says and nothing else: no code of src/ is used, and each
 * number comes from the page. `n` holds the numbers by their names.
 */

/** An entry as the page describes it. */
export interface Entry {
  readonly key: Buffer;
  /** A number, a bigint, or type and bytes of what is neither. */
  readonly value: number | bigint | { readonly type: number; readonly bytes: Buffer };
  /** Is the leaf's checksum right? */
  readonly sound: boolean;
}

const LOW64 = (1n << 64n) - 1n;

export function mix32(state: number, word: number): number {
  let x = (Math.imul(state, 0x9e3779b1) ^ word) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

function round(s: bigint, w: bigint): bigint {
  let x = ((s ^ w) * 0x9e6c63d0876a9a35n) & LOW64;
  x = ((x ^ (x >> 29n)) * 0xd1b54a32d192ed03n) & LOW64;
  return x ^ (x >> 32n);
}

export function hash(bytes: Buffer, seed: number): number {
  let s = round((BigInt(seed >>> 0) << 32n) | 0x6b616e63n, BigInt(bytes.length));
  const whole = bytes.length & ~7;
  for (let at = 0; at < whole; at += 8) s = round(s, bytes.readBigUInt64LE(at));
  if (whole < bytes.length) {
    const last = Buffer.alloc(8);
    bytes.copy(last, 0, whole);
    s = round(s, last.readBigUInt64LE(0));
  }
  s = round(round(s, 0n), 0n);
  return Number((s ^ (s >> 32n)) & 0xffffffffn) | 0;
}

export class Reader {
  private readonly file: Buffer;
  private readonly n: (name: string) => number;

  constructor(file: Buffer, n: (name: string) => number) {
    this.file = file;
    this.n = n;
  }

  /** Are magic, version, and the superblock's checksum right? */
  isStore(): boolean {
    const { file, n } = this;
    let sum = 0;
    for (let at = 0; at < n("SB_CHECKSUM"); at += 4) sum = mix32(sum, file.readInt32LE(at));
    return (
      file.subarray(n("SB_MAGIC"), n("SB_MAGIC") + 8).equals(Buffer.from("\x89BNCS\r\n\x1a", "latin1")) &&
      file.readInt32LE(n("SB_VERSION")) === 1 &&
      file.readInt32LE(n("SB_SLAB_BYTES")) === n("SLAB_BYTES") &&
      file.readInt32LE(n("SB_CHECKSUM")) === sum
    );
  }

  /** Are the entries of all slabs of cells and runs right? */
  slabsAreSound(): boolean {
    const { file, n } = this;
    for (let slab = n("FIRST_DATA_SLAB"); slab < file.readInt32LE(n("SB_FRONTIER")); slab++) {
      const region = Math.floor(slab / n("REGION_SLABS"));
      const table = region === 0 ? n("FIRST_TABLE_SLAB") : region * n("REGION_SLABS");
      const entry = table * n("SLAB_BYTES") + (slab % n("REGION_SLABS")) * n("ENTRY_BYTES");
      const word = file.readInt32LE(entry + n("ENTRY_WORD"));
      const kind = word & 15;
      if (kind !== n("SLAB_CELLS") && kind !== n("SLAB_RUN")) continue;
      const sizeClass = (word >>> n("ENTRY_CLASS_SHIFT")) & 255;
      const run = file.readInt32LE(entry + n("ENTRY_RUN"));
      const salt = file.readInt32LE(n("SB_SALT"));
      const sum = mix32(mix32(mix32(salt, slab), kind | (sizeClass << 8)), run);
      if (file.readInt32LE(entry + n("ENTRY_CHECKSUM")) !== sum) return false;
    }
    return true;
  }

  /** How many keys the registry counts. */
  keyCount(): number {
    const { file, n } = this;
    let sum = 0n;
    for (let slot = 1; slot <= n("SLOTS"); slot++) {
      const at = n("REGISTRY_SLAB") * n("SLAB_BYTES") + (slot - 1) * n("SLOT_BYTES");
      sum += file.readBigInt64LE(at + n("SLOT_KEY_COUNT"));
    }
    return Number(sum);
  }

  /** The entries in order. */
  *entries(cell = this.file.readInt32LE(this.n("SB_ROOT")), above = -1): Generator<Entry> {
    const { file, n } = this;
    const at = (cell >>> 0) * n("UNIT");
    const tag = file.readInt32LE(at + n("TAG"));
    if ((tag & 24) !== n("LIVE")) throw new Error(`cell ${cell} is in the tree and not LIVE`);
    if ((tag & 7) === n("LEAF")) {
      yield this.leaf(cell, at, tag);
      return;
    }
    const depth = tag >>> n("AUX_SHIFT");
    if (depth <= above) throw new Error(`node ${cell} is no deeper than its parent`);
    for (const child of this.children(at, tag & 7)) yield* this.entries(child, depth);
  }

  /** The children of a node by digit. */
  private children(at: number, kind: number): number[] {
    const { file, n } = this;
    const byDigit = new Array<number>(256).fill(0);
    if (kind === n("NODE256")) {
      for (let digit = 0; digit < 256; digit++)
        byDigit[digit] = file.readInt32LE(at + n("N256_CHILDREN") + digit * 4);
    } else if (kind === n("NODE48")) {
      for (let digit = 0; digit < 256; digit++) {
        const index = file[at + n("N48_INDEX") + digit]!;
        if (index > 0) byDigit[digit] = file.readInt32LE(at + n("N48_CHILDREN") + (index - 1) * 4);
      }
    } else {
      const used = file[at + n("COUNTS")]!;
      const [digits, slots] =
        kind === n("NODE4") ? [n("N4_DIGITS"), n("N4_CHILDREN")] : [n("N16_DIGITS"), n("N16_CHILDREN")];
      for (let i = 0; i < used; i++) byDigit[file[at + digits + i]!] = file.readInt32LE(at + slots + i * 4);
    }
    const children = byDigit.filter((child) => child !== 0);
    if (children.length !== file.readInt32LE(at + n("COUNTS")) >>> 8)
      throw new Error(`the node at ${at} miscounts its children`);
    return children;
  }

  private leaf(cell: number, at: number, tag: number): Entry {
    const { file, n } = this;
    const digits = (tag >>> n("AUX_SHIFT")) & n("KEY_LENGTH_MASK");
    const type = tag >>> n("TYPE_SHIFT");
    const isNumber = type <= 2;
    const afterKey = n("LEAF_KEY") + digits;
    const valueAt = isNumber ? (afterKey + 7) & ~7 : ((afterKey + 3) & ~3) + 4;
    const length = isNumber ? 8 : file.readInt32LE(at + valueAt - 4);
    const pieces = this.pieces(at, valueAt + length);
    const bytes = Buffer.concat(pieces).subarray(valueAt);

    const inPlace = type === 1 && (at % 512) + valueAt + 8 <= 512;
    const high = file.readInt32LE(at + n("LEAF_MARK_HIGH")) >>> n("MARK_SEQ_SHIFT");
    let sum = mix32(mix32(file.readInt32LE(n("SB_SALT")), cell), (type << 16) | digits);
    if (inPlace) sum = hash(file.subarray(at + n("LEAF_KEY"), at + afterKey), sum);
    else
      pieces.forEach((piece, i) => {
        sum = hash(i === 0 ? piece.subarray(n("LEAF_KEY")) : piece, sum);
      });
    sum = mix32(mix32(sum, file.readInt32LE(at + n("LEAF_SEQ"))), high);

    const key: number[] = [];
    for (let i = 0; i < digits; i++) {
      const digit = file[at + n("LEAF_KEY") + i]!;
      key.push(digit === 1 ? file[at + n("LEAF_KEY") + ++i]! - 1 : digit);
    }
    return {
      key: Buffer.from(key),
      value: type === 1 ? bytes.readDoubleLE(0) : type === 2 ? bytes.readBigInt64LE(0) : { type, bytes },
      sound: file.readInt32LE(at + n("LEAF_CHECKSUM")) === sum,
    };
  }

  /** The bytes of a leaf: in a run they go on behind the slab table that stands in the way. */
  private pieces(at: number, length: number): Buffer[] {
    const region = this.n("REGION_SLABS") * this.n("SLAB_BYTES");
    const pieces: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const piece = Math.min(left, region - (at % region));
      pieces.push(this.file.subarray(at, at + piece));
      left -= piece;
      at += piece + this.n("SLAB_BYTES");
    }
    return pieces;
  }
}
