/** Every pair of operations, one in the other at every access that makes a difference. See interleave.ts. */
import { afterAll, describe, expect, test } from "bun:test";
import { interleave, noCoverage, stage } from "./interleave.ts";
import { Failures } from "./report.ts";
import { SCENARIOS } from "./scenarios.ts";

const total = { runs: 0, waited: 0, endings: 0 };

for (const promised of [false, true]) {
  describe(promised ? "leaves that a sync has promised" : "leaves that no sync has promised", () => {
    for (const scenario of SCENARIOS) {
      test(`${scenario.name}: every pair has results and contents that some order explains, and nothing leaks`, () => {
        const failures = new Failures();
        const coverage = noCoverage();
        const on = stage(scenario, promised);
        for (const opA of scenario.operations) {
          for (const opB of scenario.operations) interleave(on, opA, opB, undefined, coverage, failures);
        }
        total.runs += coverage.runs;
        total.waited += coverage.waited;
        total.endings += coverage.endings.size;
        expect(failures.report()).toEqual([]);
      });
    }
  });
}

afterAll(() => {
  console.log(
    `interleavings: ${total.runs} schedules, ${total.waited} in which one waited, ${total.endings} different files at the end`,
  );
});
