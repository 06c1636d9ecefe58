/**
 * Completes names as they are typed: each line of standard input is what has been typed so far, and up to eight names
 * come back. A name is found by its beginning and by the beginning of any of its parts: `react-dom` under `rea` and `do`.
 *
 *     echo zeb | bun examples/autocomplete.ts                          # the English words
 *     bun examples/autocomplete.ts FILE                                # a name a line, or an array in JSON
 *     bun examples/autocomplete.ts all-the-package-names@2.0.2578      # the names of the packages on npm, 117 MB
 *     bun examples/autocomplete.ts … --store FILE.bancos               # keeps the index: the next start needs no loading
 *
 * NAME@VERSION is any package that is an array of strings; it is installed when it is first asked for.
 */
import { existsSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { open, type Store } from "bancos";
import { onDemand } from "./on-demand.ts";

const MOST = 8;
/** Between what a name is found by and the name itself: sorts before every character of a name. */
const END = "\0";

/** The index: keys alone, `part NUL name`. Names that begin so stand under "=" and come first. */
type Index = Store<null>;

async function namesFrom(source: string | undefined): Promise<readonly string[]> {
  if (source === undefined) return (await import("an-array-of-english-words")).default;
  if (existsSync(source)) {
    const text = await Bun.file(source).text();
    return text.startsWith("[") ? JSON.parse(text) : text.split("\n").filter((line) => line !== "");
  }
  const [, name, version] = /^(.+)@(\d+\.\d+\.\d+)$/.exec(source) ?? [];
  if (name === undefined || version === undefined) {
    throw new Error(`${source} is neither a file nor a package such as name@1.0.0`);
  }
  return ((await onDemand(name, version)) as { default: readonly string[] }).default;
}

/** The parts of a name but the first: `@scope/react-dom` has scope, react and dom. */
const partsOf = (name: string) =>
  name.split(/[^\p{L}\p{N}]+/u).filter((part) => part !== "" && !name.startsWith(part));

function load(index: Index, names: readonly string[]): void {
  const started = performance.now();
  const sorted = names.map((name) => name.toLowerCase()).sort();
  for (let at = 0; at < sorted.length; at += 10_000) {
    index.writer((writer) => {
      for (const name of sorted.slice(at, at + 10_000)) {
        writer.set(`=${name}`, null);
        for (const part of partsOf(name)) writer.set(`${part}${END}${name}`, null);
      }
    });
  }
  const seconds = (performance.now() - started) / 1000;
  console.error(`${names.length} names, ${index.size} keys, ${seconds.toFixed(1)} s`);
}

/** Two short walks, whatever the size of the index. */
function complete(index: Index, typed: string): string[] {
  const wanted = typed.toLowerCase();
  const found = new Set<string>();
  for (const key of index.keys({ prefix: `=${wanted}`, limit: MOST })) found.add(key.slice(1));
  // A name may stand under several parts that begin so: a few more than are missing.
  for (const key of index.keys({ prefix: wanted, limit: MOST * 2 })) {
    if (found.size === MOST) break;
    if (!key.startsWith("=")) found.add(key.slice(key.indexOf(END) + 1));
  }
  return [...found];
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { store: { type: "string" } } });
using index: Index = open<null>(values.store ?? join(tmpdir(), `autocomplete-${process.pid}.bancos`));
if (index.size === 0) load(index, await namesFrom(positionals[0]));
if (values.store === undefined) process.on("exit", () => rmSync(index.path, { force: true }));

if (process.stdin.isTTY) console.error("Type the beginning of a name, and Enter. Ctrl-D ends.");
for await (const line of createInterface({ input: process.stdin })) {
  const typed = line.trim();
  if (typed === "") continue;
  const started = performance.now();
  const found = complete(index, typed);
  const microseconds = Math.round((performance.now() - started) * 1000);
  console.log(`${typed}: ${found.join("  ") || "nothing"}`);
  if (process.stdin.isTTY) console.error(`  (${microseconds} µs)`);
}
