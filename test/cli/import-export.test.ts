/** `bancos import` and `bancos export`: each format, each way to say what is key and what is value. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import words from "an-array-of-english-words/index.json";
import { open } from "../../src/index.ts";
import { finish, freshFolder, freshPath } from "../store/support.ts";
import { bancos, contents, ok } from "./support.ts";

/** Imports `text` with `args` and gives back what is then in the store. */
async function imported(text: string, ...args: string[]): Promise<unknown> {
  const path = freshPath();
  await ok(["import", path, ...args], text);
  return contents(path);
}

describe("import", () => {
  const cases: readonly [string, string, readonly string[], unknown][] = [
    [
      "JSON lines with key and value",
      '{"key":"a","value":1}\n\n{"key":"b","value":{"x":[]}}',
      [],
      [
        ["a", 1],
        ["b", { x: [] }],
      ],
    ],
    [
      "JSON lines of pairs",
      '["a",1]\n["b",{"$bigint":"2"}]\n',
      [],
      [
        ["a", 1],
        ["b", 2n],
      ],
    ],
    ["objects with --key", '{"id":"a","n":1}\n', ["--key", "id"], [["a", { id: "a", n: 1 }]]],
    ["objects with --key and --value", '{"id":"a","n":1}\n', ["--key", "id", "--value", "n"], [["a", 1]]],
    [
      "CSV",
      'a,1\r\n"b ""q"", c",text\r\n',
      ["--format", "csv"],
      [
        ["a", 1],
        ['b "q", c', "text"],
      ],
    ],
    [
      "CSV with line feeds in quotes",
      '"a\nb\r\n\nc",1\nz,2\n',
      ["--format", "csv"],
      [
        ["a\nb\r\n\nc", 1],
        ["z", 2],
      ],
    ],
    ["CSV without quotes that mean anything", 'a"b,c"d\n', ["--format", "csv"], [['a"b', 'c"d']]],
    ["CSV with a byte order mark", "\ufeffa,1\n", ["--format", "csv"], [["a", 1]]],
    [
      "CSV with a header",
      "name,n,ok\na,1,true\nb,2n,x\n",
      ["-f", "csv", "--header"],
      [
        ["a", { n: 1, ok: true }],
        ["b", { n: "2n", ok: "x" }],
      ],
    ],
    [
      "columns by name",
      "name,n,ok\na,1,true\n",
      ["-f", "csv", "--header", "--key", "n", "--value", "name"],
      [["1", "a"]],
    ],
    ["columns by number", "a,b,c\n", ["-f", "csv", "--key", "2", "--value", "3"], [["b", "c"]]],
    ["key and value the other way round", "1,a\n", ["-f", "csv", "--key", "2"], [["a", 1]]],
    [
      "strings that look like numbers",
      "a,007\nb,42\n",
      ["-f", "csv", "--type", "string"],
      [
        ["a", "007"],
        ["b", "42"],
      ],
    ],
    [
      "one column and a constant",
      "a\nb\n",
      ["-f", "csv", "--constant", "true"],
      [
        ["a", true],
        ["b", true],
      ],
    ],
    [
      "TSV",
      'a\\tb\t1\nc\\\\\t"q"\n',
      ["-f", "tsv"],
      [
        ["a\tb", 1],
        ["c\\", "q"],
      ],
    ],
    ["a script", "# x\ninsert a 1\ninsert b 2\nfind a\nremove a\n", ["-f", "script"], [["b", 2]]],
    ["nothing", "", [], []],
  ]; // prettier-ignore
  test.each(cases)("takes %s", async (_, text, args, expected) => {
    expect(await imported(text, ...args)).toEqual(expected);
  });

  test("tells the format by the name of the file", async () => {
    const folder = freshFolder();
    for (const [name, text] of [
      ["x.jsonl", '["a",1]\n'],
      ["x.ndjson", '["a",1]\n'],
      ["x.csv", "a,1\n"],
      ["x.TSV", "a\t1\n"],
      ["x.script", "insert a 1\n"],
    ] as const) {
      writeFileSync(join(folder, name), text);
      const path = freshPath();
      expect(await ok(["import", path, join(folder, name)])).toStartWith("1 key in ");
      expect(contents(path)).toEqual([["a", 1]]);
    }
    writeFileSync(join(folder, "x.dat"), "");
    const path = freshPath();
    expect((await bancos(["import", path, join(folder, "x.dat")])).code).toBe(2);
    expect((await bancos(["import", path, join(folder, "none.csv")])).code).toBe(3);
    expect(existsSync(path)).toBe(false);
  });

  test("ends at a line that makes no sense, with its number; what came before stays", async () => {
    const wrong: readonly [string, string][] = [
      ["jsonl", '["a",1]\nnonsense\n["b",1]\n'],
      ["jsonl", '["a",1]\n["b"]\n'],
      ["jsonl", '["a",1]\n{"value":1}\n'],
      ["jsonl", '["a",1]\n{"key":7,"value":1}\n'],
      ["jsonl", '["a",1]\n["b",{"$bigint":"x"}]\n'],
      ["csv", "a,1\nb\n"],
      ["csv", 'a,1\n"b"x,1\n'],
      ["csv", 'a,1\n"b,1\n'],
      ["tsv", "a\t1\nb\t1\t2\n"],
      ["csv", "a,1\nb,12345678901234567890\n"],
    ];
    for (const [format, text] of wrong) {
      const path = freshPath();
      const { code, err } = await bancos(["import", path, "--format", format], text);
      expect({ text, code }).toEqual({ text, code: 3 });
      expect(err).toStartWith("bancos: standard input, line 2: ");
      expect(contents(path)).toEqual([["a", 1]]);
    }
    const path = freshPath();
    expect((await bancos(["import", path], Uint8Array.of(0x5b, 0xff, 0x0a))).err).toContain("not UTF-8");
    expect(contents(path)).toEqual([]);
  });

  test("tells who has one array of objects, or numbers as keys, what to do", async () => {
    const objects = '{"id":1,"name":"Ann"}';
    for (const text of [`[${objects},${objects}]\n`, `[\n  ${objects}\n]\n`]) {
      const { code, err } = await bancos(["import", freshPath(), "--key", "id"], text);
      expect({ text, code, hint: err.includes("jq -c '.[]'") }).toEqual({ text, code: 3, hint: true });
    }
    const path = freshPath();
    const { code, err } = await bancos(["import", path, "--key", "id"], `${objects}\n`);
    expect({ code, err }).toEqual({ code: 3, err: expect.stringContaining("--key-encoding ordered") });
    expect(contents(path)).toEqual([]);
    const other = freshPath();
    await ok(["import", other, "--key", "id", "--key-encoding", "ordered"], `${objects}\n`);
    // What looks much like it: keys that JSON has no other word for.
    const pairs = '[{"$bigint":"5"},{"a":1}]\n[{"$bytes":"AA=="},{"a":2}]\n';
    await ok(["import", other], pairs);
    expect(contents(other)).toEqual([
      [1, { id: 1, name: "Ann" }],
      [5n, { a: 1 }],
      [Uint8Array.of(0), { a: 2 }],
    ]);
  });

  test("--on-conflict replaces, keeps, or ends", async () => {
    const path = freshPath();
    await ok(["import", path], '["a",1]\n');
    expect(JSON.parse(await ok(["import", path, "--json"], '["a",2]\n["b",1]\n'))).toMatchObject({
      inserted: 1,
      replaced: 1,
    });
    await ok(["import", path, "--on-conflict", "keep"], '["a",3]\n');
    expect(await bancos(["import", path, "--on-conflict", "error"], '["c",1]\n["a",4]\n')).toMatchObject({
      code: 1,
    });
    expect(contents(path)).toEqual([
      ["a", 2],
      ["b", 1],
      ["c", 1],
    ]);
  });
});

describe("export", () => {
  test("writes a range, in key order, and import makes the same store of it", async () => {
    const path = freshPath();
    const store = open(path);
    const values = [
      1,
      -0,
      2n,
      "text",
      "42",
      "a\tb\nc\\",
      '"',
      "",
      null,
      true,
      [1],
      { $bytes: "x" },
      Uint8Array.of(1, 2),
      1e20,
      Number.NaN,
    ];
    values.forEach((value, i) => {
      store.set(`key ${String(i).padStart(2, "0")},"\t`, value);
    });
    finish(store);
    for (const format of ["jsonl", "csv", "tsv"]) {
      const folder = freshFolder();
      const output = join(folder, `out.${format}`);
      expect(await ok(["export", path, output])).toStartWith("15 keys in ");
      expect(readdirSync(folder)).toEqual([`out.${format}`]);
      expect(await ok(["export", path, "--format", format])).toBe(readFileSync(output, "utf8"));
      const copy = freshPath();
      await ok(["import", copy, output]);
      expect(contents(copy)).toEqual(contents(path));
    }
    expect(
      await ok(["export", path, "--prefix", "key 0", "--limit", "1", "--reverse", "-f", "csv", "--header"]),
    ).toBe('key,value\n"key 09,""\t",true\n');
    expect(contents(path)).toHaveLength(15);
  });

  test("as a script holds integers only, and says whose value is none", async () => {
    const path = freshPath();
    await ok(["set", path, "two words", "7"]);
    expect(await ok(["export", path, "-f", "script"])).toBe('insert "two words" 7\n');
    await ok(["set", path, "x", "text"]);
    const output = join(dirname(path), "out.script");
    const { code, err } = await bancos(["export", path, output]);
    expect(code).toBe(3);
    expect(err).toContain("value of x is no integer");
    expect(readdirSync(dirname(path))).toEqual(["store.bancos"]);
    expect(contents(path)).toHaveLength(2);
  });
});

test("the English words go through each format, and take and give them at a rate worth printing", async () => {
  const folder = freshFolder();
  const source = join(folder, "words.tsv");
  writeFileSync(source, (words as string[]).map((word, i) => `${word}\t${i}\n`).join(""));
  const first = join(folder, "first.bancos");
  const rates: string[] = [];
  const rate = (what: string, json: string): void => {
    rates.push(`${what} ${Math.round(JSON.parse(json).keysPerSecond / 1000)}`);
  };
  rate("import tsv", await ok(["import", "--json", first, source]));
  const expected = contents(first);
  expect(expected).toHaveLength(words.length);
  for (const format of ["jsonl", "csv", "script"]) {
    const file = join(folder, `words.${format}`);
    rate(`export ${format}`, await ok(["export", "--json", first, file]));
    const store = join(folder, `${format}.bancos`);
    rate(`import ${format}`, await ok(["import", "--json", store, file]));
    expect(contents(store)).toEqual(expected);
  }
  console.log(`thousand keys a second: ${rates.join(", ")}`);
});
