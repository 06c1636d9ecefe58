/** What the tests of the native part share: a mapped file, and child processes. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { native } from "../../src/memory/native.ts";
import {
  allocate,
  closeFile,
  type MapMode,
  map,
  newHandle,
  openFile,
  setLimit,
  unmapHandle,
} from "../../src/memory/platform.ts";
import { bindScratch } from "../../src/memory/primitives.ts";

/** A file that is mapped, with scratch memory. */
export interface Mapped {
  readonly path: string;
  readonly fd: number;
  readonly h: number;
  readonly scratch: Uint8Array;
  close(): void;
}

/** A new folder for the files of a test. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "bancos-native-"));
}

/** Maps the file at `path`, which is made `bytes` long if it is new. */
export function mapFile(path: string, bytes: number, mode: MapMode = "shared", reserved = bytes): Mapped {
  const write = mode !== "sharedReadOnly";
  const fd = openFile(path, { write, create: write });
  if (write) allocate(fd, 0, bytes);
  const h = newHandle(fd);
  map(h, reserved, mode);
  setLimit(h, bytes);
  const scratch = new Uint8Array(65_536);
  bindScratch(h, scratch, scratch.byteLength);
  return {
    path,
    fd,
    h,
    scratch,
    close() {
      unmapHandle(h);
      closeFile(fd);
    },
  };
}

/** Maps a new file that is gone after `close`. */
export function mapNew(bytes: number, mode: MapMode = "shared", reserved = bytes): Mapped {
  const folder = temporaryFolder();
  const mapped = mapFile(join(folder, "file"), bytes, mode, reserved);
  return {
    ...mapped,
    close() {
      mapped.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** A child process that runs child.ts with the same build of the native part. */
export interface Child {
  readonly pid: number;
  /** The next line that it writes; undefined at the end. */
  line(): Promise<string | undefined>;
  /** Sends one line. */
  send(line: string): void;
  kill(): void;
  readonly exited: Promise<number>;
}

/**
 * What to put before a command so that it runs on the first (0) or the last (1) processor that this process may use:
 * two processes that the kernel puts on one processor only take turns, and meet no race. Nothing without taskset.
 */
export function pinned(which: 0 | 1): string[] {
  const taskset = Bun.which("taskset");
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  const processor = list?.match(/\d+/g)?.at(which === 0 ? 0 : -1);
  return taskset === null || processor === undefined ? [] : [taskset, "-c", processor];
}

/** Starts child.ts with these arguments. */
export function spawnChild(...args: string[]): Child {
  return spawnPinned([], ...args);
}

/** Starts child.ts with what {@link pinned} gave before the command. */
export function spawnPinned(pin: readonly string[], ...args: string[]): Child {
  const child = Bun.spawn([...pin, process.execPath, join(import.meta.dir, "child.ts"), ...args], {
    env: { ...process.env, BANCOS_NATIVE: native.build },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let text = "";
  return {
    pid: child.pid,
    exited: child.exited,
    async line() {
      for (;;) {
        const end = text.indexOf("\n");
        if (end >= 0) {
          const line = text.slice(0, end);
          text = text.slice(end + 1);
          return line;
        }
        const chunk = await reader.read();
        if (chunk.done) return undefined;
        text += decoder.decode(chunk.value, { stream: true });
      }
    },
    send(line) {
      child.stdin.write(`${line}\n`);
      child.stdin.flush();
    },
    kill() {
      child.kill("SIGKILL");
    },
  };
}
