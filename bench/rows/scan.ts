/** Reading in key order. */
import { compareKeys, type Key, prefixes } from "../data.ts";
import { ABILITIES, type Contender } from "../stores/index.ts";
import type { Subject } from "./subject.ts";

const LIMIT = 100;
export async function scanRows(subject: Subject, store: Contender<Key>): Promise<void> {
  const keys = subject.data.keys.length;
  const times = Math.max(1, Math.ceil(subject.effort.scanned / keys));
  const all = async (scan: () => number | Promise<number>): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const found = scan();
      const read = typeof found === "number" ? found : await found;
      if (read !== keys) throw new Error(`${store.name} read ${read} of ${keys} keys`);
    }
  };
  await subject.time("scanKeys", times * keys, () => all(() => store.scanKeys()));
  await subject.time("scan", times * keys, () => all(() => store.scan()));
  if (!ABILITIES[subject.name].ordered) return;
  const starts = subject.askFresh().slice(0, subject.effort.ranges);
  await subject.time("range", starts.length, () => store.ranges(starts, LIMIT));
  const sorted = [...subject.data.keys].sort(compareKeys);
  const asked = prefixes(sorted, subject.effort.ranges);
  await subject.time("count", asked.length, () => store.counts(asked));
}
