/**
 * A participant comes and goes: what the first to open a file, and the last writer to close it, have to do.
 */
import { createHash } from "node:crypto";
import { BancosError } from "../errors.ts";
import {
  BECOMING_UNCLEAN,
  CLEAN,
  lifeByte,
  SB,
  SB_ADOPT,
  SB_BIRTH,
  SB_BOOT_ID,
  SB_CLEAN,
  SB_DEVICE,
  SB_GATE,
  SB_IDENTITY_CHECKSUM,
  SB_INODE,
  SB_LAST_START,
  SB_MAX_SLABS,
  SB_NO_IN_PLACE,
  SB_Q,
  SB_SYNC_ERROR,
  SB_SYNC_OWNER,
  SB_UNFENCED,
  SLAB_BYTES,
  SLOT_FREE,
  SLOT_ROLE,
  SLOT_WORD,
  slotCell,
  UNCLEAN,
} from "../memory/layout.ts";
import { mix32 } from "../memory/mix.ts";
import { bootId, fileIdentity, lockHeld, sleepMs, syncRange } from "../memory/platform.ts";
import { cas32, exchange64, load32, load64, loadF64, store32, storeF64 } from "../memory/primitives.ts";
import type { Region } from "../memory/region.ts";
import { announceUnfenced } from "../reclaim/epoch.ts";
import { openUnlock, tryOpenLock } from "../reclaim/openlock.ts";
import { claimSlot, isDead, leaveSlot, ROLE_WRITER, slotState, slotsUsed } from "../reclaim/registry.ts";
import {
  adoptRecoveriesOf,
  closeHandlesOfTheDead,
  closeLeftovers,
  OPENER,
  recoverSlot,
  recoverTheDead,
} from "./recover.ts";
import { areCountersSound, checkCounters, earlierSyncs, syncNow, waitForSyncs } from "./sync.ts";

/**
 * What {@link open} found and did; `stats().recovery`.
 *
 * @example
 * ```ts
 * import { open, type RecoveryReport } from "bancos";
 * open("a.bancos").set("key", 1).close();
 * using store = open("a.bancos", { recover: "rebuild" });
 * const report: RecoveryReport = store.stats().recovery;
 * console.log(report.found, report.rebuild?.keys); // → clean 1
 * ```
 */
export interface RecoveryReport {
  /**
   * `"clean"`: closed in order (or new). `"running"`: others have it open. `"unclean"`: left open, but the machine stayed
   * up. `"copied"`: a copy of a file that was not closed. `"rebooted"`: left open, and the machine started again since.
   */
  readonly found: "clean" | "running" | "unclean" | "copied" | "rebooted";
  /** Dead participants whose changes were finished or undone. */
  readonly participantsRecovered: number;
  /** What the rebuild of the tree found, if there was one. */
  readonly rebuild: RebuildReport | null;
}

/** What a rebuild of the tree from the leaves found. */
export interface RebuildReport {
  /** Keys in the new tree. */
  readonly keys: number;
  /** Leaves that were looked at. */
  readonly leaves: number;
  /** Leaves dropped because a later one of the same key counts, or the key was deleted. */
  readonly superseded: number;
  /** Cells that looked like leaves and whose checksum was wrong. */
  readonly invalid: number;
  /** What it took. */
  readonly milliseconds: number;
}

export type Rebuild = (region: Region, distrustsDisk: boolean) => RebuildReport;

// ---- identity ------------------------------------------------------------------------------------------------------

function bootWords(): Int32Array {
  // Not to know the boot would mean to rebuild a file for no reason, or to believe one that must be rebuilt.
  const boot = bootId();
  if (boot === "") {
    throw new BancosError(
      "IO_ERROR",
      "cannot read /proc/sys/kernel/random/boot_id, which tells one boot from the next",
    );
  }
  const hash = createHash("sha1").update(boot).digest();
  return new Int32Array([0, 4, 8, 12].map((at) => hash.readInt32LE(at)));
}

/** After a loss of power the length that a growth gave the file may be lost. In the same boot it can't be. */
export function mayBeShort(isClean: boolean, boot: readonly number[]): boolean {
  return !isClean && bootWords().some((word, i) => word !== boot[i]);
}

function identitySum(h: number): number {
  let sum = 0x1d;
  for (let off = SB_DEVICE; off < SB_IDENTITY_CHECKSUM; off += 4) sum = mix32(sum, load32(h, SB, off));
  return sum;
}

/** Notes which file this is and which boot of the machine. */
function writeIdentity(region: Region): void {
  const { h } = region;
  const { dev, ino, birthNs } = fileIdentity(region.fd);
  storeF64(h, SB, SB_DEVICE, dev);
  storeF64(h, SB, SB_INODE, ino);
  storeF64(h, SB, SB_BIRTH, birthNs);
  bootWords().forEach((word, i) => {
    store32(h, SB, SB_BOOT_ID + i * 4, word);
  });
  store32(h, SB, SB_ADOPT, 0);
  store32(h, SB, SB_IDENTITY_CHECKSUM, identitySum(h));
}

/** Makes the file one that must be rebuilt, on the disk too, until `writeIdentity` has been there. */
function disown(region: Region): void {
  const { h } = region;
  store32(h, SB, SB_CLEAN, BECOMING_UNCLEAN);
  store32(h, SB, SB_ADOPT, 0);
  // Wrong, and not the 0 of a file that was never opened.
  store32(h, SB, SB_IDENTITY_CHECKSUM, ~identitySum(h) || 1);
  syncRange(h, 0, SLAB_BYTES);
  store32(h, SB, SB_CLEAN, UNCLEAN);
}

/** Has somebody opened the file since the machine started? */
function isOfThisBoot(h: number): boolean {
  return bootWords().every((word, i) => load32(h, SB, SB_BOOT_ID + i * 4) === word);
}

function compareIdentity(region: Region): { file: boolean; boot: boolean } {
  const { h } = region;
  if (load32(h, SB, SB_IDENTITY_CHECKSUM) !== identitySum(h)) return { file: false, boot: false };
  const { dev, ino, birthNs } = fileIdentity(region.fd);
  const boot = isOfThisBoot(h);
  // Device numbers may change between boots.
  const device = !boot || loadF64(h, SB, SB_DEVICE) === dev;
  const file = device && loadF64(h, SB, SB_INODE) === ino && loadF64(h, SB, SB_BIRTH) === birthNs;
  return { file, boot };
}

const isNew = (h: number): boolean => load64(h, SB, SB_Q) === 1 && load32(h, SB, SB_IDENTITY_CHECKSUM) === 0;

/** To be taken as it is: new, or a backup that nobody has opened yet. */
const isAdoptable = (h: number): boolean =>
  isNew(h) || (load32(h, SB, SB_ADOPT) === 1 && load32(h, SB, SB_CLEAN) === CLEAN);

/** The state in which the last of its participants left the file. */
function stateLeft(
  h: number,
  same: { file: boolean; boot: boolean },
  adopt: boolean,
): RecoveryReport["found"] {
  if (adopt || (load32(h, SB, SB_CLEAN) === CLEAN && same.file)) return "clean";
  if (!same.file) return "copied";
  return same.boot ? "unclean" : "rebooted";
}

/** The state of a file that is only looked at; nothing is written, nobody recovered. */
export function look(region: Region): RecoveryReport["found"] {
  if (anyoneAlive(region, 0, 0)) return "running";
  return stateLeft(region.h, compareIdentity(region), isAdoptable(region.h));
}

// ---- coming ----------------------------------------------------------------------------------------------------------

/** Takes the open lock; whoever has it creates, checks, recovers. Waits for it while its holder lives. */
export function lockOpen(fd: number): void {
  for (let round = 0; !tryOpenLock(fd); round++) {
    if (round % 64 === 63) closeHandlesOfTheDead();
    sleepMs(round < 20 ? 0.1 : 1);
  }
}

export function unlockOpen(fd: number): void {
  openUnlock(fd);
}

/** Is any participant but slot `except` alive, of role `role` (0: whichever)? */
function anyoneAlive(region: Region, except: number, role: number): boolean {
  for (let slot = 1; slot <= slotsUsed(region.h); slot++) {
    const me = slotCell(slot);
    if (slot === except || slotState(load32(region.h, me, SLOT_WORD)) === SLOT_FREE) continue;
    if (role !== 0 && load32(region.h, me, SLOT_ROLE) !== role) continue;
    if (lockHeld(region.fd, lifeByte(slot)) && !isDead(region, slot)) return true;
  }
  return false;
}

/**
 * Joins the file as a participant of role `role`: finds out what state it was left in, rebuilds or recovers, claims a
 * slot. The caller holds the open lock. Throws CORRUPT; with `alone`: INVALID_OPERATION if anybody else has it open.
 *
 * `isClean`: the file is still one that was closed in order, although somebody has joined. A writer has the disk say otherwise,
 * by {@link markUnclean}, before its first store outside of the superblock and the registry. Should it die before, there is
 * nothing to undo.
 */
export function join(
  region: Region,
  role: number,
  maxSlabs: number,
  forceRebuild: boolean,
  rebuild: Rebuild,
  alone = false,
): { slot: number; report: RecoveryReport; isClean: boolean } {
  const { h } = region;
  let found: RecoveryReport["found"] = "running";
  let rebuilt: RebuildReport | null = null;
  if (!anyoneAlive(region, 0, 0)) {
    const same = compareIdentity(region);
    const adopt = isAdoptable(h);
    found = stateLeft(h, same, adopt);
    // Page 0 of a file that was closed in order is stored to without a sync (a flush without a change), and of persistent memory one
    // counter of two may be lost when the power fails.
    const lostCount = !same.boot && !areCountersSound(h);
    if (forceRebuild || found === "copied" || found === "rebooted" || lostCount) {
      // Should the rebuild be cut short, whoever opens next must not believe what it left.
      disown(region);
      // Whatever the identity is worth: a rebuild that was cut short leaves none.
      rebuilt = rebuild(region, isOfThisBoot(h));
    }
    checkCounters(region);
    if (rebuilt !== null || adopt || !same.boot || !same.file) writeIdentity(region);
    // Every leaf that is in the file counts as promised; the next one, which will have the number Q, does not.
    exchange64(h, SB, SB_LAST_START, load64(h, SB, SB_Q) - 1);
    // Nobody is there to make a backup or to sync, whatever the words say.
    store32(h, SB, SB_SYNC_OWNER, 0);
    store32(h, SB, SB_GATE, 0);
    store32(h, SB, SB_NO_IN_PLACE, 0);
    store32(h, SB, SB_UNFENCED, 0);
  } else if (forceRebuild || alone) {
    throw new BancosError(
      "INVALID_OPERATION",
      `${region.path} is open elsewhere: ${alone ? "compacting" : "a rebuild"} needs it for itself; close the other stores first`,
    );
  }
  if (load32(h, SB, SB_MAX_SLABS) < maxSlabs && role === ROLE_WRITER) raiseMaxSlabs(h, maxSlabs);
  // With nobody there to recover, or to write: who joins stores to the superblock and the registry only.
  const isClean = load32(h, SB, SB_CLEAN) === CLEAN && found === "clean" && !anySlotTaken(h);
  const isDue = load32(h, SB, SB_CLEAN) !== UNCLEAN || found !== "running";
  if (!isClean && isDue && (role === ROLE_WRITER || anySlotTaken(h))) markUnclean(region);
  // Recovery is done by who has a slot, so that it can be recovered from in turn.
  closeLeftovers(region);
  let recovered = 0;
  let slot: number;
  try {
    slot = claimSlot(region, role);
  } catch (error) {
    recovered = recoverTheDead(region, OPENER);
    if (recovered === 0) throw error;
    slot = claimSlot(region, role);
  }
  announceUnfenced(h);
  recovered += recoverTheDead(region, slot);
  return { slot, report: { found, participantsRecovered: recovered, rebuild: rebuilt }, isClean };
}

/**
 * Has the disk say that the file was not closed in order, before any store is on it that makes that true. Several may be at
 * it at a time, one of them who comes, another who was there and is about to write: until the disk has it the word is
 * neither, so that each of them sees to it. Throws IO_ERROR, and nothing must be written then.
 */
export function markUnclean(region: Region): void {
  const { h } = region;
  store32(h, SB, SB_CLEAN, BECOMING_UNCLEAN);
  syncRange(h, 0, SLAB_BYTES);
  store32(h, SB, SB_CLEAN, UNCLEAN);
}

/** {@link markUnclean}, if the disk may not know it yet. */
export function ensureUnclean(region: Region): void {
  if (load32(region.h, SB, SB_CLEAN) !== UNCLEAN) markUnclean(region);
}

/** Is there a slot that is not free: of somebody alive, or to be recovered? */
function anySlotTaken(h: number): boolean {
  for (let slot = 1; slot <= slotsUsed(h); slot++) {
    if (slotState(load32(h, slotCell(slot), SLOT_WORD)) !== SLOT_FREE) return true;
  }
  return false;
}

function raiseMaxSlabs(h: number, maxSlabs: number): void {
  for (let now = load32(h, SB, SB_MAX_SLABS); now < maxSlabs; now = load32(h, SB, SB_MAX_SLABS)) {
    cas32(h, SB, SB_MAX_SLABS, now, maxSlabs);
  }
}

// ---- going -----------------------------------------------------------------------------------------------------------

/**
 * Leaves the file. The last writer syncs it, `begun` as of `syncNow`, and notes that it was closed in order, unless nobody has
 * written since it was. Throws IO_ERROR; has left then.
 */
export function part(region: Region, slot: number, role: number, begun: () => void): void {
  lockOpen(region.fd);
  try {
    adoptRecoveriesOf(region, slot, slot);
    const isClean = load32(region.h, SB, SB_CLEAN) === CLEAN && load32(region.h, SB, SB_SYNC_ERROR) === 0;
    if (role === ROLE_WRITER && !isClean && !anyoneAlive(region, slot, ROLE_WRITER)) {
      // A file that was closed in order has nothing left to redo.
      recoverTheDead(region, slot);
      // Of readers. What the disk has refused, and only they were told of, is not to be called closed in order.
      waitForSyncs(region, slot, earlierSyncs(region, slot));
      syncNow(region, slot, { onWait: (owner) => recoverSlot(region, owner, slot), begun });
      store32(region.h, SB, SB_CLEAN, CLEAN);
      syncRange(region.h, 0, SLAB_BYTES);
    }
  } finally {
    leaveSlot(region, slot);
    unlockOpen(region.fd);
  }
}
