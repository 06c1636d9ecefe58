/**
 * Rounds of kills: writers and readers in processes and Workers on one file, some of them killed again and again at
 * random moments, the others never reopening. After each kill all that the victim had acknowledged is looked for.
 */
import { open, type ParticipantInfo, type Store } from "../../src/index.ts";
import { begun, COUNTER_COUNT, returned, STOP } from "./role.ts";
import {
  type Actor,
  Counters,
  checkWhole,
  type Ending,
  Folder,
  mixed,
  Random,
  spawnActor,
  startWorker,
  type Task,
} from "./support.ts";
import {
  after,
  COUNTERS,
  counterKey,
  fillSteady,
  KEYS,
  keyOf,
  type Model,
  operation,
  put,
  STEADY,
  WRITERS,
} from "./workload.ts";

export interface KillsOptions {
  readonly seed: number;
  /** The round ends after so many kills, or so many milliseconds, whichever comes first. */
  readonly kills: number;
  readonly milliseconds: number;
  readonly flushEvery: number;
  /** Longest life of a victim after its first acknowledged operation, in milliseconds. */
  readonly life?: number;
}

export interface KillsReport {
  readonly kills: number;
  readonly processes: number;
  readonly workers: number;
  /** Victims that were killed before they had done anything: in the middle of opening. */
  readonly early: number;
  /** Operations acknowledged by all writers; operations that a kill cut short, and how many of them had happened. */
  readonly acknowledged: number;
  readonly cutShort: number;
  readonly happened: number;
  /** Looks at everything by the readers. */
  readonly looks: number;
  readonly recoveries: number;
  /** File length at 2, 5, 12.5, 25, 50, 75 and 100 % of the kills. */
  readonly sizes: readonly number[];
}

/** 30 seconds in which a survivor completes nothing: it hangs. */
const HANGS_AFTER = 30_000;

class Round {
  readonly folder = new Folder();
  readonly store: Store;
  readonly counters: Counters;
  readonly options: KillsOptions;
  readonly random: Random;
  readonly models: Model[] = Array.from({ length: WRITERS }, () => new Map());
  /** Adds that returned, and adds that may have happened besides, by counter. */
  readonly added = new Array<number>(COUNTERS).fill(0);
  readonly perhaps = new Array<number>(COUNTERS).fill(0);
  readonly started = performance.now();
  kills = 0;
  processes = 0;
  workers = 0;
  early = 0;
  acknowledged = 0;
  cutShort = 0;
  happened = 0;
  over = false;
  readonly sizes: number[] = [];

  constructor(options: KillsOptions) {
    this.options = options;
    this.random = new Random(options.seed);
    this.store = open(this.folder.file("store"), { flushEvery: options.flushEvery });
    this.counters = new Counters(this.folder.file("counters"), COUNTER_COUNT);
    fillSteady(this.store);
  }

  task(role: string, me: number, life: number): Task {
    const { seed, flushEvery } = this.options;
    return {
      role,
      path: this.store.path,
      counters: this.folder.file("counters"),
      me,
      seed,
      options: { flushEvery, life },
    };
  }

  /**
   * Until whoever was killed has been recovered, by us or by another. Before that, the change that a kill cut short
   * may still come: it is redone by whoever notices. A terminated Worker has our own process id.
   */
  private async recovered(actor: Actor, role: "writer" | "reader"): Promise<void> {
    for (let round = 0; round < 2000; round++) {
      this.store.collect();
      const isVictim = (who: ParticipantInfo): boolean =>
        !who.self &&
        (actor.kind === "process" ? who.pid === actor.pid : who.pid === process.pid && who.role === role);
      if (!this.store.stats().participants.some(isVictim)) return;
      await Bun.sleep(2);
    }
    throw new Error(`${role} ${actor.me}, a ${actor.kind}, was killed and has not been recovered`);
  }

  /** Takes what writer `me` did in its life `life` over into the model, and checks the store against it. */
  settle(me: number, life: number): void {
    const model = this.models[me]!;
    const done = this.counters.get(returned(me));
    const tried = this.counters.get(begun(me));
    for (let i = 0; i < done; i++) {
      const op = operation(this.options.seed, me, life, i);
      if (op.kind === "add") this.added[op.at]!++;
      else put(model, op.key, after(op, model.get(op.key)));
    }
    model.delete(-1);
    this.acknowledged += done;
    if (tried > done) {
      const op = operation(this.options.seed, me, life, done);
      this.cutShort++;
      if (op.kind === "add") this.perhaps[op.at]!++;
      else if (op.key >= 0) {
        const now = this.store.get(keyOf(op.key));
        const before = model.get(op.key);
        const then = after(op, before);
        if (Object.is(now, then)) {
          if (!Object.is(before, then)) this.happened++;
          put(model, op.key, then);
        } else if (!Object.is(now, before)) {
          throw new Error(
            `writer ${me}, life ${life}: ${op.kind} was cut short; ${keyOf(op.key)} has ${short(now)}, neither ${short(before)} nor ${short(then)}`,
          );
        }
      }
    }
    this.check(me, `writer ${me}, life ${life}, ${done} operations`);
  }

  private check(me: number, what: string): void {
    const model = this.models[me]!;
    for (let k = me; k < KEYS; k += WRITERS) {
      const now = this.store.get(keyOf(k));
      if (!Object.is(now, model.get(k))) {
        throw new Error(`${what}: ${keyOf(k)} has ${short(now)}, acknowledged was ${short(model.get(k))}`);
      }
    }
  }

  get enough(): boolean {
    return (
      this.over ||
      this.kills >= this.options.kills ||
      performance.now() - this.started > this.options.milliseconds
    );
  }

  start(kind: Actor["kind"], task: Task): Actor {
    return kind === "process" ? spawnActor(task) : startWorker(task);
  }

  /** Starts the actor over and over and kills it each time. */
  async victim(role: "writer" | "reader", me: number, kinds: readonly Actor["kind"][]): Promise<void> {
    try {
      await this.killAgainAndAgain(role, me, kinds);
    } finally {
      this.over = true;
    }
  }

  private async killAgainAndAgain(
    role: "writer" | "reader",
    me: number,
    kinds: readonly Actor["kind"][],
  ): Promise<void> {
    const random = new Random(mixed(this.options.seed, me, 7));
    for (let life = 1; !this.enough; life++) {
      this.counters.set(begun(me), 0);
      this.counters.set(returned(me), 0);
      const actor = this.start(random.pick(kinds), this.task(role, me, life));
      let ending: Ending | null = null;
      const ended = actor.ended.then((how) => {
        ending = how;
      });
      // One in six is killed while it starts or opens the file.
      const early = random.oneIn(6);
      if (early) await Bun.sleep(random.below(100));
      else {
        await Promise.race([actor.line(), ended]);
        await Bun.sleep(random.below(this.options.life ?? 80));
      }
      await actor.kill();
      await ended;
      const how = ending as Ending | null;
      if (how !== "killed") {
        this.over = true;
        throw new Error(
          how !== null && typeof how === "object" ? how.error : `${role} ${me} ended by itself`,
        );
      }
      this.kills++;
      if (actor.kind === "process") this.processes++;
      else this.workers++;
      if (this.counters.get(returned(me)) === 0) this.early++;
      this.sizes.push(this.store.stats().bytes.file);
      await this.recovered(actor, role);
      if (role === "writer") this.settle(me, life);
    }
  }

  /** Watches an actor that is never killed: it must get on, to the end. */
  async survivor(role: "writer" | "reader", me: number): Promise<void> {
    const actor = this.start("process", this.task(role, me, 0));
    let seen = -1;
    let since = performance.now();
    const watch = setInterval(() => {
      const now = this.counters.get(returned(me));
      if (now !== seen) {
        seen = now;
        since = performance.now();
      } else if (performance.now() - since > HANGS_AFTER) actor.signal("SIGKILL");
    }, 100);
    const how = await actor.ended;
    clearInterval(watch);
    this.over = true;
    if (typeof how === "object") throw new Error(how.error);
    if (how === "killed")
      throw new Error(`${role} ${me}, a survivor, has completed nothing for ${HANGS_AFTER} ms`);
    if (role === "writer") this.settle(me, 0);
  }

  /** All that must hold when everybody has gone. */
  finish(): KillsReport {
    const { store } = this;
    for (let me = 0; me < WRITERS; me++) this.check(me, `at the end, writer ${me}`);
    for (let at = 0; at < COUNTERS; at++) {
      const value = Number(store.get(counterKey(at)));
      const least = this.added[at]!;
      const most = least + this.perhaps[at]!;
      if (!(value >= least && value <= most)) {
        throw new Error(
          `${counterKey(at)} is ${value}, after ${least} additions that returned and ${most - least} cut short`,
        );
      }
    }
    const expected = this.models.reduce((sum, model) => sum + model.size, STEADY + COUNTERS);
    checkWhole(store, "at the end of the round");
    if (store.size !== expected) throw new Error(`size is ${store.size}, expected ${expected}`);
    const others = store.stats().participants.filter((who) => !who.self && who.state === "alive");
    if (others.length > 0) throw new Error(`${others.length} participants seem to be alive that are not`);
    this.sizes.push(store.stats().bytes.file);
    // Nothing of the dead is kept for ever: after two syncs all that waited is free.
    for (let i = 0; i < 3; i++) {
      store.flushSync();
      store.collect();
    }
    const { limbo } = store.stats().bytes;
    if (limbo > 0) throw new Error(`${limbo} bytes are left in limbo, with nobody there`);
    checkWhole(store, "after the collection");
    return {
      kills: this.kills,
      processes: this.processes,
      workers: this.workers,
      early: this.early,
      acknowledged: this.acknowledged,
      cutShort: this.cutShort,
      happened: this.happened,
      looks: this.counters.get(returned(4)),
      recoveries: store.stats().recoveries,
      sizes: [0.02, 0.05, 0.125, 0.25, 0.5, 0.75, 1].map(
        (part) => this.sizes[Math.floor((this.sizes.length - 1) * part)]!,
      ),
    };
  }
}

const short = (value: unknown): string => {
  const text = typeof value === "bigint" ? `${value}n` : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}… (${text.length})` : text;
};

/** One round on a file of its own. Throws what is wrong. */
export async function killRound(options: KillsOptions): Promise<KillsReport> {
  const round = new Round(options);
  try {
    const survivors = [round.survivor("writer", 0), round.survivor("reader", 4)];
    const victims = [
      round.victim("writer", 1, ["process"]),
      round.victim("writer", 2, ["process"]),
      round.victim("writer", 3, ["worker"]),
      round.victim("reader", 5, ["process", "worker"]),
    ];
    const ends = await Promise.allSettled([
      ...survivors,
      Promise.allSettled(victims).then((all) => {
        round.counters.set(STOP, 1);
        for (const end of all) if (end.status === "rejected") throw end.reason;
      }),
    ]);
    const failures = ends.filter((end) => end.status === "rejected").map((end) => String(end.reason));
    if (failures.length > 0) throw new Error([...new Set(failures)].join("\n"));
    return round.finish();
  } finally {
    round.counters.set(STOP, 1);
    round.store.close();
    round.counters[Symbol.dispose]();
    round.folder[Symbol.dispose]();
  }
}
