/** One process of bench/processes.ts: says that it is ready, waits for a line, works, says how many a second. */
import { random } from "./data.ts";
import type { Work } from "./processes.ts";
import { contender } from "./stores.ts";

const [name = "", directory = "", work = "read", id = "0", milliseconds = "1000"] = process.argv.slice(2);
const store = await contender(name, directory);
const next = random([...id].reduce((seed, c) => seed * 31 + c.charCodeAt(0), 17));
const keys = Array.from({ length: 200_000 }, () => `key-${Math.floor(next() * 200_000)}`);
let n = 0;

const steps: Record<Work, (i: number) => void> = {
  read: (i) => {
    store.get(keys[i % keys.length] as string);
  },
  fresh: (i) => {
    store.set(`new-${id}-${i}`, i);
  },
  update: (i) => {
    store.set(keys[i % keys.length] as string, i);
  },
  hot: (i) => {
    store.set(`key-${i % 100}`, i);
  },
};
const step = steps[work as Work];
// Warm: what is measured is the store, not the compiler. Not with fresh keys, which can be used only once.
if (work !== "fresh") for (let i = 0; i < 20_000; i++) step(i);
console.log("ready");
for await (const _ of console) break;
const start = Bun.nanoseconds();
const end = start + Number(milliseconds) * 1e6;
// lmdb sees other processes' writes in the next turn of the event loop only; the clock is looked at in batches.
while (Bun.nanoseconds() < end) {
  for (let i = 0; i < 200; i++) step(n++);
}
console.log(String(Math.round(n / ((Bun.nanoseconds() - start) / 1e9))));
store.close();
