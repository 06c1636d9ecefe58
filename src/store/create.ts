/** Making a store: a whole file appears at the path, or none. */
import { closeSync, fsyncSync, linkSync, openSync, unlinkSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { BancosError } from "../errors.ts";
import { INITIAL_SLABS, SLAB_BYTES } from "../memory/layout.ts";
import { allocate, closeFile, openFile, PlatformError, threadId } from "../memory/platform.ts";
import { emptyStore } from "../memory/superblock.ts";

/** Writes an empty store into an open, empty file, and waits until it is on the disk. */
export function writeEmptyStore(fd: number, path: string, keyEncoding: number, maxSlabs: number): void {
  try {
    allocate(fd, 0, INITIAL_SLABS * SLAB_BYTES);
    // The superblock last: a file without it is no store.
    for (const [offset, bytes] of emptyStore(keyEncoding, maxSlabs).reverse()) {
      writeSync(fd, bytes, 0, bytes.length, offset);
    }
    fsyncSync(fd);
  } catch (error) {
    throw ioError(`cannot write ${path}`, error);
  }
}

/** Makes a store at `path` unless somebody else does first: the loser's file is thrown away. */
export function createStore(path: string, keyEncoding: number, maxSlabs: number): void {
  const temporary = `${path}.${process.pid}-${threadId()}-${crypto.randomUUID().slice(0, 8)}.new`;
  let fd: number;
  try {
    fd = openFile(temporary, { write: true, create: true, exclusive: true });
  } catch (error) {
    throw ioError(`cannot create ${path}`, error);
  }
  try {
    writeEmptyStore(fd, path, keyEncoding, maxSlabs);
    try {
      linkSync(temporary, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw ioError(`cannot create ${path}`, error);
    }
  } finally {
    closeFile(fd);
    unlinkSync(temporary);
  }
  syncDirectory(path);
}

/** The directory entry is on the disk too. Not every filesystem lets a directory be synced: then it need not be. */
export function syncDirectory(path: string): void {
  try {
    const fd = openSync(dirname(path), "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "EINVAL" && code !== "EISDIR" && code !== "EACCES")
      throw ioError(`cannot sync the directory of ${path}`, error);
  }
}

/** An operating system's error as ours: NO_SPACE where there is no room, NOT_FOUND, otherwise IO_ERROR. */
export function ioError(what: string, error: unknown): BancosError {
  if (error instanceof BancosError) return error;
  const code =
    error instanceof PlatformError ? error.code : String((error as NodeJS.ErrnoException).code ?? "");
  const message = error instanceof Error ? error.message : String(error);
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    return new BancosError("NO_SPACE", `${what}: no room on the disk (${code})`, { cause: error });
  }
  if (code === "ENOENT")
    return new BancosError("NOT_FOUND", `${what}: no such file or directory`, { cause: error });
  return new BancosError("IO_ERROR", `${what}: ${message}`, { cause: error });
}
