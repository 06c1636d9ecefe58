/**
 * Where the leaves of keys are: for the hash of a key, the cells that may have it. Private to a participant, in plain
 * memory. What it names is to be checked; what it does not name is not there, unless the line of the hash says that it
 * has {@link LeafTable.lacks lost} something.
 *
 * A line of 64 bytes, one of the processor's cache, has {@link WAYS} cells, the low 16 bits of the hash of each, and a word of
 * flags. The high bits of the hash choose the line. What finds no room there goes to the other line of the pair, and what
 * finds none there either is lost. The table has no more lines than its keys need: what a look-up waits for is this one
 * line, and the smaller the table the likelier the processor has it.
 */
import { prefault } from "../memory/platform.ts";

/** Cells in a line; behind them, two in a word, their marks; then the flags. */
const WAYS = 10;
const LINE_WORDS = 16;
const LINE_SHIFT = 4;
/** Where the marks of a line begin, in half words. */
const MARKS = WAYS * 2;
const FLAGS = WAYS + WAYS / 2;
const MARK_MASK = 0xffff;
/** Something that belongs here is nowhere. */
const LOST = 1;
/** Something that belongs here is in the other line of the pair. */
const SPILLED = 2;
/** The share of the ways that is meant to be used: with more of them, much is lost. */
const FULL = 0.85;
/** The share of the lines that may have lost something: of a table as full as it is meant to be, one in twenty has. */
const LOSSES = 1 / 4;

/** Words whose memory is asked for at a time: 1 MiB. */
const PIECE = 1 << 18;

if (FLAGS + 1 !== LINE_WORDS || LINE_WORDS !== 1 << LINE_SHIFT) throw new Error("leaf table: size of a line");

export class LeafTable {
  private readonly words: Int32Array;
  private readonly marks: Uint16Array;
  /** What a hash, as an unsigned number, is multiplied with to give its line. */
  private readonly scale: number;
  /** Ways in use, and how many there may be before the table is too small. */
  private used = 0;
  private readonly most: number;
  private readonly mostLost: number;
  /** Words whose memory was asked for. */
  private warmed = 0;
  /** Lines that have lost something. */
  private lost = 0;
  /** Which way of a full line goes next. */
  private turn = 0;
  // The search under way: mark, the line of the hash, and the way that was looked at last, as a word of the table.
  private mark = 0;
  private home = 0;
  private at = 0;

  /** Room for `keys` keys, in at most `mostBytes`. */
  constructor(keys: number, mostBytes: number) {
    const pairs = Math.ceil(Math.min(keys / (2 * WAYS * FULL), mostBytes / (2 * LINE_WORDS * 4)));
    const lines = Math.max(1, pairs) * 2;
    this.words = new Int32Array(lines * LINE_WORDS);
    this.marks = new Uint16Array(this.words.buffer);
    this.scale = lines / 2 ** 32;
    this.most = Math.floor(lines * WAYS * FULL);
    this.mostLost = Math.ceil(lines * LOSSES);
  }

  /**
   * Asks for one more piece of the table's memory, which is about to be written in no order; false: all was asked for. All at
   * once would keep the operation that comes upon it for a tenth of a second.
   */
  warm(): boolean {
    const { words, warmed } = this;
    if (warmed >= words.length) return false;
    this.warmed = warmed + PIECE;
    prefault(words.subarray(warmed, this.warmed));
    return true;
  }

  /** Bytes that the table takes. */
  get bytes(): number {
    return this.words.byteLength;
  }

  /** Has it more than it was made for, or lost something in too many lines? */
  get isFull(): boolean {
    return this.used > this.most || this.lost > this.mostLost;
  }

  /** First word of the line of a hash. */
  private lineOf(hash: number): number {
    return Math.floor((hash >>> 0) * this.scale) << LINE_SHIFT;
  }

  /** Any word of the line of a hash: who looks several up begins to wait for all of them at once. */
  touch(hash: number): number {
    return this.words[this.lineOf(hash)]!;
  }

  /** The first cell for a hash, or 0. */
  first(hash: number): number {
    const line = this.lineOf(hash);
    this.mark = hash & MARK_MASK;
    this.home = line;
    return this.search(line, 0);
  }

  /** The next cell for the hash of the search under way, or 0. */
  next(): number {
    const line = this.at & -LINE_WORDS;
    return this.search(line, (this.at & (LINE_WORDS - 1)) + 1);
  }

  private search(line: number, from: number): number {
    const { words, marks, mark } = this;
    const first = (line << 1) + MARKS;
    for (let way = from; way < WAYS; way++) {
      if (marks[first + way]! === mark) {
        const cell = words[line + way]!;
        if (cell !== 0) {
          this.at = line + way;
          return cell;
        }
      }
    }
    if (line !== this.home || (words[line + FLAGS]! & SPILLED) === 0) return 0;
    return this.search(line ^ LINE_WORDS, 0);
  }

  /** May a cell for this hash be missing? */
  lacks(hash: number): boolean {
    return (this.words[this.lineOf(hash) + FLAGS]! & LOST) !== 0;
  }

  /** Notes a cell for a hash, unless it is noted already. Where there is no room it is lost, or, if it is `worth` it, another. */
  add(hash: number, cell: number, worth: boolean): void {
    for (let known = this.first(hash); known !== 0; known = this.next()) if (known === cell) return;
    const home = this.home;
    const { words } = this;
    if (this.put(home, cell)) return;
    words[home + FLAGS]! |= SPILLED;
    if (this.put(home ^ LINE_WORDS, cell)) return;
    // Once for a line: who comes back to what it has lost, or sweeps again, loses nothing more.
    if ((words[home + FLAGS]! & LOST) === 0) this.lost++;
    words[home + FLAGS]! |= LOST;
    if (!worth) return;
    // What has to go may be of the other line.
    words[(home ^ LINE_WORDS) + FLAGS]! |= LOST;
    this.turn = this.turn === WAYS - 1 ? 0 : this.turn + 1;
    this.write(home + this.turn, cell);
  }

  /** False: the line is full. */
  private put(line: number, cell: number): boolean {
    const { words } = this;
    for (let way = 0; way < WAYS; way++) {
      if (words[line + way]! === 0) {
        this.used++;
        this.write(line + way, cell);
        return true;
      }
    }
    return false;
  }

  private write(at: number, cell: number): void {
    this.words[at] = cell;
    this.marks[((at & -LINE_WORDS) << 1) + MARKS + (at & (LINE_WORDS - 1))] = this.mark;
  }

  /** Notes that the key with this hash has its leaf at `cell` now instead of `old`; `worth`: as of {@link add}. */
  replace(hash: number, old: number, cell: number, worth: boolean): void {
    for (let known = this.first(hash); known !== 0; known = this.next()) {
      if (known === old) {
        this.words[this.at] = cell;
        return;
      }
    }
    this.add(hash, cell, worth);
  }

  /** Would a cell for `hash` have the mark of one for `other`? */
  isMarkOf(hash: number, other: number): boolean {
    return (hash & MARK_MASK) === (other & MARK_MASK);
  }

  /** Forgets the cell that the search under way has come to. */
  drop(): void {
    this.words[this.at] = 0;
    this.used--;
  }

  /** Forgets a cell. */
  remove(hash: number, cell: number): void {
    for (let known = this.first(hash); known !== 0; known = this.next()) {
      if (known === cell) {
        this.drop();
        return;
      }
    }
  }
}
