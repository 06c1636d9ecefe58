/**
 * Draws the charts of a report as SVG, by Vega.
 *
 *     bun bench/charts/draw.ts docs/charts [wall|cpu]
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Report, readReport } from "../report.ts";
import { rival } from "../stores/contender.ts";
import type { Clock } from "../table.ts";
import { chartsOf, type Spec } from "./specs.ts";

/** What is used of vega and vega-lite. */
interface Vega {
  readonly Error: number;
  logger(level: number): unknown;
  parse(spec: unknown): unknown;
  View: new (runtime: unknown, options: { renderer: "none" }) => { toSVG(): Promise<string> };
}
interface VegaLite {
  compile(spec: Spec, options: { logger: unknown }): { spec: unknown };
}

export async function draw(spec: Spec): Promise<string> {
  const vega = (await rival("vega")) as Vega;
  const lite = (await rival("vega-lite")) as VegaLite;
  // Its warnings say that each small chart has a scale of its own, which is what we want.
  const { spec: compiled } = lite.compile(spec, { logger: vega.logger(vega.Error) });
  const view = new vega.View(vega.parse(compiled), { renderer: "none" });
  return await view.toSVG();
}

/** Writes every chart that the report has figures for into `directory`; the paths of the files. */
export async function drawAll(report: Report, directory: string, clock: Clock): Promise<string[]> {
  const written: string[] = [];
  for (const [name, spec] of chartsOf(report, clock)) {
    const path = join(directory, `${name}.svg`);
    writeFileSync(path, `${await draw(spec)}\n`);
    written.push(path);
  }
  return written;
}

if (import.meta.main) {
  const [directory = "docs/charts", clock = "wall"] = process.argv.slice(2);
  const file = join(directory, "figures.json");
  if (!existsSync(file)) throw new Error(`there is no ${file}: run \`make bench\` first`);
  for (const path of await drawAll(readReport(file), directory, clock === "cpu" ? "cpu" : "wall")) {
    console.log(`wrote ${path}`);
  }
}
