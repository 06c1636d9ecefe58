/**
 * The driver does under unstorage what unstorage asks of a driver. unstorage keeps the tests of its drivers in its
 * repository and does not publish them; what they ask is asked here in our own words, and what its own memory driver
 * answers to thousands of random calls, ours answers as well.
 */
import { describe, expect, expectTypeOf, test } from "bun:test";
import {
  createStorage,
  type Driver,
  restoreSnapshot,
  type Storage,
  type StorageValue,
  snapshot,
} from "unstorage";
import memoryDriver from "unstorage/drivers/memory";
import { BancosError, open, type Store } from "../../src/index.ts";
import { type BancosDriverOptions, bancosDriver } from "../../src/unstorage.ts";
import { random } from "../random.ts";
import { freshPaths, killed, seed } from "./support.ts";

const freshPath = freshPaths();

/** Runs `work` on a storage of its own, and checks the file. */
async function withStorage(work: (storage: Storage, store: Store) => Promise<void>): Promise<void> {
  using store = open(freshPath());
  const storage = createStorage({ driver: bancosDriver({ store }) });
  await work(storage, store);
  await storage.dispose();
  expect(store.verify().problems).toEqual([]);
}

describe("what unstorage asks of a driver", () => {
  test("an empty storage has no item and no key, and can be cleared", () =>
    withStorage(async (storage) => {
      expect(await storage.hasItem("none")).toBe(false);
      expect(await storage.getItem("none")).toBeNull();
      expect(await storage.getItemRaw("none")).toBeNull();
      expect(await storage.getKeys()).toEqual([]);
      await storage.clear();
      await storage.removeItem("none");
      expect(await storage.getKeys()).toEqual([]);
    }));

  test("an item that was set is there, whatever way its key is written", () =>
    withStorage(async (storage) => {
      await storage.setItem("group/item?version=1", "text");
      for (const key of ["group:item", "/group/item", "group/item?version=2", "group\\item"]) {
        expect([await storage.hasItem(key), await storage.getItem(key)]).toEqual([true, "text"]);
      }
      expect(await storage.getKeys()).toEqual(["group:item"]);
    }));

  test("values come back as they were: falsy ones, objects, what has a toJSON", () =>
    withStorage(async (storage) => {
      const values: StorageValue[] = [
        0,
        false,
        true,
        "",
        "text",
        "grün",
        1.5,
        { a: [1, null, { b: "c" }] },
        [],
      ];
      for (const [i, value] of values.entries()) await storage.setItem(`value:${i}`, value);
      for (const [i, value] of values.entries()) expect(await storage.getItem(`value:${i}`)).toEqual(value);
      await storage.setItem("custom", { toJSON: () => ({ made: "here" }) });
      expect(await storage.getItem("custom")).toEqual({ made: "here" });
      await storage.setItem("null", null);
      expect([await storage.hasItem("null"), await storage.getItem("null")]).toEqual([true, null]);
      // To set undefined is to remove.
      await storage.setItem("value:4", undefined as unknown as StorageValue);
      expect(await storage.hasItem("value:4")).toBe(false);
    }));

  test("a value that is no text and no JSON is refused, and nothing is set", () =>
    withStorage(async (storage) => {
      class Opaque {}
      await expect(storage.setItem("bad", new Opaque())).rejects.toThrow("Cannot stringify");
      expect(await storage.hasItem("bad")).toBe(false);
    }));

  test("bytes that are set raw come back as the same bytes, from any view of them", () =>
    withStorage(async (storage, store) => {
      const bytes = Uint8Array.from({ length: 300 }, (_, i) => i & 255);
      const forms: Record<string, unknown> = {
        array: bytes,
        buffer: Buffer.from(bytes),
        "array buffer": bytes.slice().buffer,
        "shared buffer": (() => {
          const shared = new SharedArrayBuffer(300);
          new Uint8Array(shared).set(bytes);
          return shared;
        })(),
        view: new DataView(Uint8Array.from([9, ...bytes, 9]).buffer, 1, 300),
        wide: new Uint16Array(bytes.slice().buffer),
      };
      for (const [key, value] of Object.entries(forms)) {
        await storage.setItemRaw(key, value);
        expect({ key, bytes: await storage.getItemRaw(key) }).toEqual({ key, bytes });
        expect(store.get(key)).toEqual(bytes);
      }
      await storage.setItemRaw("text", Buffer.from("\ufeffgrün"));
      expect(await storage.getItem("text")).toBe("\ufeffgrün");
      await storage.setItemRaw("object", { n: 1n.toString() });
      expect(await storage.getItemRaw("object")).toEqual({ n: "1" });
      await storage.setItemRaw("text", undefined);
      expect(await storage.hasItem("text")).toBe(false);
    }));

  test("several items are set and got at once, with null for those that are absent", () =>
    withStorage(async (storage) => {
      const items = Array.from({ length: 2500 }, (_, i) => ({ key: `many:${i}`, value: `value ${i}` }));
      await storage.setItems(items);
      expect(await storage.getItems(["many:7", { key: "many:2499" }, "many:none"])).toEqual([
        { key: "many:7", value: "value 7" },
        { key: "many:2499", value: "value 2499" },
        { key: "many:none", value: null },
      ] as never);
      expect((await storage.getKeys("many")).length).toBe(2500);
      await storage.clear();
      expect(await storage.getKeys()).toEqual([]);
    }));

  test("keys are those of the base and below, to the depth that is asked for, in order", () =>
    withStorage(async (storage) => {
      const keys = ["a", "a:b", "a:b:c", "a:b:d", "a:e", "ab:c", "f"];
      for (const key of [...keys].reverse()) await storage.setItem(key, "x");
      expect(await storage.getKeys()).toEqual(keys);
      expect(await storage.getKeys("a")).toEqual(["a:b", "a:b:c", "a:b:d", "a:e"]);
      expect(await storage.getKeys("a:b")).toEqual(["a:b:c", "a:b:d"]);
      expect(await storage.getKeys("none")).toEqual([]);
      expect(await storage.getKeys(undefined, { maxDepth: 0 })).toEqual(["a", "f"]);
      expect(await storage.getKeys(undefined, { maxDepth: 1 })).toEqual(["a", "a:b", "a:e", "ab:c", "f"]);
      expect(await storage.getKeys("a", { maxDepth: 1 })).toEqual(["a:b", "a:e"]);
      // unstorage itself hands a base on only where a driver is mounted below it.
      await storage.getMount().driver.clear?.("a:b:", {});
      expect(await storage.getKeys()).toEqual(["a", "a:b", "a:e", "ab:c", "f"]);
    }));

  test("an item that was removed is gone, and with it what is noted about it if that is asked for", () =>
    withStorage(async (storage) => {
      await storage.setItem("item", "text");
      await storage.setMeta("item", { owner: "ann" });
      expect(await storage.getMeta("item")).toEqual({ owner: "ann" });
      await storage.removeItem("item");
      expect([await storage.hasItem("item"), (await storage.getMeta("item"))["owner"]]).toEqual([
        false,
        "ann",
      ]);
      await storage.removeItem("item", { removeMeta: true });
      expect({ ...(await storage.getMeta("item")) }).toEqual({});
      expect(await storage.getKeys()).toEqual([]);
    }));

  test("a snapshot of a part is taken and put back", () =>
    withStorage(async (storage) => {
      await storage.setItems([
        { key: "part:a", value: "first" },
        { key: "part:b:c", value: "text" },
        { key: "other", value: "x" },
      ]);
      const taken = await snapshot(storage, "part");
      expect(taken).toEqual({ a: "first", "b:c": "text" });
      await storage.clear();
      await restoreSnapshot(storage, taken, "again");
      expect(await storage.getKeys()).toEqual(["again:a", "again:b:c"]);
      expect(await storage.getItem("again:b:c")).toBe("text");
    }));

  test("a watcher is told what this storage changes", () =>
    withStorage(async (storage) => {
      const seen: string[] = [];
      const unwatch = await storage.watch((event, key) => seen.push(`${event} ${key}`));
      await storage.setItem("a:b", 1);
      await storage.removeItem("a:b");
      await unwatch();
      await storage.setItem("c", 1);
      expect(seen).toEqual(["update a:b", "remove a:b"]);
    }));
});

describe("bancosDriver", () => {
  test("answers any calls as the memory driver does, mounted at the root and below it", async () => {
    const below = random(seed);
    let calls = 0;
    for (const base of ["", "mounted"]) {
      using store = open(freshPath());
      const [ours, theirs] = [bancosDriver({ store }), memoryDriver()].map((driver) => {
        const storage = createStorage();
        if (base === "") return createStorage({ driver });
        return storage.mount(base, driver);
      }) as [Storage, Storage];
      const name = () => ["a", "b", "é", "a b", "A"][below(5)]!;
      const key = () =>
        [base, ...Array.from({ length: 1 + below(3) }, name)].filter((part) => part !== "").join(":");
      const value = () =>
        [0, "", "text", { n: below(9) }, [null], true, "[1", "é", String(below(9))][below(9)]!;
      const both = async (call: (storage: Storage) => Promise<unknown>): Promise<void> => {
        calls++;
        const [mine, its] = [await call(ours), await call(theirs)];
        expect(mine).toEqual(its);
      };
      for (let i = 0; i < 1500; i++) {
        const [one, two, it] = [key(), key(), value()];
        const bytes = Buffer.from([below(256), below(256)]);
        const depth = below(4);
        const from = below(2) === 0 ? one : base;
        await [
          () => both((storage) => storage.setItem(one, it)),
          () =>
            both((storage) =>
              storage.setItems([
                { key: one, value: it },
                { key: two, value: "x" },
              ]),
            ),
          () => both((storage) => storage.setItemRaw(`${one}:raw`, bytes)),
          () => both(async (storage) => Buffer.from((await storage.getItemRaw(`${one}:raw`)) ?? [])),
          () => both((storage) => storage.getItem(one)),
          () => both((storage) => storage.getItems([one, two])),
          () => both((storage) => storage.hasItem(one)),
          () => both((storage) => storage.removeItem(one)),
          () => both(async (storage) => (await storage.getKeys()).sort()),
          () => both(async (storage) => (await storage.getKeys(one)).sort()),
          () => both(async (storage) => (await storage.getKeys(undefined, { maxDepth: depth })).sort()),
          () =>
            below(10) === 0
              ? both((storage) => storage.clear(from))
              : both(async (storage) => (await storage.keys(two)).sort()),
        ][below(12)]!();
      }
      expect(store.verify().problems).toEqual([]);
    }
    console.log(`seed ${seed}: ${calls} calls`);
  });

  test("shares its file with others, and closes what it has opened, and nothing else", async () => {
    const path = freshPath();
    const [a, b] = [path, path].map((file) => createStorage({ driver: bancosDriver({ path: file }) })) as [
      Storage,
      Storage,
    ];
    await a.setItem("key", { n: 1 });
    expect(await b.getItem<{ n: number }>("key")).toEqual({ n: 1 });
    await a.dispose();
    await a.dispose();
    await expect(a.getItem("key")).rejects.toMatchObject({ code: "CLOSED" });
    expect(await b.hasItem("key")).toBe(true);
    await b.dispose();
    using store = open(path);
    // What a program stored by itself comes back as what it is, as far as unstorage has it.
    store
      .set("number", 1.5)
      .set("big", 2n ** 60n)
      .set("bytes", new Uint8Array([104, 105]));
    const lent = createStorage({ driver: bancosDriver({ store }) });
    expect(await lent.getItems(["number", "bytes"])).toEqual([
      { key: "number", value: 1.5 },
      { key: "bytes", value: "hi" },
    ] as never);
    expect(await lent.getItemRaw("big")).toBe(2n ** 60n);
    await lent.dispose();
    expect(store.size).toBe(4);
    expect(store.verify().problems).toEqual([]);
  });

  test("leaves the first of several items if its process is killed while it sets them", async () => {
    using store = await killed<string>("unstorage", freshPath(), "utf8");
    const { size } = store;
    expect(size).toBeGreaterThan(0);
    const first = Array.from({ length: size }, (_, i) => [String(i).padStart(7, "0"), `${i}`]);
    expect([...store.entries()]).toEqual(first as never);
    console.log(`killed after ${size} items`);
  });

  test("opens the file at once, and says what is wrong with it", () => {
    const missing = freshPath();
    const failure = (options: BancosDriverOptions): string => {
      try {
        bancosDriver(options);
      } catch (error) {
        if (error instanceof BancosError) return error.code;
      }
      return "none";
    };
    expect(failure({ path: missing, create: false })).toBe("NOT_FOUND");
    expect(failure({})).toBe("INVALID_OPTION");
    using binary = open(missing, { keyEncoding: "binary" });
    expect(failure({ path: missing })).toBe("KEY_ENCODING");
    expect(failure({ store: binary as never })).toBe("KEY_ENCODING");
    expect(binary.verify().problems).toEqual([]);
  });

  test("has the type of a driver", () => {
    expectTypeOf<ReturnType<typeof bancosDriver>>().toExtend<Driver>();
    expectTypeOf<Store<{ n: number }>>().toExtend<NonNullable<BancosDriverOptions["store"]>>();
  });
});
