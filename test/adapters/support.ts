/** What the tests of the adapters share: a seed, and files that are checked and vanish when a test file is over. */
import { afterAll, expect } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type KeyEncoding, open, type Store, type Value } from "../../src/index.ts";
import { random } from "../random.ts";

/** The seed of all random choices of a run; BANCOS_SEED repeats a run. */
export const seed: number = Number(process.env["BANCOS_SEED"] ?? (Math.random() * 0x7fffffff) | 0);

/**
 * For the top of a test file: gives paths at which there is no file yet. When the tests of the file are over, every store
 * that was made there is whole, and goes.
 */
export function freshPaths(): () => string {
  const folder = mkdtempSync(join(tmpdir(), "bancos-adapters-"));
  afterAll(() => {
    try {
      for (const name of readdirSync(folder).filter((entry) => entry.endsWith(".bancos"))) {
        using store = open(join(folder, name), { create: false });
        expect({ name, problems: store.verify().problems }).toEqual({ name, problems: [] });
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  let files = 0;
  return () => join(folder, `${files++}.bancos`);
}

const below = random(seed);

/** Starts `dying.ts WHAT` on the file, and kills it while it writes, somewhere. Returns the store that it leaves. */
export async function killed<K>(
  what: string,
  path: string,
  keyEncoding: KeyEncoding,
): Promise<Store<Value, K>> {
  const store = open(path, { keyEncoding }) as unknown as Store<Value, K>;
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "dying.ts"), what, path], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const enough = 1 + below(50_000);
  while (store.size < enough && child.exitCode === null) await Bun.sleep(0);
  child.kill("SIGKILL");
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
  // Whoever comes next finishes or undoes what it was at.
  store.collect();
  expect(store.verify().problems).toEqual([]);
  return store;
}
