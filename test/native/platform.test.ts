/** Files, locks between processes, mappings, futex, threads. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { native } from "../../src/memory/native.ts";
import * as os from "../../src/memory/platform.ts";
import { fetchAdd32, load32, store32 } from "../../src/memory/primitives.ts";
import { type Child, mapFile, mapNew, spawnChild, temporaryFolder } from "./support.ts";

let folder: string;
let count = 0;
beforeAll(() => {
  folder = temporaryFolder();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Cells and lengths of a mapping of three times 64 KiB, in it and beyond. */
const RANGES = [
  [0, 3 * 65_536],
  [2048, 16_384],
  [2048, 0],
  [0, 3 * 65_536 + 1],
  [-1, 65_536],
  [0, -1],
] as const;

const freshPath = (): string => join(folder, `file-${count++}`);

/** The code of the PlatformError that `work` throws. */
function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(os.PlatformError);
    const { code, errno, syscall, message } = error as os.PlatformError;
    expect(errno).toBeGreaterThan(0);
    expect(syscall).not.toBe("");
    expect(message).toContain(code);
    return code;
  }
  return "nothing thrown";
}

describe("files", () => {
  test("open creates only when told, and exclusively when told", () => {
    const path = freshPath();
    expect(codeOf(() => os.openFile(path, {}))).toBe("ENOENT");
    expect(codeOf(() => os.openFile(path, { write: true }))).toBe("ENOENT");
    const fd = os.openFile(path, { write: true, create: true, exclusive: true }, 0o600);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(codeOf(() => os.openFile(path, { write: true, create: true, exclusive: true }))).toBe("EEXIST");
    os.closeFile(fd);
    expect(codeOf(() => os.closeFile(fd))).toBe("EBADF");
    expect(codeOf(() => os.openFile(join(path, "below"), {}))).toBe("ENOTDIR");
  });

  test("names of any characters, but no NUL and not the empty one", () => {
    const path = join(folder, "grüße 🐘 name");
    os.closeFile(os.openFile(path, { write: true, create: true }));
    expect(statSync(path).isFile()).toBe(true);
    expect(codeOf(() => os.openFile("", {}))).toBe("EINVAL");
    expect(codeOf(() => os.openFile(`${path}\0more`, {}))).toBe("EINVAL");
  });

  test("the descriptor is closed on exec", () => {
    const fd = os.openFile(freshPath(), { write: true, create: true });
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
    expect(Number.parseInt(flags as string, 8) & 0o2000000).toBe(0o2000000);
    os.closeFile(fd);
  });

  test("size and blocks: truncate makes a hole, allocate fills it", () => {
    const fd = os.openFile(freshPath(), { write: true, create: true });
    expect([os.fileSize(fd), os.fileBlocks(fd)]).toEqual([0, 0]);
    os.truncate(fd, 5 * 2 ** 30);
    expect(os.fileSize(fd)).toBe(5 * 2 ** 30);
    expect(os.fileBlocks(fd)).toBeLessThan(65_536);
    os.allocate(fd, 2 ** 32, 2 ** 20);
    expect(os.fileBlocks(fd)).toBeGreaterThanOrEqual(2 ** 20);
    expect(os.fileSize(fd)).toBe(5 * 2 ** 30);
    os.truncate(fd, 0);
    os.allocate(fd, 0, 8192);
    expect(os.fileSize(fd)).toBe(8192);
    os.syncFile(fd);
    os.closeFile(fd);
  });

  test("what the disk cannot hold is an error", () => {
    const fd = os.openFile(freshPath(), { write: true, create: true });
    expect(codeOf(() => os.allocate(fd, 0, 2 ** 62))).toMatch(/^(ENOSPC|EFBIG)$/);
    expect(codeOf(() => os.allocate(fd, -1, 10))).toBe("EINVAL");
    expect(codeOf(() => os.truncate(fd, -1))).toBe("EINVAL");
    os.closeFile(fd);
    const reader = os.openFile(import.meta.path, {});
    expect(codeOf(() => os.allocate(reader, 0, 10))).toBe("EBADF");
    expect(codeOf(() => os.truncate(reader, 10))).toBe("EINVAL");
    os.closeFile(reader);
    expect(codeOf(() => os.fileSize(-1))).toBe("EBADF");
    expect(codeOf(() => os.syncFile(-1))).toBe("EBADF");
  });

  test("identity: the same for two opens, another for the file that took the name", () => {
    const path = freshPath();
    const first = os.openFile(path, { write: true, create: true });
    const again = os.openFile(path, {});
    expect(os.fileIdentity(again)).toEqual(os.fileIdentity(first));
    expect(os.fileIdentity(first).ino).toBe(statSync(path).ino);
    writeFileSync(`${path}.new`, "");
    renameSync(`${path}.new`, path);
    const other = os.openFile(path, {});
    expect(os.fileIdentity(other)).not.toEqual(os.fileIdentity(first));
    for (const fd of [first, again, other]) os.closeFile(fd);
  });
});

describe("locks", () => {
  test("two opens in one process conflict; bytes are apart; a closed file is free", () => {
    const path = freshPath();
    const a = os.openFile(path, { write: true, create: true });
    const b = os.openFile(path, { write: true });
    expect(os.lockByte(a, 5, "write", false)).toBe(true);
    expect(os.lockHeld(b, 5)).toBe(true);
    expect(os.lockHeld(a, 5)).toBe(false);
    expect(os.lockByte(b, 5, "write", false)).toBe(false);
    expect(os.lockByte(b, 5, "read", false)).toBe(false);
    expect([4, 6, 2 ** 40].map((byte) => os.lockByte(b, byte, "write", false))).toEqual([true, true, true]);
    expect(os.lockByte(a, 5, "read", false)).toBe(true);
    expect(os.lockHeld(b, 5)).toBe(false);
    expect(os.lockByte(b, 5, "read", true)).toBe(true);
    expect(os.lockByte(a, 5, "write", false)).toBe(false);
    os.unlockByte(b, 5);
    os.unlockByte(b, 5);
    expect(os.lockByte(a, 5, "write", false)).toBe(true);
    os.closeFile(a);
    expect(os.lockHeld(b, 5)).toBe(false);
    os.closeFile(b);
  });

  test("a write lock needs a descriptor open for writing", () => {
    const path = freshPath();
    os.closeFile(os.openFile(path, { write: true, create: true }));
    const fd = os.openFile(path, {});
    expect(codeOf(() => os.lockByte(fd, 1, "write", false))).toBe("EBADF");
    expect(os.lockByte(fd, 1, "read", false)).toBe(true);
    os.closeFile(fd);
    expect(codeOf(() => os.lockHeld(fd, 1))).toBe("EBADF");
  });

  async function ask(child: Child, line: string): Promise<string | undefined> {
    child.send(line);
    return child.line();
  }

  test("two processes: who waits gets it when the other unlocks, and when the other is killed", async () => {
    const path = freshPath();
    const fd = os.openFile(path, { write: true, create: true });
    const [a, b] = [spawnChild("locks", path), spawnChild("locks", path)];
    expect(await Promise.all([a.line(), b.line()])).toEqual(["ready", "ready"]);
    expect(await ask(a, "write 7")).toBe("true");
    expect(await ask(b, "held 7")).toBe("true");
    expect(await ask(b, "write 7")).toBe("false");
    expect(await ask(b, "read 7")).toBe("false");
    expect(await ask(b, "write 8")).toBe("true");
    expect([6, 7, 8].map((byte) => os.lockHeld(fd, byte))).toEqual([false, true, true]);

    const waiting = ask(b, "wait 7");
    expect(await Promise.race([waiting, Bun.sleep(100).then(() => "still waiting")])).toBe("still waiting");
    expect(await ask(a, "unlock 7")).toBe("undefined");
    expect(await waiting).toBe("true");

    const last = ask(a, "wait 8");
    expect(await Promise.race([last, Bun.sleep(100).then(() => "still waiting")])).toBe("still waiting");
    b.kill();
    expect(await last).toBe("true");
    await b.exited;
    expect([7, 8].map((byte) => os.lockHeld(fd, byte))).toEqual([false, true]);
    expect(await ask(a, "close")).toBe("undefined");
    expect(os.lockHeld(fd, 8)).toBe(false);
    a.kill();
    await a.exited;
    os.closeFile(fd);
  });
});

describe("mappings", () => {
  test("a handle tells what it stands for until it is unmapped", () => {
    const mapped = mapNew(4096, "shared", 65_536);
    expect(os.handleInfo(mapped.h)).toEqual({
      fd: mapped.fd,
      tid: os.threadId(),
      used: true,
      limit: 4096,
      reserved: 65_536,
    });
    mapped.close();
    const free = { fd: 0, tid: 0, used: false, limit: 0, reserved: 0 };
    for (const h of [mapped.h, 0, -1, os.HANDLES, os.HANDLES + mapped.h])
      expect(os.handleInfo(h)).toEqual(free);
    expect(codeOf(() => os.unmapHandle(mapped.h))).toBe("EINVAL");
  });

  test("a file that grows is reached through the same mapping", () => {
    const mapped = mapNew(4096, "shared", 2 ** 30);
    store32(mapped.h, 512, 0, 1);
    expect(load32(mapped.h, 512, 0)).toBe(0);
    os.allocate(mapped.fd, 4096, 4096);
    os.setLimit(mapped.h, 8192);
    store32(mapped.h, 512, 0, 1);
    expect(load32(mapped.h, 512, 0)).toBe(1);
    mapped.close();
  });

  test("1,023 handles at a time, each another; the next is refused; a freed one comes back", () => {
    const fd = os.openFile(freshPath(), { write: true, create: true });
    const handles: number[] = [];
    const code = codeOf(() => {
      for (;;) handles.push(os.newHandle(fd));
    });
    expect(code).toBe("EMFILE");
    expect(new Set(handles).size).toBe(os.HANDLES - 1);
    expect(Math.min(...handles)).toBe(1);
    os.unmapHandle(500);
    expect(os.newHandle(fd)).toBe(500);
    for (const h of handles) os.unmapHandle(h);
    os.closeFile(fd);
  });

  test("bad arguments are errors", () => {
    const fd = os.openFile(freshPath(), { write: true, create: true });
    const h = os.newHandle(fd);
    for (const bytes of [0, -1, NaN, 2 ** 64])
      expect(codeOf(() => os.map(h, bytes, "shared"))).toBe("EINVAL");
    expect(codeOf(() => os.map(h, 2 ** 60, "shared"))).toBe("ENOMEM");
    expect(codeOf(() => os.map(0, 4096, "shared"))).toBe("EINVAL");
    expect(codeOf(() => os.setLimit(h, 1))).toBe("EINVAL");
    os.map(h, 4096, "shared");
    expect(codeOf(() => os.map(h, 4096, "shared"))).toBe("EINVAL");
    expect(codeOf(() => os.setLimit(h, -1))).toBe("EINVAL");
    expect(codeOf(() => os.setLimit(h, 4097))).toBe("EINVAL");
    expect(codeOf(() => os.syncRange(h, 0, 4097))).toBe("EINVAL");
    expect(codeOf(() => os.syncRange(h, -1, 1))).toBe("EINVAL");
    os.unmapHandle(h);
    expect(codeOf(() => os.syncRange(h, 0, 0))).toBe("EINVAL");
    const bad = os.newHandle(-1);
    expect(codeOf(() => os.map(bad, 4096, "shared"))).toBe("EBADF");
    os.unmapHandle(bad);
    const reader = os.openFile(import.meta.path, {});
    const readerHandle = os.newHandle(reader);
    expect(codeOf(() => os.map(readerHandle, 4096, "shared"))).toBe("EACCES");
    os.unmapHandle(readerHandle);
    os.closeFile(reader);
    os.closeFile(fd);
  });

  test("MAP_SYNC is refused where the file is not in persistent memory, not silently ignored", () => {
    const fd = os.openFile(freshPath(), { write: true, create: true });
    os.allocate(fd, 0, 4096);
    const h = os.newHandle(fd);
    const dax = readFileSync("/proc/self/mounts", "utf8").includes("dax");
    const code = codeOf(() => os.map(h, 4096, "sync"));
    expect(dax ? "any" : code).toMatch(/^(any|EOPNOTSUPP|ENOTSUP)$/);
    os.unmapHandle(h);
    os.closeFile(fd);
  });

  test("syncRange takes any range", () => {
    const mapped = mapNew(3 * 65_536);
    store32(mapped.h, 10_000, 0, 1);
    for (const [off, len] of [
      [0, 3 * 65_536],
      [70_001, 1],
      [4097, 65_536],
      [3 * 65_536, 0],
    ] as const) {
      os.syncRange(mapped.h, off, len);
    }
    mapped.close();
  });

  test("populate changes nothing, and takes any range", () => {
    const mapped = mapNew(3 * 65_536);
    store32(mapped.h, 2048, 0, 7);
    for (const [cell, length] of RANGES) os.populate(mapped.h, cell, length);
    os.populate(mapped.h + 1, 0, 16_384);
    os.populate(-1, 0, 16_384);
    expect(load32(mapped.h, 2048, 0)).toBe(7);
    expect(load32(mapped.h, 2050, 0)).toBe(0);
    mapped.close();
  });

  test("what prefault asked for is there", () => {
    const faults = (): number => process.resourceUsage().minorPageFault;
    const touch = (words: Int32Array): number => {
      const before = faults();
      for (let i = 0; i < words.length; i += 1024) words[i] = 1;
      return faults() - before;
    };
    const pages = (48 << 20) / 4096;
    // Never given back, so that the other is new memory as well.
    const cold = new Int32Array(pages * 1024);
    const warm = new Int32Array(pages * 1024);
    os.prefault(warm);
    const asked = touch(warm);
    // Fewer where the kernel makes huge pages of everything: then there is nothing to be seen.
    if (touch(cold) > pages / 2) expect(asked).toBeLessThan(pages / 4);
    else console.log("not run: new memory costs this machine no fault for each page");
  });

  test("prefault changes nothing, and takes any array", () => {
    const words = new Int32Array((6 << 20) / 4);
    for (let i = 0; i < words.length; i += 1000) words[i] = i;
    for (const [from, length] of [
      [0, words.length],
      [0, 0],
      [1, 1],
      [3, 16_384 * 3],
      [words.length - 1, 1],
      [words.length - 600_001, 600_000],
    ] as const) {
      os.prefault(words.subarray(from, from + length));
      os.prefault(new Int32Array(length));
    }
    for (let i = 0; i < words.length; i++) if (words[i] !== (i % 1000 === 0 ? i : 0)) throw new Error(`${i}`);
  });

  test("letGo and writeBack lose nothing of a shared mapping, nor of a private one, and take any range", () => {
    for (const mode of ["shared", "private"] as const) {
      const mapped = mapNew(3 * 65_536, mode);
      store32(mapped.h, 2048, 0, 7);
      for (const call of [os.letGo, os.writeBack]) {
        for (const [cell, length] of RANGES) {
          call(mapped.h, cell, length);
          expect(load32(mapped.h, 2048, 0)).toBe(7);
        }
        call(mapped.h + 1, 0, 16_384);
        call(-1, 0, 16_384);
      }
      mapped.close();
    }
  });

  test("the table belongs to the process with the prebuilt library, to the Worker with TinyCC", async () => {
    const path = freshPath();
    writeFileSync(
      `${path}.ts`,
      `import { newHandle, openFile, threadId } from ${JSON.stringify(join(import.meta.dir, "../../src/memory/platform.ts"))};
       const fd = openFile(${JSON.stringify(path)}, { write: true, create: true });
       postMessage([Array.from({ length: 200 }, () => newHandle(fd)), threadId()]);
       onmessage = () => {}; // stays alive`,
    );
    const workers = [0, 1].map(
      () => new Worker(`${path}.ts`, { env: { ...process.env, BANCOS_NATIVE: native.build } }),
    );
    const answers = await Promise.all(
      workers.map(
        (worker) =>
          new Promise<[number[], number]>((resolve, reject) => {
            worker.onmessage = ({ data }) => resolve(data);
            worker.onerror = ({ message }) => reject(new Error(message));
          }),
      ),
    );
    const shared = native.build === "prebuilt";
    const all = answers.flatMap(([handles]) => handles);
    expect(new Set(all).size).toBe(shared ? 400 : 200);
    for (const [handles, tid] of answers) {
      expect(tid).not.toBe(os.threadId());
      expect(os.threadStartTime(process.pid, tid)).toBeGreaterThan(0);
      for (const h of handles) expect(os.handleInfo(h).tid).toBe(shared ? tid : 0);
    }
    for (const worker of workers) worker.terminate();
    for (const h of shared ? all : []) os.unmapHandle(h);
  });
});

describe("futex", () => {
  test("a changed word, a time limit, a place out of range", () => {
    const mapped = mapNew(4096);
    store32(mapped.h, 1, 4, 9);
    expect(os.futexWait(mapped.h, 1, 4, 8, 60_000)).toBe("changed");
    const before = os.monotonicNs();
    expect(os.futexWait(mapped.h, 1, 4, 9, 20)).toBe("timedOut");
    expect(os.monotonicNs() - before).toBeGreaterThanOrEqual(20e6);
    expect(os.futexWait(mapped.h, 1, 4, 9, 0)).toBe("timedOut");
    expect(os.futexWake(mapped.h, 1, 4, 1)).toBe(0);
    expect(codeOf(() => os.futexWait(mapped.h, 512, 0, 0, 1))).toBe("EINVAL");
    expect(codeOf(() => os.futexWake(0, 0, 0, 1))).toBe("EINVAL");
    mapped.close();
  });

  test("processes wake each other", async () => {
    const path = freshPath();
    const mapped = mapFile(path, 4096);
    const children = [spawnChild("futex", path), spawnChild("futex", path)];
    while (load32(mapped.h, 2, 0) < 2) await Bun.sleep(5);
    let woken = 0;
    // A child that announced itself may not sleep yet; the word is still 0, so waking too early is harmless.
    while (woken < 2) {
      woken += os.futexWake(mapped.h, 1, 4, 1);
      await Bun.sleep(1);
      if (woken === 1) expect(load32(mapped.h, 3, 0)).toBe(0);
    }
    fetchAdd32(mapped.h, 1, 4, 1);
    os.futexWake(mapped.h, 1, 4, 2);
    while (load32(mapped.h, 3, 0) === 0) os.futexWait(mapped.h, 3, 0, 0, Infinity);
    expect(await Promise.all(children.map((child) => child.line()))).toEqual(["woken", "woken"]);
    expect(await Promise.all(children.map((child) => child.exited))).toEqual([0, 0]);
    mapped.close();
  });
});

describe("threads and time", () => {
  test("the main thread has the number of the process", () => {
    expect(os.threadId()).toBe(process.pid);
  });

  test("start time: mine is steady, another process has its own, a dead one has none", async () => {
    const mine = os.threadStartTime(process.pid, os.threadId());
    expect(mine).toBeGreaterThan(0);
    expect(os.threadStartTime(process.pid, os.threadId())).toBe(mine);
    const child = spawnChild("who", "");
    const [pid, tid, start, clock] = (await child.line())?.split(" ").map(Number) ?? [];
    expect(pid).toBe(child.pid);
    expect(os.threadStartTime(child.pid, tid as number)).toBe(start as number);
    expect(start).toBeGreaterThanOrEqual(mine);
    expect(clock).toBeLessThan(os.monotonicNs()); // one clock for all processes
    expect(os.threadStartTime(child.pid, process.pid)).toBe(0);
    child.kill();
    await child.exited;
    expect(os.threadStartTime(child.pid, tid as number)).toBe(0);
  });

  test("a process that is dead but not yet waited for is gone", async () => {
    // The shell becomes `sleep`, which never asks for its dead child.
    const parent = Bun.spawn(["sh", "-c", "sleep 0.3 & echo $!; exec sleep 60"], { stdout: "pipe" });
    const chunk = await parent.stdout.getReader().read();
    const zombie = Number(new TextDecoder().decode(chunk.value));
    const state = (): string => / ([A-Z]) /.exec(readFileSync(`/proc/${zombie}/stat`, "latin1"))?.[1] ?? "";
    while (state() !== "Z") await Bun.sleep(2);
    expect(os.threadStartTime(zombie, zombie)).toBe(0);
    parent.kill("SIGKILL");
    await parent.exited;
  });

  test("a program's name with spaces and parentheses does not confuse it", async () => {
    const program = join(folder, "a) Z (b c");
    writeFileSync(program, readFileSync("/bin/sleep"), { mode: 0o755 });
    const child = Bun.spawn([program, "60"]);
    const name = (): string => readFileSync(`/proc/${child.pid}/comm`, "utf8");
    while (!name().startsWith("a) Z")) await Bun.sleep(2);
    const start = os.threadStartTime(child.pid, child.pid);
    expect(start).toBeGreaterThanOrEqual(os.threadStartTime(process.pid, process.pid));
    child.kill("SIGKILL");
    await child.exited;
  });

  test("numbers that no process has", () => {
    for (const pid of [0, -1, NaN, 2 ** 30]) expect(os.threadStartTime(pid, pid)).toBe(0);
  });

  test("the clock goes on while sleeping and yielding", () => {
    const before = os.monotonicNs();
    os.sleepMs(5.5);
    os.yieldThread();
    os.sleepMs(0);
    os.sleepMs(-1);
    expect(os.monotonicNs() - before).toBeGreaterThanOrEqual(5.5e6);
  });

  test("the machine and the namespace have names", () => {
    expect(os.bootId()).toMatch(/^[0-9a-f-]{36}$/);
    expect(os.pidNamespace()).toBe(statSync("/proc/self/ns/pid").ino);
  });

  test("the write-back instruction is one that the processor lists", () => {
    if (process.arch === "arm64") expect(os.cpuFeature()).toBe("dc cvac");
    else {
      const flags =
        readFileSync("/proc/cpuinfo", "utf8")
          .match(/^flags\s*:.*$/m)?.[0]
          .split(" ") ?? [];
      const best = (["clwb", "clflushopt"] as const).find((flag) => flags.includes(flag)) ?? "clflush";
      expect(os.cpuFeature()).toBe(best);
    }
  });
});
