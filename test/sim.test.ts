/**
 * The simulations under `test/sim/` replace the memory under the tree before the tree loads, so each runs in a process
 * of its own. This file starts them when somebody runs a plain `bun test`; `make test` starts them itself.
 */
import { expect, test } from "bun:test";
import { runSuite, simulations } from "../scripts/suites.ts";

for (const suite of simulations()) {
  test(suite.name, async () => {
    const { failed, failures, output } = await runSuite(suite);
    if (failed > 0) console.error(output);
    expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
  }, 1_800_000);
}
