/**
 * The operating system: files, locks, mappings, threads, clocks. Each function makes one system call or reads one
 * file of /proc, and throws a {@link PlatformError} where that fails; callers turn it into a `BancosError`.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { constants } from "node:os";
import { symbols } from "./native.ts";
import { releaseScratch } from "./primitives.ts";

/** A system call that failed. */
export class PlatformError extends Error {
  override readonly name = "PlatformError";
  /** The call, as its manual page is named. */
  readonly syscall: string;
  /** The positive error number. */
  readonly errno: number;
  /** Its name, such as `ENOSPC`. */
  readonly code: string;

  constructor(syscall: string, errno: number) {
    const code = ERRNO_NAMES.get(errno) ?? `E${errno}`;
    super(`${syscall} failed: ${code}`);
    this.syscall = syscall;
    this.errno = errno;
    this.code = code;
  }
}

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  // EWOULDBLOCK and EOPNOTSUPP share their numbers with EAGAIN and ENOTSUP: the first name listed wins.
  Object.entries(constants.errno)
    .reverse()
    .map(([name, number]): [number, string] => [number, name]),
);

const EINTR = 4;
const EAGAIN = 11;
const EINVAL = 22;
const ETIMEDOUT = 110;

/** `result`, unless it is a negated error number. */
function check(syscall: string, result: number): number {
  if (result < 0) throw new PlatformError(syscall, -result);
  return result;
}

/** How many mappings a process can have at a time, and one more: handle 0 is never given out. */
export const HANDLES = 1024;

// ---- Files ----

/** What {@link openFile} may do. Without any, the file is opened for reading. */
export interface OpenFlags {
  readonly write?: boolean;
  /** Create the file if it is not there. */
  readonly create?: boolean;
  /** With `create`: fail with `EEXIST` if it is there. */
  readonly exclusive?: boolean;
  /** What is written by way of the descriptor is on the disk when the call returns. */
  readonly synced?: boolean;
}

/**
 * Opens a file, closed on exec.
 * @param mode permission bits of a new file, before the umask
 * @returns the descriptor
 */
export function openFile(path: string, flags: OpenFlags, mode = 0o666): number {
  if (path === "" || path.includes("\0")) throw new PlatformError("open", EINVAL);
  const bits =
    (flags.write ? 1 : 0) | (flags.create ? 2 : 0) | (flags.exclusive ? 4 : 0) | (flags.synced ? 8 : 0);
  return check("open", symbols.bancos_open(new TextEncoder().encode(`${path}\0`), bits, mode));
}

/** Closes a descriptor, and with the last one of its description frees the locks. */
export function closeFile(fd: number): void {
  check("close", symbols.bancos_close(fd));
}

const status = new Float64Array(5);

function statusField(fd: number, index: number): number {
  check("statx", symbols.bancos_stat(fd, status));
  return status[index] as number;
}

/** Length of the file in bytes. */
export function fileSize(fd: number): number {
  return statusField(fd, 0);
}

/** Bytes of disk blocks behind the file. */
export function fileBlocks(fd: number): number {
  return statusField(fd, 1);
}

/** What tells one file from another while it exists. */
export interface FileIdentity {
  readonly dev: number;
  readonly ino: number;
  /** Time of birth in nanoseconds since 1970, rounded to a double; 0 where the filesystem keeps none. */
  readonly birthNs: number;
}

/** Device, inode and time of birth of the file: a path that was replaced gives another answer. */
export function fileIdentity(fd: number): FileIdentity {
  const dev = statusField(fd, 2);
  return { dev, ino: status[3] as number, birthNs: status[4] as number };
}

/** Backs `len` bytes from `off` by blocks, and lengthens the file to hold them; `ENOSPC` if there is no room. */
export function allocate(fd: number, off: number, len: number): void {
  check("fallocate", symbols.bancos_allocate(fd, off, len));
}

/** Sets the length of the file in bytes; new bytes are a hole. */
export function truncate(fd: number, len: number): void {
  check("ftruncate", symbols.bancos_truncate(fd, len));
}

/** Waits until the data of the file is on the disk (fdatasync). */
export function syncFile(fd: number): void {
  check("fdatasync", symbols.bancos_syncFile(fd));
}

/** The descriptors that this process has open; none where /proc does not tell. */
export function openDescriptors(): number[] {
  try {
    return readdirSync("/proc/self/fd").map(Number);
  } catch {
    return [];
  }
}

// ---- Locks of an open file description: two opens of one file conflict, in one process too ----

/**
 * Locks one byte of the file, which need not exist. A second lock by the same descriptor replaces the first.
 * @param wait whether to block this thread until it is free
 * @returns false if another description holds it and `wait` is false
 * @throws PlatformError `EBADF` for a write lock by a descriptor opened for reading
 */
export function lockByte(fd: number, byte: number, kind: "read" | "write", wait: boolean): boolean {
  return check("fcntl", symbols.bancos_lock(fd, byte, kind === "write" ? 1 : 0, wait ? 1 : 0)) === 1;
}

/** Gives up this descriptor's lock of the byte; no harm if there is none. */
export function unlockByte(fd: number, byte: number): void {
  check("fcntl", symbols.bancos_unlock(fd, byte));
}

/** Whether another description holds a write lock of the byte. */
export function lockHeld(fd: number, byte: number): boolean {
  return check("fcntl", symbols.bancos_lockHeld(fd, byte)) === 1;
}

/**
 * Write-locks `length` bytes from `byte`; how many tells others who has them.
 * @returns false if another description has some of them
 */
export function lockRange(fd: number, byte: number, length: number): boolean {
  return check("fcntl", symbols.bancos_lockRange(fd, byte, length)) === 1;
}

/** Gives up this descriptor's locks within `length` bytes from `byte`; no harm if there are none. */
export function unlockRange(fd: number, byte: number, length: number): void {
  check("fcntl", symbols.bancos_unlockRange(fd, byte, length));
}

/** The length of another description's write lock that holds `byte`; 0 if nobody does. */
export function rangeHeld(fd: number, byte: number): number {
  return check("fcntl", symbols.bancos_rangeHeld(fd, byte));
}

// ---- Mappings ----

/**
 * Claims an entry of the process's table of mappings for the open file.
 * @throws PlatformError `EMFILE` if all {@link HANDLES} - 1 are taken
 */
export function newHandle(fd: number): number {
  return check("newHandle", symbols.bancos_newHandle(fd));
}

const MODES = { shared: 0, sharedReadOnly: 1, private: 2, sync: 3 } as const;

/** `private` keeps stores from the file; `sync` is a mapping of persistent memory (MAP_SYNC, `EOPNOTSUPP` elsewhere). */
export type MapMode = keyof typeof MODES;

/**
 * Reserves address space over the handle's file from its start. Nothing is accessible before {@link setLimit}. A handle
 * that is mapped already moves to a larger mapping; `EINVAL` if it would not be larger.
 */
export function map(h: number, reservedBytes: number, mode: MapMode): void {
  check("mmap", symbols.bancos_map(h, reservedBytes, MODES[mode]));
}

/** Says how many bytes are backed by blocks, and so accessible. `EINVAL` above what {@link map} reserved. */
export function setLimit(h: number, bytes: number): void {
  check("setLimit", symbols.bancos_setLimit(h, bytes));
}

/** Unmaps and frees the handle; later accesses through it are out of range. The descriptor stays open. */
export function unmapHandle(h: number): void {
  check("munmap", symbols.bancos_unmap(h));
  releaseScratch(h);
}

/**
 * Unmaps, closes the descriptor and gives the entry back, in one call: a Worker that is terminated meanwhile leaves
 * either all of it, for others to find in the table, or nothing.
 */
export function closeHandle(h: number): void {
  check("close", symbols.bancos_closeHandle(h));
  releaseScratch(h);
}

/**
 * Makes the handle of thread `tid` of this process, which is gone, this thread's own. False: it is another's by now.
 */
export function takeHandle(h: number, tid: number): boolean {
  return symbols.bancos_takeHandle(h, tid) === 1;
}

/** An entry of the table of mappings. */
export interface HandleInfo {
  readonly fd: number;
  /** The thread that claimed it. */
  readonly tid: number;
  readonly used: boolean;
  readonly limit: number;
  readonly reserved: number;
}

/** What the handle stands for; zeros if it is free. With TinyCC each Worker has a table of its own. */
export function handleInfo(h: number): HandleInfo {
  const field = (what: number): number => symbols.bancos_handleInfo(h, what);
  return { fd: field(1), tid: field(2), used: field(0) === 1, limit: field(3), reserved: field(4) };
}

/** Waits until the bytes of a mapped range are on the disk (msync). */
export function syncRange(h: number, off: number, len: number): void {
  check("msync", symbols.bancos_syncRange(h, off, len));
}

/**
 * `length` bytes from `cell`, the start of a slab, are about to be written, nearly all of their pages: spares a page fault
 * for each where the kernel knows how (Linux 5.14). Changes nothing.
 */
export function populate(h: number, cell: number, length: number): void {
  symbols.bancos_populate(h, cell, length);
}

/** The same for `array`, in plain memory, that is about to be written in no order. */
export function prefault(array: Int32Array): void {
  symbols.bancos_prefault(array, array.byteLength);
}

/**
 * Gives back `length` bytes of pages from `cell`, the start of a slab: this process takes them from the file again when it
 * next touches them. Nothing that was stored is lost. Does nothing to a mapping that is not "shared".
 */
export function letGo(h: number, cell: number, length: number): void {
  symbols.bancos_letGo(h, cell, length);
}

/**
 * Begins to write `length` bytes of the file from `cell` to the disk (sync_file_range), if the kernel can. Waits for
 * nothing but room in the disk's queue, and promises nothing.
 */
export function writeBack(h: number, cell: number, length: number): void {
  symbols.bancos_writeBack(h, cell, length);
}

/**
 * Throws PlatformError if the disk has failed to write a page of the file, and that was not said by way of this descriptor
 * before. The kernel tells each open file description of an error once, but one that was opened after somebody else was
 * told hears nothing of it. Waits for nothing.
 */
export function checkWritten(fd: number): void {
  check("sync_file_range", symbols.bancos_writeError(fd));
}

// ---- Time and waiting ----

export { monotonicNs, yieldThread } from "./primitives.ts";

/** Blocks this thread for so many milliseconds; fractions count. */
export const sleepMs: (ms: number) => void = symbols.bancos_sleepMs;

/**
 * Blocks this thread while the 32-bit word is `expected`, until {@link futexWake} in any process.
 * @param timeoutMs at most so long; negative or infinite: for ever
 * @returns "woken" may come without cause: look at the word again. "changed": it had another value already.
 * @throws PlatformError `EINVAL` if out of range
 */
export function futexWait(
  h: number,
  cell: number,
  off: number,
  expected: number,
  timeoutMs: number,
): "woken" | "changed" | "timedOut" {
  const limit = timeoutMs < 1e12 ? timeoutMs : -1;
  const result = -symbols.bancos_futexWait(h, cell, off, expected, limit);
  if (result === EAGAIN) return "changed";
  if (result === ETIMEDOUT) return "timedOut";
  if (result > 0 && result !== EINTR) throw new PlatformError("futex", result);
  return "woken";
}

/** Wakes up to `count` waiters of the word, in any process, and returns how many there were. */
export function futexWake(h: number, cell: number, off: number, count: number): number {
  return check("futex", symbols.bancos_futexWake(h, cell, off, count));
}

// ---- Threads, processes, machine ----

/** The kernel's number of this thread; in the main thread it is the process id. */
export const threadId: () => number = symbols.bancos_threadId;

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Whether there is a process of this number, as far as signals tell. */
function signalReaches(pid: number): "yes" | "no" | "unknown" {
  try {
    process.kill(pid, 0);
    return "yes";
  } catch (error) {
    return codeOf(error) === "ESRCH" ? "no" : "unknown";
  }
}

function readable(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * When the thread started, in clock ticks since the machine did. With its number this names a thread for good, since
 * a number is used again only later. About 15 µs.
 * @returns 0 if the thread is gone or dead, -1 if that cannot be found out (no /proc, or it hides other users):
 * it must then be taken for alive
 */
export function threadStartTime(pid: number, tid: number): number {
  if (!(pid > 0 && tid > 0)) return 0;
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/task/${tid}/stat`, "latin1");
  } catch (error) {
    const code = codeOf(error);
    if (code !== "ENOENT" && code !== "ESRCH") return -1;
    // ENOENT proves nothing where /proc is not mounted, or mounted with hidepid.
    if (signalReaches(pid) === "no") return 0;
    return readable(`/proc/${pid}/stat`) ? 0 : -1;
  }
  // The second field is the program's name, in parentheses; it may hold spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  if (state === "Z" || state === "X" || state === "x") return 0;
  const start = Number(fields[19]);
  return Number.isSafeInteger(start) && start >= 0 ? Math.max(start, 1) : -1;
}

/** A name of this run of the machine, another after each restart; empty where the kernel does not tell. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "";
  }
}

/** The number of the process-id namespace (containers have their own); 0 where the kernel does not tell. */
export function pidNamespace(): number {
  try {
    return Number(/\[(\d+)\]/.exec(readlinkSync("/proc/self/ns/pid"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** The instruction that `persist` uses to write a cache line back. */
export type CpuFeature = "clwb" | "clflushopt" | "clflush" | "dc cvac";

/** The instruction that `persist` uses on this processor. */
export function cpuFeature(): CpuFeature {
  return (
    (["clwb", "clflushopt", "clflush", "dc cvac"] as const)[symbols.bancos_cpuFeature() - 1] ?? "clflush"
  );
}
