/** Clocks and what is made of their figures. */
import { fullGC } from "bun:jsc";
import { readFileSync, writeFileSync } from "node:fs";

/** One measurement: nanoseconds an operation, by the wall, and by the processors (all threads, collector included). */
export interface Figure {
  readonly wall: number;
  readonly cpu: number;
}

/**
 * Times `run`, which does `operations` operations, after a garbage collection. Not `Bun.gc(true)`: that gives the heap's free
 * memory back to the system as well, which no running program does, and whoever makes strings then waits for page faults
 * rather than for a store (half of the time of every scan, of every store).
 */
export async function time(operations: number, run: () => unknown): Promise<Figure> {
  fullGC();
  const before = process.cpuUsage();
  const start = Bun.nanoseconds();
  const result = run();
  // Only where there is a promise: a turn of the event loop would be measured too.
  if (result instanceof Promise) await result;
  const wall = Bun.nanoseconds() - start;
  const used = process.cpuUsage(before);
  return { wall: wall / operations, cpu: ((used.user + used.system) * 1000) / operations };
}

/** The middle one; of an even number of figures the upper of the two in the middle. NaN without any. */
export function median(figures: readonly number[]): number {
  return [...figures].sort((a, b) => a - b)[figures.length >> 1] ?? Number.NaN;
}

/** Memory of this process, in bytes, as the kernel counts it. */
export interface Memory {
  /** The most that was resident since {@link forgetPeak}. */
  readonly peak: number;
  readonly resident: number;
  /** Of that: not backed by a file, so that it can't be given up without being swapped out. */
  readonly anonymous: number;
}

export function memory(): Memory {
  const status = readFileSync("/proc/self/status", "utf8");
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN) * 1024;
  return { peak: field("VmHWM"), resident: field("VmRSS"), anonymous: field("RssAnon") };
}

/** The peak counts from here on. */
export function forgetPeak(): void {
  writeFileSync("/proc/self/clear_refs", "5");
}
