/**
 * `make bench`: bancos beside other stores, in one run, in interleaved rounds, since machines are noisy: what counts is
 * the ratio of medians.
 *
 *     bun bench/main.ts [--data words,hex,sequential] [--rounds 5] [--json FILE] [--processes]
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { DATA, fresh, random, shuffle } from "./data.ts";
import { compareProcesses } from "./processes.ts";
import { type Contender, contender } from "./stores.ts";

const { values: options } = parseArgs({
  options: {
    data: { type: "string", default: "words" },
    rounds: { type: "string", default: "5" },
    json: { type: "string" },
    processes: { type: "boolean", default: false },
    "only-processes": { type: "boolean", default: false },
  },
});

const NAMES = ["bancos", "lmdb", "bun:sqlite", "Map", "sorted-btree"];
/** Nanoseconds per operation: row, contender, one figure per round. */
type Figures = Map<string, Map<string, number[]>>;

const median = (figures: readonly number[]): number =>
  [...figures].sort((a, b) => a - b)[figures.length >> 1] ?? Number.NaN;

function time(operations: number, run: () => void): number {
  const start = Bun.nanoseconds();
  run();
  return (Bun.nanoseconds() - start) / operations;
}

async function compare(
  data: string,
  rounds: number,
): Promise<{ figures: Figures; bytes: Map<string, number> }> {
  const make = DATA[data];
  if (make === undefined) throw new Error(`no data set ${data}; there are ${Object.keys(DATA).join(", ")}`);
  const next = random(1);
  const keys = shuffle(make(), next);
  const figures: Figures = new Map();
  const bytes = new Map<string, number>();
  const note = (row: string, name: string, nanoseconds: number): void => {
    const byName = figures.get(row) ?? new Map<string, number[]>();
    figures.set(row, byName);
    byName.set(name, [...(byName.get(name) ?? []), nanoseconds]);
  };

  const directory = mkdtempSync(join(tmpdir(), "bancos-bench-"));
  try {
    // New keys: a new store each round. One call each where that can be borne; a rival's batch of all in one beside it.
    const few = keys.slice(0, 20_000);
    for (let round = 0; round < Math.min(rounds, 3); round++) {
      for (const name of NAMES) {
        const fill = mkdtempSync(join(directory, "fill-"));
        const store = await contender(name, fill);
        note(
          "set new, all in the fastest way",
          name,
          time(keys.length, () => store.load(keys)),
        );
        store.close();
        const single = mkdtempSync(join(directory, "single-"));
        const other = await contender(name, single);
        note(
          "set new, one call each",
          name,
          time(few.length, () => setAll(few, other)),
        );
        other.close();
        rmSync(fill, { recursive: true });
        rmSync(single, { recursive: true });
      }
    }

    const stores: Contender[] = [];
    for (const name of NAMES) {
      const store = await contender(name, mkdtempSync(join(directory, "store-")));
      store.load(keys);
      bytes.set(name, store.bytes() / keys.length);
      stores.push(store);
    }
    for (let round = 0; round < rounds; round++) {
      shuffle(keys, next);
      for (const store of stores) {
        const name = store.name;
        let asked = fresh(keys);
        note(
          "get hit, fresh strings",
          name,
          time(asked.length, () => expectAll(asked, store)),
        );
        note(
          "get hit, strings used before",
          name,
          time(keys.length, () => expectAll(keys, store)),
        );
        asked = fresh(keys.map((key) => `${key}~`));
        note(
          "get miss",
          name,
          time(asked.length, () => asked.forEach((key) => void store.get(key))),
        );
        asked = fresh(keys);
        note(
          "getMany of 1,000",
          name,
          time(asked.length, () => {
            for (let i = 0; i + 1000 <= asked.length; i += 1000) store.getMany(asked.slice(i, i + 1000));
          }),
        );
        asked = fresh(keys);
        note(
          "update a number, all in the fastest way",
          name,
          time(asked.length, () => store.load(asked)),
        );
        note(
          "full scan, keys and values",
          name,
          time(keys.length, () => void store.scan()),
        );
        if (name !== "Map") {
          const starts = fresh(keys.slice(0, 2000));
          note(
            "100 entries from a random key",
            name,
            time(2000, () => starts.forEach((key) => void store.range(key, 100))),
          );
        }
      }
    }
    for (const store of stores) {
      const asked = fresh(keys.slice(0, 20_000));
      note(
        "delete, one call each",
        store.name,
        time(asked.length, () => deleteAll(asked, store)),
      );
      store.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return { figures, bytes };
}

function setAll(keys: readonly string[], store: Contender): void {
  for (let i = 0; i < keys.length; i++) store.set(keys[i] as string, i);
}

function deleteAll(keys: readonly string[], store: Contender): void {
  for (const key of keys) store.delete(key);
}

function expectAll(keys: readonly string[], store: Contender): void {
  for (const key of keys) if (store.get(key) === undefined) throw new Error(`${store.name} has lost ${key}`);
}

function show(data: string, figures: Figures, bytes: Map<string, number>): void {
  const table = new Table({ head: [data, ...NAMES], style: { head: [], border: [] } });
  for (const [row, byName] of figures) {
    const own = median(byName.get("bancos") ?? []);
    table.push([
      row,
      ...NAMES.map((name) => {
        const all = byName.get(name);
        if (all === undefined) return "";
        const ns = `${median(all).toFixed(0)} ns`;
        return name === "bancos"
          ? `${ns} (${Math.min(...all).toFixed(0)}-${Math.max(...all).toFixed(0)})`
          : `${ns}  x ${(own / median(all)).toFixed(2)}`;
      }),
    ]);
  }
  const own = bytes.get("bancos") ?? 0;
  table.push([
    "bytes per key",
    ...NAMES.map((name) => {
      const each = bytes.get(name) ?? 0;
      if (each === 0) return "";
      return name === "bancos" ? each.toFixed(1) : `${each.toFixed(1)}  x ${(own / each).toFixed(2)}`;
    }),
  ]);
  console.log(table.toString());
}

console.log(
  `Bun ${Bun.version}, ${cpus()[0]?.model ?? "?"}, ${cpus().length} processors; medians; x: time of bancos / time of the other`,
);
const report: Record<string, unknown> = {};
if (!options["only-processes"]) {
  for (const data of options.data.split(",")) {
    const { figures, bytes } = await compare(data, Number(options.rounds));
    show(data, figures, bytes);
    report[data] = {
      nanoseconds: Object.fromEntries([...figures].map(([row, byName]) => [row, Object.fromEntries(byName)])),
      bytesPerKey: Object.fromEntries(bytes),
    };
  }
}
if (options.processes || options["only-processes"])
  report["processes"] = await compareProcesses(Number(options.rounds));
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
