/** What `open` can be told, checked. */
import { KEY_ENCODINGS, type KeyEncoding } from "../codec/index.ts";
import { BancosError } from "../errors.ts";
import { INITIAL_SLABS, MAX_SLABS, SLAB_BYTES } from "../memory/layout.ts";

/**
 * Options of {@link open}. A name that is none of these, or a value that makes no sense, is the error `INVALID_OPTION`.
 *
 * @example
 * ```ts
 * import { type OpenOptions, open } from "bancos";
 * const safe = { durability: "commit", maxSize: 2 ** 30 } satisfies OpenOptions;
 * using store = open("orders.bancos", safe);
 * store.set("order 1", { paid: true }); // on the disk when it returns
 * console.log(store.stats().bytes.maxSize); // → 1073741824
 * ```
 */
export interface OpenOptions {
  /** Make the file if it is not there (default true); false: error `NOT_FOUND`. */
  create?: boolean;
  /** Every writing method throws `READ_ONLY` (default false). */
  readOnly?: boolean;
  /**
   * Largest size of the file, in bytes: address space that is reserved, not memory and not disk. Default 16 GiB, at
   * most 32 GiB; the file keeps the largest ever asked for.
   */
  maxSize?: number;
  /**
   * `"process"` (default): a write that has returned survives the death of any process. `"commit"`: it is on the disk
   * as well.
   */
  durability?: "process" | "commit";
  /**
   * A background flush comes at most this many milliseconds after a write (default 1000); 0: never, unless much memory
   * waits for one before it can be used again.
   */
  flushEvery?: number;
  /**
   * Open in spite of: `"filesystem"`, one that is not supported (several processes may then damage the file);
   * `"persistent-memory"`: treat the file as such, for tests.
   */
  force?: readonly ("filesystem" | "persistent-memory")[];
  /** `"rebuild"`: rebuild the tree from the leaves whatever the file says. Default `"auto"`: as the file needs. */
  recover?: "auto" | "rebuild";
  /**
   * Check a value's checksum at every `get` (default true); damage is then the error `CORRUPT` instead of a wrong value.
   * Costs about 3 ns per 8 bytes of the value.
   */
  verifyReads?: boolean;
  /** How keys are encoded; kept in the file. Default: the file's own, `"utf8"` for a new one. */
  keyEncoding?: KeyEncoding;
}

/** Options with every default filled in. */
export interface CheckedOptions {
  readonly create: boolean;
  readonly readOnly: boolean;
  readonly maxSlabs: number;
  readonly commit: boolean;
  readonly flushEvery: number;
  readonly forceFilesystem: boolean;
  readonly forcePersistentMemory: boolean;
  readonly rebuild: boolean;
  readonly verifyReads: boolean;
  readonly keyEncoding: KeyEncoding | undefined;
}

const GIB = 2 ** 30;
const DEFAULT_MAX_SIZE = 16 * GIB;

function invalid(name: string, value: unknown, wanted: string): BancosError {
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  return new BancosError("INVALID_OPTION", `option ${name} is ${shown}; it must be ${wanted}`);
}

function boolean(
  options: OpenOptions,
  name: "create" | "readOnly" | "verifyReads",
  fallback: boolean,
): boolean {
  const value: unknown = options[name];
  if (value === undefined) return fallback;
  if (typeof value !== "boolean") throw invalid(name, value, "true or false");
  return value;
}

function oneOf<T extends string>(
  options: OpenOptions,
  name: keyof OpenOptions,
  choices: readonly T[],
): T | undefined {
  const value: unknown = options[name];
  if (value === undefined) return undefined;
  const found = choices.find((choice) => choice === value);
  if (found === undefined)
    throw invalid(name, value, `one of ${choices.map((c) => JSON.stringify(c)).join(", ")}`);
  return found;
}

const KNOWN: ReadonlySet<string> = new Set([
  "create",
  "readOnly",
  "maxSize",
  "durability",
  "flushEvery",
  "force",
  "recover",
  "verifyReads",
  "keyEncoding",
]);

/** Checks options and fills in the defaults. Throws INVALID_OPTION. */
export function checkOptions(options: OpenOptions): CheckedOptions {
  if (typeof options !== "object" || options === null) {
    throw new BancosError("INVALID_OPTION", "the options of open() must be an object");
  }
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) {
      throw new BancosError(
        "INVALID_OPTION",
        `there is no option ${name}; there are ${[...KNOWN].join(", ")}`,
      );
    }
  }
  const maxSize: unknown = options.maxSize ?? DEFAULT_MAX_SIZE;
  if (
    typeof maxSize !== "number" ||
    !(maxSize >= INITIAL_SLABS * SLAB_BYTES && maxSize <= MAX_SLABS * SLAB_BYTES)
  ) {
    throw invalid("maxSize", maxSize, "a number of bytes from 1 MiB to 32 GiB");
  }
  const flushEvery: unknown = options.flushEvery ?? 1000;
  if (typeof flushEvery !== "number" || !(flushEvery >= 0 && flushEvery < 2 ** 31)) {
    throw invalid("flushEvery", flushEvery, "a number of milliseconds, 0 or more");
  }
  const force: unknown = options.force ?? [];
  if (!Array.isArray(force) || force.some((what) => what !== "filesystem" && what !== "persistent-memory")) {
    throw invalid("force", force, 'a list of "filesystem", "persistent-memory"');
  }
  const create = boolean(options, "create", true);
  return {
    create,
    readOnly: boolean(options, "readOnly", false),
    maxSlabs: Math.floor(maxSize / SLAB_BYTES),
    commit: oneOf(options, "durability", ["process", "commit"]) === "commit",
    flushEvery,
    forceFilesystem: force.includes("filesystem"),
    forcePersistentMemory: force.includes("persistent-memory"),
    rebuild: oneOf(options, "recover", ["auto", "rebuild"]) === "rebuild",
    verifyReads: boolean(options, "verifyReads", true),
    keyEncoding: oneOf(options, "keyEncoding", KEY_ENCODINGS),
  };
}
