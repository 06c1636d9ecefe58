/** lmdb (the npm package): `noSync`, which promises as much as bancos does by default, or with its own defaults. */
import type { Key } from "../data.ts";
import { after, Contender, rival, type Value } from "./contender.ts";

/** What is used of the package. */
interface Database<K> {
  get(key: K): Value | undefined;
  doesExist(key: K): boolean;
  putSync(key: K, value: Value): boolean;
  removeSync(key: K): boolean;
  transactionSync(run: () => void): void;
  getRange(range?: { start?: K; end?: K; limit?: number }): Iterable<{ key: K; value: Value }>;
  getKeys(range?: { start?: K; end?: K }): Iterable<K>;
  getKeysCount(range?: { start?: K; end?: K }): number;
  getStats(): Record<string, number>;
  close(): Promise<void>;
}

export class Lmdb<K extends Key> extends Contender<K> {
  readonly name: string;
  private readonly db: Database<K>;

  private constructor(name: string, db: Database<K>) {
    super();
    this.name = name;
    this.db = db;
  }

  static async open<K extends Key>(
    name: string,
    path: string,
    kind: "strings" | "bytes",
    noSync: boolean,
  ): Promise<Lmdb<K>> {
    const { open } = (await rival("lmdb")) as { open(options: object): Database<K> };
    const keys = kind === "strings" ? {} : { keyEncoding: "binary" };
    return new Lmdb(name, open({ path, compression: false, ...(noSync ? { noSync } : {}), ...keys }));
  }

  get(key: K): Value | undefined {
    return this.db.get(key);
  }

  override has(key: K): boolean {
    return this.db.doesExist(key);
  }

  set(key: K, value: Value): void {
    this.db.putSync(key, value);
  }

  override setAll(keys: readonly K[], values: readonly Value[]): void {
    this.db.transactionSync(() => void this.setEach(keys, values));
  }

  delete(key: K): void {
    this.db.removeSync(key);
  }

  override deleteAll(keys: readonly K[]): void {
    this.db.transactionSync(() => void this.deleteEach(keys));
  }

  private increase(key: K): void {
    this.db.putSync(key, ((this.db.get(key) ?? 0) as number) + 1);
  }

  add(key: K): void {
    this.db.transactionSync(() => this.increase(key));
  }

  override addAll(keys: readonly K[]): void {
    this.db.transactionSync(() => {
      for (const key of keys) this.increase(key);
    });
  }

  scanKeys(): number {
    let n = 0;
    for (const key of this.db.getKeys()) if (key !== undefined) n++;
    return n;
  }

  scan(): number {
    let n = 0;
    for (const { key, value } of this.db.getRange()) if (key !== undefined && value !== undefined) n++;
    return n;
  }

  range(start: K, limit: number): number {
    let n = 0;
    for (const { value } of this.db.getRange({ start, limit })) if (value !== undefined) n++;
    return n;
  }

  count(prefix: K): number {
    return this.db.getKeysCount({ start: prefix, end: after(prefix) });
  }

  close(): Promise<void> {
    return this.db.close();
  }
}
