/**
 * Order per key. Operations on one key take effect in the order of their calls, although several Workers run them:
 *
 * 1. A key belongs to a bucket, by its hash, and a bucket to one writing Worker. Writes go there: first come, first
 *    served.
 * 2. A read goes to any reading Worker, unless a write of its bucket is under way: then it queues up behind it, at the
 *    writing Worker, and sees it.
 * 3. A write whose bucket has reads under way at reading Workers is held until they are answered, lest they see it;
 *    and what comes after a held command in its bucket is held behind it.
 *
 * So nothing waits but what touches a key that is being read and written at once (or two keys that share one of the
 * 32,768 buckets, which costs time only). No cycle of waits is possible, since each waits for older commands alone.
 */
import { Barrier } from "./barrier.ts";
import type { Command } from "./command.ts";

export const BUCKETS = 1 << 15;

/** Where commands go. */
export interface Routes {
  /** To the Worker that writes this bucket. */
  toWriter(command: Command, bucket: number): void;
  /** To some Worker that reads. */
  toReader(command: Command): void;
}

export class Order {
  private readonly reads = new Int32Array(BUCKETS);
  private readonly writes = new Int32Array(BUCKETS);
  private readonly held = new Map<number, Command[]>();
  private readonly barrier = new Barrier();
  private readonly routes: Routes;

  private readonly apart: boolean;

  /** @param apart Are those who read others than those who write? */
  constructor(routes: Routes, apart: boolean) {
    this.routes = routes;
    this.apart = apart;
  }

  /** A command on one key, `command.bucket`, begins. */
  admit(command: Command): void {
    // Held writes count as begun.
    if (command.isWrite) command.group = this.barrier.enter();
    this.route(command, command.bucket as number);
  }

  /** Does nothing stand in the way of reading these buckets at once? */
  isFree(buckets: readonly number[]): boolean {
    // Where each bucket has one Worker for all, its keys go there one by one.
    return this.apart && buckets.every((bucket) => this.writes[bucket] === 0 && !this.held.has(bucket));
  }

  /** A read of several keys begins; {@link isFree} was true. */
  admitReads(command: Command): void {
    for (const bucket of command.bucket as readonly number[]) this.reads[bucket]!++;
    command.countedAsRead = true;
    this.routes.toReader(command);
  }

  /** Calls `then` when every write that has begun has ended. */
  afterWrites(then: () => void): void {
    this.barrier.wait(then);
  }

  private route(command: Command, bucket: number): void {
    const held = this.held.get(bucket);
    if (held !== undefined) {
      held.push(command);
    } else if (command.isWrite) {
      if (this.reads[bucket]! > 0) {
        this.held.set(bucket, [command]);
        return;
      }
      this.writes[bucket]!++;
      this.routes.toWriter(command, bucket);
    } else if (!this.apart || this.writes[bucket]! > 0) {
      this.routes.toWriter(command, bucket);
    } else {
      this.reads[bucket]!++;
      command.countedAsRead = true;
      this.routes.toReader(command);
    }
  }

  /** A command was answered, or its Worker died. */
  ended(command: Command): void {
    const { bucket } = command;
    if (command.isWrite) {
      this.writes[bucket as number]!--;
      this.barrier.leave(command.group!);
    } else if (command.countedAsRead) {
      if (typeof bucket === "number") this.readEnded(bucket);
      else for (const each of bucket) this.readEnded(each);
    }
  }

  private readEnded(bucket: number): void {
    if (--this.reads[bucket]! > 0) return;
    const held = this.held.get(bucket);
    if (held === undefined) return;
    this.held.delete(bucket);
    // The first is a write, so the reads among them follow it to its Worker: none is held again.
    for (const command of held) this.route(command, bucket);
  }
}
