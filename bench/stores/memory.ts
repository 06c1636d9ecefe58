/** What JavaScript has without a file: a Map, which has no order, and a B-tree, which has. */
import { Contender, rival, type Value } from "./contender.ts";

export class InMap extends Contender<string> {
  readonly name = "Map";
  private readonly data = new Map<string, Value>();

  get(key: string): Value | undefined {
    return this.data.get(key);
  }

  override has(key: string): boolean {
    return this.data.has(key);
  }

  set(key: string, value: Value): void {
    this.data.set(key, value);
  }

  delete(key: string): void {
    this.data.delete(key);
  }

  add(key: string): void {
    this.data.set(key, (this.data.get(key) as number) + 1);
  }

  scanKeys(): number {
    let n = 0;
    for (const key of this.data.keys()) if (key !== undefined) n++;
    return n;
  }

  scan(): number {
    let n = 0;
    for (const entry of this.data) if (entry.length === 2) n++;
    return n;
  }

  range(): number {
    throw new Error("a Map has no order");
  }

  count(): number {
    throw new Error("a Map has no order");
  }

  close(): void {
    this.data.clear();
  }
}

/** What is used of sorted-btree. */
interface Tree {
  get(key: string): Value | undefined;
  has(key: string): boolean;
  set(key: string, value: Value): boolean;
  delete(key: string): boolean;
  keys(from?: string): Iterable<string>;
  entries(from?: string): Iterable<[string, Value]>;
  clear(): void;
}

export class BTree extends Contender<string> {
  readonly name = "sorted-btree";
  private readonly data: Tree;

  private constructor(data: Tree) {
    super();
    this.data = data;
  }

  static async open(): Promise<BTree> {
    const { default: loaded } = (await rival("sorted-btree")) as { default: unknown };
    // A CommonJS module: where its default export ends up depends on who loads it.
    const Constructor = ((loaded as { default?: unknown }).default ?? loaded) as new () => Tree;
    return new BTree(new Constructor());
  }

  get(key: string): Value | undefined {
    return this.data.get(key);
  }

  override has(key: string): boolean {
    return this.data.has(key);
  }

  set(key: string, value: Value): void {
    this.data.set(key, value);
  }

  delete(key: string): void {
    this.data.delete(key);
  }

  add(key: string): void {
    this.data.set(key, (this.data.get(key) as number) + 1);
  }

  scanKeys(): number {
    let n = 0;
    for (const key of this.data.keys()) if (key !== undefined) n++;
    return n;
  }

  scan(): number {
    return this.read(undefined, Number.POSITIVE_INFINITY);
  }

  range(start: string, limit: number): number {
    return this.read(start, limit);
  }

  private read(start: string | undefined, limit: number): number {
    let n = 0;
    for (const entry of this.data.entries(start)) {
      if (n === limit) break;
      if (entry.length === 2) n++;
    }
    return n;
  }

  count(prefix: string): number {
    let n = 0;
    for (const key of this.data.keys(prefix)) {
      if (!key.startsWith(prefix)) break;
      n++;
    }
    return n;
  }

  close(): void {
    this.data.clear();
  }
}
