/** What the tests with real processes share: a folder, a seed, child processes, Workers, shared counters. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store, VerifyReport } from "../../src/index.ts";
import {
  allocate,
  closeFile,
  map,
  newHandle,
  openFile,
  setLimit,
  unmapHandle,
} from "../../src/memory/platform.ts";
import { exchange32, fetchAdd32, load32 } from "../../src/memory/primitives.ts";

// ---- chance --------------------------------------------------------------------------------------------------------

/** The seed of this run: BANCOS_SEED, else chosen by the clock. Print it. */
export const SEED: number = Number(process.env["BANCOS_SEED"] ?? "") || Date.now() & 0x7fffffff || 1;

/** A number from the environment, for budgets. */
export function budget(name: string, byDefault: number): number {
  const text = process.env[name];
  return text === undefined || text === "" ? byDefault : Number(text);
}

/** Mulberry32: small, good enough, and the same in every process. */
export class Random {
  private state: number;
  constructor(seed: number) {
    this.state = seed | 0;
  }
  /** 0 to 2^32 - 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let x = this.state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return (x ^ (x >>> 14)) >>> 0;
  }
  /** 0 to `n` - 1. */
  below(n: number): number {
    return this.next() % n;
  }
  /** With probability 1 / `n`. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

/** One number out of several, for a seed of its own. */
export function mixed(...parts: readonly number[]): number {
  let x = 0x9e3779b9;
  for (const part of parts) {
    x = Math.imul(x ^ part, 0x85ebca6b);
    x = (x ^ (x >>> 13)) | 0;
    x = Math.imul(x, 0xc2b2ae35);
    x ^= x >>> 16;
  }
  return x >>> 0;
}

// ---- files ---------------------------------------------------------------------------------------------------------

/** A new folder for the files of a test; gone at the end of the scope. */
export class Folder {
  readonly path: string = mkdtempSync(join(tmpdir(), "bancos-process-"));
  file(name: string): string {
    return join(this.path, name);
  }
  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/**
 * Counters of 32 bits that all processes share, in a mapped file: they outlive whoever is killed. Each has a cache
 * line of its own.
 */
export class Counters {
  private readonly fd: number;
  private readonly h: number;
  constructor(path: string, count: number) {
    const bytes = Math.ceil((count * 64) / 4096) * 4096;
    this.fd = openFile(path, { write: true, create: true });
    allocate(this.fd, 0, bytes);
    this.h = newHandle(this.fd);
    map(this.h, bytes, "shared");
    setLimit(this.h, bytes);
  }
  get(i: number): number {
    return load32(this.h, i * 8, 0);
  }
  set(i: number, value: number): void {
    exchange32(this.h, i * 8, 0, value);
  }
  /** Adds 1 and returns what was there before. */
  take(i: number): number {
    return fetchAdd32(this.h, i * 8, 0, 1);
  }
  [Symbol.dispose](): void {
    unmapHandle(this.h);
    closeFile(this.fd);
  }
}

// ---- others --------------------------------------------------------------------------------------------------------

/** What an actor is to do: the name of a role in roles.ts and what it needs to know. */
export interface Task {
  readonly role: string;
  readonly path: string;
  readonly counters: string;
  /** Its number among the actors of the test. */
  readonly me: number;
  readonly seed: number;
  readonly options?: Readonly<Record<string, string | number | boolean>>;
}

/** How an actor ended: `"killed"` by us, `"done"` by itself, or what went wrong. */
export type Ending = "killed" | "done" | { readonly error: string };

/** A child process, or a Worker of this process, that plays a role. */
export interface Actor {
  readonly kind: "process" | "worker";
  readonly me: number;
  /** 0 for a Worker. */
  readonly pid: number;
  readonly ended: Promise<Ending>;
  /** The next line that it says; undefined at its end. */
  line(): Promise<string | undefined>;
  /** By surprise: kill -9, or terminate(). Returns when it has gone. */
  kill(): Promise<void>;
  signal(name: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void;
}

/** Lines of text that come in pieces. */
class Lines {
  private readonly ready: string[] = [];
  private waiting: ((line: string | undefined) => void) | null = null;
  private rest = "";
  private over = false;
  add(text: string): void {
    const parts = (this.rest + text).split("\n");
    this.rest = parts.pop() ?? "";
    for (const line of parts) this.push(line);
  }
  push(line: string): void {
    const { waiting } = this;
    this.waiting = null;
    if (waiting === null) this.ready.push(line);
    else waiting(line);
  }
  end(): void {
    this.over = true;
    this.waiting?.(undefined);
    this.waiting = null;
  }
  next(): Promise<string | undefined> {
    const line = this.ready.shift();
    if (line !== undefined || this.over) return Promise.resolve(line);
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }
}

async function pump(stream: ReadableStream<Uint8Array>, to: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) to(decoder.decode(chunk, { stream: true }));
}

/** Starts a process that plays the role. */
export function spawnActor(task: Task, env: Readonly<Record<string, string>> = {}): Actor {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "actor.ts"), JSON.stringify(task)], {
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const lines = new Lines();
  let errors = "";
  let killed = false;
  const output = pump(child.stdout, (text) => lines.add(text)).then(() => lines.end());
  const complaints = pump(child.stderr, (text) => {
    errors += text;
  });
  const ended = child.exited.then(async (code): Promise<Ending> => {
    if (killed && child.signalCode === "SIGKILL") return "killed";
    await Promise.race([Promise.all([output, complaints]), Bun.sleep(1000)]);
    if (code === 0) return "done";
    return { error: `${task.role} ${task.me}: ${child.signalCode ?? `exit code ${code}`}: ${errors.trim()}` };
  });
  return {
    kind: "process",
    me: task.me,
    pid: child.pid,
    ended,
    line: () => lines.next(),
    async kill() {
      killed = true;
      child.kill("SIGKILL");
      await ended;
    },
    signal(name) {
      if (name === "SIGKILL") killed = true;
      child.kill(name);
    },
  };
}

/** Starts a Worker of this process that plays the role. */
export function startWorker(task: Task): Actor {
  const worker = new Worker(new URL("./actor.ts", import.meta.url).href, {
    env: { ...process.env, BANCOS_TASK: JSON.stringify(task) },
  } as WorkerOptions);
  const lines = new Lines();
  let killed = false;
  let problem: string | null = null;
  worker.addEventListener("message", (event: MessageEvent<unknown>) => {
    const data = event.data as { say?: string; error?: string };
    if (data.say !== undefined) lines.push(data.say);
    if (data.error !== undefined) problem = data.error;
  });
  worker.addEventListener("error", (event) => {
    problem ??= event.message;
  });
  const ended = new Promise<Ending>((resolve) => {
    worker.addEventListener("close", () => {
      lines.end();
      if (problem !== null) resolve({ error: `${task.role} ${task.me} (Worker): ${problem}` });
      else resolve(killed ? "killed" : "done");
    });
  });
  return {
    kind: "worker",
    me: task.me,
    pid: 0,
    ended,
    line: () => lines.next(),
    async kill() {
      killed = true;
      worker.terminate();
      await ended;
    },
    signal() {
      throw new Error("a Worker takes no signals");
    },
  };
}

// ---- checks --------------------------------------------------------------------------------------------------------

/** What `verify` found, in one line of text; empty if all is well. */
export function problemsOf(report: VerifyReport): string {
  return report.problems
    .slice(0, 5)
    .map(({ code, offset, message }) => `${code} at ${offset}: ${message}`)
    .join("; ");
}

/** Throws unless the file is whole, the scan gives as many keys as `size` says, and these are in order. */
export function checkWhole(store: Store, what: string): void {
  const report = store.verify();
  if (!report.ok) throw new Error(`${what}: verify found ${problemsOf(report)}`);
  let count = 0;
  let last: string | undefined;
  for (const key of store.keys()) {
    if (last !== undefined && Buffer.compare(Buffer.from(last), Buffer.from(key)) >= 0) {
      throw new Error(`${what}: ${JSON.stringify(key)} comes after ${JSON.stringify(last)}`);
    }
    last = key;
    count++;
  }
  if (count !== store.size) throw new Error(`${what}: size is ${store.size}, a scan gives ${count} keys`);
}
