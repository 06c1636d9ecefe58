/** A pool's operations are those of a store: the same results, errors and order. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import type { BancosError } from "../../src/errors.ts";
import { type Key, type OpenOptions, open, type Range, type Value } from "../../src/index.ts";
import { openPool, type Pool } from "../../src/pool.ts";
import { FAULTY, inFolder, type Random, seeded, withPool } from "./support.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

const VALUES: readonly Value[] = [
  0, -0, 1.5, NaN, Infinity, 2 ** 53, 5n, -(2n ** 63n), 2n ** 63n - 1n, "", "plain", "ünï → 😀", "lone \ud800",
  true, false, null, new Uint8Array(0), new Uint8Array([0, 1, 255]), {}, [], [1, [null, "x"]],
  { name: "a", list: [1, 2], nested: { yes: true } }, "x".repeat(5000), new Uint8Array(70_000).fill(7),
]; // biome-ignore format: a list to look at

/** What a call gave: its result or the code of its error. */
type Outcome = { readonly result: unknown } | { readonly code: string };

async function outcomeOf(call: () => unknown): Promise<Outcome> {
  try {
    return { result: await call() };
  } catch (error) {
    return { code: (error as BancosError).code };
  }
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const KEYS: Record<"utf8" | "binary" | "ordered", (random: Random) => Key> = {
  utf8: (random) => ["", "a", "ab", "abc", "b\0", "ü", "key"][random(7)]! + ["", "0", "1", "22"][random(4)]!,
  binary: (random) => Uint8Array.from({ length: random(4) }, () => [0, 1, 2, 255][random(4)]!),
  ordered: (random) =>
    [
      null, true, random(3), -random(3) - 0.5, BigInt(random(3)), "s", `t${random(3)}`, new Uint8Array([random(3)]),
      [1, "x", random(3)], [[]], [new Uint8Array([9]), 2n], -0,
    ][random(12)]!, // biome-ignore format: a list to look at
};

describe.each(["utf8", "binary", "ordered"] as const)("with %s keys", (keyEncoding) => {
  test("every operation gives what a store gives that does the same", async () => {
    const random = seeded(`operations, ${keyEncoding}`);
    await inFolder(async (folder) => {
      const options: OpenOptions = { keyEncoding, maxSize: 2 ** 26 };
      const openStore = open as (
        path: string,
        options: OpenOptions,
      ) => import("../../src/index.ts").Store<Value, Key>;
      const open_ = openPool as unknown as (path: string, options: OpenOptions) => Promise<Pool<Value, Key>>;
      using store = openStore(join(folder, "store.bancos"), options);
      await using pool = await open_(join(folder, "pool.bancos"), {
        ...options,
        readers: 2,
        writers: 2,
      } as OpenOptions);
      expect(pool.keyEncoding).toBe(keyEncoding);
      const key = () => KEYS[keyEncoding](random);
      const value = () => VALUES[random(VALUES.length)]!;
      const range = (): Range<Key> | undefined => {
        const made: Range<Key> = {};
        for (const bound of ["gt", "gte", "lt", "lte"] as const) if (random(5) === 0) made[bound] = key();
        if (keyEncoding !== "ordered" && random(5) === 0) made.prefix = key();
        if (random(2) === 0) made.reverse = true;
        if (random(4) === 0) made.limit = random(4);
        return random(8) === 0 ? undefined : made;
      };
      for (let i = 0; i < 3000; i++) {
        const k = key();
        const v = value();
        const r = range();
        const many = Array.from({ length: random(5) }, key);
        const delta = random(2) === 0 ? 2 : 3n;
        const expected = random(3) === 0 ? undefined : store.get(k);
        const pairs: [() => unknown, () => unknown][] = [
          [() => void store.set(k, v), () => pool.set(k, v)],
          [() => void store.set(k, 7), () => pool.set(k, 7)],
          [() => store.get(k), () => pool.get(k)],
          [() => store.has(k), () => pool.has(k)],
          [() => store.insert(k, v), () => pool.insert(k, v)],
          [() => store.delete(k), () => pool.delete(k)],
          [() => store.add(k, delta), () => pool.add(k, delta)],
          [() => store.compareAndSet(k, expected, v), () => pool.compareAndSet(k, expected, v)],
          [() => store.compareAndSet(k, v, undefined), () => pool.compareAndSet(k, v, undefined)],
          [() => store.getMany(many), () => pool.getMany(many)],
          [() => [...store.entries(r)], () => collected(pool.entries(r))],
          [() => [...store.keys(r)], () => collected(pool.keys(r))],
          [() => [...store.values(r)], () => collected(pool.values(r))],
          [() => store.first(r), () => pool.first(r)],
          [() => store.last(r), () => pool.last(r)],
          [() => store.count(r), () => pool.count(r)],
          [() => store.size, () => pool.size],
        ];
        const [ofStore, ofPool] = pairs[random(pairs.length)]!;
        expect(await outcomeOf(ofPool)).toEqual(await outcomeOf(ofStore));
      }
      expect(await collected(pool)).toEqual([...store]);
      expect((await pool.verify()).problems).toEqual([]);
    });
  });
});

test("long ranges come whole, in order, both ways, in pieces or not", async () => {
  await withPool({ readers: 2, writers: 2 }, async (pool) => {
    const keys = Array.from({ length: 10_000 }, (_, i) => `key ${String(i).padStart(5, "0")}`);
    await Promise.all(keys.map((key, i) => pool.set(key, i % 3 === 0 ? { i } : i)));
    const values = keys.map((_, i) => (i % 3 === 0 ? { i } : i));
    expect(await collected(pool.keys())).toEqual(keys);
    expect(await collected(pool.values())).toEqual(values);
    expect(await collected(pool.entries({ reverse: true }))).toEqual(
      keys.map((key, i): [string, Value] => [key, values[i]!]).reverse(),
    );
    expect(await collected(pool.keys({ gte: keys[17]!, lt: keys[9000]!, limit: 8000 }))).toEqual(
      keys.slice(17, 8017),
    );
    expect(await collected(pool.values({ reverse: true, lt: keys[9000]!, gt: keys[100]! }))).toEqual(
      values.slice(101, 9000).reverse(),
    );
    expect(await pool.getMany(keys)).toEqual(values);
    expect(await pool.count({ prefix: "key 00" })).toBe(1000);
    for await (const key of pool.keys()) if (key === keys[500]) break;
  });
});

test("large values come in pieces, and are all there", async () => {
  await withPool({ readers: 1, writers: 1 }, async (pool) => {
    const large = (i: number) => new Uint8Array(300_000).fill(i);
    await Promise.all(Array.from({ length: 20 }, (_, i) => pool.set(`k${10 + i}`, large(i))));
    let i = 0;
    for await (const [key, value] of pool.entries()) {
      expect(key).toBe(`k${10 + i}`);
      expect(value).toEqual(large(i++));
    }
    expect(i).toBe(20);
    expect(await Promise.all(Array.from({ length: 20 }, (_, n) => pool.get(`k${10 + n}`)))).toEqual(
      Array.from({ length: 20 }, (_, n) => large(n)),
    );
  });
});

test("a value, key or range is taken as it is when the call is made", async () => {
  await inFolder(async (folder) => {
    await using pool = await openPool<Value>(join(folder, "pool.bancos"), { keyEncoding: "ordered" });
    const bytes = Buffer.from([1, 2, 3]);
    const object = { list: [1], when: new Date(0), toJSON: undefined };
    const key: Key[] = ["a", new Uint8Array([1])];
    const range: Range<Key> = { gte: [...key] };
    const done = [pool.set("bytes", bytes), pool.set("object", object as unknown as Value), pool.set(key, 1)];
    const first = pool.first(range);
    bytes[0] = 9;
    object.list.push(2);
    (key[1] as Uint8Array)[0] = 7;
    key.push("more");
    range.gte = "z";
    await Promise.all(done);
    expect(await pool.get("bytes")).toEqual(new Uint8Array([1, 2, 3]));
    expect(await pool.get("object")).toEqual({ list: [1], when: "1970-01-01T00:00:00.000Z" });
    expect(await pool.get(["a", new Uint8Array([1])])).toBe(1);
    expect(await first).toEqual([["a", new Uint8Array([1])], 1]);
  });
});

test("an error rejects the call that it belongs to, and no other of its batch", async () => {
  await withPool({ readers: 1, writers: 1, worker: FAULTY }, async (pool) => {
    await pool.set("there", { a: 1 });
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    const bad = (value: unknown) => value as Value;
    const calls: [Promise<unknown>, unknown][] = [
      [pool.get("there"), { a: 1 }],
      [pool.get("lone \ud800"), "INVALID_KEY"],
      [pool.get(5 as unknown as string), "INVALID_KEY"],
      [pool.get("x".repeat(5000)), "KEY_TOO_LONG"],
      [pool.insert("there", 2), "DUPLICATE_KEY"],
      [pool.insert("new", { b: [2] }), undefined],
      [pool.add("there", 1), "INVALID_VALUE"],
      [pool.add("counter", 1), 1],
      [pool.add("counter", "1" as unknown as number), "INVALID_VALUE"],
      [
        pool.set(
          "f",
          bad(() => 1),
        ),
        "INVALID_VALUE",
      ],
      [pool.set("u", bad(undefined)), "INVALID_VALUE"],
      [pool.set("s", bad(Symbol("s"))), "INVALID_VALUE"],
      [pool.set("c", bad(circular)), "INVALID_VALUE"],
      [pool.set("d", bad(new DataView(new ArrayBuffer(1)))), "INVALID_VALUE"],
      [pool.set("big", 2n ** 63n), "INVALID_VALUE"],
      [pool.getMany(["there", "lone \ud800"]), "INVALID_KEY"],
      [pool.getMany(["there", "none"]), [{ a: 1 }, undefined]],
      [pool.count({ below: "x" } as Range<string>), "INVALID_OPTION"],
      [pool.first({ limit: -1 }), "INVALID_OPTION"],
      [pool.last({ gte: 5 as unknown as string }), "INVALID_KEY"],
      [pool.keys({ limit: 0.5 }).next(), "INVALID_OPTION"],
      [pool.get("new"), { b: [2] }],
    ];
    const outcomes = await Promise.all(calls.map(([call]) => outcomeOf(() => call)));
    calls.forEach(([, wanted], i) => {
      expect([i, outcomes[i]]).toEqual([
        i,
        typeof wanted === "string" ? { code: wanted } : { result: wanted },
      ]);
    });
    const corrupt = (await pool.get("corrupt").catch((error: unknown) => error)) as BancosError;
    expect(corrupt).toMatchObject({
      name: "BancosError",
      code: "CORRUPT",
      offset: 4096,
      message: "damaged on purpose",
    });
    const bug = (await pool.get("bug").catch((error: unknown) => error)) as Error;
    expect(bug).toMatchObject({ name: "RangeError", message: "not a BancosError" });
  });
});

test("operations on one key take effect in the order of their calls, for many callers and keys at once", async () => {
  const random = seeded("order per key");
  await withPool({ readers: 3, writers: 3 }, async (pool) => {
    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`);
    const model = new Map<string, Value>();
    for (let round = 0; round < 20; round++) {
      const calls: Promise<unknown>[] = [];
      const wanted: unknown[] = [];
      for (let i = 0; i < 1000; i++) {
        const key = keys[random(keys.length)]!;
        switch (random(9)) {
          case 0:
          case 1:
            calls.push(pool.set(key, i));
            wanted.push(undefined);
            model.set(key, i);
            break;
          case 2:
            calls.push(pool.delete(key));
            wanted.push(model.delete(key));
            break;
          case 3:
            calls.push(pool.add(key, 1));
            model.set(key, ((model.get(key) as number | undefined) ?? 0) + 1);
            wanted.push(model.get(key));
            break;
          case 4:
            calls.push(pool.compareAndSet(key, i - 1, i));
            wanted.push(model.get(key) === i - 1);
            if (model.get(key) === i - 1) model.set(key, i);
            break;
          case 5:
            calls.push(pool.getMany(keys));
            wanted.push(keys.map((each) => model.get(each)));
            break;
          case 6:
            calls.push(pool.has(key));
            wanted.push(model.has(key));
            break;
          default:
            calls.push(pool.get(key));
            wanted.push(model.get(key));
        }
        // Some turns of the event loop in between, so that Workers answer meanwhile.
        if (random(100) === 0) await Bun.sleep(0);
      }
      // What looks at all keys sees every write before it.
      const size = pool.size;
      const entries = collected(pool.entries());
      const now = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
      expect(await Promise.all(calls)).toEqual(wanted);
      expect(await size).toBe(now.length);
      expect(await entries).toEqual(now);
    }
  });
});

test("so they do where the same Workers read and write", async () => {
  await withPool({ readers: 0, writers: 2 }, async (pool) => {
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 500; i++) calls.push(pool.set("k", i), pool.get("k"), pool.getMany(["k", "none"]));
    const results = await Promise.all(calls);
    for (let i = 0; i < 500; i++)
      expect(results.slice(i * 3, i * 3 + 3)).toEqual([undefined, i, [i, undefined]]);
  });
});

test("many concurrent callers lose no update", async () => {
  await withPool({ readers: 2, writers: 2 }, async (pool) => {
    const callers = 100;
    const turns = 20;
    await Promise.all(
      Array.from({ length: callers }, async (_, me) => {
        for (let i = 0; i < turns; i++) {
          await pool.add("sum", 1);
          for (;;) {
            const before = await pool.get("list length");
            if (await pool.compareAndSet("list length", before, ((before as number | undefined) ?? 0) + 1))
              break;
          }
          await pool.set(`caller ${me}`, i);
          expect(await pool.get(`caller ${me}`)).toBe(i);
        }
      }),
    );
    expect(await pool.get("sum")).toBe(callers * turns);
    expect(await pool.get("list length")).toBe(callers * turns);
    expect(await pool.size).toBe(callers + 2);
  });
});

test("two pools and a store share a file", async () => {
  await withPool({ readers: 1, writers: 1 }, async (pool, path) => {
    await using other = await openPool(path, { readers: 1, writers: 1 });
    using store = open(path);
    await Promise.all(Array.from({ length: 1000 }, (_, i) => [pool, other][i % 2]!.add("sum", 1)));
    store.add("sum", 1);
    expect(await pool.get("sum")).toBe(1001);
    expect(await other.get("sum")).toBe(1001);
    expect((await pool.stats()).participants).toHaveLength(5);
  });
});

test("what was measured here", async () => {
  await withPool({ readers: 2, writers: 2 }, async (pool) => {
    const count = 50_000;
    const rate = (since: number) => `${Math.round(count / (performance.now() - since))} thousand a second`;
    for (const round of ["cold", "warm"]) {
      let began = performance.now();
      let failed = 0;
      for (let i = 0; i < count; i++) {
        pool.set(`key ${i}`, i).catch(() => failed++);
        await pool.ready;
      }
      await pool.size;
      const sets = rate(began);
      began = performance.now();
      let found = 0;
      for (let i = 0; i < count; i++) {
        void pool.get(`key ${i}`).then((value) => {
          if (value === i) found++;
        });
        await pool.ready;
      }
      while (pool.pending > 0) await Bun.sleep(1);
      const gets = rate(began);
      began = performance.now();
      let listed = 0;
      for await (const _ of pool.entries()) listed++;
      console.log(`pool, 2 + 2 Workers, ${round}: set ${sets}, get ${gets}, entries ${rate(began)}`);
      expect([failed, found, listed]).toEqual([0, count, count]);
    }
  });
});
