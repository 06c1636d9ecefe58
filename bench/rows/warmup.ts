/** Every verb on a store of its own, before anything is measured: the compiler has seen the code then. */
import { compareKeys, prefixes } from "../data.ts";
import { ABILITIES } from "../stores/index.ts";
import { readAll } from "./read.ts";
import { numbers, type Subject } from "./subject.ts";

const RANGES = 2000;
const LIMIT = 100;
const LARGER = 5;

export async function warmUp(subject: Subject): Promise<void> {
  const { each, ordered, writesOnly } = ABILITIES[subject.name];
  const store = await subject.open(subject.newFolder());
  const keys = subject.data.keys.slice(0, Math.min(subject.effort.warm, each));
  await store.setAll(keys, numbers(0, keys.length));
  await store.setEach(keys, numbers(1, keys.length));
  await store.addAll(keys);
  if (!writesOnly) {
    await readAll(store, keys);
    await store.scanKeys();
    await store.scan();
    if (ordered) {
      await store.ranges(keys.slice(0, Math.min(RANGES, subject.effort.ranges)), LIMIT);
      await store.counts(prefixes([...keys].sort(compareKeys), Math.min(RANGES, subject.effort.ranges)));
    }
  }
  await store.deleteEach(keys.slice(0, keys.length >> 1));
  await store.deleteAll(keys.slice(keys.length >> 1));
  await store.close();
  // A larger one: growing, and keys in their order, take other paths through the code.
  const sorted = await subject.open(subject.newFolder());
  const more = subject.data.keys.slice(0, subject.effort.warm * LARGER).sort(compareKeys);
  await sorted.setAll(more, numbers(0, more.length));
  await sorted.close();
}
