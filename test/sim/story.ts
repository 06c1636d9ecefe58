/**
 * The story of one file: two participants write, one in the middle of the other's changes; some die; they flush, close,
 * open; and the power fails, in whatever moment. In the end of each chapter it really fails, and the next goes on with
 * what was left.
 */
import type { Value } from "../../src/store/types.ts";
import { contents, verify } from "./audit.ts";
import { brief, Ledger } from "./ledger.ts";
import { machine, type Thread } from "./machine.ts";
import { add, collect, flush, flushForRoom, type Operation, remove, set } from "./model.ts";
import { startSync } from "./overlap.ts";
import { type Random, told } from "./report.ts";
import { type Manner, Scene, type Seen, type Trouble } from "./scene.ts";
import { type Actor, newWorld } from "./world.ts";

/** Keys that share digits, or do not; those of different lengths put a number's value in different places of a leaf. */
function someKeys(random: Random): string[] {
  const keys = new Set(["kA", "kB", "kC", "z"]);
  const more = random.below(random.next() < 0.2 ? 40 : 6);
  for (let i = 0; i < more; i++) {
    const long = random.next() < 0.4 ? "-".repeat(random.below(70)) : "";
    keys.add(`${random.pick(["k", "kA", "q", "kAx"])}${random.below(50)}${long}`);
  }
  if (random.next() < 0.35) {
    // So many of one length that their leaves lie in several sectors, and across two.
    const length = 10 + random.below(100);
    for (let i = 10 + random.below(14); i > 0; i--) keys.add(`${i}/`.padEnd(length, "="));
  }
  return [...keys];
}

export class Story {
  readonly scene: Scene;
  private readonly random: Random;
  private readonly keys: string[];
  private actors: Actor[] = [];
  /** Syncs in the background: what brings each to its end. */
  private readonly background = new Map<Actor, (trouble: Trouble) => void>();
  private serial = 1;
  /** How likely large values are. */
  private readonly large: number;
  /** How likely a flush is. With few of them nothing is promised; with many, cells soon have other uses. */
  private readonly flushes: number;

  constructor(random: Random, manner: Manner, seen: Seen) {
    this.random = random;
    this.large = random.next() < 0.5 ? 0.05 : 0.4;
    this.flushes = random.pick([0.05, 0.14, 0.3]);
    newWorld(random.next() < 0.5 ? 22 + random.below(8) : undefined);
    this.keys = someKeys(random);
    this.scene = new Scene(random, manner, seen, new Ledger(this.keys));
    this.boot();
  }

  private boot(): void {
    this.background.clear();
    this.actors = [this.scene.open("A"), this.scene.open("B")];
  }

  private value(): Value {
    const { random } = this;
    const n = this.serial++;
    const choice = random.next();
    if (choice < 0.4) return n;
    if (choice < 0.5) return BigInt(n);
    const length =
      random.next() < this.large ? random.below(random.next() < 0.2 ? 30_000 : 6000) : random.below(60);
    return `${n}.`.padEnd(length, "abcdefghij");
  }

  private operation(key: string, mayAdd: boolean): Operation {
    const choice = this.random.next();
    if (choice < 0.3) return remove(key);
    if (choice < 0.4 && mayAdd) return add(key, this.serial++);
    return set(key, this.value());
  }

  // ---- what the participants do --------------------------------------------------------------------------------------

  private write(actor: Actor, key: string, trouble: Trouble, mayAdd: boolean): void {
    const { ledger } = this.scene;
    const operation = this.operation(key, mayAdd);
    const map = new Map<string, Value>();
    const now = this.scene.get(actor, key);
    if (now !== undefined) map.set(key, now);
    operation.apply?.(map);
    this.scene.text += ` ${actor.thread.name}: ${operation.name.slice(0, 20)} ${brief(map.get(key))};`;
    ledger.begin(actor.thread, key, map.get(key));
    const { how } = this.scene.run(actor, operation.run, trouble);
    if (how === "died") return;
    ledger.forget(actor.thread);
    ledger.has(key, this.scene.get(actor, key), how === "done" && this.scene.manner.persistent);
  }

  private flush(actor: Actor, trouble: Trouble): void {
    this.scene.text += ` ${actor.thread.name}: flush;`;
    const promise = this.scene.ledger.flushBegins((key) => this.scene.get(actor, key));
    // Perhaps so that what waits for the disk can be used again at once.
    const settle = this.random.next() < 0.5;
    if (this.scene.run(actor, settle ? flushForRoom.run : flush.run, trouble).how === "done") promise();
  }

  /** As a flush in the background does: it starts, and the disk is at work while others go on, and sync as well. */
  private startBackground(actor: Actor, trouble: Trouble): void {
    const { scene, background } = this;
    scene.text += ` ${actor.thread.name}: sync starts;`;
    const end = startSync(scene, actor, trouble);
    if (end === null) return;
    background.set(actor, (within) => {
      background.delete(actor);
      scene.text += ` ${actor.thread.name}: sync ends;`;
      end(this.random.next() < 0.5, within);
    });
  }

  private something(actor: Actor, key: string, trouble: Trouble, mayAdd = true): void {
    const choice = this.random.next();
    if (choice < this.flushes / 2) this.flush(actor, trouble);
    else if (choice < this.flushes) {
      const end = this.background.get(actor);
      if (end === undefined) this.startBackground(actor, trouble);
      else end(trouble);
    } else if (choice < this.flushes * 1.7) {
      this.scene.text += ` ${actor.thread.name}: collect;`;
      this.scene.run(actor, collect.run, trouble);
    } else this.write(actor, key, trouble, mayAdd);
  }

  /** One does something, and perhaps the other something else in the middle of it; perhaps it dies. */
  private act(): void {
    const { random } = this;
    const actor = random.pick(this.actors);
    const other = this.actors.find((one) => one !== actor)!;
    const key = random.pick(this.keys);
    const death = (share: number): Trouble => (random.next() < share ? { at: random.below(90) } : {});
    if (random.next() < 0.7) this.something(actor, key, death(0.1));
    else {
      const sameKey = random.next() < 0.4;
      const otherKey = sameKey ? key : random.pick(this.keys);
      const within = death(0.15);
      const hook = (): void => {
        this.scene.text += " (within it";
        this.something(other, otherKey, within, !sameKey);
        this.scene.text += ")";
      };
      this.something(
        actor,
        key,
        { hook, at: 1 + random.below(random.pick([15, 50, 150])) },
        otherKey !== key,
      );
    }
    this.replaceTheDead();
  }

  private replaceTheDead(): void {
    for (const [i, { thread }] of this.actors.entries()) {
      if (!thread.dead) continue;
      this.background.delete(this.actors[i]!);
      // Who opens the file waits for what is under way.
      for (const end of [...this.background.values()]) end({});
      this.scene.seen.deaths++;
      this.scene.text += ` ${thread.name} is dead, another opens;`;
      this.actors[i] = this.scene.open(thread.name);
      this.settle(thread);
    }
  }

  /** The dead have been recovered: what was under way has happened or never will. Nobody was promised which. */
  private settle(dead: Thread): void {
    const reader = this.actors.find(({ thread }) => !thread.dead)!;
    this.scene.ledger.forget(dead);
    for (const key of this.keys) this.scene.ledger.has(key, this.scene.get(reader, key), false);
  }

  /** All close the file and open it again. */
  private reopen(): void {
    this.scene.text += " close, open;";
    const promise = this.scene.ledger.flushBegins((key) => this.scene.get(this.actors[0]!, key));
    for (const actor of this.actors) this.scene.run(actor, (store) => store.close(), {});
    promise();
    this.scene.seen.closed++;
    this.boot();
  }

  /** The story up to the next real loss of power. */
  chapter(): void {
    const { random, scene } = this;
    const { problems, ledger } = scene;
    const most = random.next() < 0.15 ? 150 : 16;
    // Where there is much to do it is not looked at so often.
    scene.share = most > 16 ? 0.12 : 1;
    for (let i = random.below(most); i > 0 && problems.length === 0; i--) {
      if (random.next() < 0.03) this.reopen();
      else this.act();
    }
    if (problems.length > 0) return;
    if (random.next() < 0.5) {
      // The power fails in the middle of something.
      this.something(random.pick(this.actors), random.pick(this.keys), { at: random.below(90) });
    }
    scene.powerLoss();
    if (problems.length > 0) return;
    machine.watching = false;
    try {
      this.boot();
    } catch (error) {
      problems.push(`${told(error)}:${scene.text}`);
      return;
    }
    machine.watching = true;
    const there = contents(this.actors[0]!, problems);
    ledger.judge(there, problems);
    verify(this.actors[1]!, problems);
    ledger.restarted(there);
    if (problems.length > 0) problems.push(`after:${scene.text}`);
  }
}
