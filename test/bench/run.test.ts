/** The benchmarks run: with little to do, and with the stores that are always there. What they measure is not looked at. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chartsOf } from "../../bench/charts/specs.ts";
import { type Report, type RowFigures, readReport } from "../../bench/report.ts";
import { ROW_NAMES } from "../../bench/rows/rows.ts";
import { ROOT } from "../../scripts/suites.ts";

const folder = mkdtempSync(join(tmpdir(), "bancos-test-"));
const json = join(folder, "figures.json");
let printed = "";
let report: Report = { comparisons: {} };

async function run(script: string, ...words: string[]): Promise<string> {
  const child = Bun.spawn([process.execPath, join(ROOT, "bench", script), "--tiny", ...words], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(err);
  return out;
}

beforeAll(async () => {
  printed += await run("main.ts", "--stores", "bancos,Map", "--data", "words:1k,binary:1k", "--json", json);
  printed += await run("scale/main.ts", "--stores", "bancos", "--sizes", "500,1k", "--json", json);
  report = readReport(json);
});
afterAll(() => rmSync(folder, { recursive: true }));

const figuresOf = (data: string): RowFigures => report.comparisons[data]?.figures ?? {};

test("every row has a figure of bancos", () => {
  const figures = figuresOf("words:1k");
  for (const row of ROW_NAMES) {
    const [figure] = figures[row]?.bancos ?? [];
    // Memory may not have grown.
    if (row === "peak" || row === "anonymous") expect(figure?.wall).toBeFinite();
    else expect({ row, positive: (figure?.wall ?? 0) > 0 }).toEqual({ row, positive: true });
  }
});

test("keys of bytes are measured by the stores that take them", () => {
  const figures = figuresOf("binary:1k");
  expect(figures.getBytes?.bancos?.length).toBe(1);
  expect(figures.getFresh).toBeUndefined();
  expect(figures.getBytes?.Map).toBeUndefined();
});

test("each measurement with several processes has a figure", () => {
  const rows = Object.entries(report.processes?.figures ?? {});
  expect(rows.length).toBeGreaterThan(10);
  for (const [row, byName] of rows) {
    expect({ row, positive: (byName.bancos?.[0] ?? 0) > 0 }).toEqual({ row, positive: true });
  }
});

test("scale is measured by number of keys and by size of the file", () => {
  for (const series of [report.scale?.series, report.large?.series]) {
    expect(series?.length).toBeGreaterThan(4);
    for (const { points } of series ?? []) {
      expect(points.length).toBe(2);
      for (const { figures } of points) for (const figure of figures) expect(figure).toBeGreaterThan(0);
    }
  }
});

test("the table and the targets name what was measured, with ratios", () => {
  expect(printed).toContain("get hit, fresh strings, ns");
  expect(printed).toMatch(/get hit, fresh string \/ Map .*words:1k .*0\.8 .*met/i);
  expect(printed).toMatch(/x\d+\.\d\d/);
});

test("there is a chart for everything that was measured", () => {
  const charts = chartsOf(report, "wall");
  expect([...charts.keys()].sort()).toEqual(
    [
      ...["binary", "words"].flatMap((data) =>
        ["reads", "scans", "space", "writes"].map((c) => `${data}-${c}`),
      ),
      ...["large", "processes", "scale", "throughput", "upkeep"],
    ].sort(),
  );
  for (const spec of charts.values()) {
    const { values } = spec["data"] as { values: { figure: number }[] };
    expect(values.length).toBeGreaterThan(0);
  }
});
