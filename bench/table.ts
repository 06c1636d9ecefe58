/** A comparison as text. */
import Table from "cli-table3";
import { type Figure, median } from "./measure.ts";
import type { ProcessFigures } from "./processes/processes.ts";
import type { RowFigures } from "./report.ts";
import { ROW_NAMES, ROWS, type Unit } from "./rows/rows.ts";
import { NAMES, type Name } from "./stores/index.ts";

export type Clock = "wall" | "cpu";

/** What the columns of a row are compared with. */
const OWN: Name = "bancos";

/** The figures of one clock; space has no clock. */
export function byClock(figures: readonly Figure[], unit: Unit, clock: Clock): number[] {
  return figures.map((figure) => (unit === "ns" || unit === "ms" ? figure[clock] : figure.wall));
}

export function format(figure: number): string {
  if (Number.isNaN(figure)) return "";
  if (Math.abs(figure) >= 100) return Math.round(figure).toLocaleString("en");
  return figure.toFixed(Math.abs(figure) >= 10 ? 1 : 2);
}

/** Median, and for our own the least and the most; beside each other's figure what ours is divided by it. */
function cell(own: readonly number[], all: readonly number[], isOwn: boolean): string {
  const middle = format(median(all));
  if (isOwn) return `${middle} (${format(Math.min(...all))}-${format(Math.max(...all))})`;
  const ratio = median(own) / median(all);
  return Number.isFinite(ratio) && ratio > 0 ? `${middle} x${ratio.toFixed(ratio < 0.1 ? 3 : 2)}` : middle;
}

const head = (title: string, names: readonly Name[]) =>
  new Table({ head: [title, ...names], style: { head: [], border: [], compact: true } });

export function comparisonTable(data: string, keys: number, figures: RowFigures, clock: Clock): string {
  const names = NAMES.filter((name) => ROW_NAMES.some((row) => figures[row]?.[name] !== undefined));
  const table = head(`${data}: ${keys.toLocaleString("en")} keys`, names);
  for (const row of ROW_NAMES) {
    const byName = figures[row];
    if (byName === undefined) continue;
    const { title, unit } = ROWS[row];
    const own = byClock(byName[OWN] ?? [], unit, clock);
    table.push([
      `${title}, ${unit}`,
      ...names.map((name) => {
        const all = byName[name];
        return all === undefined ? "" : cell(own, byClock(all, unit, clock), name === OWN);
      }),
    ]);
  }
  return table.toString();
}

export function processTable(figures: ProcessFigures): string {
  const names = NAMES.filter((name) => Object.values(figures).some((row) => row[name] !== undefined));
  const table = head("processes: operations a second, or quotients", names);
  for (const [row, byName] of Object.entries(figures)) {
    table.push([
      row,
      ...names.map((name) => (byName[name] === undefined ? "" : format(median(byName[name])))),
    ]);
  }
  return table.toString();
}
