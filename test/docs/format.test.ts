/**
 * docs/format.md and the code say the same: each number of the page is compared with src/memory/layout.ts, and a reader
 * that takes its numbers from the page alone (reader.ts) finds in real files what the store finds.
 */
import { describe, expect, onTestFinished, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open, type Value } from "../../src/index.ts";
import { CLASS_BYTES, CLASSES } from "../../src/memory/classes.ts";
import * as layout from "../../src/memory/layout.ts";
import { textOf } from "../architecture/files.ts";
import { random } from "../random.ts";
import { numberIn, tablesOf } from "./markdown.ts";
import { Reader } from "./reader.ts";

const seed = Number(process.env["BANCOS_SEED"] ?? (Math.random() * 0x7fffffff) | 0);
console.log(`seed: BANCOS_SEED=${seed}`);

const page = textOf("docs/format.md") ?? "";
const tables = tablesOf(page);
const code = new Map(
  Object.entries(layout).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
);

/** Every number that the page gives a name. */
const documented = new Map<string, number>();
for (const { header, rows } of tables) {
  const [first, second, third] = header;
  if (first === "offset" && third === "name") {
    for (const [offset = "", , name = ""] of rows) documented.set(name, numberIn(offset));
  } else if (first === "name" && second === "value") {
    for (const [name = "", value = ""] of rows) documented.set(name, numberIn(value));
  }
}
for (const [, value = "", name = ""] of page.matchAll(/([\d,]+)(?: [a-z]+)* \(`([A-Z0-9_]+)`\)/g))
  documented.set(name, numberIn(value));
for (const [, name = "", value = ""] of page.matchAll(/`([A-Z0-9_]+)` is ([\d,]+)/g)) {
  if (!documented.has(name)) documented.set(name, numberIn(value));
}

function n(name: string): number {
  const value = documented.get(name);
  if (value === undefined) throw new Error(`docs/format.md has no ${name}`);
  return value;
}

describe("the format document", () => {
  test("gives every name the number that the code gives it", () => {
    expect(documented.size).toBeGreaterThan(100);
    expect(Object.fromEntries(documented)).toEqual(
      Object.fromEntries([...documented.keys()].map((name) => [name, code.get(name) ?? Number.NaN])),
    );
  });

  test("leaves out no field, mark or kind of slab", () => {
    const families = /^(SB|ENTRY|SLAB|N4|N16|N48|N256|LEAF|MARK|SLOT|INTENT|LIMBO|CHUNK)_/;
    // Said in words, or needed by the code alone.
    const others =
      /_(MASK|SHIFT|UNITS)$|^SLOT_(FREE|ALIVE|RECOVERING|COLLECTING)$|^INTENT_(NONE|ANNOUNCED|CHECKED|PUBLISHED|RECORD_WORDS|MARK_.*)$/;
    const missing = [...code.keys()].filter(
      (name) => families.test(name) && !others.test(name) && !documented.has(name),
    );
    expect(missing).toEqual([]);
  });

  test("lets no field overlap the next, or lie across its own alignment", () => {
    const problems: string[] = [];
    for (const { heading, header, rows } of tables) {
      if (header[0] !== "offset") continue;
      let end = 0;
      for (const [offset = "", bytes = "", name = ""] of rows) {
        const at = numberIn(offset);
        if (at < end) problems.push(`${heading}: ${name} begins before the field above it ends`);
        if ((bytes === "4" || bytes === "8") && name !== "SB_MAGIC" && at % Number(bytes) !== 0)
          problems.push(`${heading}: ${name} is not aligned`);
        end = at + (bytes === "" ? 0 : numberIn(bytes));
      }
    }
    expect(problems).toEqual([]);
  });

  test("lists every size class", () => {
    const listed = new Map<number, number>();
    for (const { header, rows } of tables.filter((table) => table.header[1] === "classes")) {
      expect(header[0]).toBe("what");
      for (const [, classes = ""] of rows) {
        for (const [, number = "", bytes = ""] of classes.matchAll(/(\d+): (\d+)/g))
          listed.set(Number(number), Number(bytes));
      }
    }
    const inCode = new Map<number, number>();
    for (let i = 0; i < CLASSES; i++) if (CLASS_BYTES[i] !== 0) inCode.set(i, CLASS_BYTES[i]!);
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(inCode));
  });

  test("names the bytes that are locked", () => {
    const rows = tables.find(({ heading, header }) => heading === "Lock bytes" && header[0] === "byte")!.rows;
    const bytes = rows.map(([sum = ""]) =>
      sum
        .split(" + ")
        .reduce((all, part) => all + (part === "slot" ? 7 : part === "2^40" ? 2 ** 40 : Number(part)), 0),
    );
    expect(bytes).toEqual([layout.lifeByte(7), layout.OPEN_BYTE]);
  });
});

describe("a reader made from the format document", () => {
  function freshPath(): string {
    const folder = mkdtempSync(join(tmpdir(), "bancos-format-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    return join(folder, "store.bancos");
  }

  /** A value as the page says that its bytes are read. */
  function meant(value: Reader extends { entries(): Generator<infer E> } ? E : never): unknown {
    const it = value.value;
    if (typeof it !== "object") return it;
    const { type, bytes } = it;
    if (type === 3) return bytes.toString("latin1");
    if (type === 4) return bytes.toString("utf8");
    if (type === 5) return bytes.toString("utf16le");
    if (type === 6) return new Uint8Array(bytes);
    return JSON.parse(bytes.toString("utf8")) as unknown;
  }

  function compare(path: string): void {
    // The oracle keeps nothing of the file open.
    const expected: [Buffer, Value][] = [];
    {
      using store = open(path, { keyEncoding: "binary" });
      for (const [key, value] of store) expected.push([Buffer.from(key), value]);
      expect(store.verify().problems).toEqual([]);
    }
    const reader = new Reader(readFileSync(path), n);
    expect(reader.isStore()).toBe(true);
    expect(reader.slabsAreSound()).toBe(true);
    expect(reader.keyCount()).toBe(expected.length);
    const entries = [...reader.entries()];
    expect(entries.every(({ sound }) => sound)).toBe(true);
    expect(entries.length).toBe(expected.length);
    for (const [i, entry] of entries.entries()) {
      expect(entry.key.equals(expected[i]![0])).toBe(true);
      expect(meant(entry)).toEqual(expected[i]![1]);
    }
  }

  test("finds all keys and values, of every type, in every kind of node, after deletes and replacements", () => {
    const path = freshPath();
    const below = random(seed);
    const values = [
      () => below(1e6) / 7,
      () => BigInt(below(2 ** 31)) * -(2n ** 31n),
      () => "plain é".repeat(below(20)),
      () => "字".repeat(below(50)),
      () => "\ud800",
      () => new Uint8Array(below(300)).fill(below(256)),
      () => ({ list: [below(9), null, true], text: "x".repeat(below(9)) }),
    ];
    {
      using store = open(path, { keyEncoding: "binary" });
      const keys: Uint8Array[] = [];
      for (let i = 0; i < 4000; i++) {
        // Short keys make dense nodes, digits 0 and 1 make escapes.
        const key = Uint8Array.from({ length: below(5) }, () => below([2, 6, 30, 256][below(4)]!));
        keys.push(key);
        store.set(key, values[below(values.length)]!());
      }
      for (let i = 0; i < 2000; i++) {
        const key = keys[below(keys.length)]!;
        if (below(2) === 0) store.delete(key);
        else store.set(key, values[below(values.length)]!());
      }
      const { cells } = store.stats();
      for (const kind of ["node4", "node16", "node48", "node256"] as const)
        expect(cells[kind].used).toBeGreaterThan(0);
    }
    compare(path);
  });

  test("follows a run of slabs across a slab table", () => {
    const path = freshPath();
    {
      using store = open(path, { keyEncoding: "binary" });
      store.set(new Uint8Array([5]), "small");
      const large = new Uint8Array(16 * 2 ** 20 + 12345);
      for (let i = 0; i < large.length; i += 4093) large[i] = i % 251;
      store.set(new Uint8Array([6]), large);
    }
    compare(path);
  });
});
