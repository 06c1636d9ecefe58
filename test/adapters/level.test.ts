/** BancosLevel passes the suite that abstract-level ships, and keeps the promises that are its own. */
import { describe, expect, expectTypeOf, onTestFinished, setDefaultTimeout, spyOn, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AbstractLevel } from "abstract-level";
import { BancosError, open } from "../../src/index.ts";
import { BancosLevel } from "../../src/level.ts";
import { random } from "../random.ts";
import { freshPaths, killed, seed } from "./support.ts";

const freshPath = freshPaths();

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

interface LevelError extends Error {
  code: string;
  cause?: unknown;
}

/** The files of the suite take 1 MiB each. */
function hasRoomInMemory(): boolean {
  try {
    const { bavail, bsize } = statfsSync("/dev/shm");
    return bavail * bsize > 4 * 2 ** 30;
  } catch {
    return false;
  }
}

async function failureOf(promise: Promise<unknown>): Promise<LevelError> {
  try {
    await promise;
  } catch (error) {
    return error as LevelError;
  }
  throw new Error("it did not fail");
}

describe("the suite of abstract-level", () => {
  test("passes, on the database and again on a sublevel, and leaves whole files", async () => {
    // It opens and closes some hundred stores, and each close syncs.
    const where = mkdtempSync(join(hasRoomInMemory() ? "/dev/shm" : tmpdir(), "bancos-level-"));
    onTestFinished(() => rmSync(where, { recursive: true, force: true }));
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "level-suite.ts"), where], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const [tap, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    const exitCode = await child.exited;
    const lines = tap.split("\n");
    const failed = lines.filter((line) => line.startsWith("not ok"));
    const skipped = lines.filter((line) => /^ok .*# SKIP/i.test(line));
    const passed = lines.filter((line) => line.startsWith("ok ")).length - skipped.length;
    const cases = lines.filter((line) => line.startsWith("# ")).length;
    console.log(
      `abstract-level: ${passed} assertions passed, ${failed.length} failed, ${skipped.length} skipped (${cases} headings)`,
    );
    expect({ failed, skipped, err, exitCode }).toEqual({ failed: [], skipped: [], err: "", exitCode: 0 });
    // The plan that tape prints at its end: it got there, and no test was lost on the way.
    expect(lines).toContain(`1..${passed}`);
    expect(passed).toBeGreaterThan(4000);
    const verified = /^# verified (\d+) stores, (\d+) problems$/m.exec(tap);
    console.log(verified?.[0].slice(2));
    expect(Number(verified?.[1])).toBeGreaterThan(300);
    expect(verified?.[2]).toBe("0");
  });
});

describe("BancosLevel", () => {
  test("walks in the order of bytes through any range, from any place, in all encodings, as a sorted list does", async () => {
    const db = new BancosLevel<Uint8Array, Uint8Array>(freshPath(), {
      keyEncoding: "view",
      valueEncoding: "view",
    });
    const below = random(seed);
    const bytes = (most: number) =>
      Uint8Array.from({ length: below(most + 1) }, () => [0, 1, 2, 255][below(4)]!);
    const expected = new Map<string, Uint8Array>();
    for (let i = 0; i < 500; i++) {
      const key = bytes(5);
      const value = bytes(20);
      await db.put(key, value);
      expected.set(Buffer.from(key).toString("hex"), value);
    }
    const sorted = [...expected.keys()].map((hex) => Buffer.from(hex, "hex")).sort(Buffer.compare);
    let walks = 0;
    let given = 0;
    for (; walks < 500; walks++) {
      const low = below(3) === 0 ? undefined : bytes(4);
      const high = below(3) === 0 ? undefined : bytes(4);
      const [lowName, highName] = [["gt", "gte"][below(2)]!, ["lt", "lte"][below(2)]!];
      const reverse = below(2) === 0;
      const limit = below(3) === 0 ? below(20) : -1;
      const target = [undefined, bytes(4), bytes(4), low, high][below(5)];
      const within = (key: Uint8Array): boolean => {
        const fromLow = low === undefined ? 1 : Buffer.compare(key, low);
        const fromHigh = high === undefined ? -1 : Buffer.compare(key, high);
        return (
          (fromLow > 0 || (fromLow === 0 && lowName === "gte")) &&
          (fromHigh < 0 || (fromHigh === 0 && highName === "lte"))
        );
      };
      let wanted = sorted.filter(within);
      if (reverse) wanted.reverse();
      if (target !== undefined) {
        const beyond = (key: Uint8Array) => Buffer.compare(key, target) * (reverse ? -1 : 1) >= 0;
        wanted = within(target) ? wanted.filter(beyond) : [];
      }
      if (limit >= 0) wanted = wanted.slice(0, limit);
      const options = {
        ...(low === undefined ? {} : { [lowName]: low }),
        ...(high === undefined ? {} : { [highName]: high }),
        reverse,
        limit,
      };
      const iterators = [db.iterator(options), db.keys(options), db.values(options)] as const;
      if (target !== undefined) for (const iterator of iterators) iterator.seek(target);
      const bareIterator = db.iterator({ ...options, values: false });
      if (target !== undefined) bareIterator.seek(target);
      const bare = await bareIterator.all();
      expect(bare.map(([, value]) => value)).toEqual(bare.map(() => undefined as never));
      const [entries, keys, values] = [
        await iterators[0].all(),
        await iterators[1].all(),
        // One by one, and many at a time, must be the same.
        [await iterators[2].next(), ...(await iterators[2].nextv(1000))].filter(
          (value) => value !== undefined,
        ),
      ];
      await iterators[2].close();
      const hex = (list: readonly Uint8Array[]) => list.map((key) => Buffer.from(key).toString("hex"));
      expect(hex(keys)).toEqual(hex(wanted));
      expect(hex(bare.map(([key]) => key))).toEqual(hex(wanted));
      expect(hex(entries.map(([key]) => key))).toEqual(hex(wanted));
      const wantedValues = hex(hex(wanted).map((key) => expected.get(key)!));
      expect(hex(entries.map(([, value]) => value))).toEqual(wantedValues);
      expect(hex(values)).toEqual(wantedValues);
      given += wanted.length;
    }
    expect(db.store.verify().problems).toEqual([]);
    await db.close();
    console.log(`seed ${seed}: ${walks} walks over ${sorted.length} keys, ${given} entries`);
  });

  test("stores strings as strings and bytes as bytes, and reads each as the other", async () => {
    const path = freshPath();
    const db = new BancosLevel(path);
    await db.put("text", "grün");
    await db.put<string, Buffer>("bytes", Buffer.from("blau"), { valueEncoding: "buffer" });
    expect(await db.get("bytes")).toBe("blau");
    expect(await db.get<string, Buffer>("text", { valueEncoding: "buffer" })).toEqual(Buffer.from("grün"));
    // A byte order mark is a character like others.
    await db.put<string, Buffer>("\ufeffkey", Buffer.from("\ufeffvalue"), { valueEncoding: "buffer" });
    expect(await db.iterator({ gte: "\ufeff" }).all()).toEqual([["\ufeffkey", "\ufeffvalue"]]);
    const view = await db.get<string, Uint8Array>("text", { valueEncoding: "view" });
    expect([...view!]).toEqual([...new TextEncoder().encode("grün")]);
    await db.close();
    using store = open(path, { keyEncoding: "binary" });
    expect(store.get(Buffer.from("text"))).toBe("grün");
    expect(store.get(Buffer.from("bytes"))).toEqual(new Uint8Array(Buffer.from("blau")));
    // What a program put beside it that is neither, Level can't give back as what it is.
    store.set(Buffer.from("number"), 1);
    const again = new BancosLevel(path);
    expect(await failureOf(again.get("number"))).toMatchObject({ code: "INVALID_VALUE" });
    await again.close();
    expect(store.verify().problems).toEqual([]);
  });

  test("lets two databases, and a plain store, use one file at once", async () => {
    const path = freshPath();
    await using a = new BancosLevel(path);
    await using b = new BancosLevel(path);
    await a.put("from a", "1");
    await b.sublevel("s").put("from b", "2");
    expect(await b.get("from a")).toBe("1");
    expect(await a.sublevel("s").get("from b")).toBe("2");
    using store = open(path, { keyEncoding: "binary" });
    expect(store.size).toBe(2);
    expect(store.verify().problems).toEqual([]);
  });

  test("writes nothing of a batch that has a key which is too long", async () => {
    await using db = new BancosLevel(freshPath());
    const long = "k".repeat(4097);
    const failure = await failureOf(
      db.batch([
        { type: "put", key: "a", value: "1" },
        { type: "put", key: long, value: "2" },
      ]),
    );
    expect(failure).toMatchObject({ code: "KEY_TOO_LONG" });
    expect(await db.keys().all()).toEqual([]);
    // The longest there can be is not too long, though its digits are more.
    await db.batch([{ type: "put", key: "\0".repeat(4096), value: "1" }]);
    expect(await db.has("\0".repeat(4096))).toBe(true);
    expect(db.store.verify().problems).toEqual([]);
  });

  test("does a batch in its order, however large", async () => {
    await using db = new BancosLevel(freshPath());
    const count = 5000;
    await db.batch([
      ...Array.from({ length: count }, (_, i) => ({
        type: "put" as const,
        key: `k${i % 1500}`,
        value: `${i}`,
      })),
      { type: "del", key: "k0" },
    ]);
    expect((await db.keys().all()).length).toBe(1499);
    expect(await db.get("k1")).toBe("4501");
    expect(await db.get("k1000")).toBe("4000");
    await db.clear({ gte: "k1", limit: 1200 });
    expect((await db.keys().all()).length).toBe(299);
    await db.clear();
    expect(db.store.size).toBe(0);
    expect(db.store.verify().problems).toEqual([]);
  });

  test("leaves the first operations of a batch if its process is killed in between, and nothing of the others", async () => {
    using store = await killed<Uint8Array>("level", freshPath(), "binary");
    const { size } = store;
    expect(size).toBeGreaterThan(0);
    let i = 0;
    for (const [key, value] of store.entries()) {
      expect([Buffer.from(key).toString(), value]).toEqual([String(i).padStart(7, "0"), `${i}`]);
      i++;
    }
    expect(i).toBe(size);
    console.log(`killed after ${size} operations of a batch`);
  });

  test("waits for the disk with `sync`", async () => {
    await using db = new BancosLevel(freshPath(), { flushEvery: 0 });
    await db.open();
    const flush = spyOn(db.store, "flush");
    await db.put("a", "1");
    expect(flush).toHaveBeenCalledTimes(0);
    await db.put("a", "2", { sync: true });
    await db.del("a", { sync: true });
    await db.batch([{ type: "put", key: "b", value: "3" }], { sync: true });
    expect(flush).toHaveBeenCalledTimes(3);
    expect(await db.keys().all()).toEqual(["b"]);
    expect(db.store.verify().problems).toEqual([]);
  });

  test("says why it can't be opened", async () => {
    expect(() => new BancosLevel("")).toThrow(BancosError);
    const missing = freshPath();
    const failure = await failureOf(new BancosLevel(missing, { createIfMissing: false }).open());
    expect(failure.code).toBe("LEVEL_DATABASE_NOT_OPEN");
    expect(failure.cause).toMatchObject({ code: "NOT_FOUND" });
    expect(existsSync(missing)).toBe(false);
    const other = freshPath();
    open(other).close();
    expect((await failureOf(new BancosLevel(other).open())).cause).toMatchObject({ code: "KEY_ENCODING" });
    const closed = new BancosLevel(freshPath());
    await closed.open();
    await closed.close();
    expect(() => closed.store).toThrow(BancosError);
    await closed.open();
    expect(closed.store.verify().problems).toEqual([]);
    await closed.close();
  });

  test("passes the options of open on", async () => {
    const path = freshPath();
    await using db = new BancosLevel(path, { maxSize: 2 ** 20 });
    expect(await failureOf(db.put("a", "x".repeat(2 ** 21)))).toMatchObject({ code: "FULL" });
    await using reader = new BancosLevel(path, { readOnly: true });
    expect(await failureOf(reader.put("a", "1"))).toMatchObject({ code: "READ_ONLY" });
    expect(db.store.verify().problems).toEqual([]);
  });

  test("has the types of its keys and values", () => {
    type Db = BancosLevel<string, { n: number }>;
    const typed = (db: Db) =>
      [db.get("a"), db.iterator().all(), db.put("a", { n: 1 }, { sync: true })] as const;
    expectTypeOf(typed).returns.toEqualTypeOf<
      readonly [Promise<{ n: number } | undefined>, Promise<[string, { n: number }][]>, Promise<void>]
    >();
    expectTypeOf<Db>().toExtend<
      Pick<AbstractLevel<string | Uint8Array, string, { n: number }>, "get" | "getMany">
    >();
  });
});
