/**
 * `make scale`: cost per operation from 1,000 to 10,000,000 keys, what opening, growing, verifying and rebuilding cost,
 * and a file with values that grows past 4 GiB.
 *
 *     bun bench/scale/main.ts [--sizes 1k,10k,100k,1m,10m] [--stores bancos,lmdb] [--rounds 3] [--large 6]
 *                             [--out DIRECTORY] [--json FILE] [--tiny]
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { drawAll } from "../charts/draw.ts";
import { parseCount } from "../data.ts";
import { median } from "../measure.ts";
import { describe, machine, type Report, readReport, type Series, writeReport } from "../report.ts";
import { runRound } from "../round.ts";
import type { RowName } from "../rows/rows.ts";
import { ROWS } from "../rows/rows.ts";
import { available, type Name } from "../stores/index.ts";
import { format } from "../table.ts";
import type { Step } from "./large.ts";
import type { Upkeep } from "./upkeep.ts";

const { values: options } = parseArgs({
  options: {
    sizes: { type: "string" },
    stores: { type: "string", default: "bancos,lmdb,bun:sqlite,Map,sorted-btree" },
    rounds: { type: "string" },
    large: { type: "string" },
    out: { type: "string" },
    json: { type: "string" },
    tiny: { type: "boolean", default: false },
  },
});
const tiny = options.tiny;
const sizes = (options.sizes ?? (tiny ? "500,1k" : "1k,10k,100k,1m,10m"))
  .split(",")
  .filter((size) => size !== "" && size !== "0")
  .map(parseCount);
const rounds = Number(options.rounds ?? (tiny ? 1 : 3));
const GIB = 2 ** 30;
const large = tiny
  ? { total: 2 ** 21, step: 2 ** 20 }
  : { total: Number(options.large ?? 6) * GIB, step: GIB / 2 };

const SHOWN: readonly RowName[] = [
  "getFresh",
  "getMiss",
  "getMany",
  "setEach",
  "setAll",
  "updateAll",
  "deleteAll",
  "scan",
  "range",
];

const UPKEEP: Readonly<Record<keyof Upkeep, readonly [string, string]>> = {
  open: ["open", "ms"],
  longestSet: ["longest set while loading, growth included", "ms"],
  verify: ["verify", "ms"],
  rebuild: ["open with a rebuild", "ms"],
  bytesPerKey: ["file, per key", "bytes"],
};

const progress = (what: string): void => {
  console.error(`${new Date().toTimeString().slice(0, 8)} ${what}`);
};

/** Collects figures by store, what was measured, and size. */
class Collected {
  private readonly series = new Map<string, { store: string; what: string; unit: string }>();
  private readonly figures = new Map<string, Map<number, number[]>>();

  note(store: string, what: string, unit: string, size: number, figure: number): void {
    const key = JSON.stringify([store, what]);
    this.series.set(key, { store, what, unit });
    const bySize = this.figures.get(key) ?? new Map<number, number[]>();
    this.figures.set(key, bySize);
    bySize.set(size, [...(bySize.get(size) ?? []), figure]);
  }

  all(): Series[] {
    return [...this.series].map(([key, of]) => ({
      ...of,
      points: [...(this.figures.get(key) ?? [])].map(([size, figures]) => ({ size, figures })),
    }));
  }
}

/** Runs a script of this folder in a process of its own; the last line that it writes, as JSON. */
async function run<T>(script: string, ...arguments_: readonly (string | number)[]): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "bancos-scale-"));
  try {
    const words = arguments_.map((word) => (word === FOLDER ? folder : String(word)));
    const child = Bun.spawn([process.execPath, join(import.meta.dir, script), ...words], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    const output = await child.stdout.text();
    const code = await child.exited;
    if (code !== 0) throw new Error(`${script} ended with ${child.signalCode ?? `exit code ${code}`}`);
    return JSON.parse(output.trimEnd().split("\n").at(-1) ?? "") as T;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const FOLDER = "{folder}";

async function bySize(names: readonly Name[]): Promise<Series[]> {
  const collected = new Collected();
  for (let round = 0; round < rounds; round++) {
    for (const size of sizes) {
      for (const name of names) {
        progress(`round ${round + 1} of ${rounds}, ${size} keys: ${name}`);
        const report = await runRound(name, `generated:${size}`, round, tiny ? "tiny-brief" : "brief");
        for (const row of SHOWN) {
          const figure = report?.figures[row];
          if (figure !== undefined) collected.note(name, ROWS[row].title, ROWS[row].unit, size, figure.wall);
        }
      }
      const upkeep = await run<Upkeep>("upkeep.ts", size, FOLDER);
      for (const [what, [title, unit]] of Object.entries(UPKEEP)) {
        collected.note("bancos", title, unit, size, upkeep[what as keyof Upkeep]);
      }
    }
  }
  return collected.all();
}

async function pastFourGib(names: readonly Name[]): Promise<Series[]> {
  const collected = new Collected();
  for (const name of names.filter((each) => each === "bancos" || each === "lmdb")) {
    progress(`values of 4 KiB, up to ${format(large.total / GIB)} GiB: ${name}`);
    for (const { bytes, set, get, upkeep } of await run<Step[]>(
      "large.ts",
      name,
      FOLDER,
      large.total,
      large.step,
    )) {
      const size = bytes / GIB;
      collected.note(name, "set of a new key, best way", "ns", size, set);
      collected.note(name, "get of a random key", "ns", size, get);
      for (const what of ["open", "verify", "rebuild"] as const) {
        if (upkeep !== undefined) collected.note(name, UPKEEP[what][0], "ms", size, upkeep[what]);
      }
    }
  }
  return collected.all();
}

function show(title: string, series: readonly Series[]): void {
  const all = [...new Set(series.flatMap(({ points }) => points.map(({ size }) => size)))].sort(
    (a, b) => a - b,
  );
  const table = new Table({
    head: [title, "", ...all.map((size) => (size >= 100 ? size.toLocaleString("en") : size.toFixed(2)))],
    style: { head: [], border: [], compact: true },
  });
  for (const { store, what, unit, points } of series) {
    const figures = new Map(points.map((point) => [point.size, median(point.figures)]));
    table.push([`${what}, ${unit}`, store, ...all.map((size) => format(figures.get(size) ?? Number.NaN))]);
  }
  console.log(table.toString());
}

const { names, missing } = await available(options.stores.split(","));
for (const [name, why] of missing) console.log(`without ${name}: ${why}`);
console.log(`${describe(machine())}\n`);
if (options.out !== undefined) mkdirSync(options.out, { recursive: true });
const file = options.json ?? (options.out === undefined ? undefined : join(options.out, "figures.json"));
const report: Report = file === undefined ? { comparisons: {} } : readReport(file);
if (sizes.length > 0) {
  report.scale = { machine: machine(), series: await bySize(names) };
  show("keys", report.scale.series);
  if (file !== undefined) writeReport(file, report);
}
if (large.total > 0) {
  report.large = { machine: machine(), series: await pastFourGib(names) };
  show("GiB", report.large.series);
  if (file !== undefined) writeReport(file, report);
}
if (options.out !== undefined) {
  for (const path of await drawAll(report, options.out, "wall")) console.log(`wrote ${path}`);
}
