/** A backup is the store at one point in time, however much is written meanwhile, and harms nobody if it is killed. */
import { expect, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { open, type Store } from "../../src/index.ts";
import { random } from "../random.ts";
import { finish, freshPath, seconds, seed } from "../store/support.ts";
import { countKey, Model } from "./workload.ts";

const CHILD = join(import.meta.dir, "child.ts");
const WRITERS = [1, 2];

async function start(...args: string[]): Promise<Bun.Subprocess<"ignore", "pipe", "inherit">> {
  const child = Bun.spawn([process.execPath, CHILD, ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = child.stdout.getReader();
  await reader.read();
  reader.releaseLock();
  return child;
}

async function stop(children: readonly Bun.Subprocess[]): Promise<void> {
  for (const child of children) child.kill("SIGKILL");
  for (const child of children) await child.exited;
}

function changesOf(store: Store): number[] {
  return WRITERS.map((writer) => Number(store.get(countKey(writer)) ?? 0));
}

test("a backup has of two writers what each had written up to one moment", async () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  const models = WRITERS.map((writer) => new Model(seed, writer));
  const writers = await Promise.all(WRITERS.map((writer) => start("write", path, `${writer}`, `${seed}`)));
  const until = performance.now() + seconds * 2000;
  let backups = 0;
  try {
    while (performance.now() < until || backups < 3) {
      const to = `${path}.${backups++}`;
      await store.backup(to);
      const copy = open(to, { flushEvery: 0 });
      expect(copy.stats().recovery.found).toBe("clean");
      for (const model of models) expect(model.problem(copy)).toBe("");
      finish(copy);
      rmSync(to);
    }
  } finally {
    await stop(writers);
  }
  console.log(`${backups} backups beside ${changesOf(store).join(" and ")} changes`);
  // They were killed in the middle of something, and nobody has met it yet: verify() does.
  finish(store);
});

test("a backup that is killed at any moment leaves no trace in the store, and writers go on", async () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  for (let i = 0; i < 20_000; i++) store.set(`ballast ${i}`, "b".repeat(50));
  const pick = random(seed);
  const writers = await Promise.all(WRITERS.map((writer) => start("write", path, `${writer}`, `${seed}`)));
  const until = performance.now() + seconds * 2000;
  let kills = 0;
  try {
    while (performance.now() < until || kills < 5) {
      const backup = await start("back up", path);
      await Bun.sleep(pick(250));
      await stop([backup]);
      kills++;
      // The writers sync: they see that it is dead.
      const before = changesOf(store);
      for (const waited = performance.now(); ; ) {
        await Bun.sleep(5);
        const now = changesOf(store);
        if (now.every((changes, i) => changes > before[i]! + 1000)) break;
        if (performance.now() - waited > 60_000)
          throw new Error("a writer hangs at the gate of a dead backup");
      }
    }
    // What was completed is right; what was not has another name.
    const copies = readdirSync(dirname(path)).filter((name) => /\.\d+$/.test(name));
    for (const name of copies) {
      const copy = open(join(dirname(path), name), { flushEvery: 0 });
      for (const writer of WRITERS) expect(new Model(seed, writer).problem(copy)).toBe("");
      finish(copy);
    }
    console.log(`${kills} kills, ${copies.length} backups completed of ${basename(path)}`);
  } finally {
    await stop(writers);
  }
  // Memory is reused again: the store does not grow for good.
  store.flushSync();
  store.flushSync();
  store.collect();
  expect(store.stats().bytes.limbo).toBeLessThan(1 << 20);
  finish(store);
});
