/** The stores that are compared, each behind the same few verbs. */
import { Database } from "bun:sqlite";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { open } from "../src/index.ts";

/** What every contender can do. Values are numbers. */
export interface Contender {
  readonly name: string;
  get(key: string): number | undefined;
  set(key: string, value: number): void;
  /** All of `keys` in the fastest way that the store has for many writes by one caller. */
  load(keys: readonly string[]): void;
  delete(key: string): void;
  /** Reads all keys and values in key order (unordered for a Map); returns how many. */
  scan(): number;
  /** Reads up to `limit` entries from `key` on; returns how many. */
  range(key: string, limit: number): number;
  /** Several values at once, in the fastest way that the store has. */
  getMany(keys: readonly string[]): number;
  /** Bytes of its files; 0 for what lives in memory. */
  bytes(): number;
  close(): void;
}

export const PERSISTENT = ["bancos", "lmdb", "bun:sqlite"] as const;

/** Opens contender `name` in `directory`. Rivals from npm are loaded only when they are asked for. */
export async function contender(name: string, directory: string): Promise<Contender> {
  switch (name) {
    case "bancos":
      return bancos(join(directory, "store.bancos"));
    case "lmdb":
      return await lmdb(join(directory, "store.mdb"));
    case "bun:sqlite":
      return sqlite(join(directory, "store.db"));
    case "Map":
      return map();
    case "sorted-btree":
      return await btree();
    default:
      throw new Error(`no contender ${name}`);
  }
}

const size = (...paths: string[]): number =>
  paths.reduce((sum, path) => sum + (existsSync(path) ? statSync(path).size : 0), 0);

function bancos(path: string): Contender {
  const store = open<number>(path, { flushEvery: 0 });
  return {
    name: "bancos",
    get: (key) => store.get(key),
    set: (key, value) => {
      store.set(key, value);
    },
    load: (keys) => {
      for (let i = 0; i < keys.length; i++) store.set(keys[i] as string, i);
    },
    delete: (key) => {
      store.delete(key);
    },
    scan: () => {
      let n = 0;
      for (const entry of store.entries()) if (entry.length === 2) n++;
      return n;
    },
    range: (key, limit) => {
      let n = 0;
      for (const entry of store.entries({ gte: key, limit })) if (entry.length === 2) n++;
      return n;
    },
    getMany: (keys) => store.getMany(keys).length,
    bytes: () => store.stats().bytes.file - store.stats().bytes.free,
    close: () => store.close(),
  };
}

/** Rivals are installed in bench/ alone; the rest of the project is checked without them. */
const rival = (name: string): Promise<unknown> => import(name);

/** What is used of lmdb. */
interface Lmdb {
  get(key: string): number | undefined;
  putSync(key: string, value: number): boolean;
  removeSync(key: string): boolean;
  transactionSync(run: () => void): void;
  getRange(range?: { start?: string; limit?: number }): Iterable<{ key: string; value: number }>;
  close(): Promise<void>;
}

async function lmdb(path: string): Promise<Contender> {
  const { open: openLmdb } = (await rival("lmdb")) as { open(options: object): Lmdb };
  const store = openLmdb({ path, noSync: true, compression: false });
  return {
    name: "lmdb",
    get: (key) => store.get(key),
    set: (key, value) => {
      store.putSync(key, value);
    },
    load: (keys) => {
      store.transactionSync(() => {
        for (let i = 0; i < keys.length; i++) store.putSync(keys[i] as string, i);
      });
    },
    delete: (key) => {
      store.removeSync(key);
    },
    scan: () => {
      let n = 0;
      for (const { key, value } of store.getRange()) if (key !== undefined && value !== undefined) n++;
      return n;
    },
    range: (key, limit) => {
      let n = 0;
      for (const { value } of store.getRange({ start: key, limit })) if (value !== undefined) n++;
      return n;
    },
    getMany: (keys) => {
      let n = 0;
      for (const key of keys) if (store.get(key) !== undefined) n++;
      return n;
    },
    bytes: () => size(path),
    close: () => {
      void store.close();
    },
  };
}

function sqlite(path: string): Contender {
  const db = new Database(path);
  db.run("PRAGMA journal_mode = WAL");
  db.run("PRAGMA synchronous = NORMAL");
  db.run("PRAGMA busy_timeout = 10000");
  db.run("CREATE TABLE IF NOT EXISTS kv (k TEXT PRIMARY KEY, v INTEGER) WITHOUT ROWID");
  const put = db.prepare<unknown, [string, number]>("INSERT OR REPLACE INTO kv VALUES (?, ?)");
  const get = db.prepare<{ v: number }, [string]>("SELECT v FROM kv WHERE k = ?");
  const remove = db.prepare<unknown, [string]>("DELETE FROM kv WHERE k = ?");
  const all = db.prepare<[string, number], []>("SELECT k, v FROM kv ORDER BY k");
  const from = db.prepare<[string, number], [string, number]>(
    "SELECT k, v FROM kv WHERE k >= ? ORDER BY k LIMIT ?",
  );
  return {
    name: "bun:sqlite",
    get: (key) => get.get(key)?.v,
    set: (key, value) => {
      put.run(key, value);
    },
    load: (keys) => {
      db.transaction(() => {
        for (let i = 0; i < keys.length; i++) put.run(keys[i] as string, i);
      })();
    },
    delete: (key) => {
      remove.run(key);
    },
    scan: () => all.values().length,
    range: (key, limit) => from.values(key, limit).length,
    getMany: (keys) => {
      let n = 0;
      for (const key of keys) if (get.get(key) !== null) n++;
      return n;
    },
    bytes: () => {
      db.run("PRAGMA wal_checkpoint(TRUNCATE)");
      return size(path);
    },
    close: () => db.close(),
  };
}

function map(): Contender {
  const data = new Map<string, number>();
  return {
    name: "Map",
    get: (key) => data.get(key),
    set: (key, value) => {
      data.set(key, value);
    },
    load: (keys) => {
      for (let i = 0; i < keys.length; i++) data.set(keys[i] as string, i);
    },
    delete: (key) => {
      data.delete(key);
    },
    scan: () => {
      let n = 0;
      for (const entry of data) if (entry.length === 2) n++;
      return n;
    },
    range: () => 0,
    getMany: (keys) => {
      let n = 0;
      for (const key of keys) if (data.get(key) !== undefined) n++;
      return n;
    },
    bytes: () => 0,
    close: () => data.clear(),
  };
}

async function btree(): Promise<Contender> {
  const { default: loaded } = (await rival("sorted-btree")) as { default: unknown };
  const nested = loaded as { default?: unknown };
  const BTree = (nested.default ?? loaded) as new () => {
    get(key: string): number | undefined;
    set(key: string, value: number): boolean;
    delete(key: string): boolean;
    entries(from?: string): Iterable<[string, number]>;
    clear(): void;
  };
  const data = new BTree();
  const read = (from: string | undefined, limit: number): number => {
    let n = 0;
    for (const entry of data.entries(from)) {
      if (n === limit) break;
      if (entry.length === 2) n++;
    }
    return n;
  };
  return {
    name: "sorted-btree",
    get: (key) => data.get(key),
    set: (key, value) => {
      data.set(key, value);
    },
    load: (keys) => {
      for (let i = 0; i < keys.length; i++) data.set(keys[i] as string, i);
    },
    delete: (key) => {
      data.delete(key);
    },
    scan: () => read(undefined, Number.POSITIVE_INFINITY),
    range: read,
    getMany: (keys) => {
      let n = 0;
      for (const key of keys) if (data.get(key) !== undefined) n++;
      return n;
    },
    bytes: () => 0,
    close: () => data.clear(),
  };
}
