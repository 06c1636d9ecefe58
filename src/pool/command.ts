/** One call of a pool on its way: what is asked, and whom to tell. */
import type { Group } from "./barrier.ts";

/** Nobody's bucket. */
export const NO_BUCKET = -1;

export class Command {
  /** The verb and how its values are written. */
  readonly verb: number;
  readonly args: readonly unknown[];
  /** About how many bytes it takes in a message. */
  readonly bytes: number;
  /** The buckets of its keys: one, several, or {@link NO_BUCKET}. */
  readonly bucket: number | readonly number[];
  readonly isWrite: boolean;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Is it counted among the reads under way of its buckets? */
  countedAsRead = false;
  /** The writes it is one of, for those who wait for them. */
  group: Group | null = null;

  constructor(
    verb: number,
    args: readonly unknown[],
    bytes: number,
    bucket: number | readonly number[],
    isWrite: boolean,
    resolve: (result: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.verb = verb;
    this.args = args;
    this.bytes = bytes;
    this.bucket = bucket;
    this.isWrite = isWrite;
    this.resolve = resolve;
    this.reject = reject;
  }
}
