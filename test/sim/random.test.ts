/**
 * What is too much to enumerate, at random: three participants in one another, any of them dying; chains of three to
 * five deaths. `BANCOS_SIM_SECONDS` and `BANCOS_SIM_SEED` in the environment make it as long as wanted, and the same
 * again: the torture run calls this file.
 */
import { expect, test } from "bun:test";
import { CASES, close } from "./cases.ts";
import { dieAtRandom, noDeaths, prepare } from "./death.ts";
import { nothingYet, playAtRandom } from "./random.ts";
import { budget, Failures, Random, SEED } from "./report.ts";

const seconds = budget(20);

test("three in one another, any of them dying, are explained by some order, and nothing leaks", () => {
  const failures = new Failures();
  const coverage = nothingYet();
  const random = new Random(SEED);
  const end = performance.now() + seconds * 500;
  while (performance.now() < end && !failures.enough) playAtRandom(random, end, coverage, failures);
  console.log(
    `random schedules: ${coverage.runs}, ${coverage.died} deaths, ${coverage.waited} waits, ` +
      `${coverage.endings.size} different files at the end; seed ${SEED}`,
  );
  expect(failures.report()).toEqual([]);
});

test("those who recover the recoverers die too, three to five in a row, and the next finds everything", () => {
  const failures = new Failures();
  const coverage = noDeaths();
  const random = new Random(SEED);
  const end = performance.now() + seconds * 500;
  const cases = CASES.filter(({ victim }) => victim !== close);
  for (let round = 0; performance.now() < end && !failures.enough; round++) {
    const ready = prepare(cases[round % cases.length]!);
    for (let i = 0; i < 50 && performance.now() < end; i++) dieAtRandom(ready, random, coverage, failures);
  }
  console.log(
    `chains of deaths: ${coverage.deaths}, ${coverage.states.size} different files after one, ` +
      `${coverage.recovered.size} after recovery; seed ${SEED}`,
  );
  expect(failures.report()).toEqual([]);
});
