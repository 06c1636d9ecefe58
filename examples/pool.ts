/**
 * Word counts of a text, by a pool of Worker threads: thousands of operations are under way at a time, and this thread
 * only hands them out.
 *
 *     bun examples/pool.ts [TEXT FILE]
 */
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPool } from "bancos/pool";

const path = join(tmpdir(), "words.bancos");
rmSync(path, { force: true });
await using pool = await openPool<number>(path, { readers: 2, writers: 2 });

const text = await Bun.file(process.argv[2] ?? join(import.meta.dir, "../LICENSE")).text();
const failures: unknown[] = [];
for (const [word] of text.toLowerCase().matchAll(/\p{L}+/gu)) {
  // Not awaited: the pool sends them in batches. But not without end either.
  pool.add(word, 1).catch((error: unknown) => failures.push(error));
  await pool.ready;
}
// Sees all that was called before it.
const counts: [string, number][] = [];
for await (const entry of pool.entries()) counts.push(entry);
if (failures.length > 0) throw failures[0];

counts.sort(([, a], [, b]) => b - a);
for (const [word, count] of counts.slice(0, 10)) console.log(`${String(count).padStart(5)} ${word}`);
console.log(`${counts.length} different words`);
