/** Opening a file: find or make it, check it, map it, join it. */
import { fstatSync, statfsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { codecFor, encodingOf, KEY_ENCODINGS, type KeyCodec, type KeyEncoding } from "../codec/index.ts";
import { BancosError, isNoRoom } from "../errors.ts";
import { SB, SB_GATE, SLAB_BYTES } from "../memory/layout.ts";
import { native } from "../memory/native.ts";
import {
  allocate,
  closeFile,
  closeHandle,
  fileSize,
  map,
  newHandle,
  openFile,
  PlatformError,
  sleepMs,
} from "../memory/platform.ts";
import { load32 } from "../memory/primitives.ts";
import { Region } from "../memory/region.ts";
import { readSuperblock, type Superblock } from "../memory/superblock.ts";
import { Participant } from "../reclaim/participant.ts";
import { ROLE_READER, ROLE_WRITER } from "../reclaim/registry.ts";
import {
  ensureUnclean,
  join,
  lockOpen,
  look,
  mayBeShort,
  part,
  type RecoveryReport,
  unlockOpen,
} from "../recovery/lifecycle.ts";
import { rebuild } from "../recovery/rebuild.ts";
import { recoverSlot } from "../recovery/recover.ts";
import { createStore, ioError, writeEmptyStore } from "./create.ts";
import type { CheckedOptions } from "./options.ts";

/** An open file and our part in it. */
export interface Opened {
  readonly region: Region;
  readonly participant: Participant;
  readonly codec: KeyCodec;
  readonly keyEncoding: KeyEncoding;
  readonly role: number;
  readonly report: RecoveryReport;
  /** Has it a slot in the registry? Not where the file can't be opened for writing. */
  readonly registered: boolean;
}

/** Filesystems on which a shared mapping is not shared by all who map the file, by the magic number of statfs(2). */
const UNSUPPORTED = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
  [0x65735546, "FUSE"],
  [0x01021997, "9P"],
  [0x5346414f, "AFS"],
  [0x00c36400, "Ceph"],
  [0x0bd00bd0, "Lustre"],
]);

function checkFilesystem(path: string): void {
  let type: number;
  try {
    type = statfsSync(dirname(path)).type >>> 0;
  } catch {
    // What is wrong with the directory, opening the file says better.
    return;
  }
  const name = UNSUPPORTED.get(type);
  if (name === undefined) return;
  throw new BancosError(
    "UNSUPPORTED_FILESYSTEM",
    `${path} is on ${name}, where processes do not share a mapped file reliably; put it on a local filesystem, ` +
      'or open it with { force: ["filesystem"] } if only one machine and one mount use it',
  );
}

/**
 * Opens or creates the store at `path`. Throws every code that an open can meet. With `alone`: throws INVALID_OPERATION
 * if anybody else has it open, and lets nobody in until it is closed.
 */
export function openFileAsStore(pathGiven: string, options: CheckedOptions, alone = false): Opened {
  if (native.error !== null) throw native.error;
  if (typeof pathGiven !== "string" || pathGiven === "" || pathGiven.includes("\0")) {
    throw new BancosError(
      "INVALID_OPTION",
      "the path of a store must be a string that is not empty and has no NUL in it",
    );
  }
  const path = resolve(pathGiven);
  if (!options.forceFilesystem) checkFilesystem(path);
  for (let tries = 0; ; tries++) {
    const { fd, writable } = openOrCreate(path, options);
    // The handle first: should this Worker be terminated from here on, its process finds the descriptor by it.
    let h = 0;
    try {
      h = newHandle(fd);
      if (!writable) return lookAtFile(fd, h, path, options);
      lockOpen(fd);
      // While we waited for the lock, `compact` may have put another file in its place.
      if (tries < MOST_TRIES && !isStillAt(path, fd)) {
        closeHandle(h);
        continue;
      }
      const opened = joinFile(fd, h, path, options, alone);
      if (!alone) unlockOpen(fd);
      return opened;
    } catch (error) {
      // With the descriptor go its locks.
      if (h !== 0) closeHandle(h);
      else closeFile(fd);
      throw error instanceof PlatformError ? ioError(`cannot open ${path}`, error) : error;
    }
  }
}

const MOST_TRIES = 10;

function isStillAt(path: string, fd: number): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  const here = fstatSync(fd);
  return there !== undefined && there.ino === here.ino && there.dev === here.dev;
}

/** Errors that say: not for writing. */
const NOT_WRITABLE: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS"]);

/** Readers open a file for writing too, where they may: their slot in the registry is what keeps memory from reuse. */
function openOrCreate(path: string, options: CheckedOptions): { fd: number; writable: boolean } {
  const create = options.create && !options.readOnly;
  for (let tries = 0; ; tries++) {
    try {
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
        throw new BancosError("NOT_A_STORE", `${path} is a directory`);
      }
      return { fd: openFile(path, { write: true }), writable: true };
    } catch (error) {
      if (!(error instanceof PlatformError)) throw ioError(`cannot open ${path}`, error);
      if (NOT_WRITABLE.has(error.code)) {
        if (options.readOnly) return { fd: openToRead(path), writable: false };
        throw ioError(`cannot open ${path} for writing; { readOnly: true } reads it as it is`, error);
      }
      if (error.code !== "ENOENT" || tries > 10) throw ioError(`cannot open ${path}`, error);
      if (!create) {
        throw new BancosError("NOT_FOUND", `there is no file ${path}, and it is not to be created`, {
          cause: error,
        });
      }
      createStore(path, codecFor(options.keyEncoding ?? "utf8").id, options.maxSlabs);
    }
  }
}

function openToRead(path: string): number {
  try {
    return openFile(path, {});
  } catch (error) {
    throw ioError(`cannot open ${path}`, error);
  }
}

function joinFile(fd: number, h: number, path: string, options: CheckedOptions, alone: boolean): Opened {
  if (fileSize(fd) === 0) {
    if (options.readOnly || !options.create) {
      throw new BancosError(
        "NOT_A_STORE",
        `${path} is empty; open it for writing, with create, to make it a store`,
      );
    }
    writeEmptyStore(fd, path, codecFor(options.keyEncoding ?? "utf8").id, options.maxSlabs);
  }
  const superblock = readSuperblock(fd, path, () => fileSize(fd), mayBeShort);
  const keyEncoding = checkEncoding(superblock, path, options);
  if (superblock.isShort) {
    try {
      allocate(fd, 0, superblock.capacity * SLAB_BYTES);
    } catch (error) {
      throw ioError(`cannot give ${path} its length back`, error);
    }
  }
  const region = new Region(
    path,
    fd,
    h,
    isPersistentMemory(fd) ? "sync" : "shared",
    superblock.capacity,
    Math.max(superblock.maxSlabs, options.maxSlabs, fileSize(fd) / SLAB_BYTES),
  );
  if (options.forcePersistentMemory) region.persists = true;
  const role = options.readOnly ? ROLE_READER : ROLE_WRITER;
  const { slot, report, isClean } = join(region, role, options.maxSlabs, options.rebuild, rebuild, alone);
  const participant = new Participant(
    region,
    slot,
    superblock.root,
    (holder) => recoverSlot(region, holder, slot),
    (round) => {
      if (round > 100) sleepMs(0.1);
      // The gate is shut for a moment only, unless who shut it is dead.
      if (round % 256 === 255) recoverSlot(region, load32(region.h, SB, SB_GATE), slot);
    },
  );
  if (role === ROLE_READER) participant.unclean = false;
  else {
    participant.unclean =
      !isClean || alone || !participant.limbo.isReserved || !participant.waiting.isReserved;
    if (participant.unclean) {
      ensureUnclean(region);
      reserveForDeletes(participant);
    }
  }
  return { region, participant, codec: codecFor(keyEncoding), keyEncoding, role, report, registered: true };
}

/**
 * Runs `use` with a descriptor of the file and a handle for it, both for this alone. Two handles must not share a
 * descriptor: whoever closes what a terminated Worker left closes it with each of them.
 */
function withOwnHandle<T>(fd: number, write: boolean, use: (fd: number, h: number) => T): T {
  const own = openFile(`/proc/self/fd/${fd}`, { write });
  let h = 0;
  try {
    h = newHandle(own);
    return use(own, h);
  } finally {
    if (h !== 0) closeHandle(h);
    else closeFile(own);
  }
}

/** Does the filesystem keep the file in persistent memory, mapped without a page cache? Then it accepts MAP_SYNC. */
function isPersistentMemory(fd: number): boolean {
  try {
    withOwnHandle(fd, true, (_, h) => map(h, SLAB_BYTES, "sync"));
    return true;
  } catch {
    return false;
  }
}

/** The slot that somebody alone with a private mapping acts as: not the one that has the number of keys. */
const PRIVATE_SLOT = 2;

/**
 * Opens a file that can't be opened for writing. Nothing of it is written, no slot taken: nobody knows of us, so that
 * it is safe only while nobody writes. Where the tree must be rebuilt that happens in memory.
 */
function lookAtFile(fd: number, h: number, path: string, options: CheckedOptions): Opened {
  const superblock = readSuperblock(fd, path, () => fileSize(fd));
  const keyEncoding = checkEncoding(superblock, path, options);
  const reserved = Math.max(superblock.maxSlabs, fileSize(fd) / SLAB_BYTES);
  const found = withOwnHandle(fd, false, (own, forNow) =>
    look(new Region(path, own, forNow, "sharedReadOnly", superblock.capacity, reserved)),
  );
  const mustRebuild = options.rebuild || found === "copied" || found === "rebooted";
  const mode = mustRebuild ? "private" : "sharedReadOnly";
  const region = new Region(path, fd, h, mode, superblock.capacity, reserved);
  const rebuilt = mustRebuild ? rebuild(region, false) : null;
  const noWait = (): void => {
    throw new Error("who can't write waits for no lock");
  };
  const slot = mustRebuild ? PRIVATE_SLOT : 0;
  const participant = new Participant(region, slot, superblock.root, noWait, noWait);
  const report: RecoveryReport = { found, participantsRecovered: 0, rebuild: rebuilt };
  const codec = codecFor(keyEncoding);
  return { region, participant, codec, keyEncoding, role: ROLE_READER, report, registered: false };
}

/** Before the first store to anything but the superblock and the registry. Throws IO_ERROR, and nothing is written then. */
export function beginToWrite({ region, participant }: Opened): void {
  try {
    ensureUnclean(region);
  } catch (error) {
    throw ioError(`cannot write ${region.path}`, error);
  }
  participant.unclean = true;
}

/** A delete takes room in limbo. Taken now, it is there when the store is full. */
function reserveForDeletes(participant: Participant): void {
  try {
    participant.limbo.reserve();
    participant.waiting.reserve();
    // Who only reads need not keep the rest of the slab from the next to open.
    participant.heap.abandon();
  } catch (error) {
    if (!isNoRoom(error)) throw error;
  }
}

function checkEncoding(superblock: Superblock, path: string, options: CheckedOptions): KeyEncoding {
  const kept = encodingOf(superblock.keyEncoding);
  if (kept === undefined) {
    throw new BancosError("VERSION", `${path} has a key encoding that this version of bancos does not know`);
  }
  if (options.keyEncoding !== undefined && options.keyEncoding !== kept) {
    throw new BancosError(
      "KEY_ENCODING",
      `${path} keeps its keys in the encoding "${kept}", not "${options.keyEncoding}"; leave the option out to use the file's own (there are ${KEY_ENCODINGS.join(", ")})`,
    );
  }
  return kept;
}

/** Leaves the file and closes it. Throws IO_ERROR if the last sync fails; it is closed then all the same. */
export function closeOpened(opened: Opened): void {
  const { region, participant, role, registered } = opened;
  try {
    // With a change half done the slot is left to whoever recovers it.
    if (registered && !participant.announced) {
      participant.heap.abandon();
      part(region, participant.slot, role, () => participant.heap.pages.letGo());
    }
  } catch (error) {
    throw error instanceof PlatformError ? ioError(`cannot close ${region.path} in order`, error) : error;
  } finally {
    region.close();
  }
}
