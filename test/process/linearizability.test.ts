/** Two processes and two Workers on a handful of keys: what they saw has an order, key by key. */
import { expect, test } from "bun:test";
import { runHistory } from "./histories.ts";
import { budget, mixed, SEED } from "./support.ts";

/** Only ends what hangs. */
const LIMIT = 600_000;

const OPERATIONS = budget("BANCOS_HISTORY", 20_000);
const ROUNDS = 3;

test(
  "operations on one key are linearizable across processes and Workers",
  async () => {
    let operations = 0;
    let overlapping = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const seed = mixed(SEED, round, 1);
      const report = await runHistory({ seed, operations: OPERATIONS });
      expect(report.violation, `seed ${SEED}, round ${round}`).toBeNull();
      expect(report.overlapping).toBeGreaterThan(0);
      operations += report.operations;
      overlapping += report.overlapping;
    }
    console.log(`  seed ${SEED}: ${operations} operations, ${overlapping} of them overlapping`);
  },
  LIMIT,
);

test(
  "they are also when a process and a Worker are killed on the way",
  async () => {
    let open = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const seed = mixed(SEED, round, 2);
      const report = await runHistory({ seed, operations: OPERATIONS, kill: true });
      expect(report.violation, `seed ${SEED}, round ${round}`).toBeNull();
      open += report.open;
    }
    console.log(`  seed ${SEED}: ${open} operations were cut short`);
  },
  LIMIT,
);

test(
  "a lookup that now and then gives what was there before is caught",
  async () => {
    const report = await runHistory({ seed: mixed(SEED, 3), operations: 5000, broken: 100 });
    expect(report.violation).toContain("no order of the operations on");
    expect(report.violation).toContain('participant 1: {"kind":"get"}');
  },
  LIMIT,
);
