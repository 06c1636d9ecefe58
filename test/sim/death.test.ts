/** Death at every store, of the operation and of who recovers it. See death.ts. */
import { afterAll, describe, expect, test } from "bun:test";
import { CASES, close } from "./cases.ts";
import { dieEverywhere, noDeaths, prepare, RESCUES } from "./death.ts";
import { Failures } from "./report.ts";

/** With `BANCOS_SIM_SECONDS` there is time. */
const ALL = process.env.BANCOS_SIM_SECONDS !== undefined;
const total = noDeaths();

describe("after a death at any store, of whoever writes and of whoever recovers", () => {
  for (const [i, what] of CASES.entries()) {
    const name = `${what.scenario.name}${what.promised ? " (promised)" : ""}: ${what.victim.name}`;
    test(`${name} is whole or absent, the rest is there, and nothing leaks`, () => {
      const failures = new Failures();
      const ready = prepare(what);
      const rescues = what.victim === close ? RESCUES.filter((one) => one !== "same") : RESCUES;
      dieEverywhere(ready, 1, rescues, total, failures);
      // Recovery is the same whoever does it, or nearly: all three ways only where there is time.
      const ways = ALL ? rescues : [rescues[i % rescues.length]!];
      dieEverywhere(ready, 2, ways, total, failures);
      expect(failures.report()).toEqual([]);
    });
  }
});

afterAll(() => {
  const least = [...total.byOperation].sort((a, b) => a[1].size - b[1].size)[0];
  console.log(
    `deaths: ${total.deaths}, ${total.states.size} different files after one, ${total.recovered.size} after recovery, ${total.rebuilds} rebuilds; ` +
      `the least for one operation: ${least?.[1].size} (${least?.[0]})`,
  );
});
