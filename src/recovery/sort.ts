/**
 * Sorting leaves by key: quicksort over eight digits at a time, which are kept beside the cells, so that a leaf is
 * visited once for each eight digits that it shares with others (caching multikey quicksort: Ng, Kakehi 2007).
 */
import { LEAF_KEY, TAG } from "../memory/layout.ts";
import { load32, prefetch } from "../memory/primitives.ts";
import { keyLengthOf } from "../node/leaf.ts";

/** Below it, insertion sort. */
const SMALL = 12;
/** Leaves between the one that is read and the one that is asked for. */
export const AHEAD = 12;
/** Leaves between two chances for the caller to pause. */
const LARGE = 1 << 14;

/**
 * Sorts the first `count` of `cells`, leaves of the file, by their keys. Yields now and then how much is done, 0 to 1.
 * No leaf may be reused meanwhile.
 */
export function* sortByKey(h: number, cells: Int32Array, count: number): Generator<number, void> {
  const high = new Uint32Array(count);
  const low = new Uint32Array(count);
  // Ranges whose digits from `depth` on are still to be sorted.
  const ranges: [from: number, to: number, depth: number, cached: boolean][] = [[0, count, 0, false]];
  let work = 0;
  for (let range = ranges.pop(); range !== undefined; range = ranges.pop()) {
    const [from, to, depth, cached] = range;
    work += to - from;
    if (work > LARGE) {
      work = 0;
      yield from / count;
    }
    if (!cached) {
      const isLarge = to - from > 4 * AHEAD;
      for (let i = from; i < to; i++) {
        const cell = cells[i]!;
        // They lie anywhere in the file: several are asked for at once. Of small ranges, the one below comes next.
        const later = isLarge ? i + AHEAD : i - AHEAD;
        if (later >= 0 && later < to) prefetch(h, cells[later]!);
        const digits = keyLengthOf(load32(h, cell, TAG));
        high[i] = fourDigits(h, cell, digits, depth);
        low[i] = fourDigits(h, cell, digits, depth + 4);
        if (i % LARGE === LARGE - 1) yield from / count;
      }
    }
    if (to - from > LARGE) {
      const [less, more] = partition(cells, high, low, from, to);
      // What equals the pivot differs further on, unless the keys have ended.
      if ((low[less]! & 0xff) !== 0 && more - less > 1) ranges.push([less, more, depth + 8, false]);
      ranges.push([more, to, depth, true], [from, less, depth, true]);
      continue;
    }
    sortCached(cells, high, low, from, to);
    for (let i = from; i < to; ) {
      let j = i + 1;
      while (j < to && high[j] === high[i] && low[j] === low[i]) j++;
      if (j - i > 1 && (low[i]! & 0xff) !== 0) ranges.push([i, j, depth + 8, false]);
      i = j;
    }
  }
}

/** Digits `depth` to `depth + 3` as a number; behind the end of the key its terminator, 0. */
function fourDigits(h: number, cell: number, digits: number, depth: number): number {
  const left = digits - depth;
  if (left <= 0) return 0;
  const word = load32(h, cell, LEAF_KEY + depth);
  const number =
    ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | ((word >>> 24) & 0xff);
  return (left >= 4 ? number : number & (-1 << ((4 - left) * 8))) >>> 0;
}

function swap(cells: Int32Array, high: Uint32Array, low: Uint32Array, i: number, j: number): void {
  const cell = cells[i]!;
  const a = high[i]!;
  const b = low[i]!;
  cells[i] = cells[j]!;
  high[i] = high[j]!;
  low[i] = low[j]!;
  cells[j] = cell;
  high[j] = a;
  low[j] = b;
}

/** Three ways round a pivot from the middle: what is less, what equals it (from the first result on), what is more. */
function partition(
  cells: Int32Array,
  high: Uint32Array,
  low: Uint32Array,
  from: number,
  to: number,
): [number, number] {
  const middle = medianOfThree(high, low, from, (from + to) >>> 1, to - 1);
  const pivotHigh = high[middle]!;
  const pivotLow = low[middle]!;
  let less = from;
  let more = to;
  for (let i = from; i < more; ) {
    const a = high[i]!;
    const b = low[i]!;
    if (a < pivotHigh || (a === pivotHigh && b < pivotLow)) swap(cells, high, low, less++, i++);
    else if (a > pivotHigh || b > pivotLow) swap(cells, high, low, i, --more);
    else i++;
  }
  return [less, more];
}

function medianOfThree(high: Uint32Array, low: Uint32Array, a: number, b: number, c: number): number {
  const isLess = (i: number, j: number): boolean =>
    high[i]! < high[j]! || (high[i] === high[j] && low[i]! < low[j]!);
  if (isLess(a, b)) return isLess(b, c) ? b : isLess(a, c) ? c : a;
  return isLess(a, c) ? a : isLess(b, c) ? c : b;
}

/** Sorts a range by the digits that are kept beside the cells. The larger part waits, so that the stack stays low. */
function sortCached(
  cells: Int32Array,
  high: Uint32Array,
  low: Uint32Array,
  start: number,
  end: number,
): void {
  let from = start;
  let to = end;
  while (to - from > SMALL) {
    const [less, more] = partition(cells, high, low, from, to);
    if (less - from < to - more) {
      sortCached(cells, high, low, from, less);
      from = more;
    } else {
      sortCached(cells, high, low, more, to);
      to = less;
    }
  }
  for (let i = from + 1; i < to; i++) {
    const cell = cells[i]!;
    const a = high[i]!;
    const b = low[i]!;
    let j = i;
    for (; j > from && (high[j - 1]! > a || (high[j - 1] === a && low[j - 1]! > b)); j--) {
      cells[j] = cells[j - 1]!;
      high[j] = high[j - 1]!;
      low[j] = low[j - 1]!;
    }
    cells[j] = cell;
    high[j] = a;
    low[j] = b;
  }
}
