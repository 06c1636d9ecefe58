/** Charts as Vega-Lite descriptions: pure data, made from a report. */
import { median } from "../measure.ts";
import { TWO_READERS } from "../processes/processes.ts";
import { type Comparison, describe, type Machine, type Report, type Series } from "../report.ts";
import { type Chart, ROW_NAMES, ROWS } from "../rows/rows.ts";
import { NAMES } from "../stores/index.ts";
import { byClock, type Clock, format } from "../table.ts";

/** A Vega-Lite description. */
export type Spec = Readonly<Record<string, unknown>>;

/** A colour a store, the same in every chart; ours stands out. */
const COLOURS: Readonly<Record<string, string>> = {
  bancos: "#d9480f",
  "bancos commit": "#ffa94d",
  lmdb: "#1c7ed6",
  "lmdb default": "#74c0fc",
  "bun:sqlite": "#2b8a3e",
  "better-sqlite3": "#8ce99a",
  "classic-level": "#862e9c",
  Map: "#495057",
  "sorted-btree": "#adb5bd",
};

const COLOUR_SCALE = { domain: Object.keys(COLOURS), range: Object.values(COLOURS) };

const CONFIG = {
  background: "white",
  padding: 16,
  font: "system-ui, sans-serif",
  view: { stroke: null },
  axis: { labelFontSize: 11, titleFontSize: 11, grid: false },
  header: { labelFontSize: 11, labelFontWeight: "bold", labelAnchor: "start", labelLimit: 450 },
  title: { anchor: "start", fontSize: 15, subtitleFontSize: 11, subtitleColor: "#666", offset: 12 },
} as const;

interface Bar {
  readonly row: string;
  readonly store: string;
  readonly figure: number;
  readonly least: number;
  readonly most: number;
  readonly label: string;
  /** Where the axis ends: the labels need room to the right of the bars. */
  readonly room: number;
}

/** One small chart a row, each with a scale of its own: bars of medians, a line from the least to the most. */
function bars(title: string, subtitle: string, values: readonly Bar[], columns: number): Spec {
  const order = [...new Set(values.map(({ row }) => row))];
  return {
    title: { text: title, subtitle },
    data: { values },
    facet: { field: "row", type: "nominal", sort: order, title: null },
    columns,
    spec: {
      width: 280,
      height: { step: 17 },
      encoding: { y: { field: "store", type: "nominal", sort: NAMES, axis: { title: null, ticks: false } } },
      layer: [
        {
          mark: { type: "bar", height: 12 },
          encoding: {
            x: { field: "figure", type: "quantitative", axis: null, scale: { nice: false } },
            color: { field: "store", type: "nominal", scale: COLOUR_SCALE, legend: null },
          },
        },
        {
          mark: { type: "rule", color: "#212529", opacity: 0.5 },
          encoding: { x: { field: "least", type: "quantitative" }, x2: { field: "most" } },
        },
        {
          mark: { type: "text", align: "left", dx: 4, fontSize: 11 },
          encoding: { x: { field: "most", type: "quantitative" }, text: { field: "label" } },
        },
        {
          mark: { type: "point", opacity: 0 },
          encoding: { x: { field: "room", type: "quantitative" } },
        },
      ],
    },
    resolve: { scale: { x: "independent", y: "independent" } },
    config: CONFIG,
  };
}

/** Times the next longest; and the least number of bars that are not cut. */
const FAR = 8;
const FEW = 3;

function barsOf(
  row: string,
  unit: string,
  byName: Readonly<Partial<Record<string, readonly number[]>>>,
): Bar[] {
  const figures = NAMES.flatMap((store) => {
    const all = (byName[store] ?? []).filter(Number.isFinite);
    if (all.length === 0) return [];
    return [{ store, figure: median(all), least: Math.min(...all), most: Math.max(...all) }];
  });
  // Bars that are far longer than all others would leave nothing to be seen of those: they are cut, and their labels say so.
  const ends = figures.map(({ most }) => most).sort((a, b) => a - b);
  const far = ends.findIndex((end, i) => i >= FEW && end > FAR * (ends[i - 1] as number));
  const end = far < 0 ? (ends.at(-1) ?? 0) : 1.5 * (ends[far - 1] as number);
  return figures.map(({ store, figure, least, most }) => ({
    row,
    store,
    figure: Math.min(figure, end),
    least: Math.min(least, end),
    most: Math.min(most, end),
    label: `${figure > end ? "… " : ""}${format(figure)} ${unit}`.trim(),
    room: 1.4 * end,
  }));
}

const CHART_TITLES: Readonly<Record<Chart, string>> = {
  reads: "reading",
  writes: "writing",
  scans: "reading in order",
  space: "space and opening",
};

/** `npm:300k` is called `npm` in the name of a file. */
const fileName = (data: string): string => data.split(":")[0] ?? data;

function comparisonCharts(data: string, comparison: Comparison, clock: Clock): [string, Spec][] {
  const charts: [string, Spec][] = [];
  for (const chart of Object.keys(CHART_TITLES) as Chart[]) {
    const values = ROW_NAMES.filter((row) => ROWS[row].chart === chart).flatMap((row) => {
      const { title, unit } = ROWS[row];
      const byName = Object.entries(comparison.figures[row] ?? {}).map(([name, figures]) => [
        name,
        byClock(figures, unit, clock),
      ]);
      return barsOf(title, unit, Object.fromEntries(byName) as Record<string, number[]>);
    });
    if (values.length === 0) continue;
    const title = `${fileName(data)}, ${comparison.keys.toLocaleString("en")} keys: ${CHART_TITLES[chart]}`;
    const what = `median, least and most of ${comparison.rounds}; shorter is better`;
    charts.push([
      `${fileName(data)}-${chart}`,
      bars(title, `${what}. ${describe(comparison.machine)}`, values, 3),
    ]);
  }
  return charts;
}

function processCharts({ machine, rounds, figures }: NonNullable<Report["processes"]>): [string, Spec][] {
  const isQuotient = (row: string): boolean => row.includes(" / ") || row.includes("share");
  const values = (wanted: (row: string) => boolean, unit: string): Bar[] =>
    Object.entries(figures).flatMap(([row, byName]) => (wanted(row) ? barsOf(row, unit, byName) : []));
  const how = (what: string): string => `${what}; median, least and most of ${rounds}. ${describe(machine)}`;
  return [
    [
      "processes",
      bars(
        "Two processes beside one",
        how(`longer is better: of "${TWO_READERS}" 2 is all there is, of a share 0.5`),
        values(isQuotient, ""),
        3,
      ),
    ],
    [
      "throughput",
      bars(
        "Operations a second",
        how("longer is better"),
        values((row) => !isQuotient(row), "/s"),
        3,
      ),
    ],
  ];
}

interface Axis {
  readonly title: string;
  readonly scale: "log" | "linear";
}

/** One small chart for each thing that was measured, a line for each store. */
function lines(title: string, machine: Machine, series: readonly Series[], x: Axis, y: Axis): Spec {
  const values = series.flatMap(({ store, what, unit, points }) =>
    points.map(({ size, figures }) => ({ store, what: `${what}, ${unit}`, size, figure: median(figures) })),
  );
  const order = [...new Set(values.map(({ what }) => what))];
  return {
    title: { text: title, subtitle: `medians. ${describe(machine)}` },
    data: { values: values.filter(({ figure }) => Number.isFinite(figure) && figure > 0) },
    facet: { field: "what", type: "nominal", sort: order, title: null },
    columns: 3,
    spec: {
      width: 280,
      height: 160,
      mark: { type: "line", point: { size: 25 } },
      encoding: {
        x: {
          field: "size",
          type: "quantitative",
          scale: { type: x.scale },
          axis: { title: x.title, format: x.scale === "log" ? "~s" : "", tickCount: 5 },
        },
        y: {
          field: "figure",
          type: "quantitative",
          scale: { type: y.scale },
          axis: { title: y.title, format: "~s", tickCount: 5, grid: true },
        },
        color: {
          field: "store",
          type: "nominal",
          scale: COLOUR_SCALE,
          sort: NAMES,
          legend: { title: null, orient: "top", values: [...new Set(series.map(({ store }) => store))] },
        },
      },
    },
    resolve: { scale: { y: "independent" } },
    config: CONFIG,
  };
}

/** Every chart that the report has figures for, by the name of its file. */
export function chartsOf(report: Report, clock: Clock): Map<string, Spec> {
  const charts = new Map<string, Spec>();
  // A part of a data set and the whole have charts of the same name: those of the larger one are the last.
  const comparisons = Object.entries(report.comparisons).sort(([, a], [, b]) => a.keys - b.keys);
  for (const [data, comparison] of comparisons) {
    for (const [name, spec] of comparisonCharts(data, comparison, clock)) charts.set(name, spec);
  }
  if (report.processes !== undefined) {
    for (const [name, spec] of processCharts(report.processes)) charts.set(name, spec);
  }
  if (report.scale !== undefined) {
    const { machine, series } = report.scale;
    const x = { title: "keys", scale: "log" } as const;
    const y = { title: "", scale: "log" } as const;
    const costs = series.filter(({ unit }) => unit === "ns");
    const upkeep = series.filter(({ unit }) => unit !== "ns");
    charts.set("scale", lines("Cost of an operation by the number of keys", machine, costs, x, y));
    charts.set("upkeep", lines("Upkeep by the number of keys", machine, upkeep, x, y));
  }
  if (report.large !== undefined) {
    const { machine, series } = report.large;
    const x = { title: "size of the file, GiB", scale: "linear" } as const;
    const y = { title: "", scale: "linear" } as const;
    charts.set("large", lines("Values of 4 KiB, past a file of 4 GiB", machine, series, x, y));
  }
  return charts;
}
