/**
 * The open lock: one at a time creates, checks and rebuilds a file, comes first or leaves last.
 *
 * It is an open-file-description lock, since the file may be no store yet. But a Worker that is terminated leaves its
 * descriptor open in its process, with the lock on it, and no other process can close it. So the lock is a *range* of
 * bytes whose length says which thread has it; a range that a dead thread has is passed over, and the next one is
 * taken. The lock is owned by who has a range, while all lower ones are held by the dead and no higher one by the
 * living. Both are looked at after the range was taken: of two who come upon this state at the same time from two
 * sides, at least one sees the other, lets go and tries again.
 */
import { OPEN_BYTE } from "../memory/layout.ts";
import {
  lockRange,
  pidNamespace,
  rangeHeld,
  sleepMs,
  threadId,
  threadStartTime,
  unlockRange,
} from "../memory/platform.ts";

/** So many Workers may be terminated with the lock, in processes that live on. */
const RANGES = 32;
const STRIDE = 2 ** 33;
const TID_BITS = 22;
const NAMESPACE_MASK = 0x3ff;

const rangeAt = (k: number): number => OPEN_BYTE + k * STRIDE;

/** The length of this thread's range. 0 bytes would mean "to the end of the file". */
const ownLength = (): number => 1 + threadId() + (pidNamespace() & NAMESPACE_MASK) * 2 ** TID_BITS;

/** Is the thread gone whose range is so long? One in another pid namespace can't be looked at: it may live. */
function isOfTheDead(length: number): boolean {
  const tid = (length - 1) % 2 ** TID_BITS;
  const namespace = Math.floor((length - 1) / 2 ** TID_BITS);
  const own = pidNamespace();
  if (own === 0 || namespace !== (own & NAMESPACE_MASK)) return false;
  return threadStartTime(tid, tid) === 0;
}

/** Do all others leave the lock to who has range `mine`? */
function isOwner(fd: number, mine: number): boolean {
  for (let k = 0; k < RANGES; k++) {
    if (k === mine) continue;
    const held = rangeHeld(fd, rangeAt(k));
    // A lower one that has become free: others begin there.
    if (held === 0 ? k < mine : !isOfTheDead(held)) return false;
  }
  return true;
}

/** Tries to take the lock. */
export function tryOpenLock(fd: number): boolean {
  for (let k = 0; k < RANGES; k++) {
    if (lockRange(fd, rangeAt(k), ownLength())) {
      if (isOwner(fd, k)) return true;
      openUnlock(fd);
      // Whoever saw us is trying again too: not in step with it.
      sleepMs(Math.random());
      return false;
    }
    const held = rangeHeld(fd, rangeAt(k));
    if (held === 0 || !isOfTheDead(held)) return false;
  }
  return false;
}

/** Gives the lock back; no harm if this descriptor does not have it. */
export function openUnlock(fd: number): void {
  unlockRange(fd, OPEN_BYTE, RANGES * STRIDE);
}

/** Does anybody alive, other than by this descriptor, have the lock? */
export function openLockHeld(fd: number): boolean {
  for (let k = 0; k < RANGES; k++) {
    const held = rangeHeld(fd, rangeAt(k));
    if (held !== 0 && !isOfTheDead(held)) return true;
  }
  return false;
}
