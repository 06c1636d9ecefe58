/**
 * Kills: writers and readers in processes and Workers, killed at random moments, beside others that never reopen. All
 * that was acknowledged is there after each kill; at the end the file is whole and has reached a steady size.
 */
import { afterAll, expect, test } from "bun:test";
import { killRound } from "./kills.ts";
import { budget, mixed, SEED } from "./support.ts";

/** Only ends what hangs. */
const LIMIT = 600_000;

const SECONDS = budget("BANCOS_KILL_SECONDS", 30);
const ROUNDS = [1000, 0, 3];
let kills = 0;

for (const [i, flushEvery] of ROUNDS.entries()) {
  test(
    `whoever is killed, nothing acknowledged is lost and the others go on (flushEvery ${flushEvery})`,
    async () => {
      const milliseconds = (SECONDS * 1000) / ROUNDS.length;
      const report = await killRound({ seed: mixed(SEED, i), kills: 1e9, milliseconds, flushEvery });
      kills += report.kills;
      console.log(`  seed ${SEED}, flushEvery ${flushEvery}: ${JSON.stringify(report)}`);
      expect(report.kills).toBeGreaterThan(0);
      // Hundreds of MiB are written in a round; what is alive is less than one.
      expect(report.sizes.at(-1)).toBeLessThan(32 << 20);
    },
    LIMIT,
  );
}

afterAll(() => {
  console.log(`  ${kills} kills in ${SECONDS} s`);
});
