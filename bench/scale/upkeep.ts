/**
 * What keeps a store of some size costs: growing, opening, verifying, rebuilding. In a process of its own.
 *
 *     bun bench/scale/upkeep.ts KEYS FOLDER
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { open } from "../../src/index.ts";
import { generatedKey } from "../data.ts";

/** Milliseconds, and bytes. */
export interface Upkeep {
  /** The longest of all calls that loaded the keys one by one: growth of the file among them. */
  readonly longestSet: number;
  readonly open: number;
  readonly verify: number;
  readonly rebuild: number;
  readonly bytesPerKey: number;
}

const milliseconds = (since: number): number => (Bun.nanoseconds() - since) / 1e6;

/** Opens, verifies and rebuilds the closed store at `path`. Throws if it is damaged. */
export function upkeepOf(path: string): Pick<Upkeep, "open" | "verify" | "rebuild"> {
  let start = Bun.nanoseconds();
  const store = open(path);
  const opened = milliseconds(start);
  start = Bun.nanoseconds();
  const report = store.verify();
  const verified = milliseconds(start);
  if (!report.ok) throw new Error(`verify found ${report.problems[0]?.message ?? "something"}`);
  const { size } = store;
  store.close();
  start = Bun.nanoseconds();
  const rebuilt = open(path, { recover: "rebuild" });
  const rebuild = milliseconds(start);
  if (rebuilt.size !== size) throw new Error(`${rebuilt.size} keys after the rebuild, ${size} before`);
  rebuilt.close();
  return { open: opened, verify: verified, rebuild };
}

function measure(keys: number, folder: string): Upkeep {
  const path = join(folder, "upkeep.bancos");
  const store = open<number>(path, { maxSize: 32 * 2 ** 30 });
  let longest = 0;
  for (let i = 0; i < keys; i++) {
    const key = generatedKey(i);
    const start = Bun.nanoseconds();
    store.set(key, i);
    const took = Bun.nanoseconds() - start;
    if (took > longest) longest = took;
  }
  store.close();
  const bytesPerKey = (statSync(path).blocks * 512) / keys;
  // Opened once before: the first time anything runs is about the compiler.
  open(path).close();
  return { longestSet: longest / 1e6, ...upkeepOf(path), bytesPerKey };
}

if (import.meta.main) {
  const [keys = "1000", folder = "."] = process.argv.slice(2);
  console.log(JSON.stringify(measure(Number(keys), folder)));
}
