/**
 * Participants that are stopped, or dead, where it hurts most: in an epoch, or with a lock. A stopped one delays reuse,
 * and the writers of the node it holds; it is named; and nothing is taken from it. A dead one delays nobody.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { inspectKey, open, type Store } from "../../src/index.ts";
import { isUnderWay, tryStartSync } from "../../src/recovery/sync.ts";
import { returned } from "./role.ts";
import { HOT_KEYS, hotKey } from "./roles.ts";
import { Scene, until } from "./scene.ts";
import { type Actor, checkWhole, SEED } from "./support.ts";

/** Only ends what hangs. */
const LIMIT = 600_000;

console.log(`stopped: seed ${SEED}`);

const limboOf = (store: Store): number => store.stats().bytes.limbo;

/** Retires cells: every key replaced, `passes` times. */
function churn(store: Store, passes: number): void {
  for (let pass = 0; pass < passes; pass++) {
    for (let i = 0; i < 1000; i++) store.set(`churn/${i}`, `${pass}`.padEnd(100));
  }
}

/** Empties limbo as far as it can be: what waits for the disk needs two syncs. */
function empty(store: Store): number {
  for (let i = 0; i < 3; i++) {
    store.flushSync();
    store.collect();
  }
  return limboOf(store);
}

/** State of the process's first thread: T stopped, Z dead; - if it is gone. */
function stateOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2, text.lastIndexOf(")") + 3);
  } catch {
    return "-";
  }
}

/** Stops the process and waits until it stands still. */
async function stop(actor: Actor): Promise<void> {
  actor.signal("SIGSTOP");
  await until("the process is stopped", () => stateOf(actor.pid) === "T");
}

describe("a reader that is stopped in reader(fn)", () => {
  test(
    "delays the reuse of memory and nothing else, is named, and delays it no longer when it goes on",
    async () => {
      await using scene = new Scene();
      const store = scene.open({ flushEvery: 0 });
      churn(store, 1);
      empty(store);
      const reader = await scene.start("sitter", 0);
      await stop(reader);
      const before = limboOf(store);
      churn(store, 5);
      store.collect();
      // Held back, and by whom.
      expect(limboOf(store)).toBeGreaterThan(before + 300_000);
      expect(store.stats().heldBackBy?.pid).toBe(reader.pid);
      expect(store.stats().participants.find(({ pid }) => pid === reader.pid)?.state).toBe("alive");
      // Reads and writes go on.
      expect(store.get("churn/7")).toBe("4".padEnd(100));
      store.set("other", 1);
      expect(store.delete("churn/8")).toBe(true);
      reader.signal("SIGCONT");
      await scene.allDone();
      expect(empty(store)).toBe(0);
      expect(store.stats().heldBackBy).toBeNull();
      checkWhole(store, "after the stop");
    },
    LIMIT,
  );

  test(
    "is taken for what it is: nobody recovers it, whatever waits",
    async () => {
      await using scene = new Scene();
      const store = scene.open({ flushEvery: 0 });
      const reader = await scene.start("sitter", 0);
      const before = store.stats().recoveries;
      await stop(reader);
      churn(store, 10);
      store.collect();
      const other = scene.open({ readOnly: true });
      expect(other.get("churn/1")).toBe("9".padEnd(100));
      expect(store.stats().recoveries).toBe(before);
      reader.signal("SIGCONT");
      await scene.allDone();
      checkWhole(store, "after the stop");
    },
    LIMIT,
  );
});

describe("a reader that is killed in reader(fn)", () => {
  test(
    "holds back nobody: a writer that only writes finds out and recovers it",
    async () => {
      await using scene = new Scene();
      const store = scene.open({ flushEvery: 0 });
      const reader = await scene.start("sitter", 0);
      await reader.kill();
      // No open, no collect, no lock to wait for: only the writer itself.
      churn(store, 40);
      expect(store.stats().recoveries).toBe(1);
      expect(store.stats().heldBackBy).toBeNull();
      // 40 MB were written; without reuse they would all be in the file.
      expect(store.stats().bytes.file).toBeLessThan(4 << 20);
      checkWhole(store, "after the kill");
    },
    LIMIT,
  );

  test(
    "is recovered in the same way if it was a Worker that was terminated",
    async () => {
      await using scene = new Scene();
      const store = scene.open({ flushEvery: 0 });
      const reader = await scene.startWorker("sitter", 0);
      await reader.kill();
      churn(store, 40);
      expect(store.stats().recoveries).toBe(1);
      expect(store.stats().bytes.file).toBeLessThan(4 << 20);
      checkWhole(store, "after terminate()");
    },
    LIMIT,
  );
});

describe("a flush whose process does not let its event loop go on", () => {
  for (const where of ["process", "Worker"] as const) {
    test(`holds up nobody who flushes, backs up or commits (${where})`, async () => {
      await using scene = new Scene();
      const store = scene.open({ flushEvery: 0 });
      // Who opens it later waits for the end of what was under way: see earlierSyncs.
      const commits = scene.open({ durability: "commit" });
      store.set("mine", 1);
      if (where === "process") await scene.start("busy", 0);
      else await scene.startWorker("busy", 0);
      // Each of these would wait for as long as the other is busy, and that is until the last of them has ended.
      store.set("mine", 2).flushSync();
      store.set("mine", 3);
      await store.flush();
      await store.backup(scene.folder.file("copy"));
      commits.set("mine", 4);
      await scene.allDone();
      expect(scene.counters.get(returned(0))).toBeGreaterThan(0);
      await store.flush();
      checkWhole(store, "after the flushes");
      using copy = open(scene.folder.file("copy"));
      expect(copy.get("mine")).toBe(3);
    }, 60_000);
  }
});

test("a flush comes to its end behind any number of syncs that never do", async () => {
  await using scene = new Scene();
  const store = scene.open({ flushEvery: 0 });
  const { region, slot } = store.participant();
  for (let i = 0; i < 100; i++) expect(tryStartSync(region, slot)).not.toBeNull();
  store.set("k", 1);
  await store.flush();
  expect(isUnderWay(region.h)).toBe(false);
});

/** Stops the writer again and again until it stands still with a node locked. Best effort: false if it never does. */
async function stopWithLock(store: Store, writer: Actor): Promise<boolean> {
  for (let tries = 0; tries < 400; tries++) {
    await stop(writer);
    const who = store.stats().participants.find(({ pid }) => pid === writer.pid);
    // An intent with locks is announced before they are taken, and kept until after: see which it is.
    if (who !== undefined && who.locks.length > 0 && holdsLock(store)) return true;
    writer.signal("SIGCONT");
    await Bun.sleep(1);
  }
  return false;
}

/** Does a key among the hot ones lie in a node that is locked? */
function holdsLock(store: Store): boolean {
  return inspectLocks(store).some((slot) => slot !== 0);
}

const inspectLocks = (store: Store): number[] => inspectKey(store, hotKey(0)).path.map(({ slot }) => slot);

describe("a writer that is stopped with a lock", () => {
  test(
    "makes writers of that node wait, and only them; all goes on when it does",
    async () => {
      await using scene = new Scene();
      const store = scene.open({ flushEvery: 0 });
      for (let i = 0; i < HOT_KEYS; i++) store.set(hotKey(i), "0");
      const first = await scene.start("hot", 0);
      const stopped = await stopWithLock(store, first);
      console.log(`  stopped with a lock: ${stopped}`);
      const second = await scene.start("hot", 1);
      // Readers don't wait, nor do writers elsewhere.
      for (let i = 0; i < HOT_KEYS; i++) store.get(hotKey(i));
      expect([...store.entries({ prefix: "hot/" })].length).toBeGreaterThan(0);
      store.set("elsewhere", 1);
      expect(store.get("elsewhere")).toBe(1);
      expect(store.stats().recoveries).toBe(0);
      first.signal("SIGCONT");
      const seen = scene.counters.get(returned(1));
      await until("the second writer gets on", () => scene.counters.get(returned(1)) > seen + 100);
      await scene.allDone();
      expect(second.pid).toBeGreaterThan(0);
      checkWhole(store, "after the stop");
    },
    LIMIT,
  );
});

const waits: number[] = [];

describe("a writer that is killed with a lock", () => {
  test(
    "is recovered by the next writer that wants the lock",
    async () => {
      await using scene = new Scene();
      const store = scene.open({ flushEvery: 0 });
      for (let i = 0; i < HOT_KEYS; i++) store.set(hotKey(i), "0");
      for (let round = 0; round < 8; round++) {
        const writer = await scene.start("hot", round % 4);
        const stopped = await stopWithLock(store, writer);
        await writer.kill();
        const started = performance.now();
        // All of the node's keys, so that the very one is among them.
        for (let i = 0; i < HOT_KEYS; i++) store.set(hotKey(i), "again");
        if (stopped) waits.push(performance.now() - started);
        expect(store.stats().participants.filter(({ self }) => !self)).toEqual([]);
        checkWhole(store, `round ${round}`);
      }
      expect(store.stats().recoveries).toBe(8);
    },
    LIMIT,
  );
});

const dying: number[] = [];
const noticed: number[] = [];

describe("a writer that is blocked by one that dies", () => {
  test(
    "goes on by itself",
    async () => {
      await using scene = new Scene();
      const store = scene.open({ flushEvery: 0 });
      for (let i = 0; i < HOT_KEYS; i++) store.set(hotKey(i), "0");
      const blocked = await scene.start("hot", 1);
      for (let round = 0; round < 6; round++) {
        const victim = await scene.start("hot", 0);
        const stopped = await stopWithLock(store, victim);
        // Blocked once its count stands still.
        await Bun.sleep(20);
        const at = scene.counters.get(returned(1));
        await Bun.sleep(20);
        const isBlocked = stopped && scene.counters.get(returned(1)) === at;
        const started = performance.now();
        let dead = 0;
        victim.signal("SIGKILL");
        while (scene.counters.get(returned(1)) === at) {
          if (performance.now() - started > 30_000) throw new Error("the blocked writer does not go on");
          // The kernel takes its time to end a process: that is not ours.
          if (dead === 0 && "ZX-".includes(stateOf(victim.pid))) dead = performance.now();
          Bun.sleepSync(0.1);
        }
        if (isBlocked) {
          const now = performance.now();
          dying.push((dead === 0 ? now : dead) - started);
          noticed.push(dead === 0 ? 0 : now - dead);
        }
        await victim.ended;
      }
      expect(blocked.pid).toBeGreaterThan(0);
      await scene.allDone();
      checkWhole(store, "after the deaths");
    },
    LIMIT,
  );
});

const figures = (list: number[]): string => {
  const sorted = [...list].sort((a, b) => a - b);
  const at = (part: number): string =>
    (sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN).toFixed(1);
  return `${list.length} times, median ${at(0.5)} ms, most ${at(1)} ms`;
};

afterAll(() => {
  console.log(`  writing 60 keys of a node whose lock a dead process holds: ${figures(waits)}`);
  console.log(`  kill -9 of the holder until its thread is dead: ${figures(dying)}`);
  console.log(`  from then until the blocked writer has gone on: ${figures(noticed)}`);
});
