/**
 * `make demo`: two Workers write 274,937 English words into one file, each its half, in no order, while two others look
 * words up in it; then a look at what is there.
 *
 * bun examples/demo.ts [FILE]
 */
import { existsSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import words from "an-array-of-english-words" with { type: "json" };
import { open } from "bancos";
import { Presets, SingleBar } from "cli-progress";
import pc from "picocolors";
import { FOUND, MISSED, SIGNALS, STOP, shuffled, type Task, WRITTEN } from "./demo-worker.ts";

const started = performance.now();
const path = process.argv[2] ?? join(tmpdir(), "demo.bancos");
rmSync(path, { force: true });
const store = open<number>(path);

const number = (value: number) => Math.round(value).toLocaleString("en");
const title = (text: string) => console.log(`\n${pc.bold(text)}`);
const line = (what: string, figure: string) => console.log(`  ${what.padEnd(26)} ${figure}`);
const wordList = (list: Iterable<string>) => `  ${[...list].map((word) => pc.green(word)).join("  ")}`;

console.log(`${pc.bold("bancos")}: ${number(words.length)} words into ${path}`);
console.log(
  "Two Workers write, each every second word; two Workers read meanwhile. All four open the file.\n",
);

// ---- two writers, two readers ----------------------------------------------------------------------------------------

// The Workers share nothing with this thread but the file, and these four counters for the progress bar.
const signals = new Int32Array(new SharedArrayBuffer(SIGNALS * 4));

/** Starts a Worker; resolves with the milliseconds that it worked. */
function run(task: Omit<Task, "path" | "signals" | "words">): Promise<number> {
  const worker = new Worker(new URL("./demo-worker.ts", import.meta.url));
  return new Promise((resolve, reject) => {
    worker.onmessage = (event: MessageEvent<number>) => resolve(event.data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage({ ...task, path, signals, words } satisfies Task);
  });
}

const progress = new SingleBar(
  { format: `  ${pc.green("{bar}")} {percentage}%  {value} words  {looked} look-ups`, hideCursor: true },
  Presets.shades_classic,
);
const looked = () => number(Atomics.load(signals, FOUND) + Atomics.load(signals, MISSED));
const show = () => progress.update(Atomics.load(signals, WRITTEN), { looked: looked() });
const showing = process.stdout.isTTY ? setInterval(show, 100) : undefined;
if (showing) progress.start(words.length, 0, { looked: "0" });

const readers = [0, 1].map((part) => run({ role: "read", part, of: 2 }));
const writers = [0, 1].map((part) => run({ role: "write", part, of: 2 }));
const writing = await Promise.all(writers);
const [found, missed] = [Atomics.load(signals, FOUND), Atomics.load(signals, MISSED)];
Atomics.store(signals, STOP, 1);
await Promise.all(readers);
if (showing) {
  clearInterval(showing);
  show();
  progress.stop();
}

// ---- what is there ---------------------------------------------------------------------------------------------------

const stats = store.stats();
const perKey = (bytes: number) => `${(bytes / stats.keys).toFixed(1)} bytes`;
title("What happened");
line("words written", `${number(store.size)} of ${number(words.length)}`);
writing.forEach((milliseconds, part) => {
  const share = Math.floor((words.length + 1 - part) / 2);
  line(
    `writer ${part + 1}`,
    `${number((share / milliseconds) * 1000)} words a second, ${number(milliseconds)} ms`,
  );
});
line("both", `${number((words.length / Math.max(...writing)) * 1000)} words a second`);
line("looked up meanwhile", `${number(found + missed)}, of which ${number(found)} were there already`);

title("The file");
line("length", `${number(stats.bytes.file)} bytes`);
line("in use, a key", perKey(stats.bytes.leaves + stats.bytes.nodes));
line("leaves, a key", perKey(stats.bytes.leaves));
line("nodes, a key", perKey(stats.bytes.nodes));
const { node4, node16, node48, node256 } = stats.cells;
line("Node4, 16, 48, 256", [node4, node16, node48, node256].map((kind) => number(kind.used)).join(", "));

title("Now on this thread alone");
const inNoOrder = shuffled(words);
let began = performance.now();
let lengths = 0;
for (const word of inNoOrder) lengths += store.get(word) ?? 0;
const getting = performance.now() - began;
began = performance.now();
let listed = 0;
for (const _ of store.entries()) listed++;
const listing = performance.now() - began;
line("get, in no order", `${number((words.length / getting) * 1000)} a second`);
line("a walk over everything", `${number((listed / listing) * 1000)} entries a second`);
const expected = words.reduce((sum, word) => sum + word.length, 0);
if (lengths !== expected || listed !== words.length) throw new Error("the values read are not those written");

title('Words that begin with "banc"');
console.log(wordList(store.keys({ prefix: "banc" })));
title('Six words from "zyg" on, and six before it');
console.log(wordList(store.keys({ gte: "zyg", limit: 6 })));
console.log(wordList(store.keys({ lt: "zyg", reverse: true, limit: 6 })));
title("Is the file sound?");
began = performance.now();
const { ok, problems } = store.verify();
const checked = `${ok ? pc.green("yes") : pc.red("no")}, checked in ${number(performance.now() - began)} ms`;
console.log(`  ${checked}`);
for (const problem of problems)
  console.log(`  ${pc.red(problem.code)} at ${problem.offset}: ${problem.message}`);
store.close();

// ---- and further -----------------------------------------------------------------------------------------------------

const root = join(import.meta.dir, "..");
const local = join(root, "node_modules/.bin/bun");
const bun = existsSync(local) ? relative(process.cwd(), local) : "bun";
const bancos = `${bun} ${relative(process.cwd(), join(root, "src/cli/main.ts"))}`;
title("The file is left there; look further into it with");
for (const command of [
  "info FILE",
  "get FILE zebra",
  "list FILE --prefix zeb --reverse",
  "inspect FILE zebra",
]) {
  console.log(`  ${bancos} ${command.replace("FILE", path)}`);
}
console.log(pc.dim(`\n${((performance.now() - started) / 1000).toFixed(1)} seconds`));
process.exit(ok ? 0 : 1);
