/** In persistent memory each change is durable when it returns, with no flush. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { open } from "../../src/index.ts";
import { finish, freshPath, quickPath, seconds, seed } from "../store/support.ts";

for (const start of [seed, seed + 1]) {
  test(`whatever cache lines were written back, each change that returned is there, and no other (${start % 2 === 0 ? "numbers" : "values of all kinds"})`, () => {
    const child = spawnSync(
      process.execPath,
      [join(import.meta.dir, "persistence.ts"), quickPath(), `${start}`, `${seconds * 1.5}`],
      { encoding: "utf8" },
    );
    console.log(`seed ${start}: ${child.stdout.trim()}`);
    expect(child.stderr).toBe("");
    expect(child.stdout).toContain(": good");
  });
}

test("a store says whether its file is in persistent memory", () => {
  const path = freshPath();
  const store = open(path, { force: ["persistent-memory"] });
  expect(store.stats().persistentMemory).toBe(true);
  store.set("a", 1);
  finish(store);
});
