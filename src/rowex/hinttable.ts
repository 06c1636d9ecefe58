/**
 * A table of guesses: for the hash of a key, the cell it was met at. Set-associative as a processor's cache is: a line of
 * 64 bytes has {@link WAYS} cells and 16 further bits of the hash of each. What it says is to be checked, and may be gone.
 *
 * Small on purpose. Each search reads one line of it at random, and what counts is whether that line is still in the
 * processor's cache.
 */

/** Cells in a line; behind them, two in a word, their marks. */
const WAYS = 10;
const LINE_WORDS = 16;
const LINE_SHIFT = 4;
/** Where the marks of a line begin, in half words. */
const MARKS = WAYS * 2;
const FIRST_LINES = 16;
/** Lines of a table that takes its content along when it grows: the bits of the hash that choose a line are then marks' bits. */
const MARK_SHIFT = 10;
const KEPT_LINES = 1 << MARK_SHIFT;
/** Of the hints that are noted, the share that may drive out another before the table grows: a quarter of its size. */
const EVICTED_SHARE = 4;
/** If hints are found that many times as often as one is driven out, the table is large enough. */
const WORTH = 16;

if (WAYS + WAYS / 2 > LINE_WORDS || LINE_WORDS !== 1 << LINE_SHIFT) throw new Error("hints: size of a line");

export class HintTable {
  private words = new Int32Array(FIRST_LINES * LINE_WORDS);
  private marks = new Uint16Array(this.words.buffer);
  private mask = FIRST_LINES - 1;
  /** Which way of a full line goes next. */
  private turn = 0;
  /** Hints found, and hints that had to go, since these were looked at last. */
  private found = 0;
  private evicted = 0;

  /** `mostLines`, a power of two: where it stops to grow. A line has 64 bytes. */
  constructor(private readonly mostLines: number) {}

  /** Bytes that the table takes. */
  get bytes(): number {
    return this.words.byteLength;
  }

  /** The cell for a hash, or 0. */
  probe(hash: number): number {
    const line = (hash & this.mask) << LINE_SHIFT;
    const mark = (hash >>> MARK_SHIFT) & 0xffff;
    const { words, marks } = this;
    const first = (line << 1) + MARKS;
    for (let way = 0; way < WAYS; way++) {
      if (marks[first + way]! === mark) {
        const cell = words[line + way]!;
        if (cell !== 0) {
          this.found++;
          return cell;
        }
      }
    }
    return 0;
  }

  /** Notes the cell for a hash, in the place of what there was for it. The table may grow, up to `room` bytes. */
  note(hash: number, cell: number, room: number): void {
    const mark = (hash >>> MARK_SHIFT) & 0xffff;
    const line = (hash & this.mask) << LINE_SHIFT;
    if (this.put(line, mark, cell)) return;
    if (++this.evicted * EVICTED_SHARE > this.mask * WAYS && this.grow(room)) {
      this.note(hash, cell, room);
      return;
    }
    this.turn = this.turn === WAYS - 1 ? 0 : this.turn + 1;
    this.words[line + this.turn] = cell;
    this.marks[(line << 1) + MARKS + this.turn] = mark;
  }

  /** False: the line is full, and of others. */
  private put(line: number, mark: number, cell: number): boolean {
    const { words, marks } = this;
    const first = (line << 1) + MARKS;
    let free = -1;
    for (let way = 0; way < WAYS; way++) {
      if (words[line + way]! === 0) {
        if (free < 0) free = way;
      } else if (marks[first + way]! === mark) {
        words[line + way] = cell;
        return true;
      }
    }
    if (free < 0) return false;
    words[line + free] = cell;
    marks[first + free] = mark;
    return true;
  }

  /** Twice as large, if it is too small and there is room. What a small one knows is not worth to be kept. */
  private grow(room: number): boolean {
    const enough = this.found > this.evicted * WORTH;
    this.found = 0;
    this.evicted = 0;
    const old = this.words;
    const oldMarks = this.marks;
    const lines = this.mask + 1;
    if (enough || lines * 2 > this.mostLines || old.byteLength * 2 > room) return false;
    this.words = new Int32Array(old.length * 2);
    this.marks = new Uint16Array(this.words.buffer);
    this.mask = lines * 2 - 1;
    if (lines < KEPT_LINES) return true;
    for (let line = 0; line < lines; line++) {
      const from = line << LINE_SHIFT;
      for (let way = 0; way < WAYS; way++) {
        const cell = old[from + way]!;
        if (cell === 0) continue;
        const mark = oldMarks[(from << 1) + MARKS + way]!;
        // The bit of the hash that chooses between the line's two halves.
        const upper = ((mark << MARK_SHIFT) & lines) !== 0;
        this.put((upper ? line + lines : line) << LINE_SHIFT, mark, cell);
      }
    }
    return true;
  }
}
