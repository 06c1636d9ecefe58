/**
 * Copies a database of lmdb (the npm package, lmdb-js) into a new store, and compares the two afterwards, entry by entry.
 *
 *     bun examples/migrate-lmdb.ts FROM TO.bancos [--database NAME]
 *     bun examples/migrate-lmdb.ts                     # tries it on a database of its own
 *
 * Keys: if all are strings the store has string keys, else "ordered" ones, which sort as lmdb sorts them but for mixed
 * types. Values are those that lmdb gives back. What a store keeps in another form is told: a Date becomes its ISO
 * string, a Map or Set is refused. Databases with `dupSort` have several values a key and don't fit.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Key, type KeyEncoding, open, type Value } from "bancos";
import { onDemand } from "./on-demand.ts";

/** As much of lmdb as is needed here. */
interface Lmdb {
  open(path: string, options: object): Database;
}
interface Database {
  openDB(name: string, options: object): Database;
  getRange(): Iterable<{ key: unknown; value: unknown }>;
  putSync(key: unknown, value: unknown): boolean;
  transactionSync(fn: () => void): void;
  close(): Promise<void>;
}

const lmdb = (await onDemand("lmdb", "3.5.6")) as Lmdb;

/** Entries of one group of writes. */
const GROUP = 10_000;

function isKey(key: unknown): key is Key {
  if (Array.isArray(key)) return key.every(isKey);
  return (
    key === null ||
    key instanceof Uint8Array ||
    ["string", "number", "bigint", "boolean"].includes(typeof key)
  );
}

/** What a store gives back for a value of lmdb; throws for what it can't hold. */
function asStored(value: unknown, key: unknown): Value {
  if (value instanceof Map || value instanceof Set) {
    throw new Error(
      `the value of ${String(key)} is a ${value.constructor.name}: say here what is to become of it`,
    );
  }
  if (value instanceof Uint8Array) return new Uint8Array(value);
  // Objects are stored by the rules of JSON.stringify: so a Date in them is its ISO string.
  return typeof value === "object" && value !== null ? JSON.parse(JSON.stringify(value)) : (value as Value);
}

function migrate(from: Database, path: string): void {
  let count = 0;
  let encoding: KeyEncoding = "utf8";
  for (const { key } of from.getRange()) {
    if (!isKey(key)) throw new Error(`${String(key)} can't be a key`);
    if (typeof key !== "string") encoding = "ordered";
    count++;
  }
  using store = open<Value>(path, { keyEncoding: encoding });
  if (store.size > 0) throw new Error(`${path} has entries already: name a new file`);
  const started = performance.now();
  let group: [Key, Value][] = [];
  const write = () => {
    store.writer((writer) => {
      for (const [key, value] of group) writer.insert(key, value);
    });
    group = [];
    if (process.stderr.isTTY) process.stderr.write(`\r${store.size} of ${count}`);
  };
  for (const { key, value } of from.getRange()) {
    group.push([key as Key, asStored(value, key)]);
    if (group.length === GROUP) write();
  }
  write();
  store.flushSync();
  const seconds = (performance.now() - started) / 1000;

  let converted = 0;
  for (const { key, value } of from.getRange()) {
    const stored = store.get(key as Key);
    if (Bun.deepEquals(stored, value)) continue;
    if (!Bun.deepEquals(stored, asStored(value, key)))
      throw new Error(`${String(key)} differs after the copy`);
    converted++;
  }
  const { problems } = store.verify();
  if (store.size !== count || problems.length > 0)
    throw new Error(`${store.size} of ${count} keys: ${problems[0]?.message}`);
  const rate = Math.round(count / seconds).toLocaleString("en");
  console.log(`${count} entries with ${encoding} keys in ${seconds.toFixed(2)} s (${rate}/s): all compared`);
  if (converted > 0) console.log(`${converted} values have another form now: dates are strings`);
}

/** A database of some words, numbers and objects. */
function makeSample(database: Database): void {
  database.transactionSync(() => {
    for (let i = 0; i < 20_000; i++) database.putSync(["user", i], { name: `user ${i}`, tags: ["a", "b"] });
    for (let i = 0; i < 1000; i++) database.putSync(`text ${i}`, i % 2 === 0 ? i : `value ${i}`);
    database.putSync("bytes", Buffer.from([0, 1, 255]));
    database.putSync("since", { at: new Date(0) });
  });
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { database: { type: "string" } },
});
const [from, to] = positionals;
const sample = from === undefined ? mkdtempSync(join(tmpdir(), "bancos-migrate-")) : undefined;
if (from !== undefined && (to === undefined || !existsSync(from))) {
  console.error(
    to === undefined ? "usage: migrate-lmdb.ts FROM TO.bancos [--database NAME]" : `${from} is not there`,
  );
  process.exit(2);
}
const root = lmdb.open(from ?? join(sample!, "sample.lmdb"), from === undefined ? {} : { readOnly: true });
const database = values.database === undefined ? root : root.openDB(values.database, {});
try {
  if (from === undefined) makeSample(database);
  migrate(database, to ?? join(sample!, "sample.bancos"));
} finally {
  await root.close();
  if (sample !== undefined) rmSync(sample, { recursive: true, force: true });
}
