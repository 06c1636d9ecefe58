/**
 * What the machine itself takes for a load that depends on the one before it, as each step of a descent does: by how much
 * memory the loads are spread over. No layout of a tree gets below this times the lines on the way that are in no cache.
 */
import { rmSync } from "node:fs";
import {
  allocate,
  closeFile,
  map,
  newHandle,
  openFile,
  setLimit,
  unmapHandle,
} from "../../src/memory/platform.ts";
import { load32, store32 } from "../../src/memory/primitives.ts";
import { random, shuffle } from "../random.ts";
import type { Part } from "./part.ts";

const MIB = 2 ** 20;
const SIZES = [1, 4, 8, 16, 64] as const;
const MOST = 64 * MIB;
const LINE_BYTES = 64;
const LINE_UNITS = LINE_BYTES / 8;
/** Loads in a row. */
const STEPS = 100;

/** A round trip through all lines of the first `bytes` in random order: in each, at `off`, the cell of the next. */
function layChain(h: number, off: number, bytes: number): void {
  const lines = shuffle(
    Array.from({ length: bytes / LINE_BYTES }, (_, i) => i * LINE_UNITS),
    random(off + 1),
  );
  let last = lines.at(-1) as number;
  for (const line of lines) {
    store32(h, last, off, line);
    last = line;
  }
}

/** @param path of a file to be made, and deleted by `free` */
export function memoryParts(path: string): { parts: Part[]; free: () => void } {
  const fd = openFile(path, { write: true, create: true });
  allocate(fd, 0, MOST);
  const h = newHandle(fd);
  map(h, MOST, "shared");
  setLimit(h, MOST);
  const parts = SIZES.map((size, i): Part => {
    const off = i * 4;
    layChain(h, off, size * MIB);
    let cell = 0;
    return {
      group: "memory",
      name: `a load that depends on the last, in ${size} MiB of a file`,
      run: () => {
        for (let step = 0; step < STEPS; step++) cell = load32(h, cell, off);
        return cell;
      },
      times: STEPS,
    };
  });
  const free = (): void => {
    unmapHandle(h);
    closeFile(fd);
    rmSync(path);
  };
  return { parts, free };
}
