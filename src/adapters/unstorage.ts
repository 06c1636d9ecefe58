/** A store as a driver of unstorage: keys are unstorage's (`a:b:c`), values strings, or bytes where they are set raw. */
import type { Driver, TransactionOptions } from "unstorage";
import type { Store } from "../store/store.ts";
import type { Value } from "../store/types.ts";
import { borrow, type StoreSource } from "./lent.ts";

/** Where the items are kept: `path` to open a file, with the options of `open`, or an open `store` with utf8 keys. */
export interface BancosDriverOptions extends StoreSource<string> {}

interface Item {
  readonly key: string;
  readonly options?: TransactionOptions;
}

/** Deletes in one group. */
const WRITES_AT_ONCE = 1000;

// A byte order mark is part of the text, as it is elsewhere.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** An item as unstorage wants it: text, unless something else than text and bytes was stored. */
function itemOf(value: Value | undefined): Exclude<Value, bigint | undefined> | null {
  if (value === undefined) return null;
  if (value instanceof Uint8Array) return decoder.decode(value);
  return typeof value === "bigint" ? String(value) : value;
}

/** Bytes in whatever form they come; everything else as it is. */
function rawOf(value: unknown): Value {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return new Uint8Array(value);
  // What it can't hold the store says.
  return value as Value;
}

const rangeOf = (base: string | undefined): { prefix?: string } =>
  base === undefined || base === "" ? {} : { prefix: base };

/**
 * A driver for unstorage: `createStorage({ driver: bancosDriver({ path: "items.bancos" }) })`. The file is opened at
 * once, and closed by `dispose()`; any number of processes may use it.
 *
 * `getKeys` and `clear` of a base are walks over its part of the keys, in order. `setItems` and `clear` are not atomic
 * across a crash. `setItemRaw` keeps bytes as bytes, and whatever else a store can hold. There are no notifications
 * between processes: `watch` tells of what is changed by this storage itself. There is no time to live, and `getMeta`
 * has what `setMeta` was given.
 *
 * Each call works at once in the calling thread, at the cost of the store's own.
 *
 * @throws BancosError `INVALID_OPTION`, `KEY_ENCODING`; what `open` throws
 *
 * @example
 * ```ts
 * import { bancosDriver } from "bancos/unstorage";
 * import { createStorage } from "unstorage";
 * const storage = createStorage({ driver: bancosDriver({ path: "items.bancos" }) });
 * await storage.setItem("users:ann", { age: 30 });
 * console.log(await storage.getItem("users:ann")); // → { age: 30 }
 * await storage.dispose();
 * ```
 */
export function bancosDriver(options: BancosDriverOptions): Driver<BancosDriverOptions, Store<Value>> {
  const { store, release } = borrow<Value, string>(options, "utf8");
  return {
    name: "bancos",
    options,
    getInstance: () => store,
    hasItem: (key) => store.has(key),
    getItem: (key) => itemOf(store.get(key)),
    getItems(items: readonly Item[]) {
      const values = store.getMany(items.map(({ key }) => key));
      return items.map(({ key }, i) => ({ key, value: itemOf(values[i]) }));
    },
    getItemRaw: (key) => store.get(key) ?? null,
    setItem(key, value) {
      store.set(key, value);
    },
    setItems(items) {
      for (let from = 0; from < items.length; from += WRITES_AT_ONCE) {
        store.writer((writer) => {
          for (const { key, value } of items.slice(from, from + WRITES_AT_ONCE)) writer.set(key, value);
        });
      }
    },
    setItemRaw(key, value) {
      store.set(key, rawOf(value));
    },
    removeItem(key) {
      store.delete(key);
    },
    getKeys: (base) => [...store.keys(rangeOf(base))],
    clear(base) {
      const keys = store.keys(rangeOf(base));
      for (let more = true; more; ) {
        store.writer((writer) => {
          for (let i = 0; more && i < WRITES_AT_ONCE; i++) {
            const { done, value } = keys.next();
            if (done === true) more = false;
            else writer.delete(value);
          }
        });
      }
    },
    dispose: release,
  };
}
