/** classic-level: LevelDB. Reading one key can be synchronous; everything else answers by promises. */
import type { Key } from "../data.ts";
import { after, Contender, rival, type Value } from "./contender.ts";

interface Iterator<T> {
  nextv(size: number): Promise<T[]>;
  close(): Promise<void>;
}

/** What is used of the package. */
interface Database<K> {
  open(): Promise<void>;
  getSync(key: K): Value | undefined;
  getMany(keys: readonly K[]): Promise<(Value | undefined)[]>;
  put(key: K, value: Value): Promise<void>;
  del(key: K): Promise<void>;
  batch(operations: readonly object[]): Promise<void>;
  keys(range?: { gte?: K; lt?: K }): Iterator<K>;
  iterator(range?: { gte?: K; limit?: number }): Iterator<[K, Value]>;
  close(): Promise<void>;
}

/** Operations in one batch, and entries taken from an iterator at once. */
const BATCH = 10_000;
const AT_ONCE = 1000;

export class Level<K extends Key> extends Contender<K> {
  readonly name = "classic-level";
  private readonly db: Database<K>;

  private constructor(db: Database<K>) {
    super();
    this.db = db;
  }

  static async open<K extends Key>(path: string, kind: "strings" | "bytes"): Promise<Level<K>> {
    const { ClassicLevel } = (await rival("classic-level")) as {
      ClassicLevel: new (path: string, options: object) => Database<K>;
    };
    const keyEncoding = kind === "strings" ? "utf8" : "buffer";
    const db = new ClassicLevel(path, { keyEncoding, valueEncoding: "json" });
    await db.open();
    return new Level(db);
  }

  get(key: K): Value | undefined {
    return this.db.getSync(key);
  }

  override async getMany(keys: readonly K[]): Promise<number> {
    let found = 0;
    for (const value of await this.db.getMany(keys)) if (value !== undefined) found++;
    return found;
  }

  set(key: K, value: Value): Promise<void> {
    return this.db.put(key, value);
  }

  override async setEach(keys: readonly K[], values: readonly Value[]): Promise<void> {
    for (let i = 0; i < keys.length; i++) await this.db.put(keys[i] as K, values[i] as Value);
  }

  override async setAll(keys: readonly K[], values: readonly Value[]): Promise<void> {
    await this.inBatches(keys, (key, i) => ({ type: "put", key, value: values[i] }));
  }

  delete(key: K): Promise<void> {
    return this.db.del(key);
  }

  override async deleteEach(keys: readonly K[]): Promise<void> {
    for (const key of keys) await this.db.del(key);
  }

  override async deleteAll(keys: readonly K[]): Promise<void> {
    await this.inBatches(keys, (key) => ({ type: "del", key }));
  }

  add(key: K): Promise<void> {
    return this.db.put(key, ((this.db.getSync(key) ?? 0) as number) + 1);
  }

  override async addEach(keys: readonly K[]): Promise<void> {
    for (const key of keys) await this.add(key);
  }

  override async addAll(keys: readonly K[]): Promise<void> {
    await this.inBatches(keys, (key) => ({
      type: "put",
      key,
      value: ((this.db.getSync(key) ?? 0) as number) + 1,
    }));
  }

  private async inBatches(keys: readonly K[], operation: (key: K, i: number) => object): Promise<void> {
    for (let i = 0; i < keys.length; i += BATCH) {
      await this.db.batch(keys.slice(i, i + BATCH).map((key, j) => operation(key, i + j)));
    }
  }

  scanKeys(): Promise<number> {
    return drain(this.db.keys());
  }

  scan(): Promise<number> {
    return drain(this.db.iterator());
  }

  range(start: K, limit: number): Promise<number> {
    return drain(this.db.iterator({ gte: start, limit }));
  }

  count(prefix: K): Promise<number> {
    return drain(this.db.keys({ gte: prefix, lt: after(prefix) }));
  }

  override async ranges(starts: readonly K[], limit: number): Promise<number> {
    let read = 0;
    for (const start of starts) read += await this.range(start, limit);
    return read;
  }

  override async counts(prefixes: readonly K[]): Promise<number> {
    let counted = 0;
    for (const prefix of prefixes) counted += await this.count(prefix);
    return counted;
  }

  close(): Promise<void> {
    return this.db.close();
  }
}

async function drain<T>(iterator: Iterator<T>): Promise<number> {
  let n = 0;
  for (;;) {
    const batch = await iterator.nextv(AT_ONCE);
    if (batch.length === 0) break;
    n += batch.length;
  }
  await iterator.close();
  return n;
}
