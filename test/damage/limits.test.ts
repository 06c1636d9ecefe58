/** Where there is no room, or a file is cut short, or may not be written: an error, and the store goes on. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, readFileSync, statSync, truncateSync } from "node:fs";
import { dirname, join } from "node:path";
import { open } from "../../src/index.ts";
import { SLAB_BYTES } from "../../src/memory/layout.ts";
import { codeOf, expectSound, finish, freshFolder, freshPath } from "../store/support.ts";
import { Mounted } from "./mounted.ts";

const CHILD = join(import.meta.dir, "child.ts");

/** Two writers fill `path` to its limit again and again; `command` is put before what they run. */
async function fill(path: string, command: readonly string[]): Promise<void> {
  open(path).close();
  const writers = ["a", "b"].map((name) =>
    Bun.spawn([...command, process.execPath, CHILD, "fill", path, name], {
      stdout: "pipe",
      stderr: "inherit",
    }),
  );
  for (const writer of writers) {
    expect(await new Response(writer.stdout).text()).toBe("NO_SPACE\n");
    expect(await writer.exited).toBe(0);
  }
  const store = open(path, { flushEvery: 0 });
  expect(store.size).toBeGreaterThan(1000);
  expectSound(store);
  for (const key of [...store.keys()]) store.delete(key);
  store.flushSync();
  store.flushSync();
  store.collect();
  for (let i = 0; i < 1000; i++) store.set(`again ${i}`, "x".repeat(300));
  finish(store);
}

test("two writers fill a small disk: both are told, both go on, nothing is lost", async () => {
  using disk = Mounted.small(4 << 20);
  if (disk === undefined) console.log("not run: no right to mount");
  else await fill(join(disk.path, "store"), []);
});

test("two writers meet the limit of the size of files: both are told, both go on, nothing is lost", async () => {
  await fill(freshPath(), ["sh", "-c", 'ulimit -f 8192; exec "$@"', "sh"]);
});

test("a file cut short by another program is CORRUPT at the next flush, growth, close and open", async () => {
  for (const next of ["flushSync", "flush", "growth", "close"] as const) {
    const path = freshPath();
    const store = open(path, { flushEvery: 0 });
    for (let i = 0; i < 100; i++) store.set(`key ${i}`, i);
    const { size } = statSync(path);
    // The last slab has never been used: to touch what is gone would end the process.
    truncateSync(path, size - SLAB_BYTES);
    if (next === "flushSync") expect(codeOf(() => store.flushSync())).toBe("CORRUPT");
    if (next === "flush") {
      const code = await store.flush().then(
        () => "none",
        (error) => error.code,
      );
      expect(code).toBe("CORRUPT");
    }
    if (next === "growth") expect(codeOf(() => store.set("large", "x".repeat(size)))).toBe("CORRUPT");
    expect(codeOf(() => store.close())).toBe("CORRUPT");
    store.close();
    expect(codeOf(() => open(path))).toBe("CORRUPT");
    // With its length it is a store again.
    truncateSync(path, size);
    const again = open(path, { flushEvery: 0 });
    expect(again.size).toBe(100);
    finish(again);
  }
});

/** What a process says that can't open the file for writing: by its mode, or, for the superuser, by its mount. */
function look(path: string): unknown {
  using mounted = process.getuid?.() === 0 ? Mounted.readOnly(dirname(path)) : undefined;
  if (mounted === undefined) chmodSync(path, 0o444);
  const where = mounted === undefined ? path : join(mounted.path, "store.bancos");
  const before = { bytes: readFileSync(path), changed: statSync(path).mtimeMs };
  const child = spawnSync(process.execPath, [CHILD, "look", where], { encoding: "utf8" });
  if (mounted === undefined) chmodSync(path, 0o644);
  expect(child.stderr).toBe("");
  expect(readFileSync(path).equals(before.bytes)).toBe(true);
  expect(statSync(path).mtimeMs).toBe(before.changed);
  return JSON.parse(child.stdout);
}

/** The superuser may write a file of any mode: without a mount there is nothing to see. */
function canForbid(): boolean {
  if (process.getuid?.() !== 0) return true;
  using mounted = Mounted.readOnly(freshFolder());
  return mounted !== undefined;
}

test("a file that can't be opened for writing is read without a byte written and without a slot", () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  for (let i = 0; i < 1000; i++) store.set(`key ${i}`, i);
  store.delete("key 0");
  finish(store);
  const expected = { participants: 0, keys: 999, first: ["key 1", 1], sound: true };
  if (canForbid()) {
    const said = look(path);
    expect(said).toMatchObject({ ...expected, access: "unregistered", found: "clean", rebuilt: false });
  }
  // Where it can be opened for writing, a reader is a participant like any other.
  const child = spawnSync(process.execPath, [CHILD, "look", path], { encoding: "utf8" });
  expect(JSON.parse(child.stdout)).toMatchObject({ ...expected, participants: 1, access: "read" });
  finish(open(path, { flushEvery: 0 }));
});

test("a file that a killed writer left, or a copy of one, is read as it is, or rebuilt in memory", () => {
  const path = freshPath();
  spawnSync(process.execPath, [CHILD, "leave", path]);
  const copy = join(freshFolder(), "store.bancos");
  copyFileSync(path, copy);
  const expected = { keys: 900, first: ["key 1", "value 1"], sound: true };
  if (canForbid()) {
    expect(look(path)).toMatchObject({
      ...expected,
      access: "unregistered",
      found: "unclean",
      rebuilt: false,
    });
    expect(look(copy)).toMatchObject({ ...expected, access: "unregistered", found: "copied", rebuilt: true });
  }
  for (const each of [path, copy]) {
    const store = open(each, { flushEvery: 0 });
    expect(store.size).toBe(900);
    finish(store);
  }
});

test("what cannot be written: READ_ONLY for each writing method; flush, collect and backup do what they can", async () => {
  const path = freshPath();
  open(path).set("a", 1).close();
  using mounted = process.getuid?.() === 0 ? Mounted.readOnly(dirname(path)) : undefined;
  if (process.getuid?.() !== 0) chmodSync(path, 0o444);
  const where = mounted === undefined ? path : join(mounted.path, "store.bancos");
  const store = open(where, { readOnly: true });
  expect(codeOf(() => store.set("b", 1))).toBe("READ_ONLY");
  expect(codeOf(() => store.delete("a"))).toBe("READ_ONLY");
  expect(store.reader((reader) => reader.get("a"))).toBe(1);
  store.flushSync();
  await store.flush();
  expect(store.collect()).toBe(0);
  await store.backup(`${path}.copy`);
  expectSound(store);
  store.close();
  if (mounted !== undefined) expect(codeOf(() => open(where))).toBe("IO_ERROR");
  const copy = open(`${path}.copy`);
  expect(copy.get("a")).toBe(1);
  finish(copy);
  if (process.getuid?.() !== 0) chmodSync(path, 0o644);
});
