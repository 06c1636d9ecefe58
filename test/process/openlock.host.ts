/**
 * A process whose Worker opens and closes a store again and again, and is terminated somewhere in it; the process lives
 * on, with whatever the Worker had open. Part of openlock.test.ts.
 */
import { isMainThread } from "node:worker_threads";
import { open } from "../../src/index.ts";

const path = process.env["BANCOS_TEST_PATH"] ?? "";
if (isMainThread) {
  const worker = new Worker(import.meta.url);
  await new Promise((resolve) => worker.addEventListener("message", resolve, { once: true }));
  await Bun.sleep(2 + Math.random() * 10);
  const closed = new Promise((resolve) => worker.addEventListener("close", resolve));
  worker.terminate();
  await closed;
  console.log("terminated");
  // Until it is killed.
  await Bun.sleep(600_000);
} else {
  postMessage("ready");
  for (;;) {
    const store = open(path, { flushEvery: 0 });
    store.set("key", 1);
    store.close();
  }
}
