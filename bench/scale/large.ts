/**
 * A file that grows past 4 GiB with values of 4 KiB: what a write and a read cost by the size of the file so far. In a
 * process of its own.
 *
 *     bun bench/scale/large.ts STORE FOLDER BYTES STEP
 */
import { join } from "node:path";
import { generatedKey } from "../data.ts";
import { random } from "../random.ts";
import { contender, type Name } from "../stores/index.ts";
import { type Upkeep, upkeepOf } from "./upkeep.ts";

export interface Step {
  /** Bytes of values in the store. */
  readonly bytes: number;
  /** Nanoseconds, each. */
  readonly set: number;
  readonly get: number;
  /** bancos only. */
  readonly upkeep?: Pick<Upkeep, "open" | "verify" | "rebuild">;
}

const VALUE_BYTES = 4096;
const READS = 5000;

async function measure(name: Name, folder: string, total: number, step: number): Promise<Step[]> {
  const steps: Step[] = [];
  const next = random(23);
  const text = Buffer.alloc(VALUE_BYTES, "0123456789abcdef").toString();
  let store = await contender(name, folder);
  let written = 0;
  while (written * VALUE_BYTES < total) {
    const count = Math.ceil(step / VALUE_BYTES);
    const keys = Array.from({ length: count }, (_, i) => generatedKey(written + i));
    // One value a key, so that none is shared.
    const values = keys.map((key) => key + text.slice(key.length));
    let start = Bun.nanoseconds();
    await store.setAll(keys, values);
    const set = (Bun.nanoseconds() - start) / count;
    written += count;
    const asked = Array.from({ length: READS }, () => generatedKey(Math.floor(next() * written)));
    start = Bun.nanoseconds();
    for (const key of asked) {
      const value = store.get(key);
      if (typeof value !== "string" || value.length !== VALUE_BYTES)
        throw new Error(`${name} has lost ${key}`);
    }
    const get = (Bun.nanoseconds() - start) / READS;
    const bytes = written * VALUE_BYTES;
    if (name !== "bancos") steps.push({ bytes, set, get });
    else {
      await store.close();
      steps.push({ bytes, set, get, upkeep: upkeepOf(join(folder, "store.bancos")) });
      store = await contender(name, folder);
    }
  }
  await store.close();
  return steps;
}

if (import.meta.main) {
  const [name, folder = ".", total = "0", step = "0"] = process.argv.slice(2);
  console.log(`\n${JSON.stringify(await measure(name as Name, folder, Number(total), Number(step)))}`);
  process.exit(0);
}
