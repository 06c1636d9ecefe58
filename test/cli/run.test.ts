/** `bancos run`: the script language, line by line. */
import { describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freshFolder, freshPath, random, seed } from "../store/support.ts";
import { bancos, contents, ok } from "./support.ts";

const summary = (out: string): unknown => JSON.parse(out.trim().split("\n").at(-1)!).summary;

describe("run", () => {
  test("inserts, finds and removes, from a file or standard input, and sums up", async () => {
    const script =
      "# a comment\n\ninsert a 1\r\n  insert b -2\ninsert a 3\nfind a\nlookup b\nfind c\nremove b\nremove c\n";
    const file = join(freshFolder(), "test.script");
    writeFileSync(file, script);
    for (const [args, input] of [
      [[file], ""],
      [["-"], script],
      [[], script],
    ] as const) {
      const path = freshPath();
      const lines = (await ok(["run", path, ...args], input)).trimEnd().split("\n");
      expect(lines.slice(0, 3)).toEqual(["a\t3", "b\t-2", "c\t"]);
      expect(lines[3]).toMatch(
        /^# 10 lines in \d.*: 2 inserted, 1 replaced, 2 found, 1 not found, 1 removed, 1 not there to remove$/,
      );
      expect(lines).toHaveLength(4);
      expect(contents(path)).toEqual([["a", 3]]);
    }
  });

  test("--json writes a line for each look-up and the summary last", async () => {
    const path = freshPath();
    const out = await ok(["run", "--json", path], "insert a 1\nfind a\nfind b\n");
    expect(out).toStartWith('{"key":"a","found":true,"value":1}\n{"key":"b","found":false}\n');
    expect(summary(out)).toMatchObject({ lines: 3, inserted: 1, found: 1, notFound: 1, interrupted: false });
    expect(await ok(["run", "--json", "--quiet", path], "find a\n")).toStartWith('{"summary"');
    expect(contents(path)).toHaveLength(1);
  });

  test("--strict ends at an insert of a key that is there and at a remove of one that is not", async () => {
    const path = freshPath();
    await ok(["run", "--strict", path], "insert a 2\ninsert b 1\nremove b\nfind b\n");
    for (const line of ["insert a 3", "remove b"]) {
      const { code, err } = await bancos(["run", "--strict", path], `# 1\nfind a\n${line}\ninsert z 1\n`);
      expect(code).toBe(1);
      expect(err).toStartWith("bancos: standard input, line 3: ");
      expect(err).toContain(line[line.length - 1] === "b" ? "no key b" : "a is there already");
    }
    expect(contents(path)).toEqual([["a", 2]]);
  });

  test("a line that makes no sense ends the run with its number; what came before stays", async () => {
    const wrong = [
      "insrt a 1",
      "insert a",
      "insert a 1.5",
      "insert a one",
      "insert a 1 2",
      "insert a 99999999999999999999",
      "find",
      "find a b",
      'insert "open 1',
      `find ${"k".repeat(4097)}`,
    ];
    for (const line of wrong) {
      const path = freshPath();
      const { code, err } = await bancos(["run", path], `insert good 1\n${line}\ninsert bad 1\n`);
      expect({ line, code }).toEqual({ line, code: 3 });
      expect(err).toStartWith("bancos: standard input, line 2: ");
      expect(contents(path)).toEqual([["good", 1]]);
    }
  });

  test("keys may have white space in double quotes; integers past 2^53 are bigints", async () => {
    const path = freshPath();
    await ok(
      ["run", path],
      'insert "two words" 1\ninsert "say \\"hi\\"" 2\ninsert big 9223372036854775807\n',
    );
    expect(contents(path)).toEqual([
      ["big", 9223372036854775807n],
      ['say "hi"', 2],
      ["two words", 1],
    ]);
  });

  test("makes no store when there is no script", async () => {
    const path = freshPath();
    expect((await bancos(["run", path, join(freshFolder(), "nothing")])).code).toBe(3);
    expect(existsSync(path)).toBe(false);
  });

  test("agrees with a Map over a random script, in pieces of any size", async () => {
    const pick = random(seed);
    const path = freshPath();
    const model = new Map<string, number>();
    const expected: string[] = [];
    const lines: string[] = [];
    for (let i = 0; i < 30_000; i++) {
      const key = `k${pick(2000)}é`;
      const verb = pick(4);
      if (verb < 2) {
        model.set(key, i);
        lines.push(`insert ${key} ${i}`);
      } else if (verb === 2) {
        expected.push(`${key}\t${model.get(key) ?? ""}`);
        lines.push(`find ${key}`);
      } else {
        model.delete(key);
        lines.push(`remove ${key}`);
      }
    }
    const out = await ok(["run", path], `${lines.join("\n")}\n`);
    expect(out.split("\n").slice(0, -2)).toEqual(expected);
    expect(new Map(contents(path) as [string, number][])).toEqual(
      new Map([...model].sort(([a], [b]) => (a < b ? -1 : 1))),
    );
  });
});
