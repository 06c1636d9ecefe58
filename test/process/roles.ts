/** The roles that actors play; each in a process or a Worker of its own. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { open, type Store } from "../../src/index.ts";
import { HANDLES, handleInfo, yieldThread } from "../../src/memory/platform.ts";
import { histories } from "./histories.ts";
import { begun, COUNTER_COUNT, optionOf, type Roles, returned, STOP } from "./role.ts";
import { Counters, mixed, Random, startWorker, type Task } from "./support.ts";
import { look, operation, ownState, perform } from "./workload.ts";

/** Operations between two turns of the event loop, in which background flushes run. */
const BURST = 200;

/** Keys of one node, so that all who write them want the same locks. */
export const hotKey = (i: number): string => `hot/${String.fromCharCode(33 + i)}`;
export const HOT_KEYS = 60;

/** One change below the node of the hot keys: it grows and shrinks by turns. */
function changeHot(store: Store, random: Random, i: number): void {
  const key = hotKey(random.below(HOT_KEYS));
  if ((i >> 8) % 2 === 0 ? random.oneIn(3) : !random.oneIn(3)) store.delete(key);
  else store.set(key, `${i}`);
}

export const churnKey = (i: number): string => `churn/${mixed(i).toString(36)}`;
export const churnValue = (i: number, pass: number): string | number =>
  i % 4 === 0 ? i * 1000 + pass : `${i}:${pass}:${"c".repeat(20 + (i % 80))}`;

const ROLES: Roles = {
  ...histories,

  /** Writes until it is told to stop, or killed. */
  async writer(task, counters, say) {
    using store = open(task.path, { flushEvery: optionOf(task, "flushEvery", 1000) });
    const { me, seed } = task;
    const life = optionOf(task, "life", 0);
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

  /** Sits in `reader(fn)` until it is told to stop. */
  sitter(task, counters, say) {
    using store = open(task.path, { readOnly: true });
    store.reader((reader) => {
      reader.get("anything");
      say("inside");
      counters.set(begun(task.me), 1);
      while (counters.get(STOP) === 0) Bun.sleepSync(1);
    });
    // It must be able to go on.
    store.get("anything");
    say("outside");
  },

  /** Begins a flush, and does not let its event loop go on, so that it does not see the end, until it is told to stop. */
  async busy(task, counters, say) {
    using store = open(task.path, { flushEvery: 0 });
    for (let i = 0; i < 1000; i++) store.set(`busy/${i}`, "flushed".padEnd(100));
    const flushed = store.flush();
    say("busy");
    for (let i = 0; counters.get(STOP) === 0; i++) {
      store.set(`busy/${i % 1000}`, `${i}`.padEnd(100));
      counters.set(returned(task.me), i + 1);
      Bun.sleepSync(0.1);
    }
    await flushed;
  },

  /** Adds and removes children of one node as fast as it can, so that it mostly holds its lock. */
  async hot(task, counters, say) {
    using store = open(task.path, { flushEvery: 0 });
    const random = new Random(mixed(task.seed, task.me));
    say("ready");
    for (let i = 0; counters.get(STOP) === 0; i++) {
      changeHot(store, random, i);
      counters.set(returned(task.me), i + 1);
      if (i % BURST === BURST - 1) await Bun.sleep(0);
    }
  },

  /** Overwrites, or deletes and inserts again, its half of a fixed set of keys, pass after pass. */
  async churn(task, counters, say) {
    using store = open(task.path, { flushEvery: optionOf(task, "flushEvery", 1000) });
    const keys = optionOf(task, "keys", 0);
    const passes = optionOf(task, "passes", 0);
    const random = new Random(mixed(task.seed, task.me));
    say("ready");
    for (let pass = 1; pass <= passes; pass++) {
      for (let i = task.me; i < keys; i += 2) {
        const key = churnKey(i);
        if (random.oneIn(2)) {
          store.delete(key);
          store.insert(key, churnValue(i, pass));
        } else store.set(key, churnValue(i, pass));
        if (i % 2000 < 2) await Bun.sleep(0);
      }
      counters.set(returned(task.me), pass);
    }
  },

  /** Answers each number that it sees in `ping` by the same in `pong`, without a turn of the event loop. */
  pong(task, counters, say) {
    using store = open(task.path);
    const rounds = optionOf(task, "rounds", 0);
    say("ready");
    for (let i = 1; i <= rounds; i++) {
      // The counter moves after the other's write has returned: the very next read must see it.
      while (counters.get(begun(0)) < i) {
        if (counters.get(STOP) !== 0) return;
        yieldThread();
      }
      const seen = store.get("ping");
      if (seen !== `ping ${i}`) throw new Error(`round ${i}: read ${String(seen)}`);
      const scanned = store.first({ prefix: "ping" });
      if (scanned?.[1] !== `ping ${i}`) throw new Error(`round ${i}: scanned ${String(scanned?.[1])}`);
      store.set("pong", `pong ${i}`);
      counters.set(begun(1), i);
    }
  },

  /** Opens the store so many times at once, and waits. */
  async opener(task, counters, say) {
    const stores = Array.from({ length: optionOf(task, "times", 1) }, (_, i) => {
      const store = open(task.path, { readOnly: i % 2 === 1 });
      if (store.get("steady") !== 1) throw new Error("a store that was just opened does not find a key");
      return store;
    });
    say("ready");
    while (counters.get(STOP) === 0) await Bun.sleep(5);
    for (const store of stores) store.close();
  },

  /** Ends its process in the middle of things: `where` says in which. */
  leaver(task, _counters, say) {
    const store = open(task.path);
    say("ready");
    for (let i = 0; i < 1000; i++) store.set(`left/${task.me}/${i}`, i);
    switch (task.options?.["where"]) {
      case "reader":
        store.reader(() => process.exit(0));
        break;
      case "writer":
        store.writer((writer) => {
          writer.set(`left/${task.me}/last`, 1);
          process.exit(0);
        });
        break;
      case "iteration":
        for (const [key] of store.entries({ prefix: `left/${task.me}/` })) {
          if (key.endsWith("/500")) process.exit(0);
        }
        break;
      case "toJSON":
        store.set("left/json", { toJSON: () => process.exit(0) } as never);
        break;
      default:
        // With the background flush scheduled, and no close.
        process.exit(0);
    }
    throw new Error("it should have ended before");
  },

  /** Starts another program that outlives it, and waits to be killed. */
  async parent(task, _counters, say) {
    using store = open(task.path);
    store.set("parent", 1);
    const child = Bun.spawn(["sleep", "60"], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
    say(String(child.pid));
    for (;;) await Bun.sleep(1000);
  },

  /** Starts Workers and terminates them, over and over; says what is left of them in its process. */
  async host(task, counters, say) {
    const times = optionOf(task, "times", 100);
    const atOnce = optionOf(task, "atOnce", 4);
    const random = new Random(mixed(task.seed, task.me));
    let done = 0;
    const line = async (me: number): Promise<void> => {
      while (done < times) {
        done++;
        const worker = startWorker({ ...task, role: "hot", me });
        // One in four is terminated while it starts or opens the file.
        if (random.oneIn(4)) await Bun.sleep(random.below(40));
        else {
          await Promise.race([worker.line(), worker.ended]);
          await Bun.sleep(random.below(6));
        }
        await worker.kill();
        const how = await worker.ended;
        if (typeof how === "object") throw new Error(how.error);
        if (done % 100 === 0) say(leftOf(task));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, (_, i) => line(task.me + 1 + i)));
    // Whoever opens the file next tidies up.
    for (let round = 0; round < 200; round++) {
      await Bun.sleep(10);
      using store = open(task.path);
      store.collect();
      if (store.stats().participants.every(({ self, pid }) => self || pid !== process.pid)) break;
    }
    counters.set(STOP, 1);
    say(leftOf(task));
  },
};

/** What this process has open of the file: descriptors and mappings, as JSON. */
function leftOf(task: Task): string {
  const descriptors = readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === task.path;
    } catch {
      return false;
    }
  });
  const mappings = readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .filter((line) => line.endsWith(` ${task.path}`));
  const handles = Array.from({ length: HANDLES - 1 }, (_, i) => handleInfo(i + 1)).filter(({ used }) => used);
  return JSON.stringify({
    descriptors: descriptors.length,
    mappings: mappings.length,
    handles: handles.length,
    all: readdirSync("/proc/self/fd").length,
  });
}

export async function play(task: Task, say: (line: string) => void): Promise<void> {
  const role = ROLES[task.role];
  if (role === undefined) throw new Error(`there is no role ${task.role}`);
  using counters = new Counters(task.counters, COUNTER_COUNT);
  await role(task, counters, say);
}
