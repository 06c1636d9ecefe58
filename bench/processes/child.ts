/**
 * One process of processes.ts: rehearses on a store of its own, says that it is ready, waits for a line, works, says how many
 * a second.
 *
 *     bun bench/processes/child.ts STORE FOLDER WORK KEYS ID MILLISECONDS
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contender, type Name } from "../stores/index.ts";
import { fill, stepOf, type Work } from "./works.ts";

const [name, directory = "", work, keys = "0", id = "0", milliseconds = "1000"] = process.argv.slice(2);

/** Calls `step` with `from`, `from` + 1, … for so many milliseconds; returns what comes next. The clock is looked at in batches. */
function repeat(step: (i: number) => void, from: number, ms: number): number {
  let n = from;
  const end = Bun.nanoseconds() + ms * 1e6;
  while (Bun.nanoseconds() < end) for (let i = 0; i < 100; i++) step(n++);
  return n;
}

// What is measured is the store, not the compiler, whose threads take a processor of their own while it is at it: of two
// processes on two processors that half of the time.
const rehearsal = mkdtempSync(join(tmpdir(), "bancos-rehearsal-"));
const few = Math.min(Number(keys), 10_000);
const other = await fill(name as Name, rehearsal, work as Work, few);
repeat(stepOf(work as Work, other, few, Number(id)), 0, Number(milliseconds) * 1.5);
await other.close();
rmSync(rehearsal, { recursive: true, force: true });

const store = await contender(name as Name, directory);
const step = stepOf(work as Work, store, Number(keys), Number(id));
// The pages of this one, in memory.
const first = repeat(step, 0, Math.min(Number(milliseconds), 500));
console.log("ready");
for await (const _ of console) break;
const start = Bun.nanoseconds();
// lmdb sees what others write in the next turn of the event loop only.
const n = repeat(step, first, Number(milliseconds));
console.log(String(Math.round((n - first) / ((Bun.nanoseconds() - start) / 1e9))));
await store.close();
process.exit(0);
