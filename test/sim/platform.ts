/** `src/memory/platform.ts` on the simulated machine: the same exports. Calls with an effect are steps too. */
import { lifeByte, SLOTS } from "../../src/memory/layout.ts";
import { FILE_BYTES, type Mapping, machine, mappingOf, NO_SCRATCH, WouldWait } from "./machine.ts";

export { monotonicNs, yieldThread } from "./primitives.ts";

export class PlatformError extends Error {
  override readonly name = "PlatformError";
  readonly syscall: string;
  readonly errno: number;
  readonly code: string;
  constructor(syscall: string, errno: number, code = `E${errno}`) {
    super(`${syscall} failed: ${code}`);
    this.syscall = syscall;
    this.errno = errno;
    this.code = code;
  }
}

export const HANDLES = 1024;

export interface OpenFlags {
  readonly write?: boolean;
  readonly create?: boolean;
  readonly exclusive?: boolean;
  readonly synced?: boolean;
}

// What is no word of the file has a number of its own, for the footprints.
const TABLE = 0;
const SIZE = 1;
const DISK = 2;
const THREADS = 3;
const LOCKS = 16;
const lockOf = (byte: number): number => LOCKS + (byte - lifeByte(0));

/** A step about the thing with number `what`. */
function step(store: boolean, what: number): void {
  machine.step(store);
  machine.trace(FILE_BYTES + what * 4, 4, store);
}

export function openFile(_path: string, _flags: OpenFlags, _mode?: number): number {
  step(true, TABLE);
  return machine.open();
}

export function closeFile(fd: number): void {
  step(true, TABLE);
  machine.close(fd);
}

export function fileSize(_fd: number): number {
  step(false, SIZE);
  return machine.size;
}

export function fileBlocks(_fd: number): number {
  step(false, SIZE);
  return machine.size;
}

export interface FileIdentity {
  readonly dev: number;
  readonly ino: number;
  readonly birthNs: number;
}

export function fileIdentity(_fd: number): FileIdentity {
  step(false, TABLE);
  return { dev: 1, ino: 2, birthNs: 3 };
}

export function allocate(_fd: number, off: number, len: number): void {
  step(true, SIZE);
  if (off + len > FILE_BYTES) throw new PlatformError("fallocate", 28, "ENOSPC");
  machine.size = Math.max(machine.size, off + len);
}

export function truncate(_fd: number, len: number): void {
  step(true, SIZE);
  if (len < machine.size) {
    machine.touch(len, machine.size - len);
    machine.bytes.fill(0, len, machine.size);
  }
  machine.size = len;
}

export function syncFile(_fd: number): void {
  step(true, DISK);
  machine.onSync?.(0, FILE_BYTES);
}

// ---- locks -----------------------------------------------------------------------------------------------------------

export function lockByte(fd: number, byte: number, _kind: "read" | "write", wait: boolean): boolean {
  step(true, lockOf(byte));
  const holder = machine.locks.get(byte);
  if (holder === undefined || holder === fd) {
    machine.locks.set(byte, fd);
    const slot = byte - lifeByte(0);
    if (slot >= 1 && slot <= SLOTS) machine.slotOwner[slot] = machine.current.tid;
    return true;
  }
  if (!wait) return false;
  if (machine.depth === 0) machine.violate(`a wait for the lock of byte ${byte} does not end`);
  throw new WouldWait();
}

export function unlockByte(fd: number, byte: number): void {
  step(true, lockOf(byte));
  if (machine.locks.get(byte) === fd) machine.locks.delete(byte);
}

export function lockHeld(fd: number, byte: number): boolean {
  step(false, lockOf(byte));
  const holder = machine.locks.get(byte);
  return holder !== undefined && holder !== fd;
}

/** A lock of a range is kept as one of its first byte; its length beside it. */
export function lockRange(fd: number, byte: number, length: number): boolean {
  if (!lockByte(fd, byte, "write", false)) return false;
  machine.lockLengths.set(byte, length);
  return true;
}

export function unlockRange(fd: number, byte: number, length: number): void {
  step(true, lockOf(byte));
  for (const [held, holder] of machine.locks) {
    if (holder === fd && held >= byte && held < byte + length) machine.locks.delete(held);
  }
}

export function rangeHeld(fd: number, byte: number): number {
  return lockHeld(fd, byte) ? (machine.lockLengths.get(byte) ?? 1) : 0;
}

// ---- mappings ----------------------------------------------------------------------------------------------------------

export type MapMode = "shared" | "sharedReadOnly" | "private" | "sync";

export function newHandle(fd: number): number {
  step(true, TABLE);
  const mapping: Mapping = {
    fd,
    thread: machine.current,
    used: true,
    limit: 0,
    reserved: 0,
    scratch: NO_SCRATCH,
  };
  let h = 1;
  while (machine.mappings[h]?.used === true) h++;
  machine.mappings[h] = mapping;
  return h;
}

export function map(h: number, reservedBytes: number, mode: MapMode): void {
  step(false, TABLE);
  if (mode === "sync") throw new PlatformError("mmap", 95, "EOPNOTSUPP");
  const mapping = mappingOf(h);
  if (mapping !== undefined) mapping.reserved = reservedBytes;
}

export function setLimit(h: number, bytes: number): void {
  step(false, TABLE);
  const mapping = mappingOf(h);
  if (mapping !== undefined) mapping.limit = bytes;
}

export function unmapHandle(h: number): void {
  step(true, TABLE);
  const mapping = machine.mappings[h];
  if (mapping !== undefined) mapping.used = false;
}

/** One step, as one call of C is: a Worker is terminated before it or after it. */
export function closeHandle(h: number): void {
  step(true, TABLE);
  const mapping = machine.mappings[h];
  if (mapping?.used !== true) throw new PlatformError("closeHandle", 22, "EINVAL");
  mapping.used = false;
  machine.close(mapping.fd);
}

export function takeHandle(h: number, tid: number): boolean {
  step(true, TABLE);
  const mapping = machine.mappings[h];
  if (mapping === undefined || !mapping.used || mapping.thread.tid !== tid) return false;
  mapping.thread = machine.current;
  return true;
}

export interface HandleInfo {
  readonly fd: number;
  readonly tid: number;
  readonly used: boolean;
  readonly limit: number;
  readonly reserved: number;
}

export function handleInfo(h: number): HandleInfo {
  if (machine.current.dead) machine.step(false);
  machine.trace(FILE_BYTES + TABLE * 4, 4, false);
  const mapping = mappingOf(h);
  if (mapping === undefined) return { fd: 0, tid: 0, used: false, limit: 0, reserved: 0 };
  const { fd, thread, used, limit, reserved } = mapping;
  return { fd, tid: thread.tid, used, limit, reserved };
}

export function syncRange(_h: number, off: number, len: number): void {
  step(true, DISK);
  machine.onSync?.(off, len);
}

export function populate(_h: number, _cell: number, _length: number): void {}

export function prefault(_array: Int32Array): void {}

export function letGo(_h: number, _cell: number, _length: number): void {}

export function writeBack(_h: number, _cell: number, _length: number): void {}

export function checkWritten(_fd: number): void {}

// ---- time, threads, machine --------------------------------------------------------------------------------------------

export function sleepMs(ms: number): void {
  machine.wait(ms);
}

export function futexWait(): "woken" | "changed" | "timedOut" {
  machine.wait(1);
  return "timedOut";
}

export function futexWake(): number {
  return 0;
}

export function threadId(): number {
  return machine.current.tid;
}

export function threadStartTime(_pid: number, tid: number): number {
  step(false, THREADS);
  const thread = machine.threads.find((one) => one.tid === tid);
  return thread === undefined || thread.dead ? 0 : tid;
}

/** No descriptors but those in the table of handles. */
export function openDescriptors(): number[] {
  return [];
}

export function bootId(): string {
  return `boot ${machine.boot}`;
}

export function pidNamespace(): number {
  return 7;
}

export type CpuFeature = "clwb" | "clflushopt" | "clflush" | "dc cvac";

export function cpuFeature(): CpuFeature {
  return "clflush";
}
