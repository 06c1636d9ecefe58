/**
 * Simulated persistent memory, in a process of its own: `persistence.ts PATH SEED SECONDS`.
 *
 * What is durable is kept beside the file: the cache lines that `persist` has written back, and all of them after a
 * flush. Before each `persist`, and after each change, the machine may go down: then the memory holds what is durable
 * and any of the lines that the processor has happened to write back besides. From such states the store is opened, and
 * must have what it had before the change under way, or after it; every change that has returned is there.
 */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { symbols } from "../../src/memory/native.ts";
import { random } from "../random.ts";

const LINE = 64;
const [path = "", seedText = "1", secondsText = "2"] = process.argv.slice(2);
const seed = Number(seedText);
const pick = random(seed);
/** Every other run has few keys and mostly numbers, whose value the checksum of a leaf does not cover. */
const numbers = seed % 2 === 0;

/** Called before a range is written back. */
let onPersist: (address: number, length: number) => void = () => {};
const real = symbols.bancos_persist;
// Before the tree loads: its modules take the function as they find it.
Object.assign(symbols, {
  bancos_persist: (h: number, cell: number, off: number, length: number): void => {
    onPersist((cell >>> 0) * 8 + off, length);
    real(h, cell, off, length);
  },
});
const { open } = await import("../../src/index.ts");
type Value = number | bigint | string;

const store = open<Value>(path, { flushEvery: 0, force: ["persistent-memory"] });
store.flushSync();
const content = new Map<string, Value>();
let durable = readFileSync(path);
let states = 0;
let changes = 0;

/** The change under way: the key, and what it has before and after. */
let pending: { key: string; before: Value | undefined; after: Value | undefined } | null = null;

/** The durable memory, and by chance lines of the present one: none, some or all of those that differ. */
function crashed(live: Buffer): Buffer {
  const image = Buffer.alloc(live.length);
  durable.copy(image);
  const share = [0, 100, 50, 10, 90][pick(5)]!;
  const a = new BigUint64Array(live.buffer, live.byteOffset, live.length / 8);
  const b = new BigUint64Array(image.buffer, image.byteOffset, image.length / 8);
  for (let line = 0; line < a.length; line += LINE / 8) {
    let same = true;
    for (let i = 0; i < LINE / 8 && same; i++) same = a[line + i] === b[line + i];
    if (!same && pick(100) < share) b.set(a.subarray(line, line + LINE / 8), line);
  }
  return image;
}

function check(): void {
  states++;
  const image = `${path}.image`;
  writeFileSync(image, crashed(readFileSync(path)));
  const found = open<Value>(image, { flushEvery: 0 });
  const fail = (what: string): never => {
    copyFileSync(image, `${path}.failed`);
    throw new Error(`seed ${seed}, change ${changes}, state ${states}: ${what}`);
  };
  const seen = new Map(found.entries());
  if (!found.verify().ok) fail("verify finds problems");
  for (const key of new Set([
    ...seen.keys(),
    ...content.keys(),
    ...(pending === null ? [] : [pending.key]),
  ])) {
    const value = seen.get(key);
    if (pending?.key === key) {
      if (value !== pending.before && value !== pending.after)
        fail(`${key} is ${String(value).slice(0, 20)}`);
    } else if (value !== content.get(key)) {
      fail(`${key} is ${String(value).slice(0, 20)}, not ${String(content.get(key)).slice(0, 20)}`);
    }
  }
  found.close();
  rmSync(image);
}

onPersist = (address, length) => {
  // The stores of opening images are not ours.
  const hook = onPersist;
  onPersist = () => {};
  if (pick(numbers ? 2 : 6) === 0) check();
  onPersist = hook;
  const live = readFileSync(path);
  if (live.length > durable.length)
    durable = Buffer.concat([durable, Buffer.alloc(live.length - durable.length)]);
  const from = Math.floor(address / LINE) * LINE;
  live.copy(durable, from, from, Math.min(live.length, Math.ceil((address + length) / LINE) * LINE));
};

function change(): void {
  const key = `key ${numbers ? 100 + pick(20) : pick(120)}`;
  const before = content.get(key);
  const kind = numbers ? pick(5) : pick(10);
  const after: Value | undefined =
    kind < 3
      ? undefined
      : kind < 5
        ? changes
        : kind < 6
          ? BigInt(changes)
          : `${changes} ${"v".repeat(pick(pick(10) === 0 ? 20_000 : 1500))}`;
  pending = { key, before, after };
  if (after === undefined) store.delete(key);
  else store.set(key, after);
  pending = null;
  if (after === undefined) content.delete(key);
  else content.set(key, after);
}

const until = performance.now() + Number(secondsText) * 1000;
for (; performance.now() < until || states < 30; changes++) {
  change();
  if (pick(4) === 0) {
    const hook = onPersist;
    onPersist = () => {};
    check();
    onPersist = hook;
  }
  if (pick(60) === 0) {
    store.flushSync();
    durable = readFileSync(path);
  }
  if (pick(20) === 0) store.collect();
}
const { ok } = store.verify();
store.close();
console.log(`${states} states of persistent memory after ${changes} changes: ${ok ? "good" : "bad"}`);
