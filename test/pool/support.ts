/** What the tests of the pool share: files, seeds, a Worker that dies on demand. */
import { expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BancosError } from "../../src/errors.ts";
import { open } from "../../src/index.ts";
import { openPool, type Pool, type PoolOptions } from "../../src/pool.ts";

/** Numbers in [0, below), the same for the same seed (mulberry32). */
export type Random = (below: number) => number;

/** Of BANCOS_SEED, or of the clock; printed, so that a failure can be repeated. */
export function seeded(what: string): Random {
  const seed = Number(process.env.BANCOS_SEED ?? Date.now() % 1_000_000_000);
  console.log(`${what}: BANCOS_SEED=${seed}`);
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Runs `work` in a new folder; afterwards the stores named `*.bancos` in it must be sound. */
export async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "bancos-pool-"));
  try {
    await work(folder);
    for (const name of new Bun.Glob("*.bancos").scanSync(folder)) {
      using store = open(join(folder, name), { create: false });
      expect(store.verify().problems).toEqual([]);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs `work` with a pool on a new file, closes it, verifies the file. */
export function withPool(
  options: PoolOptions,
  work: (pool: Pool, path: string) => Promise<void>,
): Promise<void> {
  return inFolder(async (folder) => {
    const path = join(folder, "pool.bancos");
    await using pool = await openPool(path, options);
    await work(pool, path);
  });
}

/** A module for the option `worker`: see faulty.ts. */
export const FAULTY: string = join(import.meta.dir, "faulty.ts");

/** The code that a promise is rejected with; "none" if it is not. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "none";
  } catch (error) {
    return error instanceof BancosError ? error.code : String(error);
  }
}
