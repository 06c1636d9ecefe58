/** `get set delete list info verify`: what they write, and how they end. */
import { describe, expect, test } from "bun:test";
import { existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { open, type Value } from "../../src/index.ts";
import { LEAF_CHECKSUM } from "../../src/memory/layout.ts";
import { inspectKey } from "../../src/store/inspect.ts";
import { finish, freshFolder, freshPath } from "../store/support.ts";
import { bancos, contents, ok } from "./support.ts";

describe("set and get", () => {
  const cases: readonly [string, readonly string[], Value, string][] = [
    ["a number", ["42"], 42, "42"],
    ["a negative number", ["-5"], -5, "-5"],
    ["a bigint", ["42n"], 42n, '{"$bigint":"42"}'],
    ["a string", ["hello world"], "hello world", '"hello world"'],
    ["a string that is no JSON", ["007"], "007", '"007"'],
    ["a string in JSON", ['"42"'], "42", '"42"'],
    ["the empty string", [""], "", '""'],
    ["true", ["true"], true, "true"],
    ["null", ["null"], null, "null"],
    ["an object", ['{"a":[1,"x"]}'], { a: [1, "x"] }, '{"a":[1,"x"]}'],
    ["bytes in JSON", ['{"$bytes":"AP8="}'], Uint8Array.of(0, 255), '{"$bytes":"AP8="}'],
    ["NaN in JSON", ['{"$number":"NaN"}'], Number.NaN, '{"$number":"NaN"}'],
    [
      "an object that looks like a bigint",
      ['{"$json":{"$bigint":"1"}}'],
      { $bigint: "1" },
      '{"$json":{"$bigint":"1"}}',
    ],
    ["--type string", ["--type", "string", "42"], "42", '"42"'],
    ["--type number", ["--type", "number", "0x2a"], 42, "42"],
    [
      "--type bigint",
      ["--type", "bigint", "9007199254740993"],
      9007199254740993n,
      '{"$bigint":"9007199254740993"}',
    ],
    ["--type json", ["--type", "json", '{"$bigint":"1"}'], { $bigint: "1" }, '{"$json":{"$bigint":"1"}}'],
    ["--type bytes, hexadecimal", ["--type", "bytes", "0x00ff"], Uint8Array.of(0, 255), '{"$bytes":"AP8="}'],
    ["--type bytes, base64", ["--type", "bytes", "base64:AP8="], Uint8Array.of(0, 255), '{"$bytes":"AP8="}'],
    ["--type bytes, text", ["--type", "bytes", "hi"], Uint8Array.of(104, 105), '{"$bytes":"aGk="}'],
  ];
  test.each(cases)("keep the type and value of %s", async (_, args, value, json) => {
    const path = freshPath();
    expect(await ok(["set", path, "key", ...args])).toBe("");
    expect(await ok(["get", "--json", path, "key"])).toBe(`${json}\n`);
    expect(contents(path)).toEqual([["key", value]]);
  });

  test("take bytes from standard input and give them back as they are", async () => {
    const path = freshPath();
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) & 255);
    await ok(["set", path, "photo", "--type", "bytes"], bytes);
    const { code, bytes: back } = await bancos(["get", path, "photo"]);
    expect(code).toBe(0);
    expect(Buffer.compare(back, bytes)).toBe(0);
    expect(contents(path)).toEqual([["photo", bytes]]);
  });

  test("take text from standard input, without the line feed that echo adds", async () => {
    const path = freshPath();
    await ok(["set", path, "a"], "hello\n");
    await ok(["set", path, "b"], '{\n  "x": 1\n}\n');
    expect(contents(path)).toEqual([
      ["a", "hello"],
      ["b", { x: 1 }],
    ]);
    expect((await bancos(["set", path, "c"], Uint8Array.of(0xff))).code).toBe(2);
  });

  test("several keys: what is there is shown, what is not is exit code 1", async () => {
    const path = freshPath();
    await ok(["set", path, "a", "1"]);
    await ok(["set", path, "b", "text"]);
    expect(await bancos(["get", path, "a", "nope", "b"])).toMatchObject({
      code: 1,
      out: "1\ntext\n",
      err: "bancos: not found: nope\n",
    });
    expect((await bancos(["get", "--json", path, "a", "nope", "b"])).out).toBe(
      '{"key":"a","value":1}\n{"key":"b","value":"text"}\n',
    );
    expect(contents(path)).toHaveLength(2);
  });

  test("a number that would not be kept exactly is refused, and told how to be said", async () => {
    const path = freshPath();
    for (const text of ["12345678901234567890", "1e999"]) {
      const { code, err } = await bancos(["set", path, "key", text]);
      expect(code).toBe(2);
      expect(err).toContain("--type");
    }
    expect(existsSync(path)).toBe(false);
  });

  test("--if-absent leaves a key that is there, with exit code 1", async () => {
    const path = freshPath();
    await ok(["set", "--if-absent", path, "key", "1"]);
    const { code, err } = await bancos(["set", "--if-absent", path, "key", "2"]);
    expect(code).toBe(1);
    expect(err).toContain("there already");
    expect(contents(path)).toEqual([["key", 1]]);
  });

  test("keys that begin with a dash stand behind --", async () => {
    const path = freshPath();
    await ok(["set", path, "--", "-k", "-v"]);
    expect(await ok(["get", path, "--", "-k"])).toBe("-v\n");
    expect(contents(path)).toEqual([["-k", "-v"]]);
  });
});

describe("key encodings", () => {
  test("binary keys are hexadecimal, base64 or text", async () => {
    const path = freshPath();
    await ok(["set", path, "0x00ff", "1", "--key-encoding", "binary"]);
    await ok(["set", path, "base64:aGk=", "2"]);
    await ok(["set", path, "text:0x", "3"]);
    expect(await ok(["get", path, "hi"])).toBe("2\n");
    expect(await ok(["list", path])).toBe("0x00ff\t1\n0x3078\t3\n0x6869\t2\n");
    expect(await ok(["list", "--json", "--keys", "--prefix", "0x00", path])).toBe('{"$bytes":"AP8="}\n');
    expect((await bancos(["get", path, "0xabc"])).code).toBe(2);
    expect(contents(path)).toHaveLength(3);
  });

  test("ordered keys are JSON, with n for bigints, or text", async () => {
    const path = freshPath();
    const keys = ['["2024",7]', '["2024",{"$bigint":"8"}]', "42", '"42"', "42n", "hello", "null", "true"];
    for (const [i, key] of keys.entries())
      await ok(["set", path, key, String(i), "--key-encoding", "ordered"]);
    for (const [i, key] of keys.entries()) expect(await ok(["get", path, key])).toBe(`${i}\n`);
    expect(await ok(["list", "--keys", path])).toBe(
      'null\ntrue\n42\n42n\n"42"\nhello\n["2024",7]\n["2024",{"$bigint":"8"}]\n',
    );
    expect(await ok(["list", "--keys", "--prefix", '["2024"]', path])).toBe(
      '["2024",7]\n["2024",{"$bigint":"8"}]\n',
    );
    expect(contents(path)).toHaveLength(keys.length);
  });

  test("another encoding than the file's is an error", async () => {
    const path = freshPath();
    await ok(["set", path, "a", "1"]);
    const { code, err } = await bancos(["set", path, "b", "1", "--key-encoding", "ordered"]);
    expect(code).toBe(3);
    expect(err).toContain("[KEY_ENCODING]");
    expect(contents(path)).toHaveLength(1);
  });
});

describe("delete", () => {
  test("removes keys; one that was not there is exit code 1", async () => {
    const path = freshPath();
    for (const key of ["a", "b", "c"]) await ok(["set", path, key, "1"]);
    expect(await ok(["delete", path, "a"])).toBe("");
    const { code, out, err } = await bancos(["delete", "--json", path, "nope", "b"]);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual({ deleted: 1, missing: 1 });
    expect(err).toContain("nope");
    expect(contents(path)).toEqual([["c", 1]]);
  });

  test("makes no file", async () => {
    const path = freshPath();
    expect((await bancos(["delete", path, "a"])).code).toBe(3);
    expect(existsSync(path)).toBe(false);
  });
});

describe("list", () => {
  function fruit(): string {
    const path = freshPath();
    const store = open(path);
    ["apple", "apricot", "banana", "cherry", "citron"].forEach((name, i) => {
      store.set(name, i);
    });
    finish(store);
    return path;
  }

  test("takes every bound, --reverse and --limit", async () => {
    const path = fruit();
    const keys = async (...args: string[]): Promise<string[]> =>
      (await ok(["list", "--keys", path, ...args])).split("\n").slice(0, -1);
    expect(await keys()).toEqual(["apple", "apricot", "banana", "cherry", "citron"]);
    expect(await keys("--prefix", "ap")).toEqual(["apple", "apricot"]);
    expect(await keys("--gt", "apple", "--lt", "cherry")).toEqual(["apricot", "banana"]);
    expect(await keys("--gte", "apple", "--lte", "banana", "--reverse")).toEqual([
      "banana",
      "apricot",
      "apple",
    ]);
    expect(await keys("-r", "-n", "2")).toEqual(["citron", "cherry"]);
    expect(await keys("--limit", "0")).toEqual([]);
    expect(await ok(["list", "--values", path, "--prefix", "c"])).toBe("3\n4\n");
    expect(await ok(["list", "--count", path, "--prefix", "c"])).toBe("2\n");
    expect(await ok(["list", path, "--limit", "1"])).toBe("apple\t0\n");
    expect(await ok(["list", "--json", path, "--limit", "1"])).toBe('{"key":"apple","value":0}\n');
    expect((await bancos(["list", "--keys", "--values", path])).code).toBe(2);
    expect((await bancos(["list", path, "--limit", "-1"])).code).toBe(2);
    expect(contents(path)).toHaveLength(5);
  });

  test("keeps a line a line, and lets nothing of the file steer a terminal", async () => {
    const path = freshPath();
    const store = open(path);
    store.set("tab\tnewline\n", "red\u001b[31m");
    store.set("\u202egnp.exe", "\u0085");
    finish(store);
    const out = await ok(["list", path]);
    expect(out).toBe('"tab\\tnewline\\n"\t"red\\u001b[31m"\n"\\u202egnp.exe"\t"\\u0085"\n');
    expect(contents(path)).toHaveLength(2);
  });
});

describe("info", () => {
  test("shows figures, and who else has the file open", async () => {
    const path = freshPath();
    const store = open(path);
    for (let i = 0; i < 1000; i++) store.set(`key ${i}`, i);
    const out = await ok(["info", path]);
    expect(out).toContain("1,000");
    expect(out).toMatch(/nodes +\d.*\n +leaves +\d/);
    expect(out).toMatch(
      new RegExp(`^ +1 +${process.pid} +\\d+ +writer +alive +\\d{4}-.*Z +idle +none$`, "m"),
    );
    const stats = JSON.parse(await ok(["info", "--json", path]));
    expect(stats.keys).toBe(1000);
    expect(stats.participants).toHaveLength(2);
    const { nodes, leaves, limbo, slack, free, overhead, file } = stats.bytesPerKey;
    expect(nodes + leaves + limbo + slack + free + overhead).toBeCloseTo(file, 1);
    finish(store);
  });
});

describe("verify", () => {
  test("says ok of a sound file", async () => {
    const path = freshPath();
    await ok(["set", path, "a", "1"]);
    expect(await ok(["verify", path])).toContain("ok  1 key,");
    expect(JSON.parse(await ok(["verify", "--json", path]))).toMatchObject({
      ok: true,
      problems: [],
      keys: 1,
    });
    expect(contents(path)).toHaveLength(1);
  });

  test("names what is wrong, with its offset, and ends with 1", async () => {
    const path = freshPath();
    const store = open(path);
    for (let i = 0; i < 100; i++) store.set(`key ${i}`, `value ${i}`);
    const { offset } = inspectKey(store, "key 7").leaf!;
    finish(store);
    writeSync(openSync(path, "r+"), Buffer.from([1, 2, 3, 4]), 0, 4, offset + LEAF_CHECKSUM);
    const { code, out } = await bancos(["verify", path]);
    expect(code).toBe(1);
    expect(out).toContain("CHECKSUM");
    expect(out).toContain(`bancos inspect ${path} @${offset}`);
    const json = await bancos(["verify", "--json", path]);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, problems: [{ code: "CHECKSUM", offset }] });
  });

  test("counts a superblock too damaged to open as a finding, another file as a failure", async () => {
    const path = freshPath();
    await ok(["set", path, "a", "1"]);
    writeSync(openSync(path, "r+"), Buffer.from([7]), 0, 1, 16);
    const { code, out } = await bancos(["verify", path]);
    expect({ code, found: out.includes("checksum is wrong") }).toEqual({ code: 1, found: true });
    const other = join(freshFolder(), "other");
    await Bun.write(other, "just text, and a good deal of it\n".repeat(1000));
    expect(await bancos(["verify", other])).toMatchObject({ code: 3, out: "" });
    expect(readFileSync(other, "utf8")).toStartWith("just text");
  });
});

describe("the command line itself", () => {
  test("ends with 2 when it makes no sense, and says what would", async () => {
    for (const args of [
      [],
      ["nonsense"],
      ["get"],
      ["get", "a"],
      ["list", "a", "--nonsense"],
      ["inspect", "a"],
    ]) {
      const { code, out, err } = await bancos(args);
      expect({ args, code, out }).toEqual({ args, code: 2, out: "" });
      expect(err).not.toBe("");
    }
    expect((await bancos(["lst", "x"])).err).toContain("Did you mean list?");
  });

  test("ends with 3 when there is no file, and has a form for programs", async () => {
    const path = freshPath();
    expect(await bancos(["get", path, "a"])).toMatchObject({ code: 3, out: "" });
    const { err } = await bancos(["get", "--json", path, "a"]);
    expect(JSON.parse(err)).toMatchObject({ error: { code: "NOT_FOUND" } });
  });

  test("explains each command, with examples, without writing anything wider than a terminal", async () => {
    const top = await ok(["--help"]);
    expect(top).toContain("Exit codes:");
    const commands = [...top.matchAll(/^ {2}([a-z]+) \[?[<o]/gm)].map(([, name]) => name!);
    expect(commands).toContain("inspect");
    for (const command of commands) {
      const help = await ok(["help", command]);
      expect(help).toContain("Examples:");
      expect(Math.max(...help.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
      expect(help).toBe(await ok([command, "--help"]));
    }
    expect(await ok(["--version"])).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
