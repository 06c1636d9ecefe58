/** Backups and compacted files have what the store had, take less room, and replace nothing that they should not. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { compact, open, type Store, type Value } from "../../src/index.ts";
import { random } from "../random.ts";
import { codeOf, expectSound, finish, freshPath, seed } from "../store/support.ts";

const CHILD = join(import.meta.dir, "child.ts");

/** The code that a promise is rejected with. */
async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "none",
    (error: { code?: unknown }) => error.code,
  );
}

function fill(store: Store, keys: number): Map<string, Value> {
  const pick = random(seed);
  const content = new Map<string, Value>();
  for (let i = 0; i < keys; i++) {
    const key = `${"shared prefix/".repeat(pick(4))}${pick(keys * 2)}${"é".repeat(pick(20))}`;
    const kinds: Value[] = [
      i,
      Number.NaN,
      -0,
      BigInt(i) ** 2n,
      `${i}`,
      "v".repeat(pick(900)),
      { i },
      null,
      true,
    ];
    const value = kinds[pick(kinds.length)]!;
    store.set(key, value);
    content.set(key, value);
    if (pick(3) === 0) {
      const [victim] = content.keys();
      store.delete(victim!);
      content.delete(victim!);
    }
  }
  for (const [key, value] of [
    ["", "the empty key"],
    ["large", new Uint8Array(300_000).fill(7)],
    ["across a slab table", "x".repeat(20 << 20)],
    ["k".repeat(4096), "long key"],
  ] as const) {
    store.set(key, value);
    content.set(key, value);
  }
  return content;
}

function expectContent(path: string, content: ReadonlyMap<string, Value>): void {
  const store = open(path, { flushEvery: 0 });
  expect(store.stats().recovery).toMatchObject({ found: "clean", rebuild: null });
  expect(store.size).toBe(content.size);
  for (const [key, value] of content) expect(store.get(key)).toEqual(value);
  expectSound(store);
  // It is a store like any other.
  store.set("new", 1);
  store.delete("large");
  store.flushSync();
  finish(store);
  const again = open(path, { flushEvery: 0, recover: "rebuild" });
  expect(again.size).toBe(content.size);
  finish(again);
}

test("a backup has every key and value, and is smaller", async () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  const content = fill(store, 5000);
  await store.backup(`${path}.copy`);
  expectSound(store);
  expect(statSync(`${path}.copy`).size).toBeLessThan(statSync(path).size);
  expectContent(`${path}.copy`, content);
  // No other file is left.
  expect(readdirSync(dirname(path)).length).toBe(2);
  finish(store);
});

test("a backup of an empty store is a store, of other key encodings too", async () => {
  for (const keyEncoding of ["utf8", "binary", "ordered"] as const) {
    const path = freshPath();
    const store = open(path, { keyEncoding: keyEncoding as "utf8", flushEvery: 0 });
    await store.backup(`${path}.copy`);
    const copy = open(`${path}.copy`, { flushEvery: 0 });
    expect(copy.keyEncoding).toBe(keyEncoding);
    expect(copy.size).toBe(0);
    finish(copy);
    finish(store);
  }
});

test("a backup replaces no file, and an error leaves none", async () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  fill(store, 200);
  writeFileSync(`${path}.copy`, "mine");
  expect(await rejectionOf(store.backup(`${path}.copy`))).toBe("INVALID_OPERATION");
  expect(await rejectionOf(store.backup(path))).toBe("INVALID_OPERATION");
  expect(await rejectionOf(store.backup(join(dirname(path), "no", "such")))).toBe("NOT_FOUND");
  expect(readdirSync(dirname(path)).length).toBe(2);
  // Nothing of it stays in the store: memory is reused.
  for (let i = 0; i < 3; i++) store.flushSync();
  expect(store.collect() >= 0 && store.stats().bytes.limbo).toBe(0);
  finish(store);
});

test("backups of one store wait for each other; closing the store ends one", async () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  const content = fill(store, 2000);
  await Promise.all([1, 2, 3].map((i) => store.backup(`${path}.${i}`)));
  for (const i of [1, 2, 3]) expectContent(`${path}.${i}`, content);
  const other = open(path, { flushEvery: 0 });
  await Promise.all([store.backup(`${path}.4`), other.backup(`${path}.5`)]);
  const last = store.backup(`${path}.6`);
  const ended = rejectionOf(last);
  await Bun.sleep(0);
  store.close();
  expect(await ended).toBe("CLOSED");
  expect(existsSync(`${path}.6`)).toBe(false);
  other.set("a", 1);
  finish(other);
});

test("a damaged leaf ends a backup with CORRUPT and its offset", async () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  for (let i = 0; i < 100; i++) store.set(`key ${i}`, `the value of ${i}`);
  store.flushSync();
  const bytes = new Uint8Array(await Bun.file(path).arrayBuffer());
  const at = Buffer.from(bytes).indexOf("the value of 50");
  expect(at).toBeGreaterThan(0);
  store.close();
  bytes[at + 4] = 0x58;
  writeFileSync(path, bytes);
  const damaged = open(path, { flushEvery: 0 });
  expect(await rejectionOf(damaged.backup(`${path}.copy`))).toBe("CORRUPT");
  expect(existsSync(`${path}.copy`)).toBe(false);
  damaged.close();
});

test("compact makes the file smaller and keeps what is in it", async () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  const content = fill(store, 5000);
  expect(await rejectionOf(compact(path))).toBe("INVALID_OPERATION");
  store.close();
  const report = await compact(path);
  expect(report.keys).toBe(content.size);
  expect(report.after).toBeLessThan(report.before);
  expect(statSync(path).size).toBe(report.after);
  expect(readdirSync(dirname(path)).length).toBe(1);
  expectContent(path, content);
  expect(codeOf(() => open(join(dirname(path), "none"), { create: false }))).toBe("NOT_FOUND");
  expect(await rejectionOf(compact(join(dirname(path), "none")))).toBe("NOT_FOUND");
});

test("who opens a file while it is compacted gets the new one", async () => {
  // The old file stood open, waiting for its lock, when the new one took its name: what was written went nowhere.
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  const content = fill(store, 20_000);
  store.close();
  const compacting = compact(path);
  const child = Bun.spawn([process.execPath, CHILD, "open and set", path], {
    stdout: "pipe",
    stderr: "inherit",
  });
  await compacting;
  expect(await new Response(child.stdout).text()).toBe("done\n");
  const after = open(path, { flushEvery: 0 });
  expect(after.get("set meanwhile")).toBe(true);
  expect(after.size).toBe(content.size + 1);
  finish(after);
});

test("compact killed at any moment leaves the old file or the new one", async () => {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  const content = fill(store, 3000);
  store.close();
  const pick = random(seed);
  for (let i = 0; i < 8; i++) {
    const child = Bun.spawn([process.execPath, CHILD, "compact", path], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const reader = child.stdout.getReader();
    await reader.read();
    await Bun.sleep(pick(150));
    child.kill("SIGKILL");
    await child.exited;
    const after = open(path, { flushEvery: 0 });
    expect(after.size).toBe(content.size);
    finish(after);
  }
});
