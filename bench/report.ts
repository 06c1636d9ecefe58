/** What a run leaves: a JSON file that later runs add to, each data set with the machine that it was measured on. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Figure } from "./measure.ts";
import type { ProcessFigures } from "./processes/processes.ts";
import type { RowName } from "./rows/rows.ts";
import type { Name } from "./stores/index.ts";

/** What the figures depend on. */
export interface Machine {
  readonly date: string;
  readonly processor: string;
  readonly processors: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly bun: string;
  /** Rivals and their versions. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Figures of one data set: row, store, one figure a round. */
export type RowFigures = Partial<Record<RowName, Partial<Record<Name, Figure[]>>>>;

export interface Comparison {
  readonly machine: Machine;
  readonly keys: number;
  readonly rounds: number;
  readonly figures: RowFigures;
}

/** One line of a scale chart: a figure by size. */
export interface Series {
  readonly store: string;
  readonly what: string;
  readonly unit: string;
  readonly points: readonly { readonly size: number; readonly figures: readonly number[] }[];
}

export interface Report {
  comparisons: Record<string, Comparison>;
  processes?: { readonly machine: Machine; readonly rounds: number; readonly figures: ProcessFigures };
  /** By number of keys. */
  scale?: { readonly machine: Machine; readonly series: readonly Series[] };
  /** By size of the file, with large values. */
  large?: { readonly machine: Machine; readonly series: readonly Series[] };
}

export function machine(): Machine {
  const processor = cpus()[0]?.model ?? "unknown";
  const folder = join(import.meta.dir, "node_modules");
  const versions: Record<string, string> = {};
  for (const name of ["lmdb", "better-sqlite3", "classic-level", "sorted-btree", "all-the-package-names"]) {
    const file = join(folder, name, "package.json");
    if (existsSync(file)) {
      versions[name] = (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
    }
  }
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: processor.trim(),
    processors: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release().split("-")[0] ?? "",
    bun: Bun.version,
    versions,
  };
}

/** One line for under a table or a chart. */
export function describe({ date, processor, processors, memoryGiB, kernel, bun }: Machine): string {
  return `${processor}, ${processors} processors, ${memoryGiB} GiB; Linux ${kernel}; Bun ${bun}; ${date}`;
}

export function readReport(path: string): Report {
  if (!existsSync(path)) return { comparisons: {} };
  return JSON.parse(readFileSync(path, "utf8")) as Report;
}

export function writeReport(path: string, report: Report): void {
  writeFileSync(path, `${JSON.stringify(report, null, 1)}\n`);
}
