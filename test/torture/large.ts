/** A store past 4 GiB, where offsets no longer fit in 32 bits of bytes. On the disk, if there is room; removed after. */
import { existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "../../src/index.ts";
import { mixed, problemsOf } from "../process/support.ts";

const VALUE = 1 << 20;
const COUNT = 4400;
/** Small ones in between, so that nodes and slabs of cells lie beyond 4 GiB too. */
const SMALL_EACH = 50;

/** Half of what is there and more must stay free; /tmp may be memory. */
function roomFor(bytes: number, folder: string): boolean {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize > bytes * 3;
}

/** One value: its first and last bytes tell whose it is, and the rest is not all the same. */
function fill(value: Uint8Array, seed: number, i: number): Uint8Array {
  const words = new Uint32Array(value.buffer);
  for (let at = 0; at < words.length; at += 1024) words[at] = mixed(seed, i, at);
  words[words.length - 1] = mixed(seed, i);
  return value;
}

export interface LargeReport {
  readonly file: number;
  readonly keys: number;
  readonly seconds: number;
}

/** Null: there is no room for it. Throws what is wrong. */
export function largeStore(seed: number): LargeReport | null {
  const scratch = process.env["BANCOS_SCRATCH"] ?? (existsSync("/var/tmp") ? "/var/tmp" : tmpdir());
  if (!roomFor(COUNT * VALUE, scratch)) return null;
  const folder = mkdtempSync(join(scratch, "bancos-large-"));
  const started = performance.now();
  try {
    const path = join(folder, "store");
    const value = new Uint8Array(VALUE);
    {
      using store = open<Uint8Array | number>(path, { flushEvery: 0 });
      for (let i = 0; i < COUNT; i++) {
        store.set(`large/${i}`, fill(value, seed, i));
        for (let j = 0; j < SMALL_EACH; j++) store.set(`small/${mixed(seed, i, j)}`, i);
      }
      check(store, seed, COUNT);
      // Holes among the large ones, filled again.
      for (let i = 0; i < COUNT; i += 5) store.delete(`large/${i}`);
      for (let i = 0; i < COUNT; i += 5) store.set(`large/${i}`, fill(value, seed, i));
    }
    using store = open<Uint8Array | number>(path, { create: false });
    if (store.stats().recovery.found !== "clean") throw new Error("it was closed, and is not found clean");
    check(store, seed, COUNT);
    const report = store.verify();
    if (!report.ok) throw new Error(`verify found ${problemsOf(report)}`);
    const { file } = store.stats().bytes;
    if (file < 2 ** 32) throw new Error(`the file has ${file} bytes only`);
    return { file, keys: store.size, seconds: (performance.now() - started) / 1000 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function check(store: ReturnType<typeof open<Uint8Array | number>>, seed: number, count: number): void {
  const expected = new Uint8Array(VALUE);
  for (let i = 0; i < count; i++) {
    const found = store.get(`large/${i}`);
    if (
      !(found instanceof Uint8Array) ||
      !Buffer.from(found.buffer, found.byteOffset, found.length).equals(fill(expected, seed, i))
    ) {
      throw new Error(`large/${i} has a wrong value`);
    }
    if (i % 16 !== 0) continue;
    for (let j = 0; j < SMALL_EACH; j++) {
      const key = `small/${mixed(seed, i, j)}`;
      if (typeof store.get(key) !== "number") throw new Error(`${key} is not found`);
    }
  }
  if (store.count({ prefix: "large/" }) !== count)
    throw new Error("a scan gives another number of large values");
}
