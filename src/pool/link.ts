/**
 * A pool's end of one Worker: the queue before it, the batches it has, what happens when it dies.
 *
 * A Worker has at most two batches at a time: one that it runs, and one so that it need not wait for the next. All
 * else waits here, and so goes on to the next Worker if this one dies. An idle Worker gets what one turn of the
 * microtask queue has brought; a busy one gets its second batch when that is worth a message.
 */

import { BancosError } from "../errors.ts";
import { closeHandlesOfTheDead } from "../recovery/recover.ts";
import type { Command } from "./command.ts";
import {
  type Aside,
  FIRST_ALONE,
  GET_MANY,
  type Opened,
  type Opening,
  PIECE_BYTES,
  SCAN,
  unpackError,
  VERB_MASK,
} from "./protocol.ts";

/** Most batches that a Worker has at a time. */
export const MOST_BATCHES = 2;
/** Most commands in a batch. */
export const MOST_COMMANDS = 1024;
/** A Worker that has a batch gets another one from so many commands on. */
const WORTH_A_BATCH = 128;
/** After so many Workers in a row that die before they have opened the store, no other one is tried, if they say why … */
const MOST_FAILED_STARTS = 3;
/** … and if they don't: then somebody terminates them, which is no fault of theirs. */
const MOST_STOPPED_STARTS = 100;

/** What a link needs of a Worker. */
export interface Port {
  postMessage(message: unknown): void;
  addEventListener(type: "message" | "error" | "close", listener: (event: PortEvent) => void): void;
  ref(): void;
  unref(): void;
  terminate(): void;
}

/** What the events of a {@link Port} have, each of them some. */
export interface PortEvent {
  readonly data?: unknown;
  readonly message?: string;
  readonly code?: number;
  preventDefault?(): void;
}

/** A pool, as its links see it. */
export interface LinkHost {
  /** A Worker that waits for its first message. */
  newWorker(): Port;
  /** What the Worker that is to open the store now gets to know. */
  opening(): Opening;
  /** A command has come to its end; it is told afterwards. */
  ended(command: Command): void;
}

const isAlone = (command: Command): boolean => (command.verb & VERB_MASK) >= FIRST_ALONE;
const weight = (command: Command): number => (isAlone(command) ? MOST_COMMANDS : 1);

interface Batch {
  readonly commands: readonly Command[];
  /** How many of them are answered. */
  answered: number;
}

export class Link {
  /** The present Worker. */
  worker: Port | null = null;
  /** Commands that are not answered. */
  pending = 0;
  /** Those and, counting for many, the ones that take long: how long a new one may have to wait. */
  load = 0;
  /** The Workers that this link lost. */
  deaths = 0;
  private readonly host: LinkHost;
  private queue: Command[] = [];
  private head = 0;
  private readonly batches = new Map<number, Batch>();
  /** How many of them have a place in the Worker's window. */
  private windowed = 0;
  private lastBatch = 0;
  private isOpen = false;
  /** Has the present Worker answered anything? */
  private answered = false;
  private pumping = false;
  private failedStarts = 0;
  private failure = "";
  private closing: (() => void) | null = null;
  private opening = Promise.withResolvers<Opened>();

  constructor(host: LinkHost) {
    this.host = host;
  }

  // ---- the Worker ------------------------------------------------------------------------------------------------------

  /** Starts a Worker. Resolves when it has opened the store; rejects with the error of `open`. */
  async start(): Promise<Opened> {
    this.opening = Promise.withResolvers<Opened>();
    this.startWorker();
    const opened = await this.opening.promise;
    if (this.pending === 0) this.worker?.unref();
    return opened;
  }

  private startWorker(): void {
    const worker = this.host.newWorker();
    this.worker = worker;
    this.failure = "";
    this.answered = false;
    worker.addEventListener("message", (event) => {
      if (this.worker !== worker) return;
      if (Array.isArray(event.data)) this.receive(event.data);
      else this.opened(event.data as Opened);
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault?.();
      if (this.worker === worker) this.failure = event.message ?? "";
    });
    worker.addEventListener("close", (event) => {
      // What it had open is closed here, lest its locks outlive it in our process.
      closeHandlesOfTheDead();
      if (this.worker === worker) this.died(event.code ?? 0);
    });
    worker.postMessage(this.host.opening());
  }

  private opened(opened: Opened): void {
    if (opened.error !== undefined) {
      this.giveUp(unpackError(opened.error));
      return;
    }
    this.isOpen = true;
    this.failedStarts = 0;
    this.opening.resolve(opened);
    if (this.pending === 0 && this.closing === null) this.worker?.unref();
    this.pump();
  }

  /** The store can't be opened: whoever waits is told why. The next command tries again. */
  private giveUp(error: Error): void {
    const worker = this.worker;
    this.worker = null;
    this.isOpen = false;
    this.failedStarts = 0;
    worker?.terminate();
    this.opening.reject(error);
    // The promise may have been fulfilled, and thrown away, long ago.
    this.opening.promise.catch(() => {});
    const waiting = this.queue.slice(this.head);
    this.queue = [];
    this.head = 0;
    for (const command of waiting) this.end(command, () => command.reject(error));
  }

  private died(exitCode: number): void {
    this.worker = null;
    if (this.closing !== null) {
      this.closing();
      return;
    }
    this.deaths++;
    const wasOpen = this.isOpen;
    this.isOpen = false;
    const mostStarts = this.failure === "" ? MOST_STOPPED_STARTS : MOST_FAILED_STARTS;
    const firstLine = this.failure.split("\n").find((line) => line.startsWith("error: ")) ?? this.failure;
    const why = firstLine === "" ? `exit code ${exitCode}` : firstLine.slice(0, 200);
    const unanswered = [...this.batches.values()].flatMap((batch) => batch.commands.slice(batch.answered));
    this.batches.clear();
    this.windowed = 0;
    if (wasOpen && !this.answered && unanswered.length === 0 && this.head === this.queue.length) {
      // It did nothing and died of something else: the next command will start another one.
    } else if (wasOpen || ++this.failedStarts < mostStarts) {
      this.startWorker();
    } else {
      this.giveUp(
        new BancosError(
          "INVALID_OPERATION",
          `the pool's Worker died ${this.failedStarts} times before it could open the store (${why}); ` +
            "a bundled program must have node_modules/bancos/src/pool/worker.ts as an entry point too, or option worker",
        ),
      );
    }
    for (const command of unanswered) {
      const error = new BancosError(
        "OUTCOME_UNKNOWN",
        `the pool's Worker died (${why}) before it answered: the operation may or may not have happened`,
      );
      this.end(command, () => command.reject(error));
    }
  }

  /** Ends the Worker, which has closed its store. Resolves when the thread is gone. */
  async stop(): Promise<void> {
    const worker = this.worker;
    if (worker === null) return;
    const gone = new Promise<void>((resolve) => {
      this.closing = resolve;
    });
    worker.ref();
    worker.terminate();
    await gone;
  }

  // ---- commands --------------------------------------------------------------------------------------------------------

  /** Queues a command. */
  push(command: Command): void {
    if (this.pending++ === 0) this.worker?.ref();
    this.load += weight(command);
    this.queue.push(command);
    if (this.worker === null && this.closing === null) {
      // The last one could not open the store; perhaps this one can.
      this.start().catch(() => {});
    }
    this.pumpSoon();
  }

  private pumpSoon(): void {
    if (this.pumping) return;
    this.pumping = true;
    queueMicrotask(() => {
      this.pumping = false;
      this.pump();
    });
  }

  private pump(): void {
    while (this.isOpen && this.head < this.queue.length) {
      const waiting = this.queue.length - this.head;
      const alone = isAlone(this.queue[this.head]!);
      // Those which are alone may take long: they don't keep others out of the window.
      if (!alone) {
        if (this.windowed >= MOST_BATCHES) return;
        if (this.windowed > 0 && waiting < WORTH_A_BATCH) return;
        this.windowed++;
      }
      this.post(this.take(alone));
    }
  }

  private take(alone: boolean): Command[] {
    const from = this.head;
    let to = from + 1;
    if (!alone) {
      let bytes = this.queue[from]!.bytes;
      while (to < this.queue.length && to - from < MOST_COMMANDS && bytes < PIECE_BYTES) {
        const command = this.queue[to]!;
        if (isAlone(command)) break;
        bytes += command.bytes;
        to++;
      }
    }
    const commands = this.queue.slice(from, to);
    this.head = to;
    if (this.head === this.queue.length) {
      this.queue = [];
      this.head = 0;
    } else if (this.head >= 8 * MOST_COMMANDS && this.head * 2 > this.queue.length) {
      this.queue = this.queue.slice(this.head);
      this.head = 0;
    }
    return commands;
  }

  private post(commands: readonly Command[]): void {
    const id = ++this.lastBatch;
    const message: unknown[] = [id];
    for (const command of commands) {
      message.push(command.verb);
      for (const arg of command.args) message.push(arg);
    }
    this.batches.set(id, { commands, answered: 0 });
    this.worker!.postMessage(message);
  }

  private receive(message: unknown[]): void {
    const batch = this.batches.get(message[0] as number);
    if (batch === undefined) return;
    const errors = new Map<number, Error>();
    if (typeof message[1] === "string") {
      const aside = JSON.parse(message[1]) as Aside;
      for (const [index, packed] of aside.errors) errors.set(index, unpackError(packed));
      for (const at of aside.json) message[at] = JSON.parse(message[at] as string);
    }
    this.answered = true;
    const { commands } = batch;
    let at = 2;
    for (let index = 0; ; index++) {
      const error = errors.get(index);
      if (error === undefined && at >= message.length) break;
      const command = commands[batch.answered++]!;
      if (error !== undefined) {
        this.end(command, () => command.reject(error));
        continue;
      }
      const verb = command.verb & VERB_MASK;
      const from = at;
      if (verb === GET_MANY) at += 1 + (message[at] as number);
      else if (verb === SCAN) at += 2 + (message[at] as number);
      else at++;
      const result = at === from + 1 && verb !== GET_MANY ? message[from] : message.slice(from, at);
      this.end(command, () => command.resolve(result));
    }
    if (batch.answered === commands.length) {
      this.batches.delete(message[0] as number);
      if (!isAlone(commands[0]!)) this.windowed--;
    }
    // After those who wait for these answers have had their turn, and asked for more.
    this.pumpSoon();
  }

  private end(command: Command, tell: () => void): void {
    if (--this.pending === 0 && this.isOpen) this.worker?.unref();
    this.load -= weight(command);
    this.host.ended(command);
    tell();
  }
}
