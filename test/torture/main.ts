/**
 * The long random tests: `bun test/torture/main.ts --seconds N [--seed N] [--only NAME]`, or `make torture`.
 *
 * The time is divided among the parts. A run says how far it came towards what each part is to reach in all, in as many
 * runs as that takes: 10,000 kills, a million operations checked for linearizability, a million damaged files.
 */
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { type Outcome, runSuite, type Suite, simulations } from "../../scripts/suites.ts";
import { fuzzFiles } from "../fuzz/run.ts";
import { losses, MANY_LOSSES, noLosses } from "../power/losses.ts";
import { runHistory } from "../process/histories.ts";
import { killRound } from "../process/kills.ts";
import { churnRun } from "../process/plateau.ts";
import { Folder, mixed } from "../process/support.ts";
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
const MUTANTS = 1_000_000;
const OPERATIONS = 1_000_000;
/** Files that the disk could have after a loss of power, and states of persistent memory. */
const IMAGES = 100_000;

/** The simulation that takes as long as it is given; and so many milliseconds make the exhaustive ones worth while. */
const RANDOM = "sim/random";
const EXHAUSTIVE_FROM = 600_000;

/** Simulations with a part of their own. */
const POWER = ["sim/power", "sim/persistent"];

async function simulate(suite: Suite, milliseconds: number, own: number): Promise<Outcome> {
  const env = {
    BANCOS_SIM_SECONDS: String(Math.max(1, Math.floor(milliseconds / 1000))),
    BANCOS_SEED: String(own),
    BANCOS_SIM_SEED: String(own),
  };
  const outcome = await runSuite({ ...suite, env });
  if (outcome.failed > 0) throw new Error(`${suite.name}: ${outcome.failures.join("; ")}\n${outcome.output}`);
  return outcome;
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`;

const parts: readonly Part[] = [
  {
    name: "kills",
    share: 0.35,
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
    share: 0.15,
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
    share: 0.08,
    async run() {
      const results: string[] = [];
      // With syncs, a few MiB may wait for the disk however small the store is: here a quarter of it is more than that.
      for (const [keys, flushEvery] of [
        [40_000, 0],
        [100_000, 1000],
      ] as const) {
        const { first, last, end } = await churnRun(keys, 50, flushEvery);
        if (last >= first * 1.5) {
          throw new Error(`the file grew from ${first} bytes after the first pass to ${last}`);
        }
        if (end > 0) throw new Error(`${end} bytes are left in limbo`);
        results.push(
          `${keys} keys, flushEvery ${flushEvery}: ${mib(first)}, then at most ${mib(last)}, ${(last / first).toFixed(2)} times`,
        );
      }
      return results.join("; ");
    },
  },
  {
    name: "files",
    share: 0.2,
    async run(milliseconds, own) {
      const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
      const report = await fuzzFiles({ seed: own, mutants: MUTANTS, milliseconds, parent });
      if (report.failures.length > 0) throw new Error(report.failures.join("\n"));
      return `${report.mutants} of ${MUTANTS} different damaged files: ${JSON.stringify(report.figures)}`;
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
    name: "power loss",
    share: 0.2,
    async run(milliseconds, own) {
      const results: string[] = [];
      for (const suite of simulations().filter(({ name }) => POWER.includes(name))) {
        const { output } = await simulate(suite, milliseconds * 0.4, own);
        const images = Number(/(\d+) different images/.exec(output)?.[1] ?? 0);
        results.push(`${suite.name}: ${images} of ${IMAGES} images`);
      }
      const report = noLosses();
      const started = performance.now();
      using folder = new Folder();
      for (let file = 0; file === 0 || performance.now() - started < milliseconds * 0.2; file++) {
        const problems = await losses(folder, mixed(own, file), MANY_LOSSES, report);
        if (problems.length > 0) throw new Error(`file ${file}: ${problems.join("; ")}`);
      }
      results.push(`real files: ${report.images.size} images after ${report.changes} changes`);
      return results.join("; ");
    },
  },
  {
    name: "simulations",
    share: 0.2,
    async run(milliseconds, own) {
      const suites = simulations().filter(({ name }) => !POWER.includes(name));
      // What is exhaustive says the same each time, and takes what it takes: only where that is a small part.
      const chosen = milliseconds < EXHAUSTIVE_FROM ? suites.filter(({ name }) => name === RANDOM) : suites;
      const results: string[] = [];
      for (const suite of chosen) {
        const share = suite.name === RANDOM ? milliseconds * (chosen.length === 1 ? 1 : 0.5) : 0;
        const { output } = await simulate(suite, share, own);
        results.push(
          ...(output.match(/^.*\b(?:schedules|deaths)\b.*\d.*$/gm) ?? []).map((line) => line.trim()),
        );
      }
      return results.join("; ");
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
