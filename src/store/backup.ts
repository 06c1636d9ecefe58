/** Copies of a store, each a whole new file or none: backup and compact. */
import { fchmodSync, fchownSync, fstatSync, fsync, linkSync, renameSync, unlinkSync } from "node:fs";
import { BancosError } from "../errors.ts";
import { INITIAL_SLABS, SB, SB_MAX_SLABS } from "../memory/layout.ts";
import { closeFile, newHandle, openFile, threadId, unmapHandle } from "../memory/platform.ts";
import { load32 } from "../memory/primitives.ts";
import { Region } from "../memory/region.ts";
import { beginBackup, type CopyProgress, copyStore, endBackup, NOW, type Point } from "../recovery/backup.ts";
import { ioError, syncDirectory, writeEmptyStore } from "./create.ts";
import { closeOpened, type Opened, openFileAsStore } from "./open.ts";
import { checkOptions } from "./options.ts";

/**
 * Options of {@link compact} and {@link repair}.
 *
 * @example
 * ```ts
 * import { type CopyOptions, compact, open } from "bancos";
 * open("a.bancos").set("key", 1).close();
 * const options: CopyOptions = { onProgress: (share) => share, signal: AbortSignal.timeout(60_000) };
 * console.log((await compact("a.bancos", options)).keys); // → 1
 * ```
 */
export interface CopyOptions {
  /** Called now and then: how much is done, 0 to 1, and how many keys. */
  onProgress?: (share: number, keys: number) => void;
  /** Stops the work; the promise is rejected with the signal's reason, and no file appears. */
  signal?: AbortSignal;
  /** As of {@link OpenOptions}. */
  force?: readonly "filesystem"[];
}

/** What {@link compact} made. */
export interface CopyReport {
  /** Keys in the copy. */
  readonly keys: number;
  /** Bytes of the file that was copied. */
  readonly before: number;
  /** Bytes of the copy. */
  readonly after: number;
}

/** For so long a backup tries to find a moment at which nobody is in the middle of a change. */
const MOST_TRIES_MS = 30_000;

/** A file that takes its name when it is complete. */
export class NewFile {
  readonly region: Region;
  readonly fd: number;
  private readonly temporary: string;
  private readonly path: string;
  private named = false;

  constructor(path: string, keyEncoding: number, maxSlabs: number) {
    this.path = path;
    this.temporary = `${path}.${process.pid}-${threadId()}-${crypto.randomUUID().slice(0, 8)}.new`;
    try {
      this.fd = openFile(this.temporary, { write: true, create: true, exclusive: true });
    } catch (error) {
      throw ioError(`cannot create ${path}`, error);
    }
    let h = 0;
    try {
      writeEmptyStore(this.fd, path, keyEncoding, maxSlabs);
      h = newHandle(this.fd);
      this.region = new Region(path, this.fd, h, "shared", INITIAL_SLABS, maxSlabs);
    } catch (error) {
      if (h !== 0) unmapHandle(h);
      closeFile(this.fd);
      unlinkSync(this.temporary);
      throw error;
    }
  }

  /** Puts it on the disk and gives it its name: a new one, or, with `replace`, that of the file that is there. */
  async complete(replace: boolean): Promise<void> {
    try {
      await new Promise<void>((done, failed) =>
        fsync(this.fd, (error) => (error === null ? done() : failed(error))),
      );
      if (replace) {
        renameSync(this.temporary, this.path);
        this.named = true;
      } else {
        linkSync(this.temporary, this.path);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") throw exists(this.path);
      throw ioError(`cannot write ${this.path}`, error);
    }
    syncDirectory(this.path);
  }

  /** Closes it; it is gone if it was not completed. */
  close(): void {
    this.region.close();
    if (!this.named) unlinkSync(this.temporary);
    this.named = true;
  }
}

function exists(path: string): BancosError {
  return new BancosError(
    "INVALID_OPERATION",
    `${path} exists already, and a copy replaces no file; give another path, or remove it`,
  );
}

/** Drives the steps of some work, and lets everything else run between two of them. */
export async function drive<T>(
  steps: Generator<CopyProgress, T>,
  options: CopyOptions,
  check: () => void = () => {},
): Promise<T> {
  for (;;) {
    options.signal?.throwIfAborted();
    check();
    const step = steps.next();
    if (step.done === true) return step.value;
    options.onProgress?.(step.value.share, step.value.keys);
    await new Promise<void>((done) => setImmediate(done));
  }
}

/** Writes a copy of the store at `point` to the new file `path`. */
async function copyTo(
  opened: Opened,
  point: Point,
  path: string,
  replace: boolean,
  options: CopyOptions,
  check?: () => void,
): Promise<CopyReport> {
  const { region, codec } = opened;
  const file = new NewFile(path, codec.id, load32(region.h, SB, SB_MAX_SLABS));
  try {
    const keys = await drive(copyStore(region, point, file.region), options, check);
    if (replace) {
      const { mode, uid, gid } = fstatSync(region.fd);
      fchmodSync(file.fd, mode & 0o7777);
      try {
        fchownSync(file.fd, uid, gid);
      } catch {
        // Only the superuser may give files away.
      }
    }
    await file.complete(replace);
    return { keys, before: fstatSync(region.fd).size, after: fstatSync(file.fd).size };
  } finally {
    file.close();
  }
}

/**
 * A backup of an open store into the new file `path`. `isOpen` says whether the store still is: closing it ends the
 * backup.
 */
export async function backupTo(
  opened: Opened,
  path: string,
  isOpen: () => boolean,
  options: CopyOptions = {},
): Promise<CopyReport> {
  checkIsNew(path);
  const { region, participant } = opened;
  const check = (): void => {
    if (!isOpen()) throw new BancosError("CLOSED", `the store ${region.path} was closed during the backup`);
  };
  // Without a slot there is no gate to shut: nobody writes, as whoever opened the file so has to see to.
  if (!opened.registered) return copyTo(opened, NOW, path, false, options, check);
  const { slot } = participant;
  let point: Point | null = null;
  const until = performance.now() + MOST_TRIES_MS;
  for (let pause = 1; ; pause = Math.min(pause * 2, 200)) {
    check();
    point = beginBackup(region, slot);
    if (point !== null) break;
    if (performance.now() > until) {
      throw new BancosError(
        "INVALID_OPERATION",
        `${region.path} can't be backed up now: another backup is under way, or a participant is stopped in the ` +
          "middle of a change (`bancos info` lists them)",
      );
    }
    options.signal?.throwIfAborted();
    await Bun.sleep(pause);
  }
  try {
    return await copyTo(opened, point, path, false, options, check);
  } finally {
    if (isOpen()) endBackup(region, slot);
  }
}

/** Throws INVALID_OPERATION if there is a file at `path`. */
export function checkIsNew(path: string): void {
  let fd: number;
  try {
    fd = openFile(path, {});
  } catch {
    return;
  }
  closeFile(fd);
  throw exists(path);
}

/**
 * Puts a compact copy of the store in the place of the file. Nobody else may have it open; who comes meanwhile waits.
 * Killed at any moment, it leaves the old file or the new one.
 *
 * Cost: a pass over everything, room for the copy beside the file, and one sync.
 *
 * @throws BancosError `NOT_FOUND`, `INVALID_OPERATION` if others have it open, `NO_SPACE`, `IO_ERROR`, `CORRUPT`, and
 * what else `open` throws; or the reason of `options.signal`
 *
 * @example
 * ```ts
 * import { compact, open } from "bancos";
 * const store = open<string>("live.bancos");
 * for (let i = 0; i < 20_000; i++) store.set(`key ${i}`, "x".repeat(100));
 * for (let i = 1; i < 20_000; i++) store.delete(`key ${i}`);
 * store.close();
 * const { keys, before, after } = await compact("live.bancos");
 * console.log(keys, after < before); // → 1 true
 * ```
 */
export async function compact(path: string, options: CopyOptions = {}): Promise<CopyReport> {
  const checked = checkOptions({
    create: false,
    flushEvery: 0,
    ...(options.force === undefined ? {} : { force: options.force }),
  });
  const opened = openFileAsStore(path, checked, true);
  try {
    return await copyTo(opened, NOW, opened.region.path, true, options);
  } finally {
    closeOpened(opened);
  }
}
