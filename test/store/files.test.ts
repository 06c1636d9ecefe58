/** Files that are no stores, or are no longer whole: an error with the right code, never a crash, never a hang. */
import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { open } from "../../src/index.ts";
import {
  FORMAT_VERSION,
  MAGIC,
  SB_KEY_ENCODING,
  SB_SLAB_BYTES,
  SB_VERSION,
} from "../../src/memory/layout.ts";
import { codeOf, finish, freshFolder, freshPath, random, seed } from "./support.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

const CHILD = join(import.meta.dir, "child.ts");
/** A child that answers later than this hangs. */
const LIMIT = 60_000;

/** What a process of its own says to each of these files; a crash or a hang of it fails the test. */
function probe(files: readonly string[]): string[] {
  const child = spawnSync(process.execPath, [CHILD, "probe", ...files], { encoding: "utf8", timeout: LIMIT });
  expect({ signal: child.signal, stderr: child.stderr, status: child.status }).toEqual({
    signal: null,
    stderr: "",
    status: 0,
  });
  const answers = child.stdout.trim().split("\n");
  expect(answers.length).toBe(files.length);
  return answers;
}

/** A store of many kinds of cells, closed; its bytes. */
function sample(): Buffer {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  for (let i = 0; i < 3000; i++) store.set(`key ${i * 7}`, i % 5 === 0 ? { i } : "v".repeat(i % 300));
  store.set("large", new Uint8Array(200_000).fill(1));
  store.flushSync();
  for (let i = 0; i < 3000; i += 3) store.delete(`key ${i * 7}`);
  finish(store);
  return readFileSync(path);
}

describe("files of other kinds are NOT_A_STORE, and left as they are", () => {
  test("zeros, random bytes, text, gzip, SQLite", () => {
    const folder = freshFolder();
    const pick = random(seed);
    const noise = (length: number): Buffer => {
      const bytes = Buffer.alloc(length);
      for (let i = 0; i < length; i++) bytes[i] = pick(256);
      return bytes;
    };
    const files: Record<string, Uint8Array> = {
      "one zero": Buffer.alloc(1),
      "zeros of a page": Buffer.alloc(4096),
      "zeros of 1 MiB": Buffer.alloc(1 << 20),
      "zeros of 4 MiB": Buffer.alloc(4 << 20),
      "7 bytes": noise(7),
      "random of a page": noise(4096),
      "random of 2 MiB": noise(2 << 20),
      text: Buffer.from("key,value\r\n".repeat(200_000)),
      "gzip of a store": gzipSync(sample()),
    };
    const database = join(folder, "sqlite");
    const db = new Database(database, { create: true });
    db.run("create table t (a, b)");
    db.transaction(() => {
      for (let i = 0; i < 1000; i++) db.run("insert into t values (?, ?)", [i, `row ${i}`]);
    })();
    db.close();
    files["sqlite"] = readFileSync(database);
    const paths = Object.keys(files).map((name) => join(folder, name));
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    expect(probe(paths)).toEqual(paths.map(() => "NOT_A_STORE"));
    for (const [name, bytes] of Object.entries(files))
      expect(readFileSync(join(folder, name)).equals(bytes)).toBe(true);
  });
});

describe("superblocks that are not ours to read", () => {
  test("VERSION: a format of another version; CORRUPT: a checksum that does not hold", () => {
    const bytes = sample();
    const path = freshPath();
    const withWord = (offset: number, word: number): string => {
      const copy = Buffer.from(bytes);
      copy.writeInt32LE(word, offset);
      writeFileSync(path, copy);
      return codeOf(() => open(path));
    };
    expect(withWord(SB_VERSION, FORMAT_VERSION + 1)).toBe("VERSION");
    expect(withWord(SB_VERSION, 0)).toBe("VERSION");
    expect(withWord(SB_SLAB_BYTES, 65_536)).toBe("CORRUPT");
    expect(withWord(SB_KEY_ENCODING, 77)).toBe("CORRUPT");
  });

  test("the magic and nothing else, or with noise behind it", () => {
    const folder = freshFolder();
    const pick = random(seed);
    const paths: string[] = [];
    for (const length of [0, 1, 4, 100, 1272, 1280, 4096, 16_384, 400_000, 1 << 20]) {
      const bytes = Buffer.from(
        Array.from({ length: length + 8 }, (_, i) => (i < 8 ? MAGIC[i]! : pick(256))),
      );
      paths.push(join(folder, `${length}`));
      writeFileSync(paths.at(-1)!, bytes);
    }
    for (const answer of probe(paths)) expect(["VERSION", "CORRUPT"]).toContain(answer);
  });
});

describe("a store cut short", () => {
  test("at every page of its first megabyte is CORRUPT or no store; at its full length it opens", () => {
    const folder = freshFolder();
    const bytes = sample();
    expect(bytes.length).toBeGreaterThan(1 << 20);
    const paths: string[] = [];
    const whole = join(folder, "whole");
    writeFileSync(whole, bytes);
    for (let length = 4096; length <= 1 << 20; length += 4096) {
      const path = join(folder, `${length}`);
      copyFileSync(whole, path);
      truncateSync(path, length);
      paths.push(path);
    }
    for (let i = 0; i < paths.length; i += 64) {
      for (const answer of probe(paths.slice(i, i + 64)))
        expect(["CORRUPT", "NOT_A_STORE"]).toContain(answer);
    }
    const odd = [0, 1, 7, 8, 9, 1279, 1280, 4095, 5000].map((length) => {
      const path = join(folder, `odd ${length}`);
      writeFileSync(path, bytes.subarray(0, length));
      return path;
    });
    // A file of no bytes becomes a store.
    expect(probe(odd)).toEqual([
      "opened",
      "NOT_A_STORE",
      "NOT_A_STORE",
      "CORRUPT",
      "CORRUPT",
      "CORRUPT",
      "CORRUPT",
      "CORRUPT",
      "CORRUPT",
    ]);
    // A copy: rebuilt from its leaves.
    expect(probe([whole])).toEqual(["opened"]);
  });

  test("and filled up with zeros to its length: an answer or an error for each page that is lost", () => {
    const folder = freshFolder();
    const bytes = sample();
    const paths: string[] = [];
    for (let page = 0; page < bytes.length / 4096; page += 3) {
      const copy = Buffer.from(bytes);
      copy.fill(0, page * 4096, page * 4096 + 4096);
      paths.push(join(folder, `${page}`));
      writeFileSync(paths.at(-1)!, copy);
    }
    for (let i = 0; i < paths.length; i += 64) {
      for (const answer of probe(paths.slice(i, i + 64)))
        expect(["opened", "CORRUPT", "NOT_A_STORE"]).toContain(answer);
    }
  });
});

describe("a creator that is killed", () => {
  test("at any moment leaves no file or a good one", async () => {
    const pick = random(seed);
    let made = 0;
    let leftovers = 0;
    for (let round = 0; round < 25; round++) {
      const folder = freshFolder();
      const child = spawn(process.execPath, [CHILD, "create", folder], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      await new Promise<void>((ready) => child.stdout.once("data", () => ready()));
      const exited = new Promise<void>((done) => child.once("exit", () => done()));
      await Bun.sleep(pick(8000) / 1000);
      child.kill("SIGKILL");
      await exited;
      const names = readdirSync(folder);
      const stores = names.filter((name) => name.endsWith(".bancos"));
      leftovers += names.length - stores.length;
      for (const name of stores) {
        const path = join(folder, name);
        expect(statSync(path).size).toBeGreaterThan(0);
        const store = open(path, { create: false });
        expect([0, 1]).toContain(store.size);
        // All but the last were closed in order.
        if (name !== `${stores.length - 1}.bancos`) expect(store.stats().recovery.found).toBe("clean");
        store.set("another", 1);
        finish(store);
        made++;
      }
      // Nothing that it left stands in the way of the next.
      finish(open(join(folder, `${stores.length}.bancos`)).set("next", 1));
    }
    console.log(`killed creators: ${made} stores in 25 rounds, ${leftovers} temporary files left`);
  });
});
