/** bancos, with the options that a user has who gives none. */
import { open, type Store } from "../../src/index.ts";
import type { Key } from "../data.ts";
import { Contender, type Value } from "./contender.ts";

export class Bancos<K extends Key> extends Contender<K> {
  readonly name = "bancos";
  private readonly store: Store<Value, K>;

  constructor(path: string, kind: "strings" | "bytes") {
    super();
    this.store = open(path, {
      keyEncoding: kind === "strings" ? "utf8" : "binary",
      maxSize: 32 * 2 ** 30,
    }) as unknown as Store<Value, K>;
  }

  get(key: K): Value | undefined {
    return this.store.get(key);
  }

  override has(key: K): boolean {
    return this.store.has(key);
  }

  override getMany(keys: readonly K[]): number {
    let found = 0;
    for (const value of this.store.getMany(keys)) if (value !== undefined) found++;
    return found;
  }

  set(key: K, value: Value): void {
    this.store.set(key, value);
  }

  delete(key: K): void {
    this.store.delete(key);
  }

  add(key: K): void {
    this.store.add(key, 1);
  }

  scanKeys(): number {
    let n = 0;
    for (const key of this.store.keys()) if (key !== undefined) n++;
    return n;
  }

  scan(): number {
    let n = 0;
    for (const entry of this.store.entries()) if (entry.length === 2) n++;
    return n;
  }

  range(start: K, limit: number): number {
    let n = 0;
    for (const entry of this.store.entries({ gte: start, limit })) if (entry.length === 2) n++;
    return n;
  }

  count(prefix: K): number {
    return this.store.count({ prefix });
  }

  override usedBytes(): number {
    const { bytes } = this.store.stats();
    return bytes.file - bytes.free;
  }

  close(): void {
    this.store.close();
  }
}
