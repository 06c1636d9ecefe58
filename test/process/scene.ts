/** A file, counters, and actors on them; the end of the scope ends them all. */
import { type OpenOptions, open, type Store } from "../../src/index.ts";
import { COUNTER_COUNT, STOP } from "./role.ts";
import { type Actor, Counters, Folder, SEED, spawnActor, startWorker, type Task } from "./support.ts";

export class Scene {
  readonly folder: Folder = new Folder();
  readonly path: string = this.folder.file("store");
  readonly counters: Counters = new Counters(this.folder.file("counters"), COUNTER_COUNT);
  private readonly actors: Actor[] = [];
  private readonly stores: Store[] = [];

  open(options: OpenOptions = {}): Store {
    const store = open(this.path, options);
    this.stores.push(store);
    return store;
  }

  task(role: string, me: number, options: Task["options"] = {}): Task {
    return { role, path: this.path, counters: this.folder.file("counters"), me, seed: SEED, options };
  }

  /** Starts an actor in a process and waits until it says its first line. */
  async start(role: string, me: number, options: Task["options"] = {}): Promise<Actor> {
    return this.ready(spawnActor(this.task(role, me, options)));
  }

  /** The same in a Worker. */
  async startWorker(role: string, me: number, options: Task["options"] = {}): Promise<Actor> {
    return this.ready(startWorker(this.task(role, me, options)));
  }

  private async ready(actor: Actor): Promise<Actor> {
    this.actors.push(actor);
    if ((await actor.line()) === undefined) {
      const how = await actor.ended;
      throw new Error(
        typeof how === "object" ? how.error : `actor ${actor.me} was ${how} before it was ready`,
      );
    }
    return actor;
  }

  stop(): void {
    this.counters.set(STOP, 1);
  }

  /** Tells all actors to stop and waits; throws what went wrong in any. */
  async allDone(): Promise<void> {
    this.stop();
    for (const actor of this.actors) {
      const how = await actor.ended;
      if (typeof how === "object") throw new Error(how.error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    for (const actor of this.actors) {
      if (actor.kind === "process") {
        actor.signal("SIGKILL");
        // A stopped process dies of it too.
        await actor.ended;
      } else await actor.kill();
    }
    for (const store of this.stores) store.close();
    this.counters[Symbol.dispose]();
    this.folder[Symbol.dispose]();
  }
}

/** Waits until `condition` holds. Not a measure of time: the limit only ends what hangs. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const started = performance.now();
  while (!condition()) {
    if (performance.now() - started > 60_000) throw new Error(`still not so after a minute: ${what}`);
    await Bun.sleep(1);
  }
}
