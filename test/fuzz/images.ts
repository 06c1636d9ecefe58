/**
 * Makes the files that are to be damaged, in a process of its own: `images.ts FOLDER SEED`. Each is `NAME.ENCODING`.
 *
 * Files closed in order; files as a killed process leaves them, in the middle of a change too: its intent is in its
 * slot, nodes are locked, cells wait in both limbos; a file in the middle of a backup; backups.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { KeyEncoding, Value } from "../../src/index.ts";
import { INTENT_STATE, SB_NO_IN_PLACE, slotCell } from "../../src/memory/layout.ts";
import { symbols } from "../../src/memory/native.ts";
import { random } from "../random.ts";
import { KEYS, keyAt, VERSIONS, valueAt } from "./content.ts";

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

function keep(name: string, encoding: KeyEncoding, bytes: Uint8Array): void {
  writeFileSync(join(folder, `${name}.${encoding}`), bytes);
}

for (const encoding of ["utf8", "binary", "ordered"] as const) {
  const path = join(folder, "working");
  // Whatever the encoding is: its keys are made by keyAt.
  const store = open<Value>(path, { flushEvery: 0, maxSize: 8 << 20, keyEncoding: encoding as "ordered" });
  const change = (): void => {
    const i = pick(KEYS);
    if (pick(4) === 0) store.delete(keyAt(encoding, i));
    else store.set(keyAt(encoding, i), valueAt(i, pick(VERSIONS)));
  };
  for (let i = 0; i < KEYS; i++) store.set(keyAt(encoding, i), valueAt(i, 0));
  for (let i = 0; i < 150; i++) change();
  store.flushSync();
  for (let i = 0; i < 80; i++) change();
  keep("killed", encoding, readFileSync(path));
  for (let n = 0; n < CUT_SHORT; ) {
    let left = pick(14);
    onStore = () => {
      if (left-- > 0) return;
      const bytes = readFileSync(path);
      if (bytes.readInt32LE(slotCell(1) * 8 + INTENT_STATE) === 0) return;
      onStore = () => {};
      keep(`changing${n++}`, encoding, bytes);
    };
    change();
    onStore = () => {};
  }
  const copied = store.backup(`${path}.backup`);
  for (let turn = 0; turn < 20; turn++) {
    await Promise.resolve();
    const bytes = readFileSync(path);
    if (bytes.readInt32LE(SB_NO_IN_PLACE) === 0) continue;
    keep("copying", encoding, bytes);
    break;
  }
  await copied;
  keep("backup", encoding, readFileSync(`${path}.backup`));
  store.close();
  keep("closed", encoding, readFileSync(path));
  for (const each of [path, `${path}.backup`]) if (existsSync(each)) rmSync(each);
}
