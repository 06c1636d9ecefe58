/**
 * `make bench`: bancos beside other stores, in one run, in interleaved rounds, since machines are noisy: what counts is
 * the ratio of medians. See bench/README.md.
 *
 *     bun bench/main.ts [--data words,npm:250k] [--rounds 5] [--stores bancos,lmdb] [--clock wall|cpu]
 *                       [--processes ROUNDS] [--out DIRECTORY] [--json FILE] [--tiny]
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { drawAll } from "./charts/draw.ts";
import { compareProcesses, FULL_PROCESSES, TINY_PROCESSES } from "./processes/processes.ts";
import { type Comparison, describe, machine, type RowFigures, readReport, writeReport } from "./report.ts";
import { runRound } from "./round.ts";
import { ROW_NAMES } from "./rows/rows.ts";
import { ABILITIES, available, NAMES, type Name } from "./stores/index.ts";
import { type Clock, comparisonTable, processTable } from "./table.ts";
import { targetTable } from "./targets.ts";

const { values: options } = parseArgs({
  options: {
    data: { type: "string" },
    rounds: { type: "string" },
    stores: { type: "string", default: NAMES.join(",") },
    clock: { type: "string", default: "wall" },
    processes: { type: "string" },
    out: { type: "string" },
    json: { type: "string" },
    tiny: { type: "boolean", default: false },
  },
});

const tiny = options.tiny;
const data = (options.data ?? (tiny ? "words:2k" : "words,npm:250k"))
  .split(",")
  .filter((name) => name !== "");
const rounds = Number(options.rounds ?? (tiny ? 1 : 3));
const processRounds = Number(options.processes ?? (tiny ? 1 : 2));
if (options.clock !== "wall" && options.clock !== "cpu") throw new Error("--clock is wall or cpu");
const clock: Clock = options.clock;

const progress = (what: string): void => {
  console.error(`${new Date().toTimeString().slice(0, 8)} ${what}`);
};

async function compare(spec: string, names: readonly Name[]): Promise<Comparison> {
  const figures: RowFigures = {};
  let keys = 0;
  const bytesOnly = spec.split(":")[0] === "binary";
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      if (bytesOnly && !ABILITIES[name].bytes) continue;
      progress(`${spec}, round ${round + 1} of ${rounds}: ${name}`);
      const report = await runRound(name, spec, round, tiny ? "tiny" : "full");
      if (report === undefined) continue;
      keys = report.keys;
      for (const row of ROW_NAMES) {
        const figure = report.figures[row];
        if (figure === undefined) continue;
        figures[row] ??= {};
        const byName = figures[row];
        byName[name] = [...(byName[name] ?? []), figure];
      }
    }
  }
  return { machine: machine(), keys, rounds, figures };
}

const { names, missing } = await available(options.stores.split(","));
for (const [name, why] of missing) console.log(`without ${name}: ${why}`);
console.log(`${describe(machine())}\nmedians; x: the figure of bancos divided by the other's\n`);

if (options.out !== undefined) mkdirSync(options.out, { recursive: true });
const file = options.json ?? (options.out === undefined ? undefined : join(options.out, "figures.json"));
// What other runs have measured stays, each part with its own date.
const report = file === undefined ? { comparisons: {} } : readReport(file);
const measured: typeof report = { comparisons: {} };
for (const spec of data) {
  const comparison = await compare(spec, names);
  report.comparisons[spec] = comparison;
  measured.comparisons[spec] = comparison;
  console.log(comparisonTable(spec, comparison.keys, comparison.figures, clock));
  if (file !== undefined) writeReport(file, report);
}
if (processRounds > 0) {
  const effort = { rounds: processRounds, ...(tiny ? TINY_PROCESSES : FULL_PROCESSES) };
  const figures = await compareProcesses(names, effort, progress);
  report.processes = { machine: machine(), rounds: processRounds, figures };
  measured.processes = report.processes;
  console.log(processTable(figures));
}
console.log(targetTable(measured, clock));
if (file !== undefined) writeReport(file, report);
if (options.out !== undefined) {
  for (const drawn of await drawAll(report, options.out, clock)) console.log(`wrote ${drawn}`);
}
