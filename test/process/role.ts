/** What a role is, and the counters that actors and those who start them share. */
import type { Counters, Task } from "./support.ts";

/** Counter that says stop. The others are numbered from 0 up, two for each actor. */
export const STOP = 63;
export const COUNTER_COUNT = 64;
/** What actor `me` has begun, and what has returned. */
export const begun = (me: number): number => me * 2;
export const returned = (me: number): number => me * 2 + 1;

export type Say = (line: string) => void;
export type Role = (task: Task, counters: Counters, say: Say) => void | Promise<void>;
export type Roles = Readonly<Record<string, Role>>;

/** A number among the task's options. */
export function optionOf(task: Task, name: string, byDefault: number): number {
  return Number(task.options?.[name] ?? byDefault);
}
