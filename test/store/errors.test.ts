/** Every code of an error that a store can meet, each with a message that says what to do; and what works after it. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import {
  type BancosError,
  type ErrorCode,
  type OpenOptions,
  open,
  type Store,
  type Value,
} from "../../src/index.ts";
import {
  NODE4,
  NODE16,
  NODE48,
  NODE256,
  PRIVATE,
  SB_SYNC_ERROR,
  SLAB_BYTES,
  SLOT_SHIFT,
  SLOTS,
  TAG,
} from "../../src/memory/layout.ts";
import { store32 } from "../../src/memory/primitives.ts";
import {
  codeOf,
  errorOf,
  expectSound,
  finish,
  freshFolder,
  freshPath,
  quickPath,
  random,
  seed,
} from "./support.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

/** Something a caller has at hand although the types forbid it. */
const wrong = (value: unknown): never => value as never;

function expectError(run: () => unknown, code: ErrorCode, message: RegExp): BancosError {
  const error = errorOf(run);
  expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
  expect(error).toBeInstanceOf(Error);
  expect(error.name).toBe("BancosError");
  return error;
}

function withStore<T>(run: (store: Store) => T, options: OpenOptions = {}): T {
  const store = open(quickPath(), { flushEvery: 0, ...options });
  const result = run(store);
  finish(store);
  return result;
}

describe("keys", () => {
  test("DUPLICATE_KEY: insert of a key that is there changes nothing", () => {
    withStore((store) => {
      store.insert("a", 1);
      expectError(() => store.insert("a", 2), "DUPLICATE_KEY", /"a".*set\(\) replaces it/);
      expect(store.get("a")).toBe(1);
    });
  });

  test("INVALID_KEY: of a type or content that the encoding does not have", () => {
    withStore((store) => {
      for (const key of [
        1,
        null,
        undefined,
        1n,
        {},
        [],
        Symbol("s"),
        new Uint8Array(1),
        "\ud800",
        "a\udfff",
      ]) {
        for (const call of [
          () => store.get(wrong(key)),
          () => store.has(wrong(key)),
          () => store.set(wrong(key), 1),
          () => store.insert(wrong(key), 1),
          () => store.delete(wrong(key)),
          () => store.add(wrong(key), 1),
          () => store.compareAndSet(wrong(key), undefined, 1),
          () => store.getMany([wrong(key)]),
        ]) {
          expectError(call, "INVALID_KEY", /./);
        }
        if (key !== undefined) expectError(() => store.entries({ gt: wrong(key) }), "INVALID_KEY", /./);
      }
      expect(store.size).toBe(0);
    });
    const binary = open(quickPath(), { keyEncoding: "binary" });
    expectError(() => binary.get(wrong("text")), "INVALID_KEY", /./);
    finish(binary);
    const ordered = open(quickPath(), { keyEncoding: "ordered" });
    for (const key of [undefined, Number.NaN, {}, "\ud800", ["\ud800"], [undefined]]) {
      expectError(() => ordered.set(wrong(key), 1), "INVALID_KEY", /./);
    }
    finish(ordered);
  });

  test("KEY_TOO_LONG: over 4,096 bytes, in UTF-8 for strings", () => {
    withStore((store) => {
      for (const key of ["k".repeat(4096), "é".repeat(2048), "\0".repeat(4096)]) {
        store.set(key, 1);
        expect(store.get(key)).toBe(1);
        expectError(() => store.set(`${key}k`, 1), "KEY_TOO_LONG", /4,?096/);
        expectError(() => store.get(`${key}k`), "KEY_TOO_LONG", /4,?096/);
      }
      expect(store.size).toBe(3);
    });
  });

  test("KEY_ENCODING: another than the file's, whose own is used when none is named", () => {
    const path = quickPath();
    finish(open(path, { keyEncoding: "binary" }));
    expectError(
      () => open(path, { keyEncoding: "utf8" }),
      "KEY_ENCODING",
      /"binary", not "utf8"; leave the option out/,
    );
    const store = open(path);
    expect(store.keyEncoding).toBe("binary");
    finish(store);
  });
});

describe("values", () => {
  test("INVALID_VALUE: of a type that is not stored", () => {
    withStore((store) => {
      store
        .set("text", "t")
        .set("float", 1)
        .set("int", 2n)
        .set("most", 2n ** 63n - 1n);
      const cyclic: Record<string, unknown> = {};
      cyclic["self"] = cyclic;
      for (const value of [
        undefined,
        Symbol("s"),
        () => 1,
        2n ** 63n,
        -(2n ** 63n) - 1n,
        cyclic,
        { a: 1n },
        new Float64Array(1),
        new ArrayBuffer(1),
        new DataView(new ArrayBuffer(1)),
        { toJSON: () => undefined },
      ]) {
        expectError(() => store.set("a", wrong(value)), "INVALID_VALUE", /./);
        expectError(() => store.insert("a", wrong(value)), "INVALID_VALUE", /./);
        if (value !== undefined) {
          expectError(() => store.compareAndSet("text", wrong(value), 1), "INVALID_VALUE", /./);
          expectError(() => store.compareAndSet("text", "t", wrong(value)), "INVALID_VALUE", /./);
        }
      }
      expectError(() => store.add("text", 1), "INVALID_VALUE", /number or bigint/);
      expectError(() => store.add("int", 0.5), "INVALID_VALUE", /bigint/);
      expectError(() => store.add("most", 1n), "INVALID_VALUE", /64 bits; nothing was changed/);
      expectError(() => store.add("new", wrong("1")), "INVALID_VALUE", /number or a bigint/);
      expectError(() => store.add("new", 2n ** 63n), "INVALID_VALUE", /64 bits/);
      expect([...store]).toEqual([
        ["float", 1],
        ["int", 2n],
        ["most", 2n ** 63n - 1n],
        ["text", "t"],
      ]);
    });
  });

  test("VALUE_TOO_LARGE: over 1 GiB", () => {
    withStore((store) => {
      expectError(() => store.set("a", new Uint8Array(2 ** 30 + 1)), "VALUE_TOO_LARGE", /1 GiB/);
      expect(store.has("a")).toBe(false);
    });
  });

  test("an error of the caller's own toJSON is INVALID_VALUE with that error as its cause", () => {
    withStore((store) => {
      const own = new RangeError("mine");
      const error = expectError(
        () =>
          store.set("a", {
            toJSON() {
              throw own;
            },
          } as unknown as Value),
        "INVALID_VALUE",
        /mine/,
      );
      expect(error.cause).toBe(own);
    });
  });
});

describe("opening", () => {
  test("NOT_FOUND: no file, or no directory", () => {
    const path = quickPath();
    expectError(() => open(path, { create: false }), "NOT_FOUND", /not to be created/);
    expectError(() => open(path, { readOnly: true }), "NOT_FOUND", /./);
    expectError(() => open(join(path, "no", "such")), "NOT_FOUND", /no such file or directory/);
  });

  test("NOT_A_STORE: a directory, an empty file that may not be written, another file", () => {
    const folder = freshFolder();
    const path = join(folder, "file");
    expectError(() => open(folder), "NOT_A_STORE", /directory/);
    writeFileSync(path, "");
    expectError(() => open(path, { readOnly: true }), "NOT_A_STORE", /is empty; open it for writing/);
    expectError(() => open(path, { create: false }), "NOT_A_STORE", /is empty/);
    writeFileSync(path, "some text that is no store");
    expectError(() => open(path), "NOT_A_STORE", /left as it is/);
    // An empty file becomes a store where it lies.
    writeFileSync(path, "");
    finish(open(path).set("a", 1));
  });

  test("INVALID_OPTION: unknown, or of a value that cannot be", () => {
    const path = quickPath();
    for (const options of [
      { creat: true },
      { create: 1 },
      { readOnly: "yes" },
      { maxSize: 1000 },
      { maxSize: 2 ** 36 },
      { maxSize: Number.NaN },
      { maxSize: "1 GiB" },
      { durability: "none" },
      { flushEvery: -1 },
      { flushEvery: "1s" },
      { force: "filesystem" },
      { force: ["all"] },
      { recover: "yes" },
      { verifyReads: 0 },
      { keyEncoding: "utf-8" },
    ]) {
      expectError(() => open(path, wrong(options)), "INVALID_OPTION", new RegExp(Object.keys(options)[0]!));
    }
    for (const options of [null, 1, "create"])
      expectError(() => open(path, wrong(options)), "INVALID_OPTION", /object/);
    for (const bad of ["", "a\0b", 1, undefined])
      expectError(() => open(wrong(bad)), "INVALID_OPTION", /path/);
    withStore((store) => {
      for (const range of [
        { from: "a" },
        { limit: -1 },
        { limit: 0.5 },
        { limit: "1" },
        { limit: Number.NaN },
        { reverse: 1 },
      ]) {
        for (const call of [
          () => store.entries(wrong(range)),
          () => store.keys(wrong(range)),
          () => store.values(wrong(range)),
          () => store.count(wrong(range)),
        ]) {
          expectError(call, "INVALID_OPTION", new RegExp(Object.keys(range)[0]!));
        }
      }
      expectError(() => store.entries(wrong(null)), "INVALID_OPTION", /object/);
      expectError(() => store.entries(wrong("a")), "INVALID_OPTION", /object/);
    });
  });

  test("IO_ERROR: what the operating system says, with the path", () => {
    const folder = freshFolder();
    writeFileSync(join(folder, "file"), "");
    expectError(() => open(join(folder, "file", "below")), "IO_ERROR", /ENOTDIR/);
    symlinkSync("loop", join(folder, "loop"));
    expectError(() => open(join(folder, "loop")), "IO_ERROR", /ELOOP/);
  });

  test("TOO_MANY_PARTICIPANTS: open 512 times, and room again when one closes", () => {
    const path = quickPath();
    const stores = Array.from({ length: SLOTS }, () => open(path, { maxSize: 8 << 20 }));
    stores[SLOTS - 1]!.set("a", 1);
    expectError(() => open(path), "TOO_MANY_PARTICIPANTS", /512 times.*close some/);
    stores[7]!.close();
    const one = open(path);
    expect(one.get("a")).toBe(1);
    expectError(() => open(path), "TOO_MANY_PARTICIPANTS", /512/);
    for (const store of stores) store.close();
    finish(one);
  });

  test("UNSUPPORTED_FILESYSTEM: where mappings are not shared, unless it is forced", () => {
    const child = spawnSync(process.execPath, [join(import.meta.dir, "child.ts"), "network", freshPath()], {
      encoding: "utf8",
    });
    expect(child.stderr).toBe("");
    expect(child.stdout.trim().split("\n")).toEqual([
      expect.stringMatching(
        /^UNSUPPORTED_FILESYSTEM .* is on NFS, .*put it on a local filesystem, or open it with/,
      ),
      "forced: 1",
    ]);
  });
});

describe("an open store", () => {
  test("READ_ONLY: every writing method, and nothing else", () => {
    const path = quickPath();
    finish(open(path).set("a", 1));
    const store = open(path, { readOnly: true });
    for (const call of [
      () => store.set("a", 2),
      () => store.insert("b", 2),
      () => store.delete("a"),
      () => store.add("a", 1),
      () => store.compareAndSet("a", 1, 2),
      () => store.compareAndSet("a", 1, undefined),
      () => store.compareAndSet("b", undefined, 2),
      () => store.writer(() => 1),
    ]) {
      expectError(call, "READ_ONLY", /opened with readOnly; open it without/);
    }
    expect([store.get("a"), store.has("b"), store.size, store.count(), store.first()]).toEqual([
      1,
      false,
      1,
      1,
      ["a", 1],
    ]);
    expect(store.reader((reader) => reader.getMany(["a", "b"]))).toEqual([1, undefined]);
    expect(store.collect()).toBe(0);
    finish(store);
  });

  test("CLOSED: every method after close, which may be called again", async () => {
    const store = open(quickPath());
    store.set("a", 1);
    store.close();
    store.close();
    store[Symbol.dispose]();
    for (const call of [
      () => store.get("a"),
      () => store.has("a"),
      () => store.getMany(["a"]),
      () => store.set("a", 1),
      () => store.insert("a", 1),
      () => store.delete("a"),
      () => store.compareAndSet("a", 1, 2),
      () => store.add("a", 1),
      () => store.entries(),
      () => store.keys(),
      () => store.values(),
      () => [...store],
      () => store.first(),
      () => store.last(),
      () => store.count(),
      () => store.count({}),
      () => store.size,
      () => store.reader(() => 1),
      () => store.writer(() => 1),
      () => store.flushSync(),
      () => store.stats(),
      () => store.verify(),
      () => store.collect(),
    ]) {
      expectError(call, "CLOSED", /has been closed; open it again/);
    }
    expect(await store.flush().catch((error) => error.code)).toBe("CLOSED");
  });

  test("INVALID_OPERATION: async groups, closing within a group, rebuilding under others", () => {
    const path = quickPath();
    const store = open(path);
    expectError(() => store.reader(async () => 1), "INVALID_OPERATION", /must not be async/);
    expectError(
      () => store.writer(async (writer) => writer.set("a", 1)),
      "INVALID_OPERATION",
      /must not be async/,
    );
    expectError(() => store.reader(wrong(1)), "INVALID_OPERATION", /function/);
    expectError(() => store.reader(() => store.close()), "INVALID_OPERATION", /close after it/);
    expectError(
      () => open(path, { recover: "rebuild" }),
      "INVALID_OPERATION",
      /open elsewhere.*close the other stores/,
    );
    // Not a transaction: what was written before the error stays.
    expect(store.get("a")).toBe(1);
    expect(() =>
      store.writer((writer) => {
        writer.set("b", 2);
        throw new RangeError("mine");
      }),
    ).toThrow("mine");
    expect(store.get("b")).toBe(2);
    expect(store.stats().heldBackBy).toBe(null);
    finish(store);
  });

  test("IO_ERROR: a sync that failed is thrown to all who flush, until a rebuild", async () => {
    const path = freshPath();
    const store = open(path, { flushEvery: 0 });
    store.set("a", 1);
    // What a participant leaves whose fdatasync gave EIO.
    const fd = openSync(path, "r+");
    writeSync(fd, Uint8Array.of(5, 0, 0, 0), 0, 4, SB_SYNC_ERROR);
    closeSync(fd);
    expectError(() => store.flushSync(), "IO_ERROR", /sync of .* failed.*recover: "rebuild"/);
    expect(await store.flush().catch((error) => error.code)).toBe("IO_ERROR");
    expect(store.get("a")).toBe(1);
    store.set("b", 2);
    expectError(() => store.close(), "IO_ERROR", /failed/);
    expectError(() => store.get("a"), "CLOSED", /./);
    const commit = open(path, { durability: "commit" });
    expectError(() => commit.set("c", 3), "IO_ERROR", /failed/);
    expectError(() => commit.close(), "IO_ERROR", /failed/);
    const rebuilt = open(path, { recover: "rebuild" });
    rebuilt.flushSync();
    expect([...rebuilt]).toEqual([
      ["a", 1],
      ["b", 2],
      ["c", 3],
    ]);
    finish(rebuilt);
  });
});

describe("no room", () => {
  /** Fills a store until it says `code`, then shows that it is still in order and of use. */
  function fillAndUse(store: Store, code: ErrorCode, length: number): void {
    const pick = random(seed);
    const keys: string[] = [];
    let error: BancosError | undefined;
    for (let i = 0; error === undefined && i < 1_000_000; i++) {
      const key = `${pick(1e9).toString(36)} ${i}`;
      try {
        store.set(key, "v".repeat(length));
        keys.push(key);
      } catch (thrown) {
        error = thrown as BancosError;
      }
    }
    expect([error?.code, error?.message]).toEqual([code, expect.stringMatching(/maxSize|make room/)]);
    expect(keys.length).toBeGreaterThan(3);
    // Nothing that was written is lost, nothing that failed is there.
    expect(store.size).toBe(keys.length);
    for (const key of keys) expect(store.get(key)).toBe("v".repeat(length));
    expectSound(store);
    // Again, and again: no cell leaks with an error.
    for (let i = 0; i < 300; i++) {
      try {
        store.set(`${pick(1e9)} more`, "v".repeat(length * 2 + pick(60)));
      } catch (thrown) {
        expect((thrown as BancosError).code).toBe(code);
      }
    }
    expectSound(store);
    // Deleting works in a full store, and makes room for as much again.
    const gone = keys.filter((_, i) => i % 2 === 0);
    for (const key of gone) expect(store.delete(key)).toBe(true);
    store.collect();
    expectSound(store);
    for (const key of gone) store.set(key, "w".repeat(length));
    for (const [i, key] of keys.entries())
      expect(store.get(key)).toBe((i % 2 === 0 ? "w" : "v").repeat(length));
    expectSound(store);
    // What a sync has promised must wait for another, which a delete in a full store sees to by itself.
    store.flushSync();
    for (const key of keys) expect(store.delete(key)).toBe(true);
    expect(store.size).toBe(0);
    expectSound(store);
    for (let i = 0; i < 3; i++) store.flushSync();
    store.collect();
    for (const key of gone) store.set(key, "w".repeat(length));
    expectSound(store);
  }

  test("FULL: the first delete ever works in a store that not one slab is left of", () => {
    const store = open(quickPath(), { maxSize: 2 << 20, flushEvery: 0 });
    const slabs = (): number =>
      store.stats().bytes.free / SLAB_BYTES + (2 << 20) / SLAB_BYTES - store.stats().bytes.file / SLAB_BYTES;
    // Keys that differ in their first byte hang from the root: no node is ever retired.
    store.set("a", "v".repeat(20));
    for (let i = 98; slabs() > 0; i++) {
      store.set(String.fromCharCode(i), new Uint8Array(Math.min(slabs(), 32) * SLAB_BYTES - 64));
    }
    expect(codeOf(() => store.set("one more", new Uint8Array(SLAB_BYTES)))).toBe("FULL");
    expect(store.delete("b")).toBe(true);
    store.collect();
    store.set("one more", new Uint8Array(SLAB_BYTES));
    finish(store);
  });

  test("FULL: deletes work where no node can be had, not even one to take the place of a larger one", () => {
    const store = open<string>(quickPath(), { maxSize: 2 << 20, flushEvery: 0 });
    for (const [first, children] of [
      ["4", 3],
      ["16", 12],
      ["48", 40],
      ["256", 200],
    ] as const) {
      for (let i = 0; i < children; i++) store.set(`${first} ${String.fromCharCode(0x80 + i)}`, "v");
    }
    store.collect();
    const { h, heap, slot } = store.participant();
    const taken: number[] = [];
    for (const kind of [NODE256, NODE48, NODE16, NODE4]) {
      const take = (): void => {
        for (;;) {
          const cell = heap.take(kind);
          store32(h, cell, TAG, kind | PRIVATE | (slot << SLOT_SHIFT));
          taken.push(cell);
        }
      };
      expect(codeOf(take)).toBe("FULL");
    }
    for (const key of [...store.keys()].filter((_, i) => i % 20 !== 0)) expect(store.delete(key)).toBe(true);
    expect(store.size).toBe(13);
    for (const key of [...store.keys()]) expect(store.has(key)).toBe(true);
    for (const cell of taken) heap.free(cell);
    expectSound(store);
    // Those that are too large for what they have left are none the worse for it.
    for (let i = 0; i < 200; i++) store.set(`256 ${String.fromCharCode(0x80 + i)}`, "w");
    for (const key of [...store.keys()]) expect(store.delete(key)).toBe(true);
    expectSound(store);
    finish(store);
  });

  for (const length of [1, 100, 3000, 30_000]) {
    test(`FULL: at maxSize, with values of ${length} bytes; deletes work, and later writes succeed`, () => {
      const path = quickPath();
      const store = open(path, { maxSize: 2 << 20, flushEvery: 0 });
      fillAndUse(store, "FULL", length);
      // A larger maxSize of another opener counts for all.
      const larger = open(path, { maxSize: 64 << 20 });
      larger.set("more", new Uint8Array(4 << 20));
      store.set("more and more", new Uint8Array(4 << 20));
      expect((store.get("more") as Uint8Array).length).toBe(4 << 20);
      larger.close();
      finish(store);
    });
  }

  test("NO_SPACE: on a full disk; the process lives, deletes work, and later writes succeed", () => {
    const folder = freshFolder();
    const mount = join(folder, "mounted");
    mkdirSync(mount);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", mount]).status === 0;
    // Without the right to mount, a limit of the size of files does the same with another number of error.
    if (!mounted) {
      const child = spawnSync(
        "sh",
        [
          "-c",
          'ulimit -f 6144; exec "$@"',
          "sh",
          process.execPath,
          join(import.meta.dir, "child.ts"),
          "fill",
          freshPath(),
        ],
        { encoding: "utf8" },
      );
      expect([child.stdout.trim(), child.stderr, child.signal]).toEqual(["NO_SPACE, and in order", "", null]);
      return;
    }
    try {
      const store = open(join(mount, "store"), { flushEvery: 0 });
      fillAndUse(store, "NO_SPACE", 100);
      expectError(() => open(join(mount, "second")), "NO_SPACE", /./);
      finish(store);
    } finally {
      spawnSync("umount", ["-l", mount]);
    }
  });

  test("NO_SPACE: at the limit of the size of files", () => {
    const child = spawnSync(
      "sh",
      [
        "-c",
        'ulimit -f 6144; exec "$@"',
        "sh",
        process.execPath,
        join(import.meta.dir, "child.ts"),
        "fill",
        freshPath(),
      ],
      { encoding: "utf8" },
    );
    expect([child.stdout.trim(), child.stderr, child.signal]).toEqual(["NO_SPACE, and in order", "", null]);
  });
});
