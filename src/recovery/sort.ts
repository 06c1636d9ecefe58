/**
 * Sorting leaves by key. Eight digits of each key, its window, are kept beside the cells, so that a leaf is visited
 * once for each eight digits that it shares with others, and the windows tell where neighbours differ: whoever builds
 * a tree of the leaves need not read them again (caching multikey quicksort: Ng, Kakehi 2007; the large ranges are first
 * parted digit by digit, in place: American flag sort, McIlroy, Bostic, McIlroy 1993).
 */
import { LEAF_KEY, TAG } from "../memory/layout.ts";
import { load32, prefetch } from "../memory/primitives.ts";
import { keyLengthOf } from "../node/leaf.ts";
import { digitOf } from "../rowex/place.ts";
import { CellList } from "./celllist.ts";

/** Below it, insertion sort. */
const SMALL = 12;
/** Above it, a range is parted by one digit after the other. */
const MANY = 512;
/** Leaves between the one that is read and the one that is asked for. */
export const AHEAD = 12;
/** Leaves between two chances for the caller to pause. */
const PAUSE = 1 << 14;
/** Digits in a window. */
const WINDOW = 8;
/**
 * Digits at the start of a window that all leaves of a large range share are skipped in so many: fewer are not worth another
 * look at the leaves, and each window begins at a whole word of its leaf, since some processors load no other ones.
 */
const SKIPPED = 4;
const RADIX = 256;
/** Before and after, where a key goes on behind its terminator: no two keys differ like that. */
const NO_DIGITS = 0xffff;

/**
 * Where each leaf, but the first, differs from the one before it. Both arrays have an entry for each leaf.
 */
export interface Differences {
  /** 1 more than the index of the first digit in which the two keys differ; 0: they are the same, as far as is known. */
  readonly at: Uint32Array;
  /** That digit of the earlier leaf, times 256, plus that of the later one; {@link NO_DIGITS} if one key is damaged. */
  readonly digits: Uint32Array;
}

/**
 * Sorts the first `count` of `cells`, leaves of the file, by their keys, and returns where neighbours differ. Yields now
 * and then how much is done, 0 to 1. No leaf may be reused meanwhile. A key that has a terminator in its middle, which
 * only damage makes, is sorted by what is before it.
 */
export function* sortByKey(h: number, cells: Int32Array, count: number): Generator<number, Differences> {
  const sorter = new Sorter(h, cells, count);
  // Ranges whose digits from a depth on are still to be sorted: those with the same number of windows behind them together.
  let ranges = new CellList();
  if (count > 0) noteRange(ranges, 0, count, 0, 0, 0);
  for (let rest = 1; ranges.count > 0; rest /= 4) {
    for (const done of sorter.readWindows(ranges)) yield 1 - rest * (1 - done * 0.3);
    const deeper = new CellList();
    for (const done of sorter.sortWindows(ranges, deeper)) yield 1 - rest * (0.7 - done * 0.45);
    ranges = deeper;
  }
  const { high: at, low: digits } = sorter;
  if (count > 0) digits[0] = digitOf(h, cells[0]!, load32(h, cells[0]!, TAG), 0);
  return { at, digits };
}

/** Words of a range in a list: its first leaf, the one behind its last, the depth of its windows. */
const DEPTH = 2;
/** And how its first leaf differs from the one before it, which its window takes the place of. */
const FIRST_AT = 3;
const FIRST_DIGITS = 4;
const RANGE_WORDS = 5;

function noteRange(
  ranges: CellList,
  from: number,
  to: number,
  depth: number,
  at: number,
  digits: number,
): void {
  ranges.add(from);
  ranges.add(to);
  ranges.add(depth);
  ranges.add(at);
  ranges.add(digits);
}

class Sorter {
  /** The windows' first four digits, and the others. Once a range is sorted, they hold {@link Differences}. */
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  private readonly h: number;
  private readonly cells: Int32Array;
  private readonly counts = Array.from({ length: WINDOW }, () => new Int32Array(RADIX + 1));
  private readonly next = new Int32Array(RADIX);
  private work = 0;

  constructor(h: number, cells: Int32Array, count: number) {
    this.h = h;
    this.cells = cells;
    this.high = new Uint32Array(count);
    this.low = new Uint32Array(count);
  }

  private isTimeToPause(): boolean {
    if (this.work < PAUSE) return false;
    this.work = 0;
    return true;
  }

  // ---- windows ---------------------------------------------------------------------------------------------------------

  /** Reads the windows of all leaves of the ranges, deeper ones where that tells more. */
  *readWindows(ranges: CellList): Generator<number, void> {
    const { cells: words, count } = ranges;
    const ahead = new Ahead(this.h, this.cells, words.subarray(0, count));
    for (let r = 0; r < count; r += RANGE_WORDS) {
      const from = words[r]!;
      const to = words[r + 1]!;
      for (let i = from; i < to; i += PAUSE) {
        this.readSome(i, Math.min(i + PAUSE, to), words[r + DEPTH]!, ahead);
        if (this.isTimeToPause()) yield r / count;
      }
      for (let shared = this.sharedBy(from, to); shared > 0; shared = this.sharedBy(from, to)) {
        words[r + DEPTH]! += shared;
        const again = new Ahead(this.h, this.cells, words.subarray(r, r + RANGE_WORDS));
        for (let i = from; i < to; i += PAUSE) {
          this.readSome(i, Math.min(i + PAUSE, to), words[r + DEPTH]!, again);
          if (this.isTimeToPause()) yield r / count;
        }
      }
    }
  }

  private readSome(from: number, to: number, depth: number, ahead: Ahead): void {
    const { h, cells, high, low } = this;
    this.work += to - from;
    for (let i = from; i < to; i++) {
      ahead.ask();
      const cell = cells[i]!;
      const digits = keyLengthOf(load32(h, cell, TAG));
      high[i] = fourDigits(h, cell, digits, depth);
      low[i] = fourDigits(h, cell, digits, depth + 4);
    }
  }

  /** How many digits, in whole words, all windows of a large range begin with, if no terminator is among them; else 0. */
  private sharedBy(from: number, to: number): number {
    const { high, low } = this;
    if (to - from <= MANY) return 0;
    const firstHigh = high[from]!;
    const firstLow = low[from]!;
    let highBits = 0;
    let lowBits = 0;
    for (let i = from + 1; i < to; i++) {
      highBits |= high[i]! ^ firstHigh;
      lowBits |= low[i]! ^ firstLow;
    }
    const same = (highBits !== 0 ? Math.clz32(highBits) : 32 + Math.clz32(lowBits)) >>> 3;
    const shared = same - (same % SKIPPED);
    return shared > 0 && hasTerminator(firstHigh, firstLow, shared) ? 0 : shared;
  }

  // ---- ranges ----------------------------------------------------------------------------------------------------------

  /** Sorts each range by its windows and notes the differences; what has the same window goes to `deeper`. */
  *sortWindows(ranges: CellList, deeper: CellList): Generator<number, void> {
    const { cells: words, count } = ranges;
    for (let r = 0; r < count; r += RANGE_WORDS) {
      const from = words[r]!;
      const to = words[r + 1]!;
      if (to - from <= MANY) sortCached(this.cells, this.high, this.low, from, to);
      else for (const _ of this.part(from, to, 0)) yield r / count;
      this.noteDifferences(
        from,
        to,
        words[r + DEPTH]!,
        words[r + FIRST_AT]!,
        words[r + FIRST_DIGITS]!,
        deeper,
      );
      this.work += to - from;
      if (this.isTimeToPause()) yield r / count;
    }
  }

  /** Sorts a range whose windows are the same before digit `place`. */
  private *part(from: number, to: number, place: number): Generator<void, void> {
    if (place === WINDOW) return;
    const counts = this.counts[place]!;
    const windows = place < 4 ? this.high : this.low;
    const shift = 24 - (place & 3) * 8;
    counts.fill(0);
    for (let i = from; i < to; i++) counts[((windows[i]! >>> shift) & 0xff) + 1]!++;
    for (let digit = 0; digit < RADIX; digit++) counts[digit + 1]! += counts[digit]!;
    this.next.set(counts.subarray(0, RADIX));
    for (let digit = 0; digit < RADIX; digit++) {
      while (!this.fill(from, digit, counts[digit + 1]!, windows, shift)) yield;
    }
    for (let digit = 0; digit < RADIX; digit++) {
      const first = from + counts[digit]!;
      const end = from + counts[digit + 1]!;
      this.work += end - first;
      if (end - first > MANY) yield* this.part(first, end, place + 1);
      else if (end - first > 1) sortCached(this.cells, this.high, this.low, first, end);
      if (this.isTimeToPause()) yield;
    }
  }

  /** Swaps leaves until all that have `digit` are where they belong, before `end`; false if there is more to do. */
  private fill(from: number, digit: number, end: number, windows: Uint32Array, shift: number): boolean {
    const { cells, high, low, next } = this;
    let moves = 0;
    for (; next[digit]! < end; moves++) {
      if (moves === PAUSE) return false;
      const i = from + next[digit]!;
      const to = (windows[i]! >>> shift) & 0xff;
      const j = from + next[to]!++;
      if (i !== j) swap(cells, high, low, i, j);
    }
    return true;
  }

  /** The first leaf's difference is given: it was noted before its window was read. */
  private noteDifferences(
    from: number,
    to: number,
    depth: number,
    firstAt: number,
    firstDigits: number,
    deeper: CellList,
  ): void {
    const { high, low } = this;
    let beforeHigh = high[from]!;
    let beforeLow = low[from]!;
    high[from] = firstAt;
    low[from] = firstDigits;
    let same = from;
    for (let i = from + 1; i <= to; i++) {
      const nextHigh = i < to ? high[i]! : -1;
      const nextLow = i < to ? low[i]! : -1;
      if (nextHigh === beforeHigh && nextLow === beforeLow) {
        high[i] = 0;
        low[i] = 0;
        continue;
      }
      // Those that are the same go on behind the window, unless their keys end in it.
      if (i - same > 1 && !hasTerminator(beforeHigh, beforeLow, WINDOW)) {
        noteRange(deeper, same, i, depth + WINDOW, high[same]!, low[same]!);
      }
      if (i === to) break;
      same = i;
      const place = placeOf(beforeHigh, beforeLow, nextHigh, nextLow);
      high[i] = depth + place + 1;
      low[i] = hasTerminator(beforeHigh, beforeLow, place)
        ? NO_DIGITS
        : (digitAt(beforeHigh, beforeLow, place) << 8) | digitAt(nextHigh, nextLow, place);
      beforeHigh = nextHigh;
      beforeLow = nextLow;
    }
  }
}

/** Asks for the leaves of a list of ranges, {@link AHEAD} before they are read. */
class Ahead {
  private readonly h: number;
  private readonly cells: Int32Array;
  private readonly ranges: Int32Array;
  private range = 0;
  private at = 0;
  private to = 0;

  constructor(h: number, cells: Int32Array, ranges: Int32Array) {
    this.h = h;
    this.cells = cells;
    this.ranges = ranges;
    for (let i = 0; i < AHEAD; i++) this.ask();
  }

  ask(): void {
    if (this.at === this.to) {
      if (this.range === this.ranges.length) return;
      this.at = this.ranges[this.range]!;
      this.to = this.ranges[this.range + 1]!;
      this.range += RANGE_WORDS;
    }
    prefetch(this.h, this.cells[this.at++]!);
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

/** The first place, 0 to 7, in which two windows differ. */
function placeOf(high: number, low: number, otherHigh: number, otherLow: number): number {
  return high !== otherHigh ? Math.clz32(high ^ otherHigh) >>> 3 : 4 + (Math.clz32(low ^ otherLow) >>> 3);
}

function digitAt(high: number, low: number, place: number): number {
  return ((place < 4 ? high : low) >>> (24 - (place & 3) * 8)) & 0xff;
}

/** Is a terminator among the first `places` digits of a window? */
function hasTerminator(high: number, low: number, places: number): boolean {
  if (places < 4) return hasZero(high | (ALL >>> (places * 8)));
  return hasZero(high) || (places < WINDOW ? hasZero(low | (ALL >>> ((places - 4) * 8))) : hasZero(low));
}

const ALL = 0xffffffff;

/** Is one of the four bytes 0? */
const hasZero = (word: number): boolean => ((word - 0x01010101) & ~word & 0x80808080) !== 0;

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
