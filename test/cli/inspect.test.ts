/** `bancos inspect`: the way to a key and what lies at an offset, in sound files and in damaged ones. */
import { describe, expect, test } from "bun:test";
import { openSync, writeSync } from "node:fs";
import { inspectAt, inspectKey, open, type Store } from "../../src/index.ts";
import { LEAF_KEY, SLAB_BYTES } from "../../src/memory/layout.ts";
import { codeOf, expectSound, finish, freshPath, random, seconds, seed } from "../store/support.ts";
import { bancos, contents, ok } from "./support.ts";

/** A store with every kind of node, leaves of each type, a run of slabs, and something in limbo. */
function sample(): { path: string; store: Store<unknown, string> } {
  const path = freshPath();
  const store = open<unknown>(path, { flushEvery: 0 });
  for (let i = 0; i < 256; i++) store.set(`wide ${String.fromCodePoint(i + 0x100)}`, i);
  for (let i = 0; i < 60; i++) store.set(`some ${String.fromCharCode(64 + i)}`, BigInt(i));
  for (let i = 0; i < 3; i++) store.set(`few ${i}`, `text ${i}`);
  for (let i = 0; i < 9; i++) store.set(`nine ${i}`, `text ${i}`);
  store.set("with\0zero", { json: true });
  store.set("bytes", new Uint8Array(300).fill(7));
  store.set("large", "x".repeat(100_000));
  store.flushSync();
  for (let i = 0; i < 60; i += 2) store.delete(`some ${String.fromCharCode(64 + i)}`);
  return { path, store };
}

describe("the way to a key", () => {
  test("leads from the root down, through nodes of growing depth, to the key's leaf", () => {
    const { store } = sample();
    for (const [key, value] of store.entries()) {
      const way = inspectKey(store, key);
      expect(way.problem).toBeNull();
      expect(way.found).toBe(true);
      expect(way.path[0]).toMatchObject({ kind: "Node256", depth: 0, state: "live" });
      way.path.forEach((step, i) => {
        expect(step.digit).toBe(step.depth < way.digits.length ? way.digits[step.depth]! : 0);
        const next = way.path[i + 1];
        expect(step.child).toBe(next === undefined ? way.leaf!.offset : next.offset);
        if (next !== undefined) expect(next.depth).toBeGreaterThan(step.depth);
        expect(step.live).toBeGreaterThan(0);
      });
      expect(way.leaf).toMatchObject({ key, state: "live", mark: "none", checksum: "right", value });
      expect(inspectAt(store, way.leaf!.offset).leaf).toEqual(way.leaf);
    }
    finish(store);
  });

  test("ends at a node, or at another key's leaf, when the key is not there", () => {
    const { store } = sample();
    expect(inspectKey(store, "zzz")).toMatchObject({ found: false, leaf: null, problem: null });
    expect(inspectKey(store, "large, and more")).toMatchObject({ found: false, problem: null });
    const ends = inspectKey(store, "large, and more");
    expect(ends.leaf?.key ?? "large").toBe("large");
    expect(inspectKey(store, "")).toMatchObject({ found: false, problem: null });
    expect(codeOf(() => inspectKey(store, "x".repeat(5000)))).toBe("KEY_TOO_LONG");
    finish(store);
  });
});

describe("what lies at an offset", () => {
  test("is told for every slab and every cell, also between them", () => {
    const { store } = sample();
    const whats = new Set<string>();
    for (let offset = 0; offset < store.stats().bytes.file; offset += 8) {
      const found = inspectAt(store, offset, 16);
      whats.add(found.what.replace(/ \d+$/, " N"));
      expect(found.problem).toBeNull();
      expect(found.offset).toBeLessThanOrEqual(offset);
      expect(found.offset + found.bytes).toBeGreaterThan(offset);
      expect(found.slab.number).toBe(Math.floor(offset / SLAB_BYTES));
    }
    for (const what of [
      "superblock",
      "table entry of slab N",
      "participant slot N",
      "leaf",
      "free cell",
      "limbo chunk",
      "Node4",
      "Node16",
      "Node48",
      "Node256",
    ]) {
      expect(whats).toContain(what);
    }
    expect(inspectAt(store, 0).fields).toContainEqual(["format version", 1]);
    finish(store);
  });

  test("an offset that is none in the file is INVALID_OPTION", () => {
    const { store } = sample();
    const end = store.stats().bytes.file;
    for (const offset of [-8, end, end + 8, 2 ** 40, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(codeOf(() => inspectAt(store, offset))).toBe("INVALID_OPTION");
    }
    expect(inspectAt(store, end - 1).slab.kind).toBe("never used");
    finish(store);
  });

  test("the bytes are the file's own, as many as asked for", async () => {
    const { path, store } = sample();
    const way = inspectKey(store, "bytes");
    const offset = way.leaf!.offset;
    const file = new Uint8Array(
      await Bun.file(path)
        .slice(offset, offset + 400)
        .arrayBuffer(),
    );
    expect(Buffer.from(inspectAt(store, offset + 100, 40).dump)).toEqual(Buffer.from(file.subarray(0, 40)));
    const whole = inspectAt(store, offset, 1 << 20);
    expect(whole.dump.length).toBe(whole.bytes);
    expect(whole.bytes).toBeGreaterThanOrEqual(way.leaf!.bytes);
    const large = inspectAt(store, inspectKey(store, "large").leaf!.offset + 50_000, 8);
    expect(large).toMatchObject({
      what: "leaf",
      slab: { kind: "part of a run", run: { slabs: 7 } },
      problem: null,
    });
    finish(store);
  });
});

test("no damage makes it throw, hang or crash", () => {
  const pick = random(seed);
  const until = performance.now() + seconds * 1000;
  let rounds = 0;
  for (; performance.now() < until; rounds++) {
    const { path, store } = sample();
    const keys = [...store.keys()];
    const end = store.stats().bytes.file;
    // What the kernel shows of the file through a descriptor and through a mapping is the same.
    const fd = openSync(path, "r+");
    for (let i = 0; i < 400; i++) {
      const bytes = Uint8Array.from({ length: 1 + pick(16) }, () => (pick(3) === 0 ? 0xff : pick(256)));
      // Mostly where things are: the first nodes and leaves, and what describes them.
      const at = pick(3) === 0 ? pick(2 * SLAB_BYTES) : 18 * SLAB_BYTES + pick(end - 19 * SLAB_BYTES);
      writeSync(fd, bytes, 0, bytes.length, at);
      for (let j = 0; j < 5; j++) {
        const offset = pick(4) === 0 ? at : pick(end);
        const { dump, leaf } = inspectAt(store, offset, pick(100));
        expect(dump.length).toBeLessThan(100);
        if (leaf?.checksum === "wrong") expect(leaf.problem).not.toBeNull();
        inspectKey(store, keys[pick(keys.length)]!);
      }
    }
    // The store is past closing in order: the process goes on with it open, as nobody minds here.
  }
  console.log(`${rounds} damaged files looked into`);
  expect(rounds).toBeGreaterThan(0);
});

describe("the command", () => {
  test("shows the path and the leaf", async () => {
    const { path, store } = sample();
    finish(store);
    const out = await ok(["inspect", path, "few 1"]);
    expect(out).toMatch(/^ +@\d+ +Node256 +0 +102 'f' +\d+ of 256 +nobody$/m);
    expect(out).toMatch(/^ +@\d+ +Node4 +4 +49 '1' +3 of 4 +3 +nobody$/m);
    expect(out).toMatch(/^ +value +text 1$/m);
    expect(out).toMatch(/^ +checksum +right$/m);
    const json = JSON.parse(await ok(["inspect", "--json", path, "some A"]));
    expect(json).toMatchObject({
      key: "some A",
      found: true,
      problem: null,
      leaf: { value: { $bigint: "1" } },
    });
    expect(await bancos(["inspect", path, "nope"])).toMatchObject({ code: 1 });
    expect(contents(path).length).toBeGreaterThan(200);
  });

  test("shows a cell, its bytes, and its slab with class and owner", async () => {
    const { path, store } = sample();
    const { offset } = inspectKey(store, "few 2").leaf!;
    const out = await ok(["inspect", path, `@${offset}`]);
    expect(out).toStartWith(`leaf  @${offset} to @`);
    expect(out).toMatch(/^ +value +text 2$/m);
    expect(out).toMatch(/^ +class +\d+: \d+ cells of \d+ bytes$/m);
    expect(out).toMatch(new RegExp(`^ +owner +slot 1, process ${process.pid}$`, "m"));
    expect(out).toMatch(new RegExp(`^ +${offset}  ([0-9a-f]{2} +){16} `, "m"));
    expect(out).toContain("few 2");
    expect(await ok(["inspect", path, `@0x${offset.toString(16)}`])).toBe(out);
    expect(JSON.parse(await ok(["inspect", "--json", path, `@${offset + 1}`, "--bytes", "4"]))).toMatchObject(
      {
        what: "leaf",
        offset,
        leaf: { key: "few 2", value: "text 2" },
        slab: { kind: "cells", owner: 1, ownerPid: process.pid },
      },
    );
    expectSound(store);
    store.close();
  });

  test("ends with 1 where something is wrong, 2 where no offset is meant", async () => {
    const { path, store } = sample();
    const { offset } = inspectKey(store, "few 2").leaf!;
    finish(store);
    const fd = openSync(path, "r+");
    writeSync(fd, Buffer.from("FEW"), 0, 3, offset + LEAF_KEY);
    const { code, out } = await bancos(["inspect", path, `@${offset}`]);
    expect(code).toBe(1);
    expect(out).toContain("its checksum is wrong");
    writeSync(fd, Buffer.from("few"), 0, 3, offset + LEAF_KEY);
    expect((await bancos(["inspect", path, `@${offset}`])).code).toBe(0);
    for (const target of ["@", "@x", "@-1", "@999999999999999"]) {
      expect({ target, code: (await bancos(["inspect", path, target])).code }).toEqual({ target, code: 2 });
    }
    await ok(["set", path, "@home", "1"]);
    expect(await ok(["inspect", path, "--key", "@home"])).toContain("Path");
    expect(contents(path).length).toBeGreaterThan(200);
  });
});
