/**
 * Makes the files that are to be damaged, in a process of its own: `images.ts FOLDER SEED`. Each is
 * `NAME-SIZE.ENCODING`.
 *
 * Files closed in order; files as a killed process leaves them, in the middle of a change too: its intent is in its
 * slot, nodes are locked, another one died beside it, cells wait in both limbos; a file in the middle of a backup; backups.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { KeyEncoding, Value } from "../../src/index.ts";
import {
  INTENT_STATE,
  SB_CAPACITY,
  SB_FRONTIER,
  SB_NO_IN_PLACE,
  SLAB_BYTES,
  slotCell,
} from "../../src/memory/layout.ts";
import { symbols } from "../../src/memory/native.ts";
import { random } from "../random.ts";
import { keyAt, keysOf, type Size, VERSIONS, valueAt } from "./content.ts";

const [folder = "", seed = "1"] = process.argv.slice(2);
const pick = random(Number(seed));
/** Files in the middle of a change, for each encoding. */
const CUT_SHORT = 5;

/** Called before a shared word is changed. */
let onStore: () => void = () => {};
// Before the tree loads: its modules take the functions as they find them.
for (const name of ["bancos_store32", "bancos_exchange32", "bancos_cas32"] as const) {
  const real: (...args: number[]) => number = symbols[name] as never;
  Object.assign(symbols, {
    [name]: (h: number, cell: number, off: number, a: number, b: number) => {
      onStore();
      return real(h, cell, off, a, b);
    },
  });
}
const { open } = await import("../../src/index.ts");

/** Slabs that a small file has beyond those in use: room for some writes before it grows. */
const SPARE = 6;

function keep(name: string, size: Size, encoding: KeyEncoding, bytes: Buffer): void {
  const slabs = bytes.readInt32LE(SB_FRONTIER) + SPARE;
  if (size === "small" && slabs < bytes.readInt32LE(SB_CAPACITY)) {
    bytes.writeInt32LE(slabs, SB_CAPACITY);
    bytes = bytes.subarray(0, slabs * SLAB_BYTES);
  }
  writeFileSync(join(folder, `${name}-${size}.${encoding}`), bytes);
}

async function make(size: Size, encoding: KeyEncoding): Promise<void> {
  const path = join(folder, "working");
  const keys = keysOf(size);
  // Whatever the encoding is: its keys are made by keyAt.
  const options = { flushEvery: 0, maxSize: 8 << 20, keyEncoding: encoding as "ordered" };
  const store = open<Value>(path, options);
  const other = open<Value>(path, options);
  const change = (by = store): void => {
    const i = keys[pick(keys.length)]!;
    if (pick(4) === 0) by.delete(keyAt(encoding, i));
    else by.set(keyAt(encoding, i), valueAt(size, i, pick(VERSIONS)));
  };
  for (const i of keys) store.set(keyAt(encoding, i), valueAt(size, i, 0));
  for (let i = 0; i < keys.length; i++) change();
  store.flushSync();
  for (let i = 0; i < keys.length / 2; i++) change(i % 4 === 0 ? other : store);
  keep("killed", size, encoding, readFileSync(path));
  for (let n = 0; n < CUT_SHORT; ) {
    let left = pick(14);
    onStore = () => {
      if (left-- > 0) return;
      const bytes = readFileSync(path);
      if (bytes.readInt32LE(slotCell(1) * 8 + INTENT_STATE) === 0) return;
      onStore = () => {};
      keep(`changing${n++}`, size, encoding, bytes);
    };
    change();
    onStore = () => {};
  }
  other.close();
  const copied = store.backup(`${path}.backup`);
  for (let turn = 0; turn < 20; turn++) {
    await Promise.resolve();
    const bytes = readFileSync(path);
    if (bytes.readInt32LE(SB_NO_IN_PLACE) === 0) continue;
    keep("copying", size, encoding, bytes);
    break;
  }
  await copied;
  keep("backup", size, encoding, readFileSync(`${path}.backup`));
  store.close();
  keep("closed", size, encoding, readFileSync(path));
  for (const each of [path, `${path}.backup`]) if (existsSync(each)) rmSync(each);
}

for (const size of ["small", "large"] as const) {
  for (const encoding of ["utf8", "binary", "ordered"] as const) await make(size, encoding);
}
