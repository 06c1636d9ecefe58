/** SQLite through `bun:sqlite` or `better-sqlite3`: WAL, prepared statements, one table clustered by its key. */
import { Database } from "bun:sqlite";
import type { Key } from "../data.ts";
import { after, Contender, rival, type Value } from "./contender.ts";

type Argument = Key | Value;

/** In what the two packages differ. */
interface Driver {
  readonly name: string;
  run(sql: string): void;
  /** Column `v` of the first row, `undefined` without one. */
  one(sql: string): (...keys: Key[]) => Value | undefined;
  change(sql: string): (...values: Argument[]) => void;
  /** Runs a query; how many rows it gave. All of them have been made into arrays. */
  rows(sql: string): (...values: Argument[]) => number;
  transaction(run: () => void): void;
  close(): void;
}

export function bunDriver(path: string): Driver {
  const db = new Database(path);
  return {
    name: "bun:sqlite",
    run: (sql) => void db.run(sql),
    one: (sql) => {
      const statement = db.prepare<{ v: Value }, Key[]>(sql);
      return (...keys) => statement.get(...keys)?.v;
    },
    change: (sql) => {
      const statement = db.prepare<unknown, Argument[]>(sql);
      return (...values) => void statement.run(...values);
    },
    rows: (sql) => {
      const statement = db.prepare<unknown, Argument[]>(sql);
      return (...values) => statement.values(...values).length;
    },
    transaction: (run) => db.transaction(run)(),
    close: () => db.close(),
  };
}

/** What is used of better-sqlite3. */
interface BetterStatement {
  get(...values: unknown[]): unknown;
  run(...values: unknown[]): unknown;
  all(...values: unknown[]): unknown[];
  raw(): BetterStatement;
}
interface BetterDatabase {
  exec(sql: string): void;
  prepare(sql: string): BetterStatement;
  transaction(run: () => void): () => void;
  close(): void;
}

export async function betterDriver(path: string): Promise<Driver> {
  const { default: Better } = (await rival("better-sqlite3")) as {
    default: new (path: string) => BetterDatabase;
  };
  const db = new Better(path);
  return {
    name: "better-sqlite3",
    run: (sql) => db.exec(sql),
    one: (sql) => {
      const statement = db.prepare(sql);
      return (...keys) => (statement.get(...keys) as { v: Value } | undefined)?.v;
    },
    change: (sql) => {
      const statement = db.prepare(sql);
      return (...values) => void statement.run(...values);
    },
    rows: (sql) => {
      const statement = db.prepare(sql).raw();
      return (...values) => statement.all(...values).length;
    },
    transaction: (run) => db.transaction(run)(),
    close: () => db.close(),
  };
}

export class Sqlite<K extends Key> extends Contender<K> {
  readonly name: string;
  private readonly driver: Driver;
  private readonly statements: ReturnType<typeof prepare>;

  constructor(driver: Driver, kind: "strings" | "bytes") {
    super();
    this.name = driver.name;
    this.driver = driver;
    driver.run("PRAGMA busy_timeout = 10000");
    driver.run("PRAGMA journal_mode = WAL");
    driver.run("PRAGMA synchronous = NORMAL");
    const type = kind === "strings" ? "TEXT" : "BLOB";
    driver.run(`CREATE TABLE IF NOT EXISTS kv (k ${type} PRIMARY KEY, v) WITHOUT ROWID`);
    this.statements = prepare(driver);
  }

  get(key: K): Value | undefined {
    return this.statements.get(key);
  }

  override has(key: K): boolean {
    return this.statements.has(key) !== undefined;
  }

  set(key: K, value: Value): void {
    this.statements.put(key, value);
  }

  override setAll(keys: readonly K[], values: readonly Value[]): void {
    this.driver.transaction(() => void this.setEach(keys, values));
  }

  delete(key: K): void {
    this.statements.remove(key);
  }

  override deleteAll(keys: readonly K[]): void {
    this.driver.transaction(() => void this.deleteEach(keys));
  }

  add(key: K): void {
    this.statements.add(key);
  }

  override addAll(keys: readonly K[]): void {
    this.driver.transaction(() => void this.addEach(keys));
  }

  scanKeys(): number {
    return this.statements.keys();
  }

  scan(): number {
    return this.statements.entries();
  }

  range(start: K, limit: number): number {
    return this.statements.range(start, limit);
  }

  count(prefix: K): number {
    return this.statements.count(prefix, after(prefix)) as number;
  }

  close(): void {
    this.driver.run("PRAGMA wal_checkpoint(TRUNCATE)");
    this.driver.close();
  }
}

function prepare(driver: Driver) {
  return {
    get: driver.one("SELECT v FROM kv WHERE k = ?"),
    has: driver.one("SELECT 1 AS v FROM kv WHERE k = ?"),
    put: driver.change("INSERT OR REPLACE INTO kv VALUES (?, ?)"),
    remove: driver.change("DELETE FROM kv WHERE k = ?"),
    add: driver.change("UPDATE kv SET v = v + 1 WHERE k = ?"),
    keys: driver.rows("SELECT k FROM kv ORDER BY k"),
    entries: driver.rows("SELECT k, v FROM kv ORDER BY k"),
    range: driver.rows("SELECT k, v FROM kv WHERE k >= ? ORDER BY k LIMIT ?"),
    count: driver.one("SELECT count(*) AS v FROM kv WHERE k >= ? AND k < ?"),
  };
}
