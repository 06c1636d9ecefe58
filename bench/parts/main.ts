/**
 * The parts of an operation, one by one, by mitata: nanoseconds each.
 *
 *     bun bench/parts/main.ts [--keys 300k] [--only lock] [--json FILE]
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { measure } from "mitata";
import { parseCount } from "../data.ts";
import { describe, machine } from "../report.ts";
import { format } from "../table.ts";
import { withParts } from "./parts.ts";

const { values: options } = parseArgs({
  options: {
    keys: { type: "string", default: "300k" },
    only: { type: "string", default: "" },
    json: { type: "string" },
  },
});

const folder = mkdtempSync(join(tmpdir(), "bancos-parts-"));
const table = new Table({
  head: ["part", "", "ns, median", "least", "99 of 100"],
  style: { head: [], border: [], compact: true },
});
const figures: Record<string, Record<string, { p50: number; min: number; p99: number }>> = {};
try {
  await withParts(join(folder, "parts.bancos"), parseCount(options.keys), async (parts) => {
    for (const { group, name, run, times = 1 } of parts) {
      if (!`${group}: ${name}`.includes(options.only)) continue;
      const stats = await measure(run);
      const [min, p50, p99] = [stats.min / times, stats.p50 / times, stats.p99 / times];
      table.push([group, name, format(p50), format(min), format(p99)]);
      figures[group] ??= {};
      figures[group][name] = { p50, min, p99 };
    }
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${describe(machine())}\n${table.toString()}`);
if (options.json !== undefined) {
  writeFileSync(options.json, `${JSON.stringify({ machine: machine(), figures }, null, 1)}\n`);
}
