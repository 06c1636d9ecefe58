/**
 * What TypeScript knows of the public interface. `tsc` is the judge, as a part of `make test`: a wrong type here is a
 * compile error. What is never called here need not make sense at run time; what a value's type promises is checked on
 * a real store, too, where that can be done.
 */
import { describe, expect, expectTypeOf, test } from "bun:test";
import {
  BancosError,
  type CopyReport,
  compact,
  type ErrorCode,
  type Json,
  type Key,
  type KeyEncoding,
  type OpenOptions,
  open,
  type ParticipantInfo,
  type Problem,
  type Range,
  type Reader,
  type RecoveryReport,
  type RepairReport,
  repair,
  type Stats,
  Store,
  type Value,
  type VerifyReport,
  type Writer,
} from "../../src/index.ts";
import { openPool, type Pool, type PoolOptions } from "../../src/pool.ts";
import { typeErrors } from "../docs/project.ts";
import { finish, freshPath } from "../store/support.ts";

interface User {
  name: string;
  age?: number;
}

describe("open", () => {
  test("makes a store of any value with strings as keys, unless told otherwise", () => {
    const store = open(freshPath());
    expectTypeOf(store).toEqualTypeOf<Store>();
    expectTypeOf(store).toEqualTypeOf<Store<Value, string>>();
    expect(store).toBeInstanceOf(Store);
    finish(store);
  });

  test("takes the type of the values", () => {
    const store = open<User>(freshPath());
    expectTypeOf(store).toEqualTypeOf<Store<User, string>>();
    expectTypeOf(store.get("ann")).toEqualTypeOf<User | undefined>();
    store.set("ann", { name: "Ann" });
    expect(store.get("ann")).toEqual({ name: "Ann" });
    finish(store);
  });

  test("takes the type of the keys from the key encoding", () => {
    const binary = open<User>(freshPath(), { keyEncoding: "binary" });
    expectTypeOf(binary).toEqualTypeOf<Store<User, Uint8Array>>();
    const ordered = open<User>(freshPath(), { keyEncoding: "ordered", durability: "commit" });
    expectTypeOf(ordered).toEqualTypeOf<Store<User, Key>>();
    const utf8 = open<User>(freshPath(), { keyEncoding: "utf8" });
    expectTypeOf(utf8).toEqualTypeOf<Store<User, string>>();
    const other = open<User>(freshPath(), { durability: "commit" });
    expectTypeOf(other).toEqualTypeOf<Store<User, string>>();
    // Which one it is, is known at run time only: then a key can be any of them.
    const encoding: KeyEncoding = (["utf8", "binary", "ordered"] as KeyEncoding[]).at(-1)!;
    const some = open<User>(freshPath(), { keyEncoding: encoding });
    expectTypeOf(some).toEqualTypeOf<Store<User, Key>>();
    // Options from elsewhere that may name one: as by default.
    const options: OpenOptions = { durability: "commit" };
    expectTypeOf(open(freshPath(), options)).toEqualTypeOf<Store>();
    for (const store of [binary, ordered, utf8, other, some]) finish(store as Store<User, never>);
  });

  test("knows its options", () => {
    expectTypeOf<OpenOptions>().toEqualTypeOf<{
      create?: boolean;
      readOnly?: boolean;
      maxSize?: number;
      durability?: "process" | "commit";
      flushEvery?: number;
      force?: readonly ("filesystem" | "persistent-memory")[];
      recover?: "auto" | "rebuild";
      verifyReads?: boolean;
      keyEncoding?: KeyEncoding;
    }>();
    expectTypeOf<{ durability: "sometimes" }>().not.toExtend<OpenOptions>();
    expectTypeOf<{ maxSize: "1 GiB" }>().not.toExtend<OpenOptions>();
    expectTypeOf<KeyEncoding>().toEqualTypeOf<"utf8" | "binary" | "ordered">();
  });
});

describe("Store<V, K>", () => {
  type Users = Store<User, string>;

  test("has the methods of one key", () => {
    expectTypeOf<Users["get"]>().toEqualTypeOf<(key: string) => User | undefined>();
    expectTypeOf<Users["has"]>().toEqualTypeOf<(key: string) => boolean>();
    expectTypeOf<Users["getMany"]>().toEqualTypeOf<(keys: readonly string[]) => (User | undefined)[]>();
    expectTypeOf<Users["insert"]>().toEqualTypeOf<(key: string, value: User) => void>();
    expectTypeOf<Users["delete"]>().toEqualTypeOf<(key: string) => boolean>();
    expectTypeOf<Users["compareAndSet"]>().toEqualTypeOf<
      (key: string, expected: User | undefined, value: User | undefined) => boolean
    >();
    expectTypeOf<Users["add"]>().toEqualTypeOf<(key: string, delta: number | bigint) => number | bigint>();
    expectTypeOf<Users["set"]>().parameters.toEqualTypeOf<[key: string, value: User]>();
    expectTypeOf<ReturnType<Users["set"]>>().toEqualTypeOf<Users>();
  });

  test("has the methods of ranges", () => {
    expectTypeOf<Users["entries"]>().toEqualTypeOf<
      (range?: Range<string>) => IterableIterator<[string, User]>
    >();
    expectTypeOf<Users["keys"]>().toEqualTypeOf<(range?: Range<string>) => IterableIterator<string>>();
    expectTypeOf<Users["values"]>().toEqualTypeOf<(range?: Range<string>) => IterableIterator<User>>();
    expectTypeOf<Users["first"]>().toEqualTypeOf<(range?: Range<string>) => [string, User] | undefined>();
    expectTypeOf<Users["last"]>().toEqualTypeOf<(range?: Range<string>) => [string, User] | undefined>();
    expectTypeOf<Users["count"]>().toEqualTypeOf<(range?: Range<string>) => number>();
    expectTypeOf<Users["size"]>().toEqualTypeOf<number>();
    expectTypeOf<Users>().toExtend<Iterable<[string, User]>>();
    expectTypeOf<Users>().toExtend<Disposable>();
  });

  test("has the methods that look after the file", () => {
    expectTypeOf<Users["flush"]>().toEqualTypeOf<() => Promise<void>>();
    expectTypeOf<Users["flushSync"]>().toEqualTypeOf<() => void>();
    expectTypeOf<Users["backup"]>().toEqualTypeOf<(path: string) => Promise<void>>();
    expectTypeOf<Users["stats"]>().toEqualTypeOf<() => Stats>();
    expectTypeOf<Users["verify"]>().toEqualTypeOf<() => VerifyReport>();
    expectTypeOf<Users["collect"]>().toEqualTypeOf<() => number>();
    expectTypeOf<Users["close"]>().toEqualTypeOf<() => void>();
    expectTypeOf<Stats["participants"]>().toEqualTypeOf<readonly ParticipantInfo[]>();
    expectTypeOf<Stats["recovery"]>().toEqualTypeOf<RecoveryReport>();
    expectTypeOf<VerifyReport["problems"]>().toEqualTypeOf<readonly Problem[]>();
    expectTypeOf<Pick<Problem, "offset" | "message">>().toEqualTypeOf<{
      readonly offset: number;
      readonly message: string;
    }>();
  });

  test("takes no value of another type, and no key of another", () => {
    expectTypeOf<number>().not.toExtend<Parameters<Users["set"]>[1]>();
    expectTypeOf<undefined>().not.toExtend<Parameters<Users["set"]>[1]>();
    expectTypeOf<number>().not.toExtend<Parameters<Users["get"]>[0]>();
    expectTypeOf<string>().not.toExtend<Parameters<Store<User, Uint8Array>["get"]>[0]>();
    expectTypeOf<Uint8Array>().not.toExtend<Parameters<Users["has"]>[0]>();
    expectTypeOf<symbol>().not.toExtend<Key>();
    expectTypeOf<{ a: 1 }>().not.toExtend<Key>();
    expectTypeOf<undefined>().not.toExtend<Key>();
  });

  test("is read-only in what it says of itself", () => {
    expectTypeOf<Pick<Users, "path">>().toEqualTypeOf<{ readonly path: string }>();
    expectTypeOf<Pick<Users, "size">>().toEqualTypeOf<{ readonly size: number }>();
    expectTypeOf<Pick<Users, "keyEncoding">>().toEqualTypeOf<{ readonly keyEncoding: KeyEncoding }>();
  });
});

describe("values", () => {
  test("are what a store holds, with its type", () => {
    expectTypeOf<Value>().toEqualTypeOf<number | bigint | string | boolean | null | Uint8Array | Json>();
    expectTypeOf<{ a: [1, { b: null }]; c?: string }>().toExtend<Value>();
    expectTypeOf<readonly string[]>().toExtend<Value>();
    expectTypeOf<Buffer>().toExtend<Value>();
    expectTypeOf<undefined>().not.toExtend<Value>();
    expectTypeOf<() => void>().not.toExtend<Value>();
    expectTypeOf<symbol>().not.toExtend<Value>();
  });

  test("in JSON are no bigints", () => {
    expectTypeOf<{ a: bigint }>().not.toExtend<Json>();
    expectTypeOf<{ a: undefined }>().toExtend<Json>();
  });
});

describe("ranges", () => {
  test("have bounds of the key's type", () => {
    expectTypeOf<Range<string>>().toEqualTypeOf<{
      gt?: string;
      gte?: string;
      lt?: string;
      lte?: string;
      prefix?: string;
      reverse?: boolean;
      limit?: number;
    }>();
    expectTypeOf<Parameters<Store<User, Key>["keys"]>[0]>().toEqualTypeOf<Range<Key> | undefined>();
    expectTypeOf<{ prefix: [string, number] }>().toExtend<Range<Key>>();
    expectTypeOf<{ gt: number }>().not.toExtend<Range<string>>();
    expectTypeOf<{ limit: string }>().not.toExtend<Range<string>>();
  });
});

describe("groups", () => {
  test("hand over a reader or a writer, and give back what the function returns", () => {
    const store = open<User>(freshPath());
    expectTypeOf(store.reader((r) => r)).toEqualTypeOf<Reader<User, string>>();
    expectTypeOf(store.writer((w) => w)).toEqualTypeOf<Writer<User, string>>();
    expectTypeOf(store.reader(() => 1 as const)).toEqualTypeOf<1>();
    expectTypeOf(store.writer(() => {})).toEqualTypeOf<void>();
    finish(store);
  });

  test("a reader writes nothing; a writer is a reader, and a store is both", () => {
    expectTypeOf<Reader>().not.toHaveProperty("set");
    expectTypeOf<Reader>().not.toHaveProperty("delete");
    expectTypeOf<Writer<User>>().toExtend<Reader<User>>();
    expectTypeOf<Store<User>>().toExtend<Writer<User>>();
    expectTypeOf<Reader<User>>().not.toExtend<Writer<User>>();
  });
});

describe("errors", () => {
  test("are a class with a code of a fixed set", () => {
    expectTypeOf<BancosError>().toExtend<Error>();
    expectTypeOf<BancosError["code"]>().toEqualTypeOf<ErrorCode>();
    expectTypeOf<BancosError["offset"]>().toEqualTypeOf<number | undefined>();
    expectTypeOf<"DUPLICATE_KEY">().toExtend<ErrorCode>();
    expectTypeOf<"NO_SUCH_CODE">().not.toExtend<ErrorCode>();
    expectTypeOf<string>().not.toExtend<ErrorCode>();
  });

  test("can be told apart in a switch", () => {
    const advice = (code: ErrorCode): string => {
      switch (code) {
        case "FULL":
        case "NO_SPACE":
          return "delete something";
        default:
          return code;
      }
    };
    expect(advice(new BancosError("FULL", "no more room").code)).toBe("delete something");
    expect(new BancosError("CORRUPT", "damaged", { offset: 8 }).offset).toBe(8);
  });
});

describe("the file as a whole", () => {
  test("is compacted and repaired with a report", () => {
    expectTypeOf(compact).returns.toEqualTypeOf<Promise<CopyReport>>();
    expectTypeOf(repair).returns.toEqualTypeOf<Promise<RepairReport>>();
    expectTypeOf<Parameters<typeof repair>[1]>().toEqualTypeOf<string>();
  });
});

describe("pools", () => {
  type Users = Pool<User, string>;

  test("are typed as stores are", () => {
    const opened = [
      () => openPool<User>("x"),
      () => openPool<User>("x", { keyEncoding: "binary" }),
      () => openPool<User>("x", { readers: 1, keyEncoding: "ordered" }),
      () => openPool("x"),
    ] as const;
    expectTypeOf<ReturnType<(typeof opened)[0]>>().toEqualTypeOf<Promise<Users>>();
    expectTypeOf<ReturnType<(typeof opened)[1]>>().toEqualTypeOf<Promise<Pool<User, Uint8Array>>>();
    expectTypeOf<ReturnType<(typeof opened)[2]>>().toEqualTypeOf<Promise<Pool<User, Key>>>();
    expectTypeOf<ReturnType<(typeof opened)[3]>>().toEqualTypeOf<Promise<Pool<Value, string>>>();
    expectTypeOf<PoolOptions>().toExtend<OpenOptions>();
    expect(opened).toHaveLength(4);
  });

  /** Methods of a store that a pool has as well: each gives a promise of what the store's gives. */
  type Shared =
    | "get"
    | "has"
    | "getMany"
    | "delete"
    | "compareAndSet"
    | "add"
    | "first"
    | "last"
    | "count"
    | "stats"
    | "verify"
    | "collect"
    | "insert";

  test("have the store's methods, as promises", () => {
    expectTypeOf<{ [Name in Shared]: ReturnType<Users[Name]> }>().toEqualTypeOf<{
      [Name in Shared]: Promise<ReturnType<Store<User, string>[Name]>>;
    }>();
    expectTypeOf<{ [Name in Shared]: Parameters<Users[Name]> }>().toEqualTypeOf<{
      [Name in Shared]: Parameters<Store<User, string>[Name]>;
    }>();
    expectTypeOf<Users["set"]>().toEqualTypeOf<(key: string, value: User) => Promise<void>>();
    expectTypeOf<Users["size"]>().toEqualTypeOf<Promise<number>>();
    expectTypeOf<Users["flush"]>().toEqualTypeOf<() => Promise<void>>();
  });

  test("iterate asynchronously", () => {
    expectTypeOf<Users>().toExtend<AsyncIterable<[string, User]>>();
    expectTypeOf<Users>().toExtend<AsyncDisposable>();
    expectTypeOf<Users["entries"]>().returns.toExtend<AsyncIterable<[string, User]>>();
    expectTypeOf<Users["keys"]>().returns.toExtend<AsyncIterable<string>>();
    expectTypeOf<Users["values"]>().returns.toExtend<AsyncIterable<User>>();
    expectTypeOf<Users>().not.toExtend<Iterable<unknown>>();
  });
});

test("tsc reports what is wrong, and nothing else", async () => {
  const code = `import { type OpenOptions, open, type Range, type Reader } from "bancos";
import { openPool } from "bancos/pool";
using store = open<{ name: string }>("a.bancos");
store.set("ann", { name: "Ann" });
store.set("ann", { name: 1 }); // wrong
store.set("ann", undefined); // wrong
store.set(1, { name: "Ann" }); // wrong
store.get("ann").name; // wrong
store.get("ann")?.name;
store.path = "elsewhere"; // wrong
store.size = 7; // wrong
store.keys({ before: "b" }); // wrong
store.keys({ lt: "b", limit: 2 });
store.compareAndSet("ann", undefined, { name: "Ann" });
store.compareAndSet("ann", null, { name: "Ann" }); // wrong
store.reader((r: Reader<{ name: string }>) => r.has("ann"));
store.reader((r) => r.delete("ann")); // wrong
open("b.bancos", { durability: "never" }); // wrong
open("b.bancos", { mapSize: 1 }); // wrong
open("b.bancos", { keyEncoding: "binary" }).get("text"); // wrong
open("b.bancos", { keyEncoding: "ordered" }).get([1, ["a", null]]);
open("b.bancos", { keyEncoding: "ordered" }).get({ a: 1 }); // wrong
open<() => void>("c.bancos").get("f");
const options: OpenOptions = { flushEvery: "1 s" }; // wrong
const range: Range<Uint8Array> = { prefix: "text" }; // wrong
const pool = await openPool<number>("d.bancos", { readers: 1 });
pool.get("a").toFixed(); // wrong
(await pool.get("a"))?.toFixed();
for (const _ of pool) break; // wrong
for await (const [key, value] of pool) key.length + value.toFixed().length;
export { options, range };
`;
  const reported = (await typeErrors([{ name: "line ", code, line: 1, heading: "" }])).map((error) =>
    Number(/\((\d+),/.exec(error)?.[1]),
  );
  const wrong = code.split("\n").flatMap((line, at) => (line.endsWith("// wrong") ? [at + 1] : []));
  expect([...new Set(reported)]).toEqual(wrong);
  expect(wrong.length).toBeGreaterThan(15);
});
