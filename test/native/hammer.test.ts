/** Each atomic primitive does what it says while another process hammers the same word. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { load8, load16, load32, load64, loadF64 } from "../../src/memory/primitives.ts";
import { CLAIMED, ROUND_CELLS, ROUNDS, resultCell, roundCell, TIMES } from "./hammer.ts";
import { type Mapped, mapNew, pinned, spawnPinned } from "./support.ts";

const NAMES = Object.keys(ROUNDS);
const BYTES = roundCell(NAMES.length) * 8;

let file: Mapped;
beforeAll(async () => {
  expect(resultCell(NAMES.length, 0)).toBeLessThan(ROUND_CELLS);
  file = mapNew(BYTES);
  const children = ([0, 1] as const).map((me) =>
    spawnPinned(pinned(me), "hammer", file.path, String(BYTES), String(me)),
  );
  expect(await Promise.all(children.map((child) => child.exited))).toEqual([0, 0]);
}, 300_000);
afterAll(() => file.close());

const cellOf = (name: string): number => roundCell(NAMES.indexOf(name));

/** What the two processes found in a round. */
function results(name: string): [number, number] {
  const index = NAMES.indexOf(name);
  expect(index).toBeGreaterThanOrEqual(0);
  return [loadF64(file.h, resultCell(index, 0), 0), loadF64(file.h, resultCell(index, 1), 0)];
}

const sum = (name: string): number => results(name)[0] + results(name)[1];

function wordOf(name: string, bits: number): number {
  const load = { 8: load8, 16: load16, 32: load32, 64: load64 }[bits] as typeof load8;
  return load(file.h, cellOf(name), 8);
}

/** The cells on both sides of the word, and the rest of its own, are as they were. */
function neighboursUntouched(name: string, bits: number): void {
  for (let byte = 0; byte < 24; byte++) {
    if (byte >= 8 && byte < 8 + bits / 8) continue;
    expect(load8(file.h, cellOf(name), byte)).toBe(0);
  }
}

/** The value `n` steps of `step` from 0, as a word of so many bits is read. */
function counted(n: number, bits: number): number {
  if (bits === 64) return n;
  return bits === 32 ? n | 0 : n & (2 ** bits - 1);
}

describe.each([8, 16, 32, 64])("%d bits", (bits) => {
  test.each([
    ["fetchAdd", 1],
    ["fetchSub", -1],
  ] as const)("%s loses no step, and each old value comes back once", (op, step) => {
    const name = `${op}${bits}`;
    // fetchSub rounds subtract 1 at a time; both start at 0 and wrap around.
    expect(wordOf(name, bits)).toBe(counted(step * 2 * TIMES, bits));
    let expected = 0;
    for (let i = 0; i < 2 * TIMES; i++) expected += counted(step * i, bits);
    expect(sum(name)).toBe(expected);
    neighboursUntouched(name, bits);
  });

  test("fetchOr gives each bit to one of the two", () => {
    const claimed = { 8: 8, 16: 16, 32: 31, 64: 52 }[bits] as number;
    expect(sum(`fetchOr${bits}`)).toBe(CLAIMED * claimed);
  });

  test.each(["cas", "casWeak"])("%s lets no two through at once", (op) => {
    const name = `${op}${bits}`;
    expect(results(name)).toEqual([TIMES, TIMES]);
    expect(wordOf(name, bits)).toBe(counted(2 * TIMES, bits));
    neighboursUntouched(name, bits);
  });
});

test("exchange32 neither loses nor doubles a value", () => {
  const values = [...results("exchange32"), wordOf("exchange32", 32)];
  expect(values.sort((a, b) => a - b)).toEqual([0, 101, 102]);
});

test("exchange64 neither loses nor doubles a value", () => {
  const values = [...results("exchange64"), wordOf("exchange64", 64)];
  expect(values.sort((a, b) => a - b)).toEqual([0, 2 ** 40 + 7, 2 ** 41 + 7]);
});

test.each([
  "storePair and load64",
  "store64 and load64",
  "storeF64 and loadF64",
  "movnt64",
  "movnt32 and load32",
  "store32 whole",
  "store16 whole",
])("%s: no half of one store with half of another", (name) => {
  expect(results(name)).toEqual([0, 0]);
});

test.each(["store8 and load8", "store16 and load16", "store32 and load32"])(
  "%s: who sees a flag sees what was stored before it",
  (name) => {
    expect(results(name)).toEqual([0, 0]);
  },
);

test.each([
  "enterEpoch",
  "enterEpoch, fenced by the other",
  "exchange32 as a store",
  "exchange64 as a store",
  "store32 and fence",
  "movnt32 and fence",
])("%s: two that announce themselves and then look never both miss the other", (name) => {
  expect(sum(name)).toBe(0);
});

test("setN48Key changes no byte but its own", () => {
  expect(results("setN48Key")).toEqual([0, 0]);
  for (let byte = 0; byte < 8; byte++) {
    const last = TIMES - 4 + (byte & 3);
    expect(load8(file.h, cellOf("setN48Key"), byte)).toBe(last & 255);
  }
});

test("casWeak32 makes a lock", () => {
  expect(wordOf("casWeak32 as a lock", 32)).toBe(2 * TIMES);
});
