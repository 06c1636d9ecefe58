/** What one process has written, every other one sees: in its very next read, without a turn of its event loop. */
import { expect, test } from "bun:test";
import { yieldThread } from "../../src/memory/platform.ts";
import { begun, STOP } from "./role.ts";
import { Scene } from "./scene.ts";
import { budget, checkWhole, SEED } from "./support.ts";

/** Only ends what hangs. */
const LIMIT = 600_000;

const ROUNDS = budget("BANCOS_PINGS", 2000);

for (const where of ["process", "worker"] as const) {
  test(
    `a write that has returned is seen by the next read of another ${where}`,
    async () => {
      await using scene = new Scene();
      const store = scene.open();
      const actor = await scene[where === "process" ? "start" : "startWorker"]("pong", 0, { rounds: ROUNDS });
      const started = performance.now();
      for (let i = 1; i <= ROUNDS; i++) {
        store.set("ping", `ping ${i}`);
        scene.counters.set(begun(0), i);
        // The other one's answer: no turn of the event loop here either, but for noticing that it has failed.
        for (let spins = 0; scene.counters.get(begun(1)) < i; spins++) {
          yieldThread();
          if (spins % 100_000 === 99_999) {
            const how = await Promise.race([actor.ended, Bun.sleep(1)]);
            if (how !== undefined) throw new Error(typeof how === "object" ? how.error : String(how));
          }
        }
        if (store.get("pong") !== `pong ${i}`) {
          scene.counters.set(STOP, 1);
          throw new Error(`round ${i}: read ${store.get("pong")}`);
        }
      }
      const each = ((performance.now() - started) / ROUNDS) * 1000;
      await scene.allDone();
      expect(store.size).toBe(2);
      checkWhole(store, "after the game");
      console.log(
        `  seed ${SEED}: ${ROUNDS} rounds of ping-pong with a ${where}, ${each.toFixed(1)} µs each`,
      );
    },
    LIMIT,
  );
}
