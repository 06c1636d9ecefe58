/**
 * A file, and what would be left of it. Before every store there is a chance that somebody looks at what would be there
 * if the power failed now: the tree is rebuilt from what the disk has, beside what is going on, which then continues as
 * if nothing had been.
 */
import type { Store } from "../../src/store/store.ts";
import type { Value } from "../../src/store/types.ts";
import { contents, verify } from "./audit.ts";
import { Disk } from "./disk.ts";
import type { Ledger } from "./ledger.ts";
import { machine, type Thread } from "./machine.ts";
import type { Operation } from "./model.ts";
import { type Random, told } from "./report.ts";
import { type Actor, type Ending, openIn, run } from "./world.ts";

/** What was looked at, over all stories. */
export interface Seen {
  /** Images of the file that were opened, by hash. */
  readonly images: Set<bigint>;
  /** Losses of power after which the story went on. */
  losses: number;
  /** Losses in the middle of a rebuild. */
  again: number;
  /** Cells that a rebuild found invalid, or superseded. */
  invalid: number;
  superseded: number;
  /** Participants who died, files that were closed in order. */
  deaths: number;
  closed: number;
}

export const nothingSeen = (): Seen => ({
  images: new Set(),
  losses: 0,
  again: 0,
  invalid: 0,
  superseded: 0,
  deaths: 0,
  closed: 0,
});

export interface Manner {
  /** Bytes that reach the disk, or persistent memory, as one. */
  readonly unit: number;
  /** Each write is promised when it returns. */
  readonly persistent: boolean;
  /** How likely a look is before a store; and before lines are written back to persistent memory. */
  readonly looks: number;
  readonly looksAtPersist: number;
}

/** What happens in the middle of an operation: another, or death. */
export type Trouble =
  | { readonly hook: () => void; readonly at: number }
  | { readonly hook?: undefined; readonly at?: number };

export class Scene {
  readonly problems: string[] = [];
  readonly random: Random;
  readonly manner: Manner;
  readonly seen: Seen;
  readonly ledger: Ledger;
  /** What has happened. */
  text = "";
  /** Share of the looks that are taken. */
  share = 1;
  /** Are there thorough looks before lines are written back? */
  thorough = false;
  private disk: Disk;

  constructor(random: Random, manner: Manner, seen: Seen, ledger: Ledger) {
    this.random = random;
    this.manner = manner;
    this.seen = seen;
    this.ledger = ledger;
    this.disk = this.follow();
  }

  /** The disk has all there is, and follows what is done from now on. */
  private follow(): Disk {
    const disk = new Disk(this.manner.unit);
    const writeBack = machine.onPersist;
    machine.onPersist = (address, length) => {
      if (this.thorough) this.lookThoroughly();
      else if (this.random.next() < this.manner.looksAtPersist * this.share) this.look();
      writeBack?.(address, length);
    };
    return disk;
  }

  /** Opens the file in a thread of that name, with what is to happen in that. There are looks in it, too. */
  open(name: string, trouble: Trouble = {}): Actor {
    const thread = machine.spawn(name);
    thread.onStore = () => this.mayLook();
    this.arm(thread, trouble);
    const actor = this.openIn(thread);
    thread.rearm();
    return actor;
  }

  private arm(thread: Thread, trouble: Trouble): void {
    if (trouble.hook !== undefined) {
      thread.hook = trouble.hook;
      thread.hookAt = trouble.at;
    } else if (trouble.at !== undefined) {
      thread.dieAt = trouble.at;
      thread.manner = this.random.next() < 0.5 ? "killed" : "terminated";
      this.text += ` (dies at store ${trouble.at})`;
    }
  }

  private openIn(thread: Thread): Actor {
    return openIn(thread, { force: this.manner.persistent ? ["persistent-memory"] : [] });
  }

  private mayLook(): void {
    if (this.random.next() < this.manner.looks * this.share) this.look();
  }

  /** Runs one operation of `actor`, with what is to happen in it. */
  run(actor: Actor, fn: (store: Store) => unknown, trouble: Trouble = {}): Ending {
    const { thread } = actor;
    thread.rearm();
    thread.onStore = () => this.mayLook();
    this.arm(thread, trouble);
    const ending = run(actor, fn);
    if (!thread.dead) thread.rearm();
    return ending;
  }

  /** Has an actor run an operation that concerns one key, and notes what the key has afterwards. */
  writer(): (actor: Actor, key: string, operation: Operation, trouble?: Trouble) => void {
    const { ledger } = this;
    return (actor, key, operation, trouble = {}) => {
      const map = new Map<string, Value>();
      operation.apply?.(map);
      ledger.begin(actor.thread, key, map.get(key));
      this.run(actor, operation.run, trouble);
      ledger.forget(actor.thread);
      ledger.has(key, this.get(actor, key), false);
    };
  }

  /** The disk is given all there is, in the background; it has it when the function is called that this returns. */
  diskBegins(): () => void {
    return this.disk.begin();
  }

  /** What `key` has. To read is to disturb nothing. */
  get(actor: Actor, key: string): Value | undefined {
    return machine.as(actor.thread, () => actor.store.get(key)) as Value | undefined;
  }

  /** Looks at all images that differ from what is, or was, in one unit; and at some others. */
  lookThoroughly(): void {
    for (const image of this.disk.singles()) this.look(image);
    for (let i = 0; i < 3; i++) this.look();
  }

  /** Looks at one image that the disk may have now, beside the story. */
  look(image = this.disk.image(this.random)): void {
    const { random, problems, seen } = this;
    if (problems.length > 0) return;
    const hash = Bun.hash.xxHash64(image);
    if (seen.images.has(hash)) return;
    seen.images.add(hash);
    machine.aside(() => {
      machine.violations = [];
      machine.restart(image);
      if (random.next() < 0.1) {
        const left = this.cutRebuild(new Disk(this.manner.unit));
        machine.onTouch = null;
        machine.restart(left);
      }
      this.inspect(problems);
    });
    if (problems.length > 0) problems.push(`as the disk may have it after:${this.text}`);
  }

  /** Opens what was left, and looks at it. Returns who has it open, and the contents. */
  private inspect(problems: string[]): ReadonlyMap<string, Value> {
    machine.watching = false;
    try {
      const actor = this.openIn(machine.spawn("opener"));
      const { rebuild } = machine.as(actor.thread, () => actor.store.stats()).recovery;
      if (rebuild !== null) {
        this.seen.invalid += rebuild.invalid;
        this.seen.superseded += rebuild.superseded;
      }
      const there = contents(actor, problems);
      this.ledger.judge(there, problems);
      verify(actor, problems);
      return there;
    } catch (error) {
      problems.push(told(error));
      return new Map();
    } finally {
      machine.watching = true;
    }
  }

  /** The power fails in the middle of opening. Returns what the disk has then. */
  private cutRebuild(disk: Disk): Uint8Array {
    const { random } = this;
    machine.watching = false;
    const first = machine.spawn("rebuilder");
    first.dieAt = random.below(random.next() < 0.3 ? 20 : 3000);
    try {
      this.openIn(first);
    } catch (error) {
      if (!first.dead) throw error;
    }
    machine.watching = true;
    this.seen.again++;
    return disk.image(random);
  }

  /** The power fails, and perhaps again while the file is opened. The file that is left is there for all to open. */
  powerLoss(): void {
    const { random, seen } = this;
    for (let i = 0; i < 6; i++) this.look();
    machine.restart(this.disk.image(random));
    seen.losses++;
    this.text += " | the power fails |";
    for (let again = 0; again < 2 && random.next() < 0.15; again++) {
      machine.restart(this.cutRebuild(new Disk(this.manner.unit)));
      this.text += " again |";
    }
    this.disk = this.follow();
  }
}
