/**
 * One process of processes.ts: says that it is ready, waits for a line, works, says how many a second.
 *
 *     bun bench/processes/child.ts STORE FOLDER WORK KEYS ID MILLISECONDS
 */
import { contender, type Name } from "../stores/index.ts";
import { stepOf, type Work } from "./works.ts";

const [name, directory = "", work, keys = "0", id = "0", milliseconds = "1000"] = process.argv.slice(2);
const store = await contender(name as Name, directory);
const step = stepOf(work as Work, store, Number(keys), Number(id));
// Warm: what is measured is the store, not the compiler, whose threads take a processor of their own while it is at it.
let n = 0;
const warm = Bun.nanoseconds() + Math.min(Number(milliseconds), 500) * 1e6;
while (Bun.nanoseconds() < warm) for (let i = 0; i < 100; i++) step(n++);
console.log("ready");
for await (const _ of console) break;
const start = Bun.nanoseconds();
const end = start + Number(milliseconds) * 1e6;
const first = n;
// The clock is looked at in batches. lmdb sees what others write in the next turn of the event loop only.
while (Bun.nanoseconds() < end) for (let i = 0; i < 100; i++) step(n++);
console.log(String(Math.round((n - first) / ((Bun.nanoseconds() - start) / 1e9))));
await store.close();
process.exit(0);
