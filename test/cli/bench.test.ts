/** `bancos bench`: it measures, changes no store that is there, and leaves nothing behind. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Key, open, type Store, type Value } from "../../src/index.ts";
import { finish, freshFolder, freshPath } from "../store/support.ts";
import { bancos, contents, MAIN, ok, plainEnvironment } from "./support.ts";

interface Result {
  readonly keys: number;
  readonly operations: readonly { name: string; count: number; seconds: number; perSecond: number }[];
}

describe("without a file", () => {
  test("measures writes, reads and scans, and leaves nothing in the temporary folder", async () => {
    const folder = freshFolder();
    const child = Bun.spawn([process.execPath, MAIN, "bench", "--keys", "3000", "--json"], {
      env: plainEnvironment({ TMPDIR: folder }),
      stdout: "pipe",
      stderr: "pipe",
    });
    const result = JSON.parse(await child.stdout.text()) as Result;
    expect({ code: await child.exited, err: await child.stderr.text() }).toEqual({ code: 0, err: "" });
    const counts = Object.fromEntries(result.operations.map(({ name, count }) => [name, count]));
    expect(counts).toEqual({
      "set, new keys": 3000,
      get: 3000,
      "getMany, 100 keys": 3000,
      "scan, keys": 3000,
      "scan, keys and values": 3000,
      "get, absent": 3000,
      "set, keys that are there": 3000,
      "add, one counter": 3000,
      flush: 1,
      delete: 300,
    });
    for (const { seconds, perSecond } of result.operations) {
      expect(seconds).toBeGreaterThan(0);
      expect(perSecond).toBeGreaterThan(0);
    }
    // The keys, and the counter.
    expect(result.keys).toBe(3000 - 300 + 1);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("shows a table to people, also of one key and of empty values", async () => {
    expect(await ok(["bench", "--keys", "1", "--value-bytes", "0"])).toMatch(
      /operation +count +a second +each\n +set, new keys +1 /,
    );
  });

  test("says what is wrong with its options", async () => {
    for (const args of [
      ["--keys", "0"],
      ["--keys", "x"],
      ["--value-bytes", "9999999"],
      ["--durability", "never"],
    ]) {
      const { code, err } = await bancos(["bench", ...args]);
      expect({ args, code, says: err.includes(args[0]!) }).toEqual({ args, code: 2, says: true });
    }
  });
});

describe("with a file", () => {
  test("that is not there makes one, and removes it", async () => {
    const path = freshPath();
    expect(
      JSON.parse(await ok(["bench", path, "--keys", "50", "--durability", "commit", "--json"])),
    ).toMatchObject({
      keys: 50 - 5 + 1,
    });
    expect(existsSync(path)).toBe(false);
  });

  test("that is there only reads it, whatever its keys are", async () => {
    const keys = {
      utf8: (i: number): Key => `key ${i}`,
      binary: (i: number): Key => Uint8Array.of(i >> 8, i & 255),
      ordered: (i: number): Key => ["key", i],
    };
    for (const keyEncoding of ["utf8", "binary", "ordered"] as const) {
      const path = freshPath();
      const store = open(path, { keyEncoding }) as unknown as Store<Value, Key>;
      for (let i = 0; i < 2500; i++) store.set(keys[keyEncoding](i), i);
      finish(store);
      const before = readFileSync(path);
      const result = JSON.parse(await ok(["bench", path, "--json", "--keys", "1000"])) as Result;
      expect(result.operations.map(({ name, count }) => [name, count])).toEqual([
        ["get", 834],
        ["getMany, 100 keys", 834],
        ["scan, keys", 834],
        ["scan, keys and values", 834],
      ]);
      expect(result.keys).toBe(2500);
      expect(contents(path)).toHaveLength(2500);
      expect(readFileSync(path).length).toBe(before.length);
    }
  });

  test("that has no keys says so; one that is no store is an error", async () => {
    const path = freshPath();
    finish(open(path));
    const { code, err, out } = await bancos(["bench", path]);
    expect({ code, out }).toEqual({ code: 0, out: "" });
    expect(err).toContain("no keys");
    const other = join(freshFolder(), "other");
    await Bun.write(other, "not a store".repeat(1000));
    expect((await bancos(["bench", other])).err).toContain("NOT_A_STORE");
    expect(await Bun.file(other).text()).toBe("not a store".repeat(1000));
  });
});

test("Ctrl-C ends it with what was measured until then, and its file goes", async () => {
  const path = freshPath();
  const child = Bun.spawn([process.execPath, MAIN, "bench", path, "--keys", "5000000", "--json"], {
    env: plainEnvironment(),
    stdout: "pipe",
    stderr: "pipe",
  });
  while (!existsSync(path)) await Bun.sleep(5);
  // Until it writes: whoever opens the file sees the keys come.
  const store = open(path, { readOnly: true });
  while (store.size < 1000) await Bun.sleep(5);
  store.close();
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  const { operations } = JSON.parse(await child.stdout.text()) as Result;
  expect(operations.map(({ name }) => name)).toEqual(["set, new keys"]);
  expect(operations[0]!.count).toBeLessThan(5_000_000);
  expect(existsSync(path)).toBe(false);
});
