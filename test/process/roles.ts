/** The roles that actors play; each in a process or a Worker of its own. */
import { open } from "../../src/index.ts";
import { Counters, mixed, Random, type Task } from "./support.ts";
import { look, operation, ownState, perform } from "./workload.ts";

/** Counter that says stop; the others are numbered from 0 up, two for each actor. */
export const STOP = 63;
export const COUNTER_COUNT = 64;
/** What actor `me` has begun, and what has returned. */
export const begun = (me: number): number => me * 2;
export const returned = (me: number): number => me * 2 + 1;

export type Say = (line: string) => void;
export type Role = (task: Task, counters: Counters, say: Say) => void | Promise<void>;

const number = (task: Task, name: string, byDefault: number): number =>
  Number(task.options?.[name] ?? byDefault);

/** Operations between two turns of the event loop, in which background flushes run. */
const BURST = 200;

const ROLES: Readonly<Record<string, Role>> = {
  /** Writes until it is told to stop, or killed. */
  async writer(task, counters, say) {
    using store = open(task.path, { flushEvery: number(task, "flushEvery", 1000) });
    const { me, seed } = task;
    const life = number(task, "life", 0);
    const model = ownState(store, me);
    say("ready");
    for (let i = 0; counters.get(STOP) === 0; i++) {
      const op = operation(seed, me, life, i);
      counters.set(begun(me), i + 1);
      perform(store, op, model);
      counters.set(returned(me), i + 1);
      if (i % BURST === BURST - 1) await Bun.sleep(0);
    }
  },

  /** Reads everything over and over; throws when something is amiss. */
  async reader(task, counters, say) {
    using store = open(task.path, { readOnly: true });
    const random = new Random(mixed(task.seed, task.me));
    say("ready");
    while (counters.get(STOP) === 0) {
      look(store, random);
      counters.take(returned(task.me));
      await Bun.sleep(0);
    }
  },
};

/** The roles of other files, which import this one's frame. */
const MORE: Readonly<Record<string, () => Promise<{ readonly roles: Readonly<Record<string, Role>> }>>> = {
  historian: () => import("./histories.ts"),
};

export async function play(task: Task, say: Say): Promise<void> {
  const role = ROLES[task.role] ?? (await MORE[task.role]?.())?.roles[task.role];
  if (role === undefined) throw new Error(`there is no role ${task.role}`);
  using counters = new Counters(task.counters, COUNTER_COUNT);
  await role(task, counters, say);
}
