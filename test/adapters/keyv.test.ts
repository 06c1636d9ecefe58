/**
 * BancosKeyv passes the suite that Keyv publishes, with the Keyv that the suite was written for and with the one after
 * it, and keeps the promises that are its own.
 */
import {
  afterAll,
  afterEach,
  beforeEach,
  describe,
  expect,
  expectTypeOf,
  setSystemTime,
  test,
} from "bun:test";
import keyvTestSuite, { keyvIteratorTests } from "@keyv/test-suite";
import Keyv, { type KeyvStoreAdapter } from "keyv";
import Keyv6 from "keyv-6";
import { BancosError, type Key, open, type Store } from "../../src/index.ts";
import BancosKeyvDefault, { BancosKeyv, type BancosKeyvOptions } from "../../src/keyv.ts";
import { random } from "../random.ts";
import { freshPaths, killed, seed } from "./support.ts";

const freshPath = freshPaths();

/** A case of the suite: it is handed what it takes from vitest, and `expect` is all of that. */
type Case = (t: { expect: typeof expect }) => unknown;
/** What the suite calls to declare its cases. Of vitest it needs no more than this. */
interface Declare {
  it(name: string, run: Case): void;
  beforeEach(run: () => unknown): void;
  afterEach(run: () => unknown): void;
}
type Suite = (declare: Declare, Keyv: unknown, store: () => unknown) => void;

// Its types name vitest, which is not installed.
const suites: readonly [string, Suite][] = [
  ["api, values, namespaces", keyvTestSuite as unknown as Suite],
  ["iterator", keyvIteratorTests as unknown as Suite],
];

/** What Keyv 6 has changed since the suite was written. Its own Map fails there, too. */
const CHANGED_IN_6: ReadonlyMap<string, string> = new Map([
  [
    ".deleteMany([keys]) with nonexistent keys resolves to false",
    "delete() of several keys now resolves to an array of booleans, which counts as true",
  ],
]);

for (const [version, Class, changed] of [
  [5, Keyv, new Map<string, string>()],
  [6, Keyv6, CHANGED_IN_6],
] as const) {
  describe(`@keyv/test-suite with Keyv ${version}`, () => {
    const path = freshPath();
    const store = open(path, { keyEncoding: "ordered" });
    let cases = 0;
    let passed = 0;
    afterAll(() => {
      expect(store.verify().problems).toEqual([]);
      store.close();
      console.log(
        `@keyv/test-suite, Keyv ${version}: ${passed} passed, ${cases - passed - changed.size} failed, ${changed.size} cannot hold`,
      );
    });
    for (const [name, suite] of suites) {
      describe(name, () => {
        const map = new Map();
        for (const what of ["ours", "a Map"] as const) {
          suite(
            {
              it(title, run) {
                const reason = changed.get(title);
                if (what === "ours") cases++;
                if (what === "ours" && reason === undefined) {
                  test(title, async () => {
                    await run({ expect });
                    passed++;
                  });
                } else if (reason !== undefined) {
                  test(`cannot hold, with ${what}: ${title}: ${reason}`, async () => {
                    let failed = false;
                    try {
                      await run({ expect });
                    } catch {
                      failed = true;
                    }
                    expect(failed).toBe(true);
                  });
                }
              },
              beforeEach,
              afterEach,
            },
            Class,
            what === "ours" ? () => new BancosKeyv({ store }) : () => map,
          );
        }
      });
    }
    test("every case that is said not to hold is one of the suite's", () => {
      expect(cases).toBeGreaterThan(40);
    });
  });
}

/** When a record expires, by its bytes. */
function expiryOf(stored: unknown): number {
  if (typeof stored === "string") return stored.startsWith(":") ? Infinity : Number.parseFloat(stored);
  if (stored instanceof Uint8Array) return Buffer.from(stored).readDoubleLE(0);
  return (stored as { expires?: number }).expires ?? Infinity;
}

/** The keys of all records. The file is whole, and each record that expires can be found by its time. */
function recordsOf(adapter: BancosKeyv): string[] {
  const { store } = adapter;
  const records: string[] = [];
  for (const [key, stored] of store.entries({ prefix: ["value"] })) {
    const name = String((key as readonly Key[])[1]);
    const expires = expiryOf(stored);
    expect(expires).not.toBeNaN();
    if (expires !== Infinity) expect(store.has(["expires", expires, name])).toBe(true);
    records.push(name);
  }
  expect(store.verify().problems).toEqual([]);
  return records;
}

describe("BancosKeyv", () => {
  afterEach(() => {
    setSystemTime();
  });

  test("does what a Map with times does, in any order of calls, while time goes by", async () => {
    const adapter = new BancosKeyv({ path: freshPath(), flushEvery: 0 });
    const below = random(seed);
    let now = 1_700_000_000_000;
    const oracle = new Map<string, { value: unknown; expires: number }>();
    const alive = (key: string): boolean => (oracle.get(key)?.expires ?? -1) >= now;
    const key = () => `${["a", "b", "a:b", "a;"][below(4)]}:${below(30)}`;
    const value = () =>
      [
        `text ${below(100)}`,
        "7:text",
        "",
        Buffer.from([below(256), 0, 1]),
        Buffer.alloc(0),
        { n: below(10), list: [null, "é"] },
        null,
        below(10),
      ][below(8)];
    const ttl = () => [undefined, 0, 1 + below(50), 1000][below(4)];
    const store = (name: string, it: unknown, time: number | undefined) =>
      oracle.set(name, { value: it, expires: time === undefined || time === 0 ? Infinity : now + time });
    const counts: Record<string, number> = {};
    for (let i = 0; i < 5000; i++) {
      const what = [
        "set",
        "setMany",
        "get",
        "getMany",
        "has",
        "delete",
        "deleteMany",
        "time",
        "sweep",
        "iterate",
        "clear",
      ][below(100) < 2 ? 10 : below(10)]!;
      counts[what] = (counts[what] ?? 0) + 1;
      setSystemTime(now);
      const names = [key(), key(), key()];
      const [name = ""] = names;
      if (what === "set") {
        const [it, time] = [value(), ttl()];
        expect(await adapter.set(name, it, time)).toBe(true);
        store(name, it, time);
      } else if (what === "setMany") {
        const entries = names.map((each) => ({ key: each, value: value(), ttl: ttl() }));
        expect(await adapter.setMany(entries)).toEqual([true, true, true]);
        for (const entry of entries) store(entry.key, entry.value, entry.ttl);
      } else if (what === "get") {
        expect(await adapter.get<unknown>(name)).toEqual(alive(name) ? oracle.get(name)!.value : undefined);
      } else if (what === "getMany") {
        expect(await adapter.getMany<unknown>(names)).toEqual(
          names.map((each) => (alive(each) ? oracle.get(each)!.value : undefined)),
        );
      } else if (what === "has") {
        expect([await adapter.has(name), await adapter.hasMany(names)]).toEqual([
          alive(name),
          names.map(alive),
        ]);
      } else if (what === "delete") {
        expect(await adapter.delete(name)).toBe(alive(name));
        oracle.delete(name);
      } else if (what === "deleteMany") {
        expect(await adapter.deleteMany(names)).toBe(names.some(alive));
        for (const each of names) oracle.delete(each);
      } else if (what === "time") {
        now += below(30);
      } else if (what === "sweep") {
        adapter.sweep(below(2) === 0 ? Infinity : below(5));
      } else if (what === "iterate") {
        const namespace = [undefined, "a", "b", "a:b", "none"][below(5)];
        const found: [string, unknown][] = [];
        for await (const entry of adapter.iterator<unknown>(namespace)) found.push(entry);
        const wanted = [...oracle.keys()].filter(
          (each) => alive(each) && (namespace === undefined || each.startsWith(`${namespace}:`)),
        );
        expect(found).toEqual(wanted.sort().map((each) => [each, oracle.get(each)!.value]));
      } else {
        const namespace = [undefined, "a", "b", "a:b"][below(4)];
        adapter.namespace = namespace;
        await adapter.clear();
        for (const each of [...oracle.keys()]) {
          if (namespace === undefined || each.startsWith(`${namespace}:`)) oracle.delete(each);
        }
      }
    }
    recordsOf(adapter);
    // When all that can has expired, a sweep leaves the others, and nothing to find them by.
    now += 10_000;
    setSystemTime(now);
    adapter.sweep();
    const kept = [...oracle.keys()].filter(alive).sort();
    expect(recordsOf(adapter)).toEqual(kept);
    expect(adapter.store.size).toBe(kept.length);
    await adapter.disconnect();
    console.log(`seed ${seed}: ${JSON.stringify(counts)}`);
  });

  test("doesn't grow by what has expired", async () => {
    const adapter = new BancosKeyv({ path: freshPath(), flushEvery: 0 });
    let most = 0;
    for (let i = 0; i < 5000; i++) {
      setSystemTime(1_700_000_000_000 + i);
      await adapter.set(`session:${i}`, "x", 100);
      most = Math.max(most, adapter.store.size);
    }
    // A hundred live at a time, with two keys each; the rest waits for the next sweep.
    expect(most).toBeLessThan(2 * (100 + 2 * 64));
    expect(recordsOf(adapter).length).toBeGreaterThanOrEqual(100);
    await adapter.disconnect();
  });

  test("leaves nothing of what was deleted or cleared", async () => {
    const adapter = new BancosKeyv({ path: freshPath() });
    for (const remove of [() => adapter.delete("key"), () => adapter.deleteMany(["key"])]) {
      await adapter.set("key", "value", 1000);
      expect(adapter.store.size).toBe(2);
      await remove();
      expect(adapter.store.size).toBe(0);
    }
    // Replaced with another time, it has two entries by time.
    await adapter.set("key", "old", 1000);
    await adapter.set("key", "new", 2000);
    await adapter.clear();
    expect(adapter.store.size).toBe(0);
    expect(recordsOf(adapter)).toEqual([]);
    await adapter.disconnect();
  });

  test("a sweep leaves what was set again, with another time or with none", async () => {
    const adapter = new BancosKeyv({ path: freshPath() });
    setSystemTime(1_700_000_000_000);
    for (const key of ["longer", "for ever", "gone"]) await adapter.set(key, "old", 10);
    await adapter.set("longer", "new", 1000);
    await adapter.set("for ever", "new");
    setSystemTime(1_700_000_000_100);
    expect(adapter.sweep()).toBe(1);
    expect(recordsOf(adapter)).toEqual(["for ever", "longer"]);
    expect(await adapter.getMany(["longer", "for ever", "gone"])).toEqual(["new", "new", undefined]);
    // Two records, and the one entry that finds the one that will expire.
    expect(adapter.store.size).toBe(3);
    await adapter.disconnect();
  });

  test("leaves no record that a sweep can't find, if its process is killed", async () => {
    using store = await killed<Key>("keyv", freshPath(), "ordered");
    const adapter = new BancosKeyv({ store });
    const count = recordsOf(adapter).length;
    expect(count).toBeGreaterThan(0);
    const before = store.size;
    setSystemTime(Date.now() + 10 * 60_000);
    expect(adapter.sweep()).toBe(count);
    expect(store.size).toBe(0);
    expect(store.verify().problems).toEqual([]);
    console.log(`killed with ${count} records and ${before - count} entries by time`);
  });

  test("is shared by Keyv 6 of several namespaces, and clears one of them", async () => {
    const adapter = new BancosKeyv({ path: freshPath() });
    const [plain, a, ab] = [undefined, "a", "ab"].map(
      (namespace) => new Keyv6({ store: adapter, ...(namespace === undefined ? {} : { namespace }) }),
    ) as [Keyv6, Keyv6, Keyv6];
    for (const [i, keyv] of [plain, a, ab].entries()) await keyv.set("key", i);
    expect(await Promise.all([plain, a, ab].map((keyv) => keyv.get("key")))).toEqual([0, 1, 2]);
    const listed: unknown[] = [];
    for await (const entry of a.iterator()) listed.push(entry);
    expect(listed).toEqual([["key", 1]]);
    await ab.clear();
    expect(await Promise.all([plain, a, ab].map((keyv) => keyv.get("key")))).toEqual([0, 1, undefined]);
    await plain.clear();
    expect(recordsOf(adapter)).toEqual([]);
    await adapter.disconnect();
  });

  test("lets two adapters use one file, and closes what it has opened, and nothing else", async () => {
    const path = freshPath();
    const a = new Keyv({ store: new BancosKeyv({ path }) });
    const b = new Keyv({ store: new BancosKeyvDefault({ path }) });
    await a.set("key", { n: 1 });
    expect(await b.get<{ n: number }>("key")).toEqual({ n: 1 });
    await b.disconnect();
    expect(await a.has("key")).toBe(true);
    await a.disconnect();
    const store = open(path, { keyEncoding: "ordered" });
    const lent = new BancosKeyv({ store });
    await lent.disconnect();
    expect(store.size).toBe(1);
    expect(store.verify().problems).toEqual([]);
    store.close();
    await expect(lent.get("key")).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("says what is wrong with its options", () => {
    const path = freshPath();
    using other = open(path);
    const codeOf = (make: () => unknown): string => {
      try {
        make();
      } catch (error) {
        if (error instanceof BancosError) return error.code;
      }
      return "none";
    };
    expect(codeOf(() => new BancosKeyv({}))).toBe("INVALID_OPTION");
    expect(codeOf(() => new BancosKeyv({ path, store: other as never }))).toBe("INVALID_OPTION");
    expect(codeOf(() => new BancosKeyv({ store: other as never }))).toBe("KEY_ENCODING");
    expect(codeOf(() => new BancosKeyv({ store: {} as never }))).toBe("INVALID_OPTION");
    expect(codeOf(() => new BancosKeyv({ store: other as never, flushEvery: 1 }))).toBe("INVALID_OPTION");
    expect(codeOf(() => new BancosKeyv({ path }))).toBe("KEY_ENCODING");
    expect(codeOf(() => new BancosKeyv("x" as never))).toBe("INVALID_OPTION");
    expect(other.verify().problems).toEqual([]);
  });

  test("has the type of a storage adapter, of Keyv 5 and 6, and takes stores of any values", () => {
    // Keyv 5 says that setMany gives nothing, and hands on what it gives.
    expectTypeOf<BancosKeyv>().toExtend<Omit<KeyvStoreAdapter, "setMany">>();
    const for6 = (adapter: BancosKeyv) => new Keyv6({ store: adapter });
    expectTypeOf(for6).returns.toExtend<Keyv6>();
    expectTypeOf<Store<{ n: number }, Key>>().toExtend<NonNullable<BancosKeyvOptions["store"]>>();
  });
});
