/** bancos: with the options that a user has who gives none, or so that each write is on the disk when it returns. */
import { open, type Store } from "../../src/index.ts";
import type { Key } from "../data.ts";
import { Contender, type Value } from "./contender.ts";

export class Bancos<K extends Key> extends Contender<K> {
  readonly name: string;
  private readonly store: Store<Value, K>;
  private readonly commit: boolean;

  constructor(path: string, kind: "strings" | "bytes", commit: boolean) {
    super();
    this.name = commit ? "bancos commit" : "bancos";
    this.commit = commit;
    this.store = open(path, {
      keyEncoding: kind === "strings" ? "utf8" : "binary",
      maxSize: 32 * 2 ** 30,
      durability: commit ? "commit" : "process",
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

  /** Where writes wait for the disk, those of a group wait together; elsewhere single calls are the best way. */
  private all(write: () => void): void {
    if (this.commit) this.store.writer(write);
    else write();
  }

  override setAll(keys: readonly K[], values: readonly Value[]): void {
    this.all(() => void this.setEach(keys, values));
  }

  delete(key: K): void {
    this.store.delete(key);
  }

  override deleteAll(keys: readonly K[]): void {
    this.all(() => void this.deleteEach(keys));
  }

  add(key: K): void {
    this.store.add(key, 1);
  }

  override addAll(keys: readonly K[]): void {
    this.all(() => void this.addEach(keys));
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
