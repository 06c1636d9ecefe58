/**
 * The long random tests: `bun test/torture/main.ts --seconds N [--seed N] [--only NAME]`, or `make torture`.
 *
 * The time is divided among the parts. A run says how far it came towards what each part is to reach in all, in as many
 * runs as that takes: 10,000 kills, a million operations checked for linearizability.
 */
import { parseArgs } from "node:util";
import { runSuite, simulations } from "../../scripts/suites.ts";
import { runHistory } from "../process/histories.ts";
import { killRound } from "../process/kills.ts";
import { churnRun } from "../process/plateau.ts";
import { mixed } from "../process/support.ts";
import { largeStore } from "./large.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string" }, seed: { type: "string" }, only: { type: "string" } },
});
const seconds = Number(values.seconds ?? 60);
const seed = Number(values.seed ?? "") || Date.now() & 0x7fffffff || 1;
if (!(seconds > 0)) {
  console.error("usage: bun test/torture/main.ts --seconds N [--seed N] [--only NAME]");
  process.exit(2);
}

interface Part {
  readonly name: string;
  /** Share of the time. */
  readonly share: number;
  /** Does what it can in so many milliseconds; returns what it did. Throws what is wrong. */
  run(milliseconds: number, seed: number): Promise<string> | string;
}

const KILLS = 10_000;
const OPERATIONS = 1_000_000;

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`;

const parts: readonly Part[] = [
  {
    name: "kills",
    share: 0.45,
    async run(milliseconds, own) {
      const started = performance.now();
      let kills = 0;
      let acknowledged = 0;
      let looks = 0;
      let happened = 0;
      let cutShort = 0;
      for (let round = 0; kills < KILLS; round++) {
        const left = milliseconds - (performance.now() - started);
        if (left < 1000) break;
        const report = await killRound({
          seed: mixed(own, round),
          kills: Math.min(2000, KILLS - kills),
          milliseconds: left,
          flushEvery: [1000, 0, 3][round % 3]!,
        });
        kills += report.kills;
        acknowledged += report.acknowledged;
        looks += report.looks;
        happened += report.happened;
        cutShort += report.cutShort;
      }
      return (
        `${kills} of ${KILLS} kills; ${acknowledged} operations acknowledged, all there; ${cutShort} cut short, of which ` +
        `${happened} had happened; ${looks} looks by readers`
      );
    },
  },
  {
    name: "linearizability",
    share: 0.2,
    async run(milliseconds, own) {
      const started = performance.now();
      let operations = 0;
      let overlapping = 0;
      let open = 0;
      for (let round = 0; operations < OPERATIONS; round++) {
        if (round > 0 && performance.now() - started > milliseconds) break;
        const kill = round % 3 === 2;
        const report = await runHistory({ seed: mixed(own, round), operations: 25_000, kill });
        if (report.violation !== null) throw new Error(`round ${round}: ${report.violation}`);
        operations += report.operations;
        overlapping += report.overlapping;
        open += report.open;
      }
      return `${operations} of ${OPERATIONS} operations, ${overlapping} overlapping, ${open} never returned`;
    },
  },
  {
    name: "plateau",
    share: 0.1,
    async run() {
      const results: string[] = [];
      for (const flushEvery of [0, 1000]) {
        const { first, last, end } = await churnRun(40_000, 50, flushEvery);
        if (flushEvery === 0 && last >= first * 1.5) {
          throw new Error(`the file grew from ${first} bytes after the first pass to ${last}`);
        }
        if (end > 0) throw new Error(`${end} bytes are left in limbo`);
        results.push(`flushEvery ${flushEvery}: ${mib(first)}, then at most ${mib(last)}`);
      }
      return results.join("; ");
    },
  },
  {
    name: "large",
    share: 0.05,
    run(_, own) {
      const report = largeStore(own);
      if (report === null) return "no room on the disk: not run";
      return `${mib(report.file)}, ${report.keys} keys, ${report.seconds.toFixed(1)} s`;
    },
  },
  {
    name: "simulations",
    share: 0.2,
    async run(milliseconds, own) {
      const suites = simulations();
      const env = {
        BANCOS_SIM_SECONDS: String(Math.max(1, Math.floor(milliseconds / 1000 / Math.max(1, suites.length)))),
        BANCOS_SEED: String(own),
        BANCOS_SIM_SEED: String(own),
      };
      let passed = 0;
      for (const suite of suites) {
        const outcome = await runSuite({ ...suite, env });
        if (outcome.failed > 0)
          throw new Error(`${suite.name}: ${outcome.failures.join("; ")}\n${outcome.output}`);
        passed += outcome.passed;
      }
      return `${suites.length} suites, ${passed} tests passed`;
    },
  },
];

const chosen = parts.filter(({ name }) => values.only === undefined || values.only === name);
if (chosen.length === 0) {
  console.error(`there is no part ${values.only}; there are: ${parts.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const shares = chosen.reduce((sum, { share }) => sum + share, 0);
console.log(`torture: ${seconds} seconds, seed ${seed}`);
let failed = 0;
for (const [i, part] of chosen.entries()) {
  const started = performance.now();
  let result: string;
  try {
    result = await part.run((seconds * 1000 * part.share) / shares, mixed(seed, i));
  } catch (error) {
    failed++;
    result = `FAILED: ${error instanceof Error ? error.message : String(error)}`;
  }
  console.log(
    `${part.name.padEnd(16)} ${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${result}`,
  );
}
console.log(failed === 0 ? "torture: passed" : `torture: ${failed} parts failed; again with --seed ${seed}`);
process.exit(failed === 0 ? 0 : 1);
