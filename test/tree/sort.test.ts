/** Leaves sorted by key, and where neighbours differ: against the digits themselves. */
import { expect, test } from "bun:test";
import { open, type Store } from "../../src/index.ts";
import { FREE, LEAF_KEY, TAG } from "../../src/memory/layout.ts";
import { load8, load32 } from "../../src/memory/primitives.ts";
import { keyLengthOf } from "../../src/node/leaf.ts";
import { forEachLeafCell } from "../../src/recovery/rebuild.ts";
import { sortByKey } from "../../src/recovery/sort.ts";
import { random } from "../random.ts";
import { finish, freshPath, seed } from "../store/support.ts";

/** A store of whatever keys. */
type Leaves = Pick<Store, "participant">;

/** Cells of all leaves, in the order of the file; with `twice`, each as often as a key may have leaves in a rebuild. */
function leavesOf(store: Leaves, twice: boolean): Int32Array {
  const { region } = store.participant();
  const cells: number[] = [];
  forEachLeafCell(region, (cell) => {
    if (load32(region.h, cell, TAG) !== FREE) cells.push(cell);
  });
  return Int32Array.from(twice ? [...cells, ...cells.slice(0, cells.length >> 1)] : cells);
}

function digitsOf(h: number, cell: number): Buffer {
  const digits = Buffer.alloc(keyLengthOf(load32(h, cell, TAG)) + 1);
  for (let i = 0; i < digits.length - 1; i++) digits[i] = load8(h, cell, LEAF_KEY + i);
  return digits;
}

function expectSorted(store: Leaves, twice: boolean): void {
  const { h } = store.participant();
  const cells = leavesOf(store, twice);
  const expected = Array.from(cells, (cell) => digitsOf(h, cell)).sort(Buffer.compare);
  const sorting = sortByKey(h, cells, cells.length);
  let done = 0;
  let step = sorting.next();
  for (; step.done !== true; step = sorting.next()) {
    expect(step.value).toBeWithin(0, 1);
    expect(step.value).toBeGreaterThanOrEqual(done);
    done = step.value;
  }
  const { at, digits } = step.value;
  const wrong: string[] = [];
  for (let i = 0; i < cells.length; i++) {
    const mine = digitsOf(h, cells[i]!);
    if (!mine.equals(expected[i]!)) wrong.push(`${i}: ${mine.toString("hex")}`);
    const before = expected[i - 1];
    const d = before === undefined ? 0 : mine.findIndex((digit, k) => digit !== before[k]);
    const difference = before === undefined ? mine[0]! : d < 0 ? 0 : (before[d]! << 8) | mine[d]!;
    if ((before !== undefined && at[i] !== d + 1) || digits[i] !== difference) {
      wrong.push(`${i}: ${mine.toString("hex")} differs at ${at[i]}, ${digits[i]?.toString(16)}`);
    }
  }
  expect(wrong).toEqual([]);
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz";

test("by windows of eight digits, whatever the keys share", () => {
  const pick = random(seed);
  const word = (most: number, letters: number): string =>
    Array.from({ length: pick(most + 1) }, () => LETTERS[pick(letters)]).join("");
  const prefixes = ["", "a", word(7, 2), "12345678", "0123456789abcdef", `${"x".repeat(60)}/`, word(30, 2)];
  for (const count of [0, 1, 2, 13, 300, 700, 3000, 40_000]) {
    const store = open<number>(freshPath(), { flushEvery: 0 });
    const shared = pick(2) === 0 ? "user/of/this/house:" : "";
    const most = 1 + pick(24);
    const letters = 1 + pick(26);
    for (let i = 0; i < count; i++) {
      store.set(`${shared}${prefixes[pick(prefixes.length)]}${word(most, letters)}`, i);
    }
    expectSorted(store, false);
    expectSorted(store, true);
    finish(store);
  }
});

test("many keys that share any number of digits, so that windows begin behind those", () => {
  for (let shared = 0; shared <= 20; shared++) {
    const store = open<number>(freshPath(), { flushEvery: 0 });
    for (let i = 0; i < 700; i++) store.set(`${"s".repeat(shared)}${i * 7919}`, i);
    expectSorted(store, false);
    finish(store);
  }
});

test("keys of all bytes, which are more digits than bytes", () => {
  const pick = random(seed + 1);
  for (const bytes of [1, 2, 9, 40]) {
    const store = open<number>(freshPath(), { flushEvery: 0, keyEncoding: "binary" });
    for (let i = 0; i < 5000; i++) {
      store.set(
        Uint8Array.from({ length: 1 + pick(bytes) }, () => (pick(3) === 0 ? pick(3) : pick(256))),
        i,
      );
    }
    expectSorted(store, false);
    finish(store);
  }
});
