/** What goes in and out of a store, and its two halves as interfaces. */
import type { Range } from "./range.ts";

/**
 * What a JSON value can be. `JSON.stringify` decides how it is stored: a field that is `undefined` is left out.
 *
 * @example
 * ```ts
 * import { type Json, open } from "bancos";
 * using store = open<Json>("settings.bancos");
 * store.set("theme", { name: "dark", sizes: [12, 14], wide: undefined });
 * console.log(store.get("theme")); // → { name: "dark", sizes: [ 12, 14 ] }
 * ```
 */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json | undefined };
/**
 * What a store holds: `number` (a float of 64 bits), `bigint` (64 bits, signed), `string`, `boolean`, `null`, bytes, and
 * JSON. `get` gives back what `set` was given, with its type; up to 1 GiB encoded.
 *
 * @example
 * ```ts
 * import { open, type Value } from "bancos";
 * using store = open("values.bancos");
 * const values: Value[] = [-0, 2n ** 40n, "text", true, null, Uint8Array.of(1, 2), [1, { a: "b" }]];
 * for (const [i, value] of values.entries()) store.set(`value ${i}`, value);
 * console.log([...store.values({ limit: 3 })]); // → [ -0, 1099511627776n, "text" ]
 * ```
 */
export type Value = number | bigint | string | boolean | null | Uint8Array | Json;
/**
 * What can be a key; which of these, depends on the store's {@link KeyEncoding}: strings for `"utf8"`, `Uint8Array` for
 * `"binary"`, all of them for `"ordered"`. Up to 4,096 bytes when encoded; the empty key is a key.
 *
 * @example
 * ```ts
 * import { type Key, open } from "bancos";
 * using store = open<number>("ordered.bancos", { keyEncoding: "ordered" });
 * const keys: Key[] = [["b", 2], 10n, "a", ["b", 10], 9, null];
 * for (const key of keys) store.set(key, 1);
 * console.log([...store.keys()]); // → [ null, 9, 10n, "a", [ "b", 2 ], [ "b", 10 ] ]
 * ```
 */
export type Key = null | boolean | number | bigint | string | Uint8Array | readonly Key[];

/**
 * The reading half of a store: what {@link Store.reader} hands to its function. Each method is that of {@link Store}, with
 * its errors and cost.
 *
 * @example
 * ```ts
 * import { open, type Reader } from "bancos";
 * const total = (prices: Reader<number>, names: string[]) =>
 *   prices.getMany(names).reduce<number>((sum, price) => sum + (price ?? 0), 0);
 *
 * using store = open<number>("prices.bancos");
 * store.set("tea", 3).set("milk", 1);
 * console.log(store.reader((prices) => total(prices, ["tea", "milk", "honey"]))); // → 4
 * ```
 */
export interface Reader<V = Value, K = string> {
  /** The key's value, or `undefined`. As {@link Store.get}. */
  get(key: K): V | undefined;
  /** Is the key there? As {@link Store.has}. */
  has(key: K): boolean;
  /** The values of many keys, in their order. As {@link Store.getMany}. */
  getMany(keys: readonly K[]): (V | undefined)[];
  /** Keys and values in a range, lazily, in key order. As {@link Store.entries}. */
  entries(range?: Range<K>): IterableIterator<[K, V]>;
  /** The keys in a range. As {@link Store.keys}. */
  keys(range?: Range<K>): IterableIterator<K>;
  /** The values in a range. As {@link Store.values}. */
  values(range?: Range<K>): IterableIterator<V>;
  /** The first entry of a range. As {@link Store.first}. */
  first(range?: Range<K>): [K, V] | undefined;
  /** The last entry of a range. As {@link Store.last}. */
  last(range?: Range<K>): [K, V] | undefined;
  /** How many keys are in a range. As {@link Store.count}. */
  count(range?: Range<K>): number;
  /** How many keys there are. As {@link Store.size}. */
  readonly size: number;
}

/**
 * The writing half as well: what {@link Store.writer} hands to its function. Each method is that of {@link Store}, with its
 * errors and cost.
 *
 * @example
 * ```ts
 * import { open, type Writer } from "bancos";
 * function move(accounts: Writer<number>, from: string, to: string, amount: number): void {
 *   accounts.add(from, -amount);
 *   accounts.add(to, amount);
 * }
 *
 * using store = open<number>("accounts.bancos");
 * store.set("ann", 10).set("bob", 0);
 * store.writer((accounts) => move(accounts, "ann", "bob", 4));
 * console.log([...store]); // → [ [ "ann", 6 ], [ "bob", 4 ] ]
 * ```
 */
export interface Writer<V = Value, K = string> extends Reader<V, K> {
  /** Inserts or replaces. As {@link Store.set}. */
  set(key: K, value: V): this;
  /** Inserts; `DUPLICATE_KEY` if the key is there. As {@link Store.insert}. */
  insert(key: K, value: V): void;
  /** Removes the key. Was it there? As {@link Store.delete}. */
  delete(key: K): boolean;
  /** Writes `value` if the key has `expected`. As {@link Store.compareAndSet}. */
  compareAndSet(key: K, expected: V | undefined, value: V | undefined): boolean;
  /** Adds to the number at the key. As {@link Store.add}. */
  add(key: K, delta: number | bigint): number | bigint;
}
