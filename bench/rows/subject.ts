/** What the rows of one round work on: a store of some kind in a folder of its own, and the keys. */
import { lstatSync, mkdtempSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type DataSet, fresh, type Key } from "../data.ts";
import { type Figure, time } from "../measure.ts";
import { random, shuffle } from "../random.ts";
import { type Contender, contender, type Name, type Value } from "../stores/index.ts";
import type { RowName } from "./rows.ts";

/** How much a round does. */
export interface Effort {
  /** Keys that are looked up or changed in one row. */
  readonly asked: number;
  /** Single writes at most; a store may ask for fewer. */
  readonly each: number;
  /** A scan of all keys is repeated until it has read so many entries: the first one makes the heap grow. */
  readonly scanned: number;
  /** Short ranges and prefixes. */
  readonly ranges: number;
  /** Operations on a store of their own before anything is measured, so that the compiler has seen the code. */
  readonly warm: number;
  /** Only what the charts of scale show. */
  readonly brief: boolean;
}

const full: Effort = {
  asked: 200_000,
  each: 20_000,
  scanned: 1_000_000,
  ranges: 2000,
  warm: 50_000,
  brief: false,
};
/** For tests: shows that everything runs, measures nothing. */
const tiny: Effort = { asked: 500, each: 50, scanned: 500, ranges: 20, warm: 100, brief: false };

/** Efforts by name. */
export const EFFORTS = {
  full,
  brief: { ...full, brief: true },
  tiny,
  "tiny-brief": { ...tiny, brief: true },
} as const satisfies Readonly<Record<string, Effort>>;

export type EffortName = keyof typeof EFFORTS;

export type Figures = Partial<Record<RowName, Figure>>;

export class Subject {
  readonly figures: Figures = {};
  readonly name: Name;
  readonly data: DataSet;
  readonly effort: Effort;
  /** A folder for this round's files. */
  readonly folder: string;
  private readonly next: () => number;

  constructor(name: Name, data: DataSet, effort: Effort, folder: string, round: number) {
    this.name = name;
    this.data = data;
    this.effort = effort;
    this.folder = folder;
    this.next = random(round * 7919 + 3);
  }

  note(row: RowName, figure: Figure): void {
    this.figures[row] = figure;
  }

  async time(row: RowName, operations: number, run: () => unknown): Promise<void> {
    if (operations > 0) this.note(row, await time(operations, run));
  }

  newFolder(): string {
    return mkdtempSync(join(this.folder, "store-"));
  }

  open(directory: string, kind: DataSet["kind"] = this.data.kind): Promise<Contender<Key>> {
    return contender<Key>(this.name, directory, kind);
  }

  /**
   * Random keys of the data set in fresh objects, as many as a row asks for: no key twice unless there are too few keys
   * for a measurement.
   */
  ask(keys: readonly Key[] = this.data.keys): Key[] {
    const asked: Key[] = [];
    const { length } = keys;
    if (length === 0) return asked;
    if (length <= this.effort.asked) {
      while (asked.length < Math.min(this.effort.asked, Math.max(length, MANY_ENOUGH))) {
        for (const key of shuffle([...keys], this.next)) {
          if (asked.length < this.effort.asked) asked.push(key);
        }
      }
    } else {
      // A window on the keys, which are in random order, at a random place.
      const start = Math.floor(this.next() * length);
      for (let i = 0; i < this.effort.asked; i++) asked.push(keys[(start + i) % length] as Key);
      shuffle(asked, this.next);
    }
    return asked;
  }

  askFresh(): Key[] {
    return fresh(this.ask());
  }
}

/** A row that is over sooner says little. */
const MANY_ENOUGH = 50_000;

/** The values that keys get: their numbers. */
export function numbers(from: number, count: number): Value[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

/** Bytes that the files in `folder` take on the disk: blocks, not lengths, since some files have holes. */
export function diskBytes(folder: string): number {
  let bytes = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const found = lstatSync(join(folder, name));
    if (found.isFile()) bytes += found.blocks * 512;
  }
  return bytes;
}
