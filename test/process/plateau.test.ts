/** Memory reaches a steady state: a fixed set of keys, written over and over, needs no more than a fixed size. */
import { expect, test } from "bun:test";
import { churnRun, MOST_WAITING } from "./plateau.ts";
import { budget } from "./support.ts";

/** Only ends what hangs. */
const LIMIT = 600_000;

const KEYS = budget("BANCOS_CHURN_KEYS", 20_000);
const PASSES = 50;

/**
 * Without syncs nothing waits but for epochs. With one every second, each leaf that one has promised waits for the two
 * after it. A quarter of the content may wait, or a few MiB where that is more, before a writer syncs by itself: for a
 * store as small as this one it is more; and a quarter more of that while another is at a sync. (100,000 keys stay under 1.5 times: test/torture.)
 */
const WAITING = { 0: 0, 1000: MOST_WAITING * 1.25 } as const;

for (const flushEvery of [0, 1000] as const) {
  test(
    `a fixed set of keys written ${PASSES} times over by two processes keeps its size, flushEvery ${flushEvery}`,
    async () => {
      const started = performance.now();
      const { filled, first, last, end } = await churnRun(KEYS, PASSES, flushEvery);
      const seconds = (performance.now() - started) / 1000;
      console.log(
        `  ${KEYS} keys, flushEvery ${flushEvery}: ${mib(filled)} when filled, ${mib(first)} after the first pass, ` +
          `${mib(last)} at most (${(last / first).toFixed(2)} times), ${mib(end)} in limbo at the end, ${seconds.toFixed(1)} s`,
      );
      expect(last).toBeLessThan(first * 1.5 + WAITING[flushEvery]);
      // Nothing is kept for ever: after two syncs all that waited is free.
      expect(end).toBe(0);
    },
    LIMIT,
  );
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`;
