/** Values: what `set` was given comes back, with its type, however odd or large. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { open, type Store, type Value } from "../../src/index.ts";
import { budget, codeOf, expectSound, finish, freshPath, quickPath } from "./support.ts";
import { values } from "./values.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

const MB = 1 << 20;

const quiet = (path = quickPath(), maxSize = 2 ** 31): Store => open(path, { flushEvery: 0, maxSize });

/** Bytes that differ from place to place, so that a piece in the wrong place shows. */
function pattern(length: number, start = 0): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + start, 0x9e3779b1);
  return new Uint8Array(words.buffer, 0, length).slice();
}

const same = (a: unknown, b: Uint8Array): boolean => a instanceof Uint8Array && Buffer.compare(a, b) === 0;

describe("what was set comes back", () => {
  test("for the values at which encodings go wrong", () => {
    const odd: Value[] = [
      0,
      -0,
      Number.NaN,
      1 / 0,
      -1 / 0,
      5e-324,
      Number.MAX_VALUE,
      2 ** 53,
      2 ** 53 + 2,
      -(2 ** 53),
      0.1,
      0n,
      -1n,
      2n ** 53n,
      2n ** 53n + 1n,
      -(2n ** 63n),
      2n ** 63n - 1n,
      0x7ff8000000000001n,
      0x7ff0000000000001n,
      "",
      "\0",
      "a\0b",
      "\ud800",
      "\udfff",
      "a\ud800b",
      "\ud83d\ude00",
      "é",
      "€",
      "ÿ",
      "Ā",
      "x".repeat(63),
      "x".repeat(64),
      "ÿ".repeat(65_536),
      "ÿ".repeat(65_537),
      "€".repeat(30_000),
      "\ud800".repeat(40_000),
      true,
      false,
      null,
      new Uint8Array(),
      new Uint8Array([0]),
      new Uint8Array([0, 255, 128]),
      {},
      [],
      [[]],
      { a: { b: [1, "2", null, true] } },
      { "": "" },
      { "\ud800": "\udc00" },
      [null],
      { a: -1.5e300 },
    ];
    const path = quickPath();
    let store = quiet(path);
    const check = (): void => {
      for (const [i, value] of odd.entries()) {
        const got = store.get(`value ${i}`);
        expect(typeof got).toBe(typeof value);
        if (typeof value === "object") expect(got).toEqual(value);
        else expect(Object.is(got, value)).toBe(true);
      }
      expect(store.size).toBe(odd.length);
      expectSound(store);
    };
    for (const [i, value] of odd.entries()) store.set(`value ${i}`, value);
    check();
    store.close();
    store = quiet(path);
    check();
    store.close();
    store = open(path, { recover: "rebuild" });
    check();
    store.close();
  });

  test("when any value replaces any other, and again after a rebuild", () => {
    fc.assert(
      fc.property(
        fc.array(values, { minLength: 2, maxLength: 12 }),
        fc.string({ maxLength: 9 }),
        (list, text) => {
          const path = quickPath();
          const key = text.isWellFormed() ? text : "";
          const store = quiet(path);
          for (const [i, value] of list.entries()) {
            store.set(key, value);
            expect(store.get(key)).toEqual(value);
            // What is compared is type and bytes: the value itself agrees, its successor only if it is the same.
            expect(store.compareAndSet(key, value, value)).toBe(true);
            if (i % 3 === 2) store.flushSync();
          }
          finish(store);
          const rebuilt = open(path, { recover: "rebuild" });
          expect(rebuilt.get(key)).toEqual(list.at(-1)!);
          finish(rebuilt);
        },
      ),
      budget(),
    );
  });

  test("by the rules of JSON for objects: undefined and functions go, Dates become text, toJSON is called", () => {
    const store = open<unknown>(quickPath(), { flushEvery: 0 });
    store.set("a", { gone: undefined, kept: [undefined, -0], when: new Date(0) });
    expect(store.get("a")).toEqual({ kept: [null, 0], when: "1970-01-01T00:00:00.000Z" });
    store.set("b", { toJSON: () => 7 });
    expect(store.get("b")).toBe(7);
    // toJSON may use the same store, in the middle of a set.
    store.set("c", {
      toJSON() {
        store.set("d", "from within");
        return store.get("a");
      },
    });
    expect(store.get("c")).toEqual(store.get("a"));
    expect(store.get("d")).toBe("from within");
    finish(store);
  });

  test("code of the caller that runs in the middle of a set, and fails there, spoils nothing", () => {
    const store = open<unknown>(quickPath(), { flushEvery: 0 });
    const neighbours = Array.from({ length: 200 }, (_, i) => `neighbour ${i}`);
    for (const key of neighbours) store.set(key, "x".repeat(key.length));
    const tried: string[] = [];
    // The value of a nested set was encoded, and then its key refused.
    const nasty = {
      toJSON() {
        for (const key of [123 as unknown as string, "k".repeat(5000)]) {
          tried.push(codeOf(() => store.set(key, "y".repeat(100_000))));
        }
        return 1;
      },
    };
    store.set("a", nasty);
    expect(tried).toEqual(["INVALID_KEY", "KEY_TOO_LONG"]);
    expect(store.get("a")).toBe(1);
    expect(store.compareAndSet("a", nasty, nasty)).toBe(true);
    expect(store.compareAndSet("a", 2, nasty)).toBe(false);
    expect(store.get("a")).toBe(1);
    for (const key of neighbours) expect(store.get(key)).toBe("x".repeat(key.length));
    expectSound(store);
    finish(store);
  });

  test("an accessor of a key that writes to the store is an error, and what it was for is not stored", () => {
    const store = open<unknown>(quickPath(), { keyEncoding: "ordered", flushEvery: 0 });
    const trap = (work: () => void): [string, number] => {
      const key: [string, number] = ["key", 1];
      Object.defineProperty(key, 1, {
        enumerable: true,
        get: () => {
          try {
            work();
          } catch {}
          return 1;
        },
      });
      return key;
    };
    store.set(["key", 1], 5);
    const inside = (): void => void store.set(["other"], "not this");
    expect(codeOf(() => store.set(trap(inside), 6))).toBe("INVALID_KEY");
    expect(
      codeOf(() =>
        store.set(
          trap(() => void store.set(["other"], 2n ** 80n)),
          "z".repeat(90_000),
        ),
      ),
    ).toBe("INVALID_KEY");
    expect(codeOf(() => store.compareAndSet(trap(inside), 5, 6))).toBe("INVALID_KEY");
    expect(store.add(trap(inside), 1)).toBe(6);
    expect(store.get(["key", 1])).toBe(6);
    expect(store.size).toBe(1);
    // A buffer whose length the accessor changes.
    const buffer = new ArrayBuffer(100_000, { maxByteLength: 200_000 });
    const view = new Uint8Array(buffer);
    expect(
      codeOf(() =>
        store.set(
          trap(() => buffer.resize(150_000)),
          view,
        ),
      ),
    ).toBe("INVALID_VALUE");
    expect(store.get(["key", 1])).toBe(6);
    expectSound(store);
    finish(store);
  });

  test("and is a copy: neither the caller's later changes nor those to what was got reach the file", () => {
    const store = quiet();
    for (const length of [3, 40, 100_000]) {
      const given = pattern(length);
      store.set("bytes", given);
      const kept = given.slice();
      given.fill(1);
      expect(same(store.get("bytes"), kept)).toBe(true);
      (store.get("bytes") as Uint8Array).fill(2);
      expect(same(store.get("bytes"), kept)).toBe(true);
    }
    finish(store);
  });

  test("for a Uint8Array that is a view, shared, or a Buffer", () => {
    const store = quiet();
    const whole = pattern(200_000);
    store.set("view", whole.subarray(1000, 150_001));
    store.set("buffer", Buffer.from(whole.buffer, 7, 90_000));
    const shared = new Uint8Array(new SharedArrayBuffer(100_000));
    shared.set(whole.subarray(0, 100_000));
    store.set("shared", shared);
    expect(same(store.get("view"), whole.slice(1000, 150_001))).toBe(true);
    expect(same(store.get("buffer"), whole.slice(7, 90_007))).toBe(true);
    expect(same(store.get("shared"), whole.slice(0, 100_000))).toBe(true);
    finish(store);
  });

  test("at every size around the border of a size class, of a slab and of the scratch buffer", () => {
    const store = quiet();
    const sizes = [4096, 8100, 8160, 8192, 16_300, 16_384, 32_700, 32_768, 65_536, 131_072];
    for (const size of sizes) {
      for (let length = size - 40; length <= size + 8; length += 1) {
        const value = pattern(length, length);
        store.set("sized", value);
        if (!same(store.get("sized"), value)) throw new Error(`a value of ${length} bytes came back wrong`);
      }
      expectSound(store);
    }
    for (let length = 0; length < 600; length++) {
      const value = "v".repeat(length);
      store.set(`size ${length}`, value);
      expect(store.get(`size ${length}`)).toBe(value);
    }
    finish(store);
  });
});

describe("100 MB", () => {
  test("of bytes, set, replaced, read back after reopening, deleted: the space is used again", () => {
    const path = freshPath();
    let store = quiet(path);
    const value = pattern(100 * MB);
    store.set("large", value);
    store.set("small", 1);
    expect(same(store.get("large"), value)).toBe(true);
    const other = pattern(100 * MB, 7);
    store.set("large", other);
    expect(same(store.get("large"), other)).toBe(true);
    expectSound(store);
    store.close();
    store = quiet(path);
    expect(same(store.get("large"), other)).toBe(true);
    // Compared by its bytes, all of them.
    other[99 * MB]! ^= 1;
    expect(store.compareAndSet("large", other, 1)).toBe(false);
    other[99 * MB]! ^= 1;
    expect(store.compareAndSet("large", other, 1)).toBe(true);
    const { file } = store.stats().bytes;
    // The old leaf was promised to the sync at close: it may go once a later one has ended, and that one is known to
    // be on the disk, which the next one says. (So much that waits, the store may have synced for by itself.)
    for (let i = 0; i < 3; i++) store.flushSync();
    store.collect();
    expect(store.stats().bytes.limbo).toBe(0);
    store.set("large", value);
    expect(store.stats().bytes.file).toBe(file);
    finish(store);
  });

  test("of text, Latin-1 and wide", () => {
    const store = quiet(freshPath());
    const latin = "0123456789abcdéf".repeat((100 * MB) / 16);
    store.set("text", latin);
    expect(store.get("text") === latin).toBe(true);
    const wide = "€uro😀".repeat(5_000_000);
    store.set("text", wide);
    expect(store.get("text") === wide).toBe(true);
    expect(store.delete("text")).toBe(true);
    expect(store.get("text")).toBe(undefined);
    finish(store);
  });
});

describe("the file keeps its size", () => {
  test("when a value of 20 MB is overwritten 20 times, never flushed: nothing was promised, all is reused at once", () => {
    const store = quiet(freshPath());
    let steady = 0;
    for (let i = 0; i < 20; i++) {
      store.set("large", pattern(20 * MB, i));
      // Reclamation comes with every 64th change by itself.
      store.collect();
      if (i === 2) steady = store.stats().bytes.file;
    }
    expect(store.stats().bytes.file).toBe(steady);
    expect(same(store.get("large"), pattern(20 * MB, 19))).toBe(true);
    finish(store);
  });

  test("when a flush comes between: what one sync promised waits for the next", () => {
    const store = quiet(freshPath());
    let steady = 0;
    for (let i = 0; i < 20; i++) {
      store.set("large", pattern(20 * MB, i));
      store.flushSync();
      store.collect();
      if (i === 5) steady = store.stats().bytes.file;
    }
    expect(store.stats().bytes.file).toBe(steady);
    // The value, the one before it, and the one before that, whose deletion the disk is not yet known to hold.
    expect(steady).toBeLessThan(5 * 20 * MB);
    finish(store);
  });
});
