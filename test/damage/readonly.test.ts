/** A filesystem that is read-only before a store on it is opened, or becomes so while one is open for writing. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { open, type Value } from "../../src/index.ts";
import { codeOf, errorOf, expectSound, finish, freshFolder } from "../store/support.ts";
import { Loop, Mounted } from "./mounted.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

const CHILD = join(import.meta.dir, "child.ts");
const MIB = 2 ** 20;

/** A device of 64 MiB with ext4 on it; `undefined` where there is none to be had. */
function disk(): { loop: Loop; mount: () => Mounted } | undefined {
  const file = join(freshFolder(), "disk");
  writeFileSync(file, "");
  spawnSync("truncate", ["-s", `${64 * MIB}`, file]);
  const made = spawnSync("mkfs.ext4", ["-q", "-F", "-E", "lazy_itable_init=0", file]);
  const loop = made.status === 0 ? Loop.over(file) : undefined;
  const mount = (): Mounted | undefined =>
    Mounted.device(loop!.device, "-t", "ext4", "-o", "errors=remount-ro");
  const mounted = loop === undefined ? undefined : mount();
  if (loop === undefined || mounted === undefined) {
    loop?.[Symbol.dispose]();
    console.log("not run: no right to mount, no loop device or no mkfs.ext4");
    return undefined;
  }
  let first: Mounted | undefined = mounted;
  return {
    loop,
    mount: () => {
      const next = first ?? mount();
      first = undefined;
      if (next === undefined) throw new Error("the device can't be mounted again");
      return next;
    },
  };
}

test("on a device that has become read-only: opened for writing an error that says what to do, for reading all is there", () => {
  const made = disk();
  if (made === undefined) return;
  using _loop = made.loop;
  using mounted = made.mount();
  const closed = join(mounted.path, "closed");
  const store = open<Value>(closed, { flushEvery: 0 });
  for (let i = 0; i < 3000; i++) store.set(`key ${i}`, i % 2 === 0 ? i : `value ${i} ${"v".repeat(i % 300)}`);
  finish(store);
  // One that a killed process left, and a copy of it, whose tree is not to be believed.
  const left = join(mounted.path, "left");
  const copy = join(mounted.path, "copy");
  spawnSync(process.execPath, [CHILD, "leave", left]);
  copyFileSync(left, copy);
  mounted.remount("ro");
  made.loop.setReadOnly(true);

  for (const path of [closed, left, copy]) {
    const before = readFileSync(path);
    const error = errorOf(() => open(path));
    expect([error.code, error.message]).toEqual(["IO_ERROR", expect.stringContaining("{ readOnly: true }")]);
    for (const recover of ["auto", "rebuild"] as const) {
      const read = open<Value>(path, { readOnly: true, recover });
      const { access, participants, recovery } = read.stats();
      expect([access, participants.some(({ self }) => self)]).toEqual(["unregistered", false]);
      expect(recovery.found).toBe(path === closed ? "clean" : path === left ? "unclean" : "copied");
      // In a mapping of our own: nothing of it comes to the file, which could not be written.
      expect(recovery.rebuild !== null).toBe(path === copy || recover === "rebuild");
      expectSound(read);
      expect(read.size).toBe(path === closed ? 3000 : 900);
      for (let i = 0; i < (path === closed ? 3000 : 1000); i++) {
        const long = `value ${i} ${"v".repeat(i % 300)}`;
        const wanted = i % 2 === 0 ? i : path === closed ? long : `value ${i}`;
        expect(read.get(`key ${i}`)).toBe(path !== closed && i % 10 === 0 ? undefined : wanted);
      }
      expect(codeOf(() => read.set("key 1", 1))).toBe("READ_ONLY");
      read.flushSync();
      read.close();
    }
    expect(readFileSync(path).equals(before)).toBe(true);
  }
  expect(codeOf(() => open(join(mounted.path, "new")))).toBe("IO_ERROR");
  expect(codeOf(() => open(join(mounted.path, "new"), { readOnly: true }))).toBe("NOT_FOUND");

  made.loop.setReadOnly(false);
  mounted.remount("rw");
  for (const path of [closed, left, copy]) finish(open<Value>(path, { flushEvery: 0 }).set("key 1", "new"));
});

/** What child.ts says that it met, and whether it was as expected when the device had been mounted again. */
function turn(how: "error" | "device"): Record<string, string> | undefined {
  const made = disk();
  if (made === undefined) return undefined;
  using loop = made.loop;
  let codes: Record<string, string>;
  let replaced: number;
  let more: number;
  {
    using mounted = made.mount();
    if (how === "error" && !existsSync(`/sys/fs/ext4/${basename(loop.device)}/trigger_fs_error`)) {
      console.log("not run: this kernel has no trigger_fs_error");
      return undefined;
    }
    const path = join(mounted.path, "store");
    const child = spawnSync(process.execPath, [CHILD, "turn", path, loop.device, how], {
      encoding: "utf8",
      timeout: 60_000,
    });
    expect([child.stderr, child.status, child.signal]).toEqual(["", 0, null]);
    ({ codes, replaced, more } = JSON.parse(child.stdout));
  }
  // What the disk has, and nothing else: the page cache went with the mount.
  loop.setReadOnly(false);
  using mounted = made.mount();
  const claimed = codes["flushSync"] === "done";
  const store = open<Value>(join(mounted.path, "store"), {
    flushEvery: 0,
    recover: codes["close"] === "done" ? "auto" : "rebuild",
  });
  for (let i = 1; i < 1999; i++) {
    const value = String(store.get(`key ${i}`));
    expect(value.slice(2)).toBe("v".repeat((i * 37) % 600));
    expect(["0", "1"].slice(claimed && i < replaced ? 1 : 0)).toContain(value.slice(0, 1));
  }
  if (codes["flush"] === "done") {
    for (let i = 0; i < more; i++) expect(store.get(`more ${i}`)).toBe(`1 ${"v".repeat((i * 37) % 600)}`);
  }
  finish(store);
  return codes;
}

test("a filesystem that turns read-only beneath an open store: each flush is an IO_ERROR, reads and writes in memory go on", () => {
  const codes = turn("error");
  if (codes === undefined) return;
  console.log(`a filesystem after an error of its own: ${JSON.stringify(codes)}`);
  for (const call of ["flushSync", "flush", "commit", "close"]) expect(codes[call]).toBe("IO_ERROR");
  // What needs no new block is done; what does can't have one.
  for (const call of ["replace", "insert", "delete"]) expect(["done", "IO_ERROR"]).toContain(codes[call]!);
  expect(codes["insert"]).toBe("IO_ERROR");
});

test("a device that is set read-only beneath an open store: a flush is an IO_ERROR, or what it says is true", () => {
  const codes = turn("device");
  if (codes === undefined) return;
  // Linux warns and writes all the same: then all of it is there when the device is mounted again.
  console.log(`a device that was set read-only: ${JSON.stringify(codes)}`);
  for (const code of Object.values(codes)) expect(["done", "IO_ERROR"]).toContain(code);
});
