/** Real deaths and real disks: killed in the middle of a commit, a disk that gives errors. What was promised is there. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type BancosError, open, type Value } from "../../src/index.ts";
import {
  checkWritten,
  closeFile,
  openFile,
  type PlatformError,
  syncFile,
} from "../../src/memory/platform.ts";
import { codeOf, finish, freshPath, random, remove, seconds, seed } from "../store/support.ts";
import { FailingDisk } from "./mounted.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

const CHILD = join(import.meta.dir, "child.ts");

/** Starts a writer that says what it has promised; `promised` resolves, when it is dead, to the last number. */
function writer(path: string, name: string, how: string, onWord: () => void) {
  const child = spawn(process.execPath, [CHILD, "commit", path, name, how], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    if (said === "") onWord();
    said += chunk;
  });
  const promised = new Promise<number>((settle) => {
    // A line that was cut short promises nothing.
    child.once("close", () => settle(Number(said.split("\n").at(-2) ?? -1)));
  });
  return { kill: () => child.kill("SIGKILL"), promised };
}

function expectPromised(
  path: string,
  recover: "auto" | "rebuild",
  promised: ReadonlyMap<string, number>,
): number {
  const store = open<Value>(path, { recover, flushEvery: 0 });
  let keys = 0;
  for (const [name, last] of promised) {
    for (let i = 0; i <= last; i++) {
      const value = store.get(`${name} ${i}`);
      const isDeleted = i + 3 <= last && i % 7 === 3;
      if (isDeleted !== (value === undefined)) {
        // The delete that follows the last promise may have happened, too.
        if (!(i % 7 === 3 && i + 3 > last))
          throw new Error(`${name} ${i} of ${last} is ${String(value).slice(0, 20)}`);
      }
      if (value !== undefined) expect(value).toBe(`${i} ${"v".repeat((i * 37) % 300)}`);
      keys++;
    }
    expect(Number(store.get(`last ${name}`))).toBeGreaterThanOrEqual(last);
  }
  for (const key of store.keys()) expect(key).toMatch(/^(last )?[ab]( \d+)?$/);
  finish(store);
  return keys;
}

for (const how of ["commit", "flush"]) {
  test(`two writers killed in the middle of ${how === "commit" ? "commits" : "flushes"}: all that was promised is there, rebuilt or not`, async () => {
    const pick = random(seed);
    const until = performance.now() + seconds * 2000;
    let kills = 0;
    let keys = 0;
    while (performance.now() < until || kills < 4) {
      // On a disk, since in memory a sync takes no time to be killed in.
      const path = freshPath();
      open(path).close();
      const writers = new Map<string, ReturnType<typeof writer>>();
      for (const name of ["a", "b"]) {
        const wait = pick(60);
        const each = writer(path, name, how, () => setTimeout(() => each.kill(), wait));
        writers.set(name, each);
      }
      const promised = new Map<string, number>();
      for (const [name, { promised: last }] of writers) promised.set(name, await last);
      kills += 2;
      keys += expectPromised(path, "auto", promised);
      expectPromised(path, "rebuild", promised);
      remove(path);
    }
    console.log(`${how}: ${kills} kills, ${keys} writes promised, seed ${seed}`);
  });
}

/** A test that has a disk which does not take all that it seems to have room for. */
function testOnFailingDisk(name: string, run: (disk: FailingDisk) => void | Promise<void>): void {
  test(name, async () => {
    using disk = FailingDisk.make();
    if (disk === undefined) console.log("not run: no right to mount, no loop device or no mkfs.ext4");
    else await run(disk);
  });
}

testOnFailingDisk(
  "a disk that fails to write: IO_ERROR, which sticks until a rebuild, and what was flushed before is there",
  (disk) => {
    const path = disk.file("store");
    const child = spawnSync(process.execPath, [CHILD, "sync", path], { encoding: "utf8" });
    expect(child.stderr).toBe("");
    expect([child.status, child.signal]).toEqual([0, null]);
    const { flushed, said } = JSON.parse(child.stdout) as { flushed: number; said: string[] };
    expect(said).toEqual(["IO_ERROR", "IO_ERROR", "IO_ERROR"]);
    expect(flushed).toBeGreaterThan(1000);
    // Still in the same mount: the error is remembered.
    const marked = open(path, { flushEvery: 0 });
    expect(codeOf(() => marked.flushSync())).toBe("IO_ERROR");
    expect(codeOf(() => marked.close())).toBe("IO_ERROR");
    disk.mend();
    const store = open<Value>(path, { recover: "rebuild", flushEvery: 0 });
    for (let i = 0; i < flushed; i++) expect(store.get(`key ${i}`)).toBe("v".repeat(1000));
    store.set("after", 1);
    store.flushSync();
    finish(store);
    console.log(`${flushed} keys were flushed before the disk failed`);
    rmSync(path);
  },
);

const REFUSED = /^(EIO|ENOSPC)$/;

function failure(run: () => void): string {
  try {
    run();
  } catch (error) {
    return (error as PlatformError).code;
  }
  return "none";
}

testOnFailingDisk(
  "a failed write is told to each open file once, and not to one that is opened after somebody was told",
  (disk) => {
    const path = disk.file("bytes");
    const ours = openFile(path, { write: true, create: true });
    const other = openFile(path, { write: true });
    checkWritten(ours);
    writeSync(other, new Uint8Array(40 << 20).fill(1));
    expect(failure(() => syncFile(other))).toMatch(REFUSED);
    const later = openFile(path, { write: true });
    // Why a sync that opens the file for itself has to ask by way of the store's own as well.
    checkWritten(later);
    expect(failure(() => checkWritten(ours))).toMatch(REFUSED);
    checkWritten(ours);
    for (const fd of [ours, other, later]) closeFile(fd);
    expect(failure(() => checkWritten(-1))).toBe("EBADF");
  },
);

/** A process that has begun a flush that fails, and is too busy to say so; `said` is what it says in the end. */
async function busy(path: string, milliseconds: number): Promise<{ said: Promise<string> }> {
  const child = spawn(process.execPath, [CHILD, "busy", path, `${milliseconds}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  const isBusy = Promise.withResolvers<void>();
  const said = new Promise<string>((settle) => {
    child.once("close", () => {
      isBusy.resolve();
      settle(text);
    });
  });
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    isBusy.resolve();
  });
  await isBusy.promise;
  return { said };
}

const EARLY = "had the store open before";
const LATE = "opens the store afterwards";

for (const when of [EARLY, LATE]) {
  for (const how of ["flush", "flushSync"]) {
    testOnFailingDisk(
      `a failed write of which only a busy program was told: who ${when} hears of it at ${how}()`,
      async (disk) => {
        const path = disk.file("store");
        const first = open(path, { flushEvery: 0 });
        const child = await busy(path, 600);
        // From now on all goes well that is tried once more; but what was refused is not.
        disk.mend();
        const store = when === EARLY ? first : open(path, { flushEvery: 0 });
        store.set("mine", 1);
        const said = await Promise.resolve()
          .then(() => (how === "flush" ? store.flush() : store.flushSync()))
          .then(
            () => "done",
            (error: BancosError) => error.code,
          );
        expect(said).toBe("IO_ERROR");
        expect(await child.said).toBe("busy\nIO_ERROR\n");
        for (const each of [store, first]) {
          try {
            each.close();
          } catch {
            // It says so again.
          }
        }
      },
    );
  }
}

testOnFailingDisk("a flush that waits when the store is closed fails if closing does", async (disk) => {
  const store = open(disk.file("store"), { flushEvery: 0 });
  for (let i = 0; i < 30_000; i++) store.set(`key ${i}`, "v".repeat(1000));
  const flushed = store.flush();
  expect(codeOf(() => store.close())).toBe("IO_ERROR");
  expect(await flushed.catch((error: BancosError) => error.code)).toBe("IO_ERROR");
});
