/**
 * No file, however damaged, makes the library crash or hang, or gives a value that was never written: thousands of
 * mutants of valid files are opened, read, written, verified, copied and repaired. BANCOS_FUZZ sets how many,
 * BANCOS_FUZZ_SECONDS the time after which no more are tried. A failure says the number of its mutant: BANCOS_FUZZ_ONLY
 * with BANCOS_SEED tries that one again.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { open } from "../../src/index.ts";
import { random } from "../random.ts";
import { finish, freshFolder, memoryFolder, quickPath, seed } from "../store/support.ts";
import { fuzzFiles } from "./run.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

const MUTANTS = Number(process.env["BANCOS_FUZZ"] ?? 40_000);
const ONLY = process.env["BANCOS_FUZZ_ONLY"];
const SECONDS = Number(process.env["BANCOS_FUZZ_SECONDS"] ?? 30);

test(`${MUTANTS} damaged files, or as many as can be tried in ${SECONDS} s: each a right answer or a BancosError`, async () => {
  const start = random(seed)(2 ** 31);
  const report = await fuzzFiles({
    seed: start,
    mutants: MUTANTS,
    milliseconds: SECONDS * 1000,
    parent: freshFolder(memoryFolder),
    ...(ONLY === undefined ? {} : { only: Number(ONLY) }),
  });
  console.log(`${report.mutants} different damaged files, seed ${start}: ${JSON.stringify(report.figures)}`);
  expect(report.failures).toEqual([]);
  if (ONLY !== undefined) return;
  expect(report.mutants).toBeGreaterThan(0);
  const { opened = 0, refused = 0, reported = 0, rebuilt = 0, repaired = 0, backups = 0 } = report.figures;
  // It is no test if most are refused at the door, or none of the damage is seen.
  expect(opened).toBeGreaterThan(refused);
  for (const count of [reported, rebuilt, repaired, backups]) expect(count).toBeGreaterThan(0);
  // What was done to those files is theirs alone.
  finish(open(quickPath()));
});
