/**
 * Commits per second, each on the disk before the next of its writer: `bun bench/commits/main.ts [--milliseconds N]
 * [--rounds N] [--directory PATH]`. One writer, then eight, each a process; bancos with durability "commit" beside lmdb
 * with its defaults (whose `put` resolves before the disk has it; "lmdb flushed" waits for that too) and bun:sqlite with
 * `synchronous = FULL`. The stores take turns, so that what else the machine does meets all of them alike; what counts
 * are the quotients of each round.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { milliseconds: { type: "string" }, rounds: { type: "string" }, directory: { type: "string" } },
});
const milliseconds = Number(values.milliseconds ?? 1500);
const rounds = Number(values.rounds ?? 5);
const STORES = ["bancos", "lmdb", "lmdb flushed", "sqlite FULL"] as const;
const WRITERS = [1, 8];

async function commitsPerSecond(store: string, writers: number): Promise<number> {
  const directory = mkdtempSync(join(values.directory ?? tmpdir(), "bancos-commits-"));
  mkdirSync(directory, { recursive: true });
  try {
    const children = Array.from({ length: writers }, (_, i) =>
      Bun.spawn(
        [process.execPath, join(import.meta.dir, "child.ts"), store, directory, `${i}`, `${milliseconds}`],
        {
          stdin: "pipe",
          stdout: "pipe",
          stderr: "inherit",
        },
      ),
    );
    const readers = children.map((child) => child.stdout.getReader());
    for (const reader of readers) await reader.read();
    for (const child of children) {
      child.stdin.write("go\n");
      child.stdin.flush();
    }
    let sum = 0;
    for (const reader of readers) sum += Number(new TextDecoder().decode((await reader.read()).value));
    for (const child of children) await child.exited;
    return sum;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const median = (figures: number[]): number =>
  figures.toSorted((a, b) => a - b)[figures.length >> 1] ?? Number.NaN;

for (const writers of WRITERS) {
  const figures = new Map<string, number[]>(STORES.map((store) => [store, []]));
  for (let round = 0; round < rounds; round++) {
    // Nobody is always the first.
    for (let i = 0; i < STORES.length; i++) {
      const store = STORES[(i + round) % STORES.length] ?? STORES[0];
      figures.get(store)?.push(await commitsPerSecond(store, writers));
    }
  }
  const own = figures.get("bancos") ?? [];
  for (const [store, found] of figures) {
    const quotients = own.map((figure, i) => figure / (found[i] ?? Number.NaN));
    console.log(
      `${writers} ${writers === 1 ? "writer " : "writers"}  ${store.padEnd(13)} ${median(found).toFixed(0).padStart(7)} commits/s` +
        `  bancos is ${median(quotients).toFixed(2)} times that (${quotients.map((q) => q.toFixed(2)).join(" ")})`,
    );
  }
}
