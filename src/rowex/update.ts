/** Changing a key in a way that depends on what it has: compareAndSet and add. */
import { BancosError } from "../errors.ts";
import { numberOffset } from "../memory/layout.ts";
import { load32, loadF64, storeF64, storePair } from "../memory/primitives.ts";
import { hasKey, TYPE_FLOAT64, TYPE_INT64, typeOf } from "../node/leaf.ts";
import type { Participant } from "../reclaim/participant.ts";
import { dropNewLeaf, giveUp } from "./change.ts";
import { FOUND_LEAF, NOT_FOUND } from "./hints.ts";
import { startAgain } from "./lock.ts";
import { descend } from "./place.ts";
import {
  type Condition,
  changeNumber,
  hashNewLeaf,
  IF_ABSENT,
  IN_PLACE_DONE,
  IN_PLACE_OFF,
  IN_PLACE_REFUSED,
  lockLeafSlot,
  makeLeaf,
  type Payload,
  replaceLocked,
  write,
} from "./write.ts";

/**
 * Replaces the key's value if it is there and `condition` agrees. Returns whether it did. The value of a float64 leaf
 * is looked at under the lock, since it may change in place; other leaves never change. `found`: what a hint has
 * found of the key, FOUND_LEAF only where a number is to be written to a float64.
 */
export function updateIf(p: Participant, payload: Payload, condition: Condition, found: number): boolean {
  for (let round = 0; ; round++) {
    startAgain(p, round);
    if (found === NOT_FOUND || round > 0) {
      descend(p);
      if (p.leaf === 0 || !hasKey(p.h, p.leaf, p.leafTag, p.keyLength)) break;
    }
    const changes = typeOf(p.leafTag) === TYPE_FLOAT64;
    if (!changes && !condition(p)) break;
    if (changes && payload.type === TYPE_FLOAT64) {
      const done = changeNumber(p, payload.number, 0, condition);
      if (done === IN_PLACE_DONE) return true;
      if (done === IN_PLACE_REFUSED) break;
      if (done !== IN_PLACE_OFF || (found === FOUND_LEAF && round === 0)) continue;
    }
    makeLeaf(p, payload);
    if (!lockLeafSlot(p)) continue;
    if (changes && !condition(p)) {
      giveUp(p);
      break;
    }
    replaceLocked(p);
    return true;
  }
  dropNewLeaf(p);
  return false;
}

/** A number to be added. */
export interface Delta {
  /** For a float64. */
  number: number;
  /** The same, if it was given as a bigint. */
  bigint: bigint | undefined;
  /** Written if the key is absent: 0 + delta, in the type of the delta. */
  readonly payload: Payload;
  /** The key in the scratch buffer, for a message. */
  readonly key: () => string;
}

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/**
 * Adds to the number that the key has, or makes it. Returns the new number, in the type that is stored. `found`: what a
 * hint has found of the key.
 */
export function add(p: Participant, delta: Delta, found: number): number | bigint {
  for (let round = 0; ; round++) {
    startAgain(p, round);
    const hinted = round === 0 ? found : NOT_FOUND;
    if (write(p, delta.payload, IF_ABSENT, hinted)) {
      return delta.payload.type === TYPE_FLOAT64 ? delta.number : (delta.bigint as bigint);
    }
    const type = typeOf(p.leafTag);
    if (type === TYPE_FLOAT64) {
      const done = changeNumber(p, delta.number, 1, null);
      if (done === IN_PLACE_DONE) return p.number;
      if (done === IN_PLACE_OFF && hinted !== FOUND_LEAF) {
        const sum = addByReplacing(p, delta);
        if (sum !== undefined) return sum;
      }
    } else if (type === TYPE_INT64) {
      if (delta.bigint === undefined && !Number.isSafeInteger(delta.number)) {
        throw new BancosError(
          "INVALID_VALUE",
          `${String(delta.number)} can't be added to ${delta.key()}, which has a bigint`,
        );
      }
      const sum = addByReplacing(p, delta);
      if (sum !== undefined) return sum;
    } else {
      throw new BancosError(
        "INVALID_VALUE",
        `add() needs a number or bigint at ${delta.key()}; another type of value is there`,
      );
    }
  }
}

const halves = new DataView(new ArrayBuffer(8));

/** Adds by a new leaf, whose value is written under the lock; undefined: start again. */
function addByReplacing(p: Participant, delta: Delta): number | bigint | undefined {
  const h = p.h;
  const type = typeOf(p.leafTag);
  const at = numberOffset(p.keyLength);
  const float = type === TYPE_FLOAT64;
  const leaf = makeLeaf(p, { type, length: 8, number: 0, lo: 0, hi: 0, external: null });
  if (!lockLeafSlot(p)) {
    dropNewLeaf(p);
    return undefined;
  }
  let result: number | bigint;
  if (float) {
    const sum = loadF64(h, p.leaf, at) + delta.number;
    result = Number.isNaN(sum) ? Number.NaN : sum;
    storeF64(h, leaf, at, result);
  } else {
    halves.setInt32(0, load32(h, p.leaf, at), true);
    halves.setInt32(4, load32(h, p.leaf, at + 4), true);
    result = halves.getBigInt64(0, true) + (delta.bigint ?? BigInt(delta.number));
    if (result < INT64_MIN || result > INT64_MAX) {
      giveUp(p);
      dropNewLeaf(p);
      throw new BancosError(
        "INVALID_VALUE",
        `the sum ${result} does not fit in 64 bits; nothing was changed`,
      );
    }
    halves.setBigInt64(0, result, true);
    storePair(h, leaf, at, halves.getInt32(0, true), halves.getInt32(4, true));
  }
  hashNewLeaf(p, leaf, p.keyLength, type, at + 8);
  replaceLocked(p);
  return result;
}
