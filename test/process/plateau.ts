/** Churn of a fixed set of keys by two writers: how the file grows. */

import { returned } from "./role.ts";
import { churnKey, churnValue } from "./roles.ts";
import { Scene } from "./scene.ts";
import { checkWhole } from "./support.ts";

/** Bytes that may wait for the disk in a small store: as the protocol has it (src/reclaim/reclaim.ts). */
export const MOST_WAITING: number = 4 << 20;

export interface PlateauReport {
  /** File length after the keys were first written, after the first pass, and the most at the end of any pass. */
  readonly filled: number;
  readonly first: number;
  readonly last: number;
  readonly sizes: readonly number[];
  /** Bytes in limbo when all was over, after two syncs. */
  readonly end: number;
}

/** Writes `keys` keys, then overwrites, or deletes and inserts, them `passes` times by two processes. */
export async function churnRun(keys: number, passes: number, flushEvery: number): Promise<PlateauReport> {
  await using scene = new Scene();
  const store = scene.open({ flushEvery });
  for (let i = 0; i < keys; i++) store.set(churnKey(i), churnValue(i, 0));
  const sizeNow = (): number => store.stats().bytes.file;
  const filled = sizeNow();
  const options = { keys, passes, flushEvery };
  const writers = await Promise.all([scene.start("churn", 0, options), scene.start("churn", 1, options)]);
  let going = 2;
  for (const writer of writers) writer.ended.finally(() => going--);
  const sizes: number[] = [];
  while (going > 0) {
    await Bun.sleep(20);
    const pass = Math.min(scene.counters.get(returned(0)), scene.counters.get(returned(1)));
    while (sizes.length < pass) sizes.push(sizeNow());
  }
  await scene.allDone();
  sizes.push(sizeNow());
  for (let i = 0; i < keys; i++) {
    if (store.get(churnKey(i)) !== churnValue(i, passes)) throw new Error(`${churnKey(i)} has a wrong value`);
  }
  if (store.size !== keys) throw new Error(`size is ${store.size}, expected ${keys}`);
  checkWhole(store, "after the churn");
  for (let i = 0; i < 3; i++) {
    store.flushSync();
    store.collect();
  }
  checkWhole(store, "after the collection");
  return { filled, first: sizes[0]!, last: Math.max(...sizes), sizes, end: store.stats().bytes.limbo };
}
