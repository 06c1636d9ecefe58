/** How a pool, and each of its Workers, comes, dies and goes. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BancosError } from "../../src/errors.ts";
import { open } from "../../src/index.ts";
import { openPool, type Pool, type PoolOptions } from "../../src/pool.ts";
import { codeOf, FAULTY, inFolder, seeded, withPool } from "./support.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

const POOL = join(import.meta.dir, "../../src/pool.ts");

/** Resolves when the first writing Worker is another one than `worker`. */
async function replaced(pool: Pool, worker: unknown): Promise<void> {
  while (pool.workers.writers[0] === worker) await Bun.sleep(1);
}

describe("opening", () => {
  const bad: [string, PoolOptions, string][] = [
    ["a negative number of readers", { readers: -1 }, "INVALID_OPTION"],
    ["half a writer", { writers: 0.5 }, "INVALID_OPTION"],
    ["no Worker at all", { readers: 0, writers: 0 }, "INVALID_OPTION"],
    ["no room in the queue", { queueSize: 0 }, "INVALID_OPTION"],
    ["an unknown option", { raeders: 2 } as PoolOptions, "INVALID_OPTION"],
    ["a file that is not to be made", { create: false }, "NOT_FOUND"],
    ["a file that is only to be read and is not there", { readOnly: true }, "NOT_FOUND"],
    ["a Worker that is not there", { worker: "./no-such-worker.ts" }, "INVALID_OPERATION"],
  ];
  test.each(bad)("%s is refused", async (_, options, code) => {
    await inFolder(async (folder) => {
      const path = join(folder, "pool.bancos");
      expect(await codeOf(openPool(path, options))).toBe(code);
      expect(existsSync(path)).toBe(false);
    });
  });

  test("what is no store is refused, with every Worker gone", async () => {
    await inFolder(async (folder) => {
      const path = join(folder, "other");
      writeFileSync(path, "x".repeat(100_000));
      expect(await codeOf(openPool(path))).toBe("NOT_A_STORE");
      expect(await codeOf(openPool(""))).toBe("INVALID_OPTION");
    });
  });

  test("the key encoding of the file holds, and another one is refused", async () => {
    await inFolder(async (folder) => {
      const path = join(folder, "pool.bancos");
      open(path, { keyEncoding: "ordered" }).close();
      await using pool = (await openPool(path)) as unknown as Pool<number, number[]>;
      expect(pool.keyEncoding).toBe("ordered");
      await pool.set([2, 1], 5);
      expect(await pool.get([2, 1])).toBe(5);
      expect(await codeOf(openPool(path, { keyEncoding: "binary" }))).toBe("KEY_ENCODING");
    });
  });

  test("a pool that only reads says so to who writes", async () => {
    await inFolder(async (folder) => {
      const path = join(folder, "pool.bancos");
      using store = open(path);
      store.set("a", 1);
      await using pool = await openPool(path, { readOnly: true, readers: 2 });
      const read = pool.get("a");
      expect(await codeOf(pool.set("a", 2))).toBe("READ_ONLY");
      expect(await codeOf(pool.delete("a"))).toBe("READ_ONLY");
      expect(await read).toBe(1);
      expect((await pool.stats()).participants.map((who) => who.role).sort()).toEqual([
        "reader",
        "reader",
        "writer",
      ]);
    });
  });

  test("a rebuild is made by the first Worker alone", async () => {
    await inFolder(async (folder) => {
      const path = join(folder, "pool.bancos");
      open(path).set("a", 1).close();
      await using pool = await openPool(path, { recover: "rebuild" });
      expect(await pool.get("a")).toBe(1);
      const first = pool.workers.writers[0]!;
      first.terminate();
      await replaced(pool, first);
      await pool.set("b", 2);
      expect(await pool.size).toBe(2);
    });
  });
});

describe("back-pressure", () => {
  test("whoever waits for `ready` never has more under way than the queue takes", async () => {
    await withPool({ readers: 1, writers: 1, queueSize: 500 }, async (pool) => {
      let most = 0;
      for (let i = 0; i < 20_000; i++) {
        void pool.set(`key ${i}`, i);
        most = Math.max(most, pool.pending);
        await pool.ready;
      }
      expect(most).toBe(500);
      expect(await pool.size).toBe(20_000);
      expect(pool.pending).toBe(0);
    });
  });

  test("whoever does not wait is answered all the same", async () => {
    await withPool({ readers: 1, writers: 1, queueSize: 10 }, async (pool) => {
      const sums = await Promise.all(Array.from({ length: 20_000 }, () => pool.add("sum", 1)));
      expect(sums).toEqual(Array.from({ length: 20_000 }, (_, i) => i + 1));
    });
  });
});

describe("a Worker that dies", () => {
  const ways: [string, (pool: Pool) => Promise<unknown>][] = [
    ["by process.exit before a write", (pool) => pool.set("exit before", 1)],
    ["by process.exit after a write", (pool) => pool.set("exit after", 1)],
    [
      "by terminate() in the middle of a batch",
      async (pool) => {
        const call = pool.set("spin", 1);
        await Bun.sleep(50);
        for (const worker of pool.workers.writers) worker!.terminate();
        return call;
      },
    ],
    ["by process.exit while it reads", (pool) => pool.get("exit")],
  ];
  test.each(ways)(
    "%s: its unanswered commands fail with OUTCOME_UNKNOWN, and all goes on",
    async (_, kill) => {
      await withPool({ readers: 1, writers: 1, worker: FAULTY }, async (pool) => {
        await pool.set("before", 1);
        const dying = kill(pool).catch((error: unknown) => error as BancosError);
        // Some of them in the batch that dies, some after it.
        const others = await Promise.all(
          Array.from({ length: 3000 }, (__, i) => codeOf(pool.set(`key ${i}`, i))),
        );
        const error = (await dying) as BancosError;
        expect(error.code).toBe("OUTCOME_UNKNOWN");
        expect(error.message).toContain("may or may not have happened");
        expect(new Set(others).difference(new Set(["none", "OUTCOME_UNKNOWN"]))).toEqual(new Set());
        expect(await pool.get("before")).toBe(1);
        for (const [i, code] of others.entries()) {
          if (code === "none") expect(await pool.get(`key ${i}`)).toBe(i);
        }
        await pool.set("afterwards", 2);
        expect(await pool.get("afterwards")).toBe(2);
        expect((await pool.verify()).problems).toEqual([]);
      });
    },
  );

  test("of an exception outside of commands is replaced", async () => {
    await withPool({ readers: 1, writers: 1, worker: FAULTY }, async (pool) => {
      const first = pool.workers.writers[0]!;
      await codeOf(pool.set("throw later", 1));
      await replaced(pool, first);
      await pool.set("a", 1);
      expect(await pool.get("a")).toBe(1);
      expect(await pool.get("throw later")).toBe(1);
    });
  });

  test("at random moments, again and again, loses no write that was acknowledged", async () => {
    const random = seeded("deaths");
    await withPool({ readers: 2, writers: 2 }, async (pool) => {
      const acknowledged = new Map<string, number>();
      const possible = new Map<string, Set<number>>();
      let unknown = 0;
      let deaths = 0;
      let done = false;
      const callers = Array.from({ length: 20 }, async (_, me) => {
        for (let i = 0; !done; i++) {
          const key = `caller ${me} key ${i % 50}`;
          try {
            await pool.set(key, i);
            acknowledged.set(key, i);
            possible.delete(key);
          } catch (error) {
            expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN" });
            unknown++;
            possible.set(key, (possible.get(key) ?? new Set()).add(i));
          }
          try {
            const found = (await pool.get(key)) as number | undefined;
            const isKnown =
              found === acknowledged.get(key) || possible.get(key)?.has(found as number) === true;
            expect([key, found, isKnown]).toEqual([key, found, true]);
          } catch (error) {
            expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN" });
          }
        }
      });
      for (let i = 0; i < 20; i++) {
        await Bun.sleep(random(60));
        const all = [...pool.workers.writers, ...pool.workers.readers];
        const victim = all[random(all.length)];
        if (victim) {
          victim.terminate();
          deaths++;
        }
      }
      done = true;
      await Promise.all(callers);
      console.log(
        `${deaths} Workers terminated: ${acknowledged.size} keys, ${unknown} writes of unknown outcome`,
      );
      for (const [key, value] of acknowledged) {
        const found = (await pool.get(key)) as number;
        expect([key, found, found === value || possible.get(key)?.has(found) === true]).toEqual([
          key,
          found,
          true,
        ]);
      }
      expect((await pool.verify()).problems).toEqual([]);
    });
  });
});

describe("with durability commit", () => {
  test("writes are answered when they are on the disk, a batch with one sync", async () => {
    await withPool({ readers: 1, writers: 2, durability: "commit" }, async (pool) => {
      await Promise.all(Array.from({ length: 5000 }, (_, i) => pool.set(`key ${i}`, { i })));
      expect(await pool.get("key 4999")).toEqual({ i: 4999 });
      expect(await pool.size).toBe(5000);
    });
  });

  test("a sync that fails fails the writes that waited for it", async () => {
    await withPool({ readers: 1, writers: 1, durability: "commit", worker: FAULTY }, async (pool) => {
      await pool.set("a", 1);
      const codes = await Promise.all(
        [pool.set("fail syncs", 1), pool.set("b", 1), pool.set("c", 1)].map(codeOf),
      );
      expect(codes).toEqual(["IO_ERROR", "IO_ERROR", "IO_ERROR"]);
      expect(await pool.get("a")).toBe(1);
    });
  });

  test("flush waits for what was called before it", async () => {
    await withPool({ flushEvery: 0 }, async (pool) => {
      let written = 0;
      for (let i = 0; i < 1000; i++) void pool.set(`key ${i}`, i).then(() => written++);
      await pool.flush();
      expect(written).toBe(1000);
    });
  });
});

describe("close", () => {
  test("answers all that was called before it, and nothing after it", async () => {
    await inFolder(async (folder) => {
      const path = join(folder, "pool.bancos");
      const pool = await openPool(path, { readers: 2, writers: 2 });
      const calls = Array.from({ length: 5000 }, (_, i) => pool.set(`key ${i}`, i));
      const reads = Array.from({ length: 5000 }, (_, i) => pool.get(`key ${i}`));
      const entries = pool.entries();
      await entries.next();
      const closing = pool.close();
      const late = [
        pool.get("a"), pool.has("a"), pool.set("a", 1), pool.insert("a", 1), pool.delete("a"), pool.add("a", 1),
        pool.compareAndSet("a", 1, 2), pool.getMany(["a"]), pool.first(), pool.last(), pool.count(), pool.size,
        pool.keys().next(), pool.flush(), pool.stats(), pool.verify(), pool.collect(),
      ]; // biome-ignore format: a list to look at
      expect(new Set(await Promise.all(late.map(codeOf)))).toEqual(new Set(["CLOSED"]));
      expect(await Promise.all(reads)).toEqual(Array.from({ length: 5000 }, (_, i) => i));
      await Promise.all(calls);
      await closing;
      await pool.close();
      await pool[Symbol.asyncDispose]();
      const rest = (async () => {
        for await (const _ of entries);
      })();
      expect(await codeOf(rest)).toBe("CLOSED");
      using store = open(path);
      expect(store.size).toBe(5000);
      const stats = store.stats();
      expect(stats.recovery.found).toBe("clean");
      expect(stats.participants).toHaveLength(1);
    });
  });

  test("works with Workers that are dying", async () => {
    await inFolder(async (folder) => {
      const pool = await openPool(join(folder, "pool.bancos"), { readers: 1, writers: 1 });
      await pool.set("a", 1);
      for (const worker of [...pool.workers.readers, ...pool.workers.writers]) worker!.terminate();
      await pool.close();
    });
  });

  test("is not needed: an idle pool lets its process end, and one at work does not", async () => {
    await inFolder(async (folder) => {
      const path = join(folder, "pool.bancos");
      const program = `
        import { openPool } from ${JSON.stringify(POOL)};
        const pool = await openPool(${JSON.stringify(path)}, { readers: 1, writers: 1 });
        pool.set("a", 1).then(() => pool.get("a")).then((value) => console.log("read", value));`;
      const child = Bun.spawn([process.execPath, "-e", program], { stderr: "pipe" });
      expect(await child.exited).toBe(0);
      expect(await child.stdout.text()).toBe("read 1\n");
      expect(await child.stderr.text()).toBe("");
      using store = open(path);
      expect(store.get("a")).toBe(1);
    });
  });
});
