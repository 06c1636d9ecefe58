/** The table of leaves (src/rowex/leaftable.ts): what was put in is found, or the table says that it lost it. */
import { expect, test } from "bun:test";
import { LeafTable } from "../../src/rowex/leaftable.ts";
import { random } from "../random.ts";
import { seed } from "../store/support.ts";

function cellsFor(table: LeafTable, hash: number): number[] {
  const cells: number[] = [];
  for (let cell = table.first(hash); cell !== 0; cell = table.next()) cells.push(cell);
  return cells;
}

/** Adds, replaces and removes at random; every cell that should be there is, or its line says that one is missing. */
function churn(keys: number, room: number, hashOf: (i: number) => number): number {
  const below = random(seed);
  const next = (): number => below(1 << 20) / (1 << 20);
  const table = new LeafTable(keys * room, 1 << 24);
  const there = new Map<number, number>();
  let cell = 1;
  let missing = 0;
  for (let step = 0; step < keys * 6; step++) {
    const i = Math.floor(next() * keys);
    const hash = hashOf(i);
    const old = there.get(i);
    const dice = next();
    if (old === undefined) {
      table.add(hash, cell, dice < 0.5);
      there.set(i, cell++);
    } else if (dice < 0.4) {
      table.replace(hash, old, cell, dice < 0.2);
      there.set(i, cell++);
    } else if (dice < 0.7) {
      table.remove(hash, old);
      there.delete(i);
    } else {
      table.add(hash, old, dice < 0.8);
    }
  }
  for (const [i, known] of there) {
    const found = cellsFor(table, hashOf(i));
    expect(found.filter((other) => other === known).length).toBeLessThanOrEqual(1);
    if (found.includes(known)) continue;
    missing++;
    expect(table.lacks(hashOf(i))).toBe(true);
  }
  return missing / there.size;
}

const spread = (i: number): number => {
  let hash = Math.imul(i + 1, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return hash ^ (hash >>> 13);
};

test("what was put in is found, or known to be lost", () => {
  // Half of the keys are there at a time: room for all of them loses next to nothing.
  expect(churn(5000, 1.2, spread)).toBeLessThan(0.01);
  expect(churn(5000, 0.2, spread)).toBeGreaterThan(0.1);
  expect(churn(20, 1, spread)).toBe(0);
});

test("hashes that are alike, in their mark or in all", () => {
  churn(300, 1, (i) => spread(i) & ~0xffff);
  churn(300, 1, (i) => (spread(i) & 0xffff) | 0x5a5a0000);
  churn(60, 2, () => 0x12345678);
  churn(60, 2, () => 0);
});

test("the table takes no more than it may, and says when it is too small", () => {
  const table = new LeafTable(1_000_000, 4096);
  expect(table.bytes).toBeLessThanOrEqual(4096 + 128);
  expect(table.isFull).toBe(false);
  for (let i = 0; i < 700; i++) table.add(spread(i), i + 1, true);
  expect(table.isFull).toBe(true);
});

test("a table that has lost something in many lines is too small, however few entries it has left", () => {
  const table = new LeafTable(1000, 1 << 20);
  // Each key comes again and again as another cell, as when others replace it; what a failed look-up drops comes last.
  for (let i = 0; i < 1000; i++)
    for (let times = 0; times < 4; times++) table.add(spread(i), i * 4 + times + 1, false);
  for (let i = 0; i < 1000; i++)
    for (let times = 0; times < 4; times++) table.remove(spread(i), i * 4 + times + 1);
  expect(table.isFull).toBe(true);
});

test("what is lost again is no further loss", () => {
  const table = new LeafTable(1000, 1 << 20);
  for (let times = 0; times < 1000; times++) {
    for (let i = 0; i < 1000; i++) table.add(spread(i), i + 1, false);
  }
  expect(table.isFull).toBe(false);
});
