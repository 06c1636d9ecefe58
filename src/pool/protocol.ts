/**
 * What a pool and its Workers say to each other.
 *
 * Requests and replies are flat arrays of primitives, which Bun copies between threads several times faster than
 * arrays of arrays or of objects (measured, per command and copy: 90 ns against 350 ns).
 *
 * | message | contents |
 * |---|---|
 * | to the Worker, first | an {@link Opening} |
 * | from the Worker, first | an {@link Opened} |
 * | to the Worker | batch number; then for each command its verb and its arguments |
 * | from the Worker | batch number; an {@link Aside} as JSON, or null; then the results of the commands, in order |
 *
 * A batch may be answered in several pieces. A command that failed has no result, but an entry in the aside.
 *
 * | verb | arguments | result |
 * |---|---|---|
 * | GET, HAS, DELETE | key | one |
 * | SET, INSERT, ADD | key, value | one |
 * | COMPARE_AND_SET | key, expected, value | one |
 * | GET_MANY | count, keys | count, values |
 * | SCAN | what, range, most | count, more?, keys and values |
 * | COUNT | range | one |
 * | SIZE | | one |
 * | FLUSH, STATS, VERIFY, COLLECT, CLOSE | | one; alone in their batch |
 */
import { BancosError, type ErrorCode } from "../errors.ts";
import type { OpenOptions } from "../store/options.ts";

export const GET = 1;
export const HAS = 2;
export const SET = 3;
export const INSERT = 4;
export const DELETE = 5;
export const COMPARE_AND_SET = 6;
export const ADD = 7;
export const GET_MANY = 8;
export const SCAN = 9;
export const COUNT = 10;
export const SIZE = 11;
/** From here on: alone in their batch, since they take long, or wait. */
export const FIRST_ALONE = 16;
export const FLUSH = 16;
export const STATS = 17;
export const VERIFY = 18;
export const COLLECT = 19;
export const CLOSE = 20;

/** The low bits of a verb; above them, two bits a value say how the value is written. */
export const VERB_MASK = 31;
/** Shift of how the value (COMPARE_AND_SET: the expected value) is written. */
export const FIRST_VALUE_SHIFT = 5;
/** Shift of how the new value of COMPARE_AND_SET is written. */
export const SECOND_VALUE_SHIFT = 7;
export const VALUE_MASK = 3;
/** As itself. */
export const PLAIN = 0;
/** The text of `JSON.stringify`: what is not a primitive or bytes. */
export const JSON_TEXT = 1;

/** What a scan returns. */
export const SCAN_KEYS = 1;
export const SCAN_VALUES = 2;
export const SCAN_ENTRIES = 3;

/** After about so many bytes a batch, a piece of a reply or of a scan is complete. */
export const PIECE_BYTES = 1 << 20;

/** The first message to a Worker. */
export interface Opening {
  readonly path: string;
  readonly options: OpenOptions;
}

/** The first message of a Worker. */
export interface Opened {
  readonly keyEncoding?: "utf8" | "binary" | "ordered";
  readonly error?: PackedError;
}

/** An error on its way between threads. */
export interface PackedError {
  /** Null: not a BancosError. */
  readonly code: ErrorCode | null;
  readonly name: string;
  readonly message: string;
  readonly offset: number | undefined;
}

/** What a reply has beside the results. */
export interface Aside {
  /** Commands that failed, by their place in this piece of the reply. */
  readonly errors: readonly (readonly [number, PackedError])[];
  /** Places in the reply that hold JSON texts in place of values. */
  readonly json: readonly number[];
}

export function packError(error: unknown): PackedError {
  if (error instanceof BancosError) {
    return { code: error.code, name: error.name, message: error.message, offset: error.offset };
  }
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return { code: null, name, message, offset: undefined };
}

export function unpackError(packed: PackedError): Error {
  const { code, name, message, offset } = packed;
  if (code !== null) return new BancosError(code, message, offset === undefined ? {} : { offset });
  const error = new Error(message);
  error.name = name;
  return error;
}

/** About how many bytes a key or value takes in a message. */
export function sizeOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (value instanceof Uint8Array) return value.length;
  return 8;
}
