/** The store under an adapter: one that the caller has open and lends, or one that the adapter opens for itself. */
import type { KeyEncoding } from "../codec/index.ts";
import { BancosError } from "../errors.ts";
import type { OpenOptions } from "../store/options.ts";
import { Store } from "../store/store.ts";

/** Where an adapter finds its store: `path` to open a file, with the options of `open`, or `store` to use an open one. */
export interface StoreSource<K> extends Omit<OpenOptions, "keyEncoding"> {
  /** The file, opened by the adapter and closed with it. */
  path?: string;
  /** An open store, which stays the caller's to close. Instead of `path`. */
  store?: Store<unknown, K>;
}

/** A store and who closes it. */
export interface Lent<V, K> {
  readonly store: Store<V, K>;
  /** Closes the store if it was opened here. Idempotent. Throws as `close()` does. */
  release(): void;
}

/**
 * Opens or borrows.
 *
 * @throws BancosError `INVALID_OPTION` if there is not exactly one of `path` and `store`; `KEY_ENCODING` if the lent
 * store has another key encoding; what `open` throws
 */
export function borrow<V, K>(source: StoreSource<K>, keyEncoding: KeyEncoding): Lent<V, K> {
  if (typeof source !== "object" || source === null) {
    throw new BancosError("INVALID_OPTION", 'the options must be an object such as { path: "cache.bancos" }');
  }
  const { path, store, ...options } = source;
  if ((path === undefined) === (store === undefined)) {
    throw new BancosError("INVALID_OPTION", "give either the path of a file or an open store");
  }
  if (store === undefined) {
    if (typeof path !== "string") throw new BancosError("INVALID_OPTION", "path must be a string");
    const opened = new Store<V, K>(path, { ...options, keyEncoding });
    return { store: opened, release: () => opened.close() };
  }
  const [unused] = Object.keys(options);
  if (unused !== undefined) {
    throw new BancosError(
      "INVALID_OPTION",
      `${unused} is an option of opening, and the store is open already`,
    );
  }
  if (!(store instanceof Store))
    throw new BancosError("INVALID_OPTION", "store must be what open() returned");
  if (store.keyEncoding !== keyEncoding) {
    throw new BancosError(
      "KEY_ENCODING",
      `the store has ${JSON.stringify(store.keyEncoding)} keys; here they must be ${JSON.stringify(keyEncoding)}`,
    );
  }
  // What its values are is for the adapter to know.
  return { store: store as unknown as Store<V, K>, release: () => {} };
}
