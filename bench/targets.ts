/** The targets that the project has set itself, and whether a run meets them. */
import Table from "cli-table3";
import { median } from "./measure.ts";
import { TWO_READERS, TWO_WRITERS } from "./processes/processes.ts";
import type { Report } from "./report.ts";
import { ROWS, type RowName } from "./rows/rows.ts";
import type { Name } from "./stores/index.ts";
import { byClock, type Clock } from "./table.ts";

interface Target {
  readonly what: string;
  readonly row: RowName;
  readonly against: Name;
  /** The other store's row, if it is another one. */
  readonly theirs?: RowName;
  /** At most so many times the other's figure. */
  readonly words: number;
  readonly npm: number;
}

const TARGETS: readonly Target[] = [
  { what: "get hit, fresh string / lmdb", row: "getFresh", against: "lmdb", words: 0.35, npm: 0.33 },
  { what: "get hit, fresh string / Map", row: "getFresh", against: "Map", words: 0.8, npm: 1 },
  {
    what: "getMany of 1,000, per key / own get",
    row: "getMany",
    against: "bancos",
    theirs: "getFresh",
    words: 0.6,
    npm: 0.4,
  },
  { what: "get miss / lmdb", row: "getMiss", against: "lmdb", words: 0.35, npm: 0.3 },
  {
    what: "set new key / lmdb noSync, one put each",
    row: "setEach",
    against: "lmdb",
    words: 0.06,
    npm: 0.08,
  },
  {
    what: "set new key / lmdb, all in one transaction",
    row: "setAll",
    against: "lmdb",
    words: 0.5,
    npm: 0.5,
  },
  {
    what: "set, update a number / lmdb, all in one transaction",
    row: "updateAll",
    against: "lmdb",
    words: 0.25,
    npm: 0.3,
  },
  { what: "full scan, keys and values / lmdb", row: "scan", against: "lmdb", words: 0.35, npm: 0.35 },
  {
    what: "full scan, keys and values / bun:sqlite",
    row: "scan",
    against: "bun:sqlite",
    words: 0.8,
    npm: 0.9,
  },
  { what: "100 entries from a random key / lmdb", row: "range", against: "lmdb", words: 0.3, npm: 0.3 },
  {
    what: "100 entries from a random key / bun:sqlite",
    row: "range",
    against: "bun:sqlite",
    words: 0.7,
    npm: 0.7,
  },
  { what: "bytes per key, random order / lmdb", row: "fileRandom", against: "lmdb", words: 1.9, npm: 1.5 },
  { what: "bytes per key, sorted load / lmdb", row: "fileSorted", against: "lmdb", words: 2.3, npm: 1.5 },
];

/** Each target beside what was measured. */
export function targetTable(report: Report, clock: Clock): string {
  const table = new Table({
    head: ["target", "data", "at most", "measured", ""],
    style: { head: [], border: [], compact: true },
  });
  const verdict = (met: boolean): string => (met ? "met" : "NOT MET");
  for (const [data, { figures }] of Object.entries(report.comparisons)) {
    const set = data.split(":")[0];
    if (set !== "words" && set !== "npm") continue;
    for (const target of TARGETS) {
      const { unit } = ROWS[target.row];
      const own = figures[target.row]?.bancos;
      const other = figures[target.theirs ?? target.row]?.[target.against];
      if (own === undefined || other === undefined) continue;
      const ratio = median(byClock(own, unit, clock)) / median(byClock(other, unit, clock));
      const most = target[set];
      table.push([
        target.what,
        data,
        String(most),
        ratio.toFixed(ratio < 0.1 ? 3 : 2),
        verdict(ratio <= most),
      ]);
    }
    const opening = figures.open?.bancos;
    if (opening !== undefined) {
      const ms = median(opening.map(({ wall }) => wall));
      table.push(["open of a clean file, ms", data, "2", ms.toFixed(2), verdict(ms < 2)]);
    }
  }
  for (const [row, least] of [
    [TWO_READERS, 1.95],
    [TWO_WRITERS, 1.8],
  ] as const) {
    const measured = report.processes?.figures[row]?.bancos;
    if (measured === undefined) continue;
    const times = median(measured);
    table.push([row, "processes", `at least ${least}`, times.toFixed(2), verdict(times >= least)]);
  }
  return table.toString();
}
