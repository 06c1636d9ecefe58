/**
 * The one error class of bancos and the list of its codes.
 *
 * Absence is not an error (`get` returns `undefined`). A file that is damaged is an error (`CORRUPT`, with the byte
 * offset of what was found). A broken invariant in our own code is a plain `Error`: it is a bug, not a condition.
 */

/**
 * Every code a {@link BancosError} can carry, with what it means for the caller.
 *
 * @example
 * ```ts
 * import { ERROR_CODES } from "bancos";
 * console.log(ERROR_CODES.DUPLICATE_KEY); // → insert() found the key already there
 * ```
 */
export const ERROR_CODES = {
  DUPLICATE_KEY: "insert() found the key already there",
  INVALID_KEY: "the key has a type or content that the store's key encoding cannot hold",
  INVALID_VALUE:
    "the value has a type or content that a store cannot hold, or is not of the type the call needs",
  KEY_TOO_LONG: "the encoded key is longer than 4,096 bytes",
  VALUE_TOO_LARGE: "the encoded value is larger than 1 GiB",
  NOT_FOUND: "there is no file at the path and `create` is false",
  NOT_A_STORE: "the file is not a bancos file",
  VERSION: "the file was written by a version of the format that this library does not read",
  KEY_ENCODING: "the file keeps another key encoding than the one asked for",
  CORRUPT: "the file is damaged; `offset` says where",
  FULL: "the store has reached its maxSize",
  NO_SPACE: "the disk, the quota or the file size limit leaves no room to grow the file",
  READ_ONLY: "a writing method of a store opened read-only",
  CLOSED: "the store has been closed",
  TOO_MANY_PARTICIPANTS: "all participant slots of the file are taken by open stores",
  UNSUPPORTED_PLATFORM: "bancos has no native part for this operating system, processor or Bun version",
  UNSUPPORTED_FILESYSTEM: "the filesystem cannot share a mapping safely between processes",
  NATIVE_LOAD: "the native library could not be loaded or compiled",
  IO_ERROR: "the operating system reported an error while reading, writing or syncing the file",
  OUTCOME_UNKNOWN: "a pool Worker died before it answered: the operation may or may not have happened",
  INVALID_OPTION: "an option has a value that it cannot take",
  INVALID_OPERATION: "the call makes no sense here",
} as const;

/**
 * A stable code, one of the keys of {@link ERROR_CODES}.
 *
 * @example
 * ```ts
 * import { BancosError, type ErrorCode, open } from "bancos";
 * const mayRetry: ErrorCode[] = ["NO_SPACE", "FULL", "TOO_MANY_PARTICIPANTS"];
 * try {
 *   open("no-such-file.bancos", { create: false });
 * } catch (error) {
 *   if (error instanceof BancosError) console.log(error.code, mayRetry.includes(error.code)); // → NOT_FOUND false
 * }
 * ```
 */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What a {@link BancosError} can carry beside its message. */
export interface ErrorDetails {
  /** Byte offset in the file that the error is about. */
  readonly offset?: number;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/**
 * Every error that bancos raises on purpose. `message` says what was wrong and what to do; `code` is stable between
 * versions and is what programs should look at.
 *
 * @example
 * ```ts
 * import { BancosError, open } from "bancos";
 * try {
 *   open("no-such-file.bancos", { create: false });
 * } catch (error) {
 *   if (error instanceof BancosError && error.code === "NOT_FOUND") console.log("nothing there"); // → nothing there
 * }
 * ```
 */
export class BancosError extends Error {
  override readonly name = "BancosError";
  /** What went wrong. Stable between versions. */
  readonly code: ErrorCode;
  /** Byte offset in the file, for `CORRUPT` and where else it is known. */
  readonly offset: number | undefined;

  /**
   * For those who wrap a store and raise errors of the same kind.
   *
   * @param message what was wrong and what to do
   */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.offset = details.offset;
  }
}

/** Is it about room in the store or on the disk? */
export const isNoRoom = (error: unknown): boolean =>
  error instanceof BancosError && (error.code === "FULL" || error.code === "NO_SPACE");

/** A `CORRUPT` error about the cell (8-byte unit) `cell`. */
export function corrupt(what: string, cell: number): BancosError {
  const offset = (cell >>> 0) * 8;
  return new BancosError(
    "CORRUPT",
    `the file is damaged: ${what} at offset ${offset}; run \`bancos verify\` and restore a backup or use \`bancos repair\``,
    { offset },
  );
}
