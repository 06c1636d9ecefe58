/** Puts the simulated machine under the tree. Loaded before every file in this folder, hence before the tree. */
import { mock, setSystemTime } from "bun:test";
import { join } from "node:path";
import {
  SB,
  SB_BOOT_ID,
  SB_CAPACITY,
  SB_CLEAN,
  SB_KEY_ENCODING,
  SB_MAX_SLABS,
  SB_ROOT,
  SB_SALT,
  SLAB_BYTES,
} from "../../src/memory/layout.ts";
import type { Superblock } from "../../src/memory/superblock.ts";
import { machine } from "./machine.ts";
import * as platform from "./platform.ts";
import * as primitives from "./primitives.ts";

const SRC = join(import.meta.dir, "../../src");

// The declared types make the compiler complain of an export that is missing or of another shape.
const simulatedPrimitives: typeof import("../../src/memory/primitives.ts") = primitives;
const simulatedPlatform: Omit<typeof import("../../src/memory/platform.ts"), "PlatformError"> = platform;
mock.module(join(SRC, "memory/primitives.ts"), () => simulatedPrimitives);
mock.module(join(SRC, "memory/platform.ts"), () => simulatedPlatform);

// Opening looks whether the path still leads to the file it has locked: here it always does.
const files = { ...(await import("node:fs")) };
const simulated = { ino: 2, dev: 1, isDirectory: () => false };
mock.module("node:fs", () => ({
  ...files,
  statSync: (path: string, options: { throwIfNoEntry: false }) =>
    path.endsWith("simulated") ? simulated : files.statSync(path, options),
  fstatSync: (fd: number) => (machine.descriptions.has(fd) ? simulated : files.fstatSync(fd)),
}));

// Opening reads the superblock before anything is mapped, by a descriptor that is none here. This one imports parts of
// the tree, so only now.
const superblock = { ...(await import("../../src/memory/superblock.ts")) };
const word = (field: number): number => machine.words[(SB * 8 + field) >>> 2]!;
type MayBeShort = (isClean: boolean, boot: readonly number[]) => boolean;
function readSuperblock(_fd: number, _path: string, _size: unknown, mayBeShort: MayBeShort): Superblock {
  const isShort = word(SB_CAPACITY) * SLAB_BYTES > machine.size;
  const boot = [0, 4, 8, 12].map((at) => word(SB_BOOT_ID + at));
  if (isShort && !mayBeShort(word(SB_CLEAN) === 1, boot)) throw new Error("the file is shorter than it says");
  return {
    salt: word(SB_SALT),
    keyEncoding: word(SB_KEY_ENCODING),
    root: word(SB_ROOT),
    capacity: word(SB_CAPACITY),
    maxSlabs: word(SB_MAX_SLABS),
    isShort,
  };
}
mock.module(join(SRC, "memory/superblock.ts"), () => ({ ...superblock, readSuperblock }));

// What becomes of a store that is forgotten depends on the garbage collector: nothing for a simulation, in which
// thousands of stores are dead and forgotten by design, and which never gives a callback its turn.
globalThis.FinalizationRegistry = class {
  readonly [Symbol.toStringTag] = "FinalizationRegistry";
  register(): void {}
  unregister(): boolean {
    return false;
  }
};

// The time of day is written into the file; states are compared by their bytes.
setSystemTime(new Date("2026-01-01T00:00:00Z"));
