/**
 * Locks of nodes and leaves: the slot number in a LIVE tag. Every wait ends: the holder unlocks, or retires the cell, or
 * is dead and is recovered by whoever waits.
 */
import { corrupt } from "../errors.ts";
import {
  INTENT_LOCK0,
  INTENT_LOCK1,
  INTENT_LOCK2,
  INTENT_NEW0,
  INTENT_NEW1,
  INTENT_NONE,
  INTENT_STATE,
  LIVE,
  SLOT_FREE,
  SLOT_MASK,
  SLOT_SHIFT,
  SLOT_STATE_MASK,
  SLOT_WORD,
  SLOTS,
  STATE_MASK,
  slotCell,
  TAG,
} from "../memory/layout.ts";
import { monotonicNs, yieldThread } from "../memory/platform.ts";
import { cas32, load32, pause } from "../memory/primitives.ts";
import type { Participant } from "../reclaim/participant.ts";

/** Rounds of pausing before the processor is given to others, and rounds of that before the holder is looked at. */
const PAUSES = 128;
const YIELDS = 64;
/** Nanoseconds between two looks at the holder. */
const LOOK_EVERY = 2e6;
/** Looks in a row at a holder who is there and says nothing of this lock: then the file is damaged. */
const MOST_UNNAMED = 64;

/**
 * A change starts again when another came before it. So many times in a row that does not happen: then what the
 * descent finds and what the check under the lock asks for contradict each other, in a damaged file.
 */
const MOST_ROUNDS = 10_000;
/**
 * Rounds between two in which others are given the processor: whoever came before us is to finish. They may keep it for 10
 * milliseconds and more, so that in a damaged file these make up most of the time until it is known to be damaged.
 */
const YIELD_EVERY = 512;

/** Called before try number `round` of a change to the place that `p.path` leads to. Throws CORRUPT. */
export function startAgain(p: Participant, round: number): void {
  if (round > MOST_ROUNDS) throw corrupt("a node contradicts itself", p.path[p.pathLength - 1]!);
  if (round % YIELD_EVERY === YIELD_EVERY - 1) yieldThread();
}

/**
 * Locks `cell`, a node or a leaf, for `p`. Returns its tag without the lock, or 0 if it is obsolete: the place has
 * changed, start again.
 */
export function lock(p: Participant, cell: number): number {
  const tag = load32(p.h, cell, TAG);
  if (
    (tag & (STATE_MASK | SLOT_MASK)) === LIVE &&
    cas32(p.h, cell, TAG, tag, tag | (p.slot << SLOT_SHIFT)) === 1
  ) {
    return tag;
  }
  return lockSlowly(p, cell);
}

function lockSlowly(p: Participant, cell: number): number {
  const mine = p.slot << SLOT_SHIFT;
  let looked = 0;
  let unnamed = 0;
  for (let round = 0; ; round++) {
    const tag = load32(p.h, cell, TAG);
    if ((tag & STATE_MASK) !== LIVE) return 0;
    const holder = tag & SLOT_MASK;
    if (holder === 0) {
      if (cas32(p.h, cell, TAG, tag, tag | mine) === 1) return tag;
      continue;
    }
    if (holder === mine) throw corrupt("a cell is locked by this participant already", cell);
    if (round < PAUSES) {
      pause(1 + (round >>> 3));
      continue;
    }
    yieldThread();
    if (round < PAUSES + YIELDS) continue;
    const now = monotonicNs();
    if (now - looked < LOOK_EVERY) continue;
    looked = now;
    const slot = holder >>> SLOT_SHIFT;
    const word = slot <= SLOTS ? load32(p.h, slotCell(slot), SLOT_WORD) : SLOT_FREE;
    if ((word & SLOT_STATE_MASK) !== SLOT_FREE) {
      p.onLongWait(slot);
      // Who holds a lock names it until after the unlock. He may have given it back and taken it anew between the loads,
      // but not at each look.
      unnamed = names(p.h, slot, cell) || load32(p.h, cell, TAG) !== tag ? 0 : unnamed + 1;
      if (unnamed > MOST_UNNAMED)
        throw corrupt("a cell is locked by a participant that does not name it", cell);
      continue;
    }
    // The slot was free, and had not been claimed and freed again, while the cell had its lock: nobody will unlock it.
    if (load32(p.h, cell, TAG) === tag && (slot > SLOTS || load32(p.h, slotCell(slot), SLOT_WORD) === word)) {
      throw corrupt("a cell is locked by a participant that is not there", cell);
    }
  }
}

/** Does the intent of `slot` name `cell` as what it locks? */
function names(h: number, slot: number, cell: number): boolean {
  const them = slotCell(slot);
  if (load32(h, them, INTENT_STATE) === INTENT_NONE) return false;
  return (
    load32(h, them, INTENT_LOCK0) === cell ||
    load32(h, them, INTENT_LOCK1) === cell ||
    load32(h, them, INTENT_LOCK2) === cell ||
    load32(h, them, INTENT_NEW0) === cell ||
    load32(h, them, INTENT_NEW1) === cell
  );
}
