/**
 * The bytes of a leaf as a stream. A leaf lies in one piece, but for the largest: a run of slabs steps over the slab
 * table that stands at every 16 MiB of the file.
 */
import { corrupt } from "../errors.ts";
import { REGION_SLABS, SLAB_BYTES, SLAB_UNITS, UNIT } from "../memory/layout.ts";
import { compareBytes, copyIn, copyInFrom, copyOut, copyOutTo, hash, persist } from "../memory/primitives.ts";

const REGION_BYTES = REGION_SLABS * SLAB_BYTES;
const REGION_UNITS = REGION_SLABS * SLAB_UNITS;

/** Bytes from `off` of the leaf at `cell` to the next slab table. */
function pieceLength(cell: number, off: number): number {
  const at = (cell >>> 0) * UNIT + off;
  return REGION_BYTES - (at % REGION_BYTES);
}

/** Cell behind the slab table that ends the piece at `off` of `cell`. */
function nextPiece(cell: number, off: number): number {
  const at = (cell >>> 0) * UNIT + off;
  return ((Math.floor(at / REGION_BYTES) + 1) * (REGION_BYTES / UNIT) + SLAB_UNITS) | 0;
}

/** Hash of `length` bytes. */
export function hashBytes(h: number, leaf: number, off: number, length: number, seed: number): number {
  let cell = leaf;
  let at = off;
  let left = length;
  let result = seed;
  for (;;) {
    const piece = Math.min(left, pieceLength(cell, at));
    result = hash(h, cell, at, piece, result);
    left -= piece;
    if (left === 0) return result;
    cell = nextPiece(cell, at);
    at = 0;
  }
}

/**
 * Makes the `length` bytes from `off` on zero, and writes only where they are not. The scratch buffer has `zeros` zeros
 * at `scratchOffset`.
 */
export function clearBytes(
  h: number,
  leaf: number,
  off: number,
  length: number,
  scratchOffset: number,
  zeros: number,
): void {
  let cell = leaf;
  let at = 0;
  for (let skip = off, left = length; left > 0; ) {
    const rest = pieceLength(cell, at);
    const piece = skip > 0 ? Math.min(skip, rest) : Math.min(left, rest, zeros);
    if (skip > 0) skip -= piece;
    else {
      if (compareBytes(h, cell, at, scratchOffset, piece) >= 0) copyIn(h, cell, at, scratchOffset, piece);
      left -= piece;
    }
    if (piece < rest) {
      at += piece;
    } else {
      cell = nextPiece(cell, at);
      at = 0;
    }
  }
}

/** Writes the first `length` bytes of a leaf back to persistent memory. */
export function persistBytes(h: number, leaf: number, length: number): void {
  let cell = leaf;
  for (let left = length; left > 0; ) {
    const piece = Math.min(left, pieceLength(cell, 0));
    persist(h, cell, 0, piece);
    left -= piece;
    cell = nextPiece(cell, 0);
  }
}

/** Copies all of `bytes` into a private leaf. */
export function writeBytes(h: number, leaf: number, off: number, bytes: Uint8Array): void {
  let cell = leaf;
  let at = off;
  let done = 0;
  while (done < bytes.length) {
    const piece = Math.min(bytes.length - done, pieceLength(cell, at));
    const part = done === 0 && piece === bytes.length ? bytes : bytes.subarray(done, done + piece);
    if (copyInFrom(h, cell, at, part, piece) === 0)
      throw corrupt("a run of slabs leads beyond the file", leaf);
    done += piece;
    cell = nextPiece(cell, at);
    at = 0;
  }
}

/** Fills `bytes` from the leaf. Throws CORRUPT where the leaf claims more than the file has. */
export function readBytes(h: number, leaf: number, off: number, bytes: Uint8Array): void {
  let cell = leaf;
  let at = off;
  let done = 0;
  while (done < bytes.length) {
    const piece = Math.min(bytes.length - done, pieceLength(cell, at));
    const part = done === 0 && piece === bytes.length ? bytes : bytes.subarray(done, done + piece);
    if (copyOutTo(h, cell, at, part, piece) === 0)
      throw corrupt("a leaf's value reaches beyond the file", leaf);
    done += piece;
    cell = nextPiece(cell, at);
    at = 0;
  }
}

/**
 * Copies `length` bytes from `off` on of the leaf at `leaf` of the file with handle `from` to the private leaf at
 * `target` of another file, through `buffer`.
 */
export function copyBytes(
  from: number,
  leaf: number,
  to: number,
  target: number,
  off: number,
  length: number,
  buffer: Uint8Array,
): void {
  const source = { cell: leaf, at: off };
  const sink = { cell: target, at: off };
  for (let left = length; left > 0; ) {
    const n = Math.min(
      left,
      buffer.length,
      pieceLength(source.cell, source.at),
      pieceLength(sink.cell, sink.at),
    );
    if (copyOutTo(from, source.cell, source.at, buffer, n) === 0)
      throw corrupt("a leaf's value reaches beyond the file", leaf);
    if (copyInFrom(to, sink.cell, sink.at, buffer, n) === 0)
      throw corrupt("a run of slabs leads beyond the file", target);
    left -= n;
    for (const place of [source, sink]) {
      if (n < pieceLength(place.cell, place.at)) {
        place.at += n;
      } else {
        place.cell = nextPiece(place.cell, place.at);
        place.at = 0;
      }
    }
  }
}

/** Is there no slab table within `length` bytes from `off` of the leaf? */
const isOnePiece = (leaf: number, off: number, length: number): boolean =>
  (leaf & (REGION_UNITS - 1)) * UNIT + off + length <= REGION_BYTES;

/** Copies bytes of a leaf to the scratch buffer. Throws CORRUPT where the leaf claims more than the file has. */
export function readToScratch(
  h: number,
  leaf: number,
  off: number,
  scratchOffset: number,
  length: number,
): void {
  let cell = leaf;
  let at = off;
  let done = 0;
  while (!isOnePiece(cell, at, length - done)) {
    const piece = pieceLength(cell, at);
    if (copyOut(h, cell, at, scratchOffset + done, piece) === 0)
      throw corrupt("a leaf reaches beyond the file", leaf);
    done += piece;
    cell = nextPiece(cell, at);
    at = 0;
  }
  if (copyOut(h, cell, at, scratchOffset + done, length - done) === 0)
    throw corrupt("a leaf reaches beyond the file", leaf);
}

/** Copies bytes from the scratch buffer into a private leaf. */
export function writeFromScratch(
  h: number,
  leaf: number,
  off: number,
  scratchOffset: number,
  length: number,
): void {
  let cell = leaf;
  let at = off;
  let done = 0;
  while (!isOnePiece(cell, at, length - done)) {
    const piece = pieceLength(cell, at);
    if (copyIn(h, cell, at, scratchOffset + done, piece) === 0)
      throw corrupt("a new leaf lies beyond the file", leaf);
    done += piece;
    cell = nextPiece(cell, at);
    at = 0;
  }
  if (length > done && copyIn(h, cell, at, scratchOffset + done, length - done) === 0)
    throw corrupt("a new leaf lies beyond the file", leaf);
}

/** Are these the leaf's bytes? */
export function equalBytes(h: number, leaf: number, off: number, bytes: Uint8Array): boolean {
  const own = Buffer.allocUnsafe(bytes.length);
  readBytes(h, leaf, off, own);
  return own.equals(bytes);
}
