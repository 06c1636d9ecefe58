/** The value that `compareAndSet` expects, and whether a leaf has it. One for a store, so that a call makes no closure. */
import type { ValueEncoder } from "../codec/value.ts";
import { lengthOffset, numberOffset } from "../memory/layout.ts";
import { load32, loadF64 } from "../memory/primitives.ts";
import { SCRATCH_VALUE } from "../memory/scratch.ts";
import { equalBytes } from "../node/bytes.ts";
import { isNumber, TYPE_FLOAT64, typeOf } from "../node/leaf.ts";
import type { Participant } from "../reclaim/participant.ts";
import type { Condition } from "../rowex/write.ts";
import { canHold } from "./value.ts";

const NO_BYTES = new Uint8Array(0);

/** A value as it lies in a leaf. */
export interface Encoded {
  readonly type: number;
  readonly length: number;
  readonly number: number;
  readonly lo: number;
  readonly hi: number;
  /** Of what is no number. */
  readonly bytes: Uint8Array;
}

const NOTHING: Encoded = { type: 0, length: 0, number: 0, lo: 0, hi: 0, bytes: NO_BYTES };

/** What the encoder has encoded last, in memory of its own: the encoder is used again, for the new value. */
export function keepEncoded(payload: ValueEncoder, scratch: Uint8Array): Encoded {
  const { type, length, number, lo, hi, external } = payload;
  const bytes = isNumber(type)
    ? NO_BYTES
    : (external ?? Uint8Array.from(scratch.subarray(SCRATCH_VALUE, SCRATCH_VALUE + length)));
  return { type, length, number, lo, hi, bytes };
}

export class Expected {
  private value: Encoded = NOTHING;

  /** Set right before the change, when no code of the caller can run any more, which might use the same store. */
  set(value: Encoded): void {
    this.value = value;
  }

  /** The bytes can be many. */
  clear(): void {
    this.value = NOTHING;
  }

  /** Has the leaf of `p` this very value? By type and encoded bytes. */
  readonly matches: Condition = (p: Participant): boolean => {
    const { type, length, number, lo, hi, bytes } = this.value;
    if (typeOf(p.leafTag) !== type) return false;
    if (type === TYPE_FLOAT64) return Object.is(loadF64(p.h, p.leaf, numberOffset(p.keyLength)), number);
    if (isNumber(type)) {
      const at = numberOffset(p.keyLength);
      return load32(p.h, p.leaf, at) === lo && load32(p.h, p.leaf, at + 4) === hi;
    }
    const at = lengthOffset(p.keyLength);
    if (load32(p.h, p.leaf, at) !== length) return false;
    return canHold(p, p.leaf, length) && equalBytes(p.h, p.leaf, at + 4, bytes);
  };
}
