/** Loads, stores and read-modify-writes by one process, and that nothing can reach beyond the limit. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { setLimit, truncate } from "../../src/memory/platform.ts";
import * as m from "../../src/memory/primitives.ts";
import { type Mapped, mapFile, mapNew } from "./support.ts";

const BYTES = 8192;
const LIMIT = 4096 + 16;

let file: Mapped;
beforeAll(() => {
  file = mapNew(BYTES);
});
afterAll(() => file.close());

const INT = [
  { bits: 8, load: m.load8, store: m.store8, add: m.fetchAdd8, sub: m.fetchSub8, or: m.fetchOr8 },
  { bits: 16, load: m.load16, store: m.store16, add: m.fetchAdd16, sub: m.fetchSub16, or: m.fetchOr16 },
  { bits: 32, load: m.load32, store: m.store32, add: m.fetchAdd32, sub: m.fetchSub32, or: m.fetchOr32 },
  { bits: 64, load: m.load64, store: m.store64, add: m.fetchAdd64, sub: m.fetchSub64, or: m.fetchOr64 },
];
const CAS = [
  { bits: 8, strong: m.cas8, weak: m.casWeak8, load: m.load8 },
  { bits: 16, strong: m.cas16, weak: m.casWeak16, load: m.load16 },
  { bits: 32, strong: m.cas32, weak: m.casWeak32, load: m.load32 },
  { bits: 64, strong: m.cas64, weak: m.casWeak64, load: m.load64 },
];

/** How a word of so many bits is read back. */
function wrapped(v: number, bits: number): number {
  if (bits === 64) return v;
  return bits === 32 ? v | 0 : v & (2 ** bits - 1);
}

describe.each(INT)("$bits bits", ({ bits, load, store, add, sub, or }) => {
  const samples = [0, 1, -1, 100, 127, 128, 255, 256, 65_535, 2 ** 31 - 1, -(2 ** 31)];
  if (bits === 64) samples.push(2 ** 32, 2 ** 53, -(2 ** 53), 2 ** 53 - 1);

  test("what is stored is loaded, and its neighbours stay", () => {
    for (const v of samples) {
      m.storePair(file.h, 4, 0, 0x55555555, 0x55555555);
      m.storePair(file.h, 5, 0, 0x55555555, 0x55555555);
      store(file.h, 4, 8 - bits / 8, v);
      expect(load(file.h, 4, 8 - bits / 8)).toBe(wrapped(v, bits));
      if (bits < 64) expect(m.load8(file.h, 4, 7 - bits / 8)).toBe(0x55);
      expect(m.load8(file.h, 5, 0)).toBe(0x55);
    }
  });

  test("add, subtract and or return the old value and wrap around", () => {
    for (const v of samples.filter((sample) => Math.abs(sample) < 2 ** 52)) {
      store(file.h, 4, 0, v);
      expect(add(file.h, 4, 0, 3)).toBe(wrapped(v, bits));
      expect(sub(file.h, 4, 0, 5)).toBe(wrapped(v + 3, bits));
      expect(load(file.h, 4, 0)).toBe(wrapped(v - 2, bits));
    }
    store(file.h, 4, 0, 0b1001);
    expect(or(file.h, 4, 0, 0b0011)).toBe(0b1001);
    expect(load(file.h, 4, 0)).toBe(0b1011);
  });

  test("a number that the engine keeps as a double arrives as the same integer", () => {
    const doubles = new Float64Array([7, 4, 0]);
    store(file.h, doubles[1] as number, doubles[2] as number, doubles[0] as number);
    expect(load(file.h, 4, 0)).toBe(7);
  });
});

describe.each(CAS)("compare-exchange of $bits bits", ({ bits, strong, weak, load }) => {
  test("only the expected value is replaced", () => {
    m.store64(file.h, 4, 0, 0);
    expect(strong(file.h, 4, 0, 1, 2)).toBe(0);
    expect(load(file.h, 4, 0)).toBe(0);
    expect(strong(file.h, 4, 0, 0, -2)).toBe(1);
    expect(load(file.h, 4, 0)).toBe(wrapped(-2, bits));
    expect(strong(file.h, 4, 0, -2, 9)).toBe(1);
    expect(weak(file.h, 4, 0, 8, 1)).toBe(0);
    let tries = 0;
    while (weak(file.h, 4, 0, 9, 10) === 0) expect(tries++).toBeLessThan(1000);
    expect(load(file.h, 4, 0)).toBe(10);
    if (bits < 64) expect(m.load8(file.h, 4, bits / 8)).toBe(0);
  });
});

test("exchange returns the old value", () => {
  m.store32(file.h, 4, 4, -7);
  expect(m.exchange32(file.h, 4, 4, 8)).toBe(-7);
  expect(m.load32(file.h, 4, 4)).toBe(8);
  m.store64(file.h, 4, 0, -(2 ** 50));
  expect(m.exchange64(file.h, 4, 0, 2 ** 45)).toBe(-(2 ** 50));
  expect(m.load64(file.h, 4, 0)).toBe(2 ** 45);
});

test("a pair is two words, low first", () => {
  m.storePair(file.h, 4, 0, -2, 0x12345678);
  expect(m.load32(file.h, 4, 0)).toBe(-2);
  expect(m.load32(file.h, 4, 4)).toBe(0x12345678);
});

test("doubles keep all their bits, -0 and infinity too", () => {
  for (const v of [0, -0, 1.5, Number.MIN_VALUE, Number.MAX_VALUE, Infinity, -Infinity, NaN]) {
    m.storeF64(file.h, 4, 0, v);
    expect(Object.is(m.loadF64(file.h, 4, 0), v)).toBe(true);
  }
});

test("what is no int64 is stored as 0", () => {
  for (const v of [NaN, Infinity, -Infinity, 2 ** 63, -(2 ** 64)]) {
    m.store64(file.h, 4, 0, 1);
    m.store64(file.h, 4, 0, v);
    expect(m.load64(file.h, 4, 0)).toBe(0);
  }
});

test("enterEpoch copies the epoch and returns it", () => {
  m.store32(file.h, 4, 4, -123);
  expect(m.enterEpoch(file.h, 4, 4, 6, 0)).toBe(-123);
  expect(m.load32(file.h, 6, 0)).toBe(-123);
  expect(m.enterEpoch(file.h, 4, 4, BYTES, 0)).toBe(0);
  expect(m.enterEpoch(file.h, BYTES, 0, 6, 0)).toBe(0);
  expect(m.load32(file.h, 6, 0)).toBe(-123);
});

test("the hints change nothing and take anything", () => {
  m.pause(0);
  m.pause(-5);
  m.pause(100);
  m.fence();
  m.acquireFence();
  for (const cell of [0, 1, BYTES, -1, 2 ** 31]) m.prefetch(file.h, cell);
  m.prefetch(0, 0);
});

test("non-temporal stores arrive", () => {
  m.movnt32(file.h, 4, 4, -9);
  m.movnt64(file.h, 5, 0, 1, -2);
  m.fence();
  expect([m.load32(file.h, 4, 4), m.load32(file.h, 5, 0), m.load32(file.h, 5, 4)]).toEqual([-9, 1, -2]);
});

test("setN48Key changes each byte of a word and no other", () => {
  for (let off = 0; off < 24; off++) {
    for (let i = 0; i < 24; i++) m.store8(file.h, 8, i, 0xa0 + i);
    m.setN48Key(file.h, 8, off, 0x1ff);
    m.fence();
    for (let i = 0; i < 24; i++) expect(m.load8(file.h, 8, i)).toBe(i === off ? 0xff : 0xa0 + i);
  }
});

test("persist takes any range and leaves the bytes", () => {
  m.store32(file.h, 4, 0, 99);
  for (const [cell, off, len] of [
    [0, 0, BYTES],
    [4, 3, 1],
    [4, 0, 0],
    [4, 0, -1],
    [0, 1, BYTES],
    [-1, 0, 64],
  ] as const) {
    m.persist(file.h, cell, off, len);
  }
  expect(m.load32(file.h, 4, 0)).toBe(99);
});

/** Every primitive that changes `width` bytes at a place, and gives `refused` where it must not. */
const WRITERS: readonly [string, number, (h: number, cell: number, off: number) => unknown, unknown][] = [
  ...INT.flatMap(({ bits, store, add, sub, or }): typeof WRITERS => [
    [`store${bits}`, bits / 8, (h, cell, off) => store(h, cell, off, -1), undefined],
    [`fetchAdd${bits}`, bits / 8, (h, cell, off) => add(h, cell, off, 1), 0],
    [`fetchSub${bits}`, bits / 8, (h, cell, off) => sub(h, cell, off, 1), 0],
    [`fetchOr${bits}`, bits / 8, (h, cell, off) => or(h, cell, off, 255), 0],
  ]),
  ...CAS.flatMap(({ bits, strong, weak }): typeof WRITERS => [
    [`cas${bits}`, bits / 8, (h, cell, off) => strong(h, cell, off, 0, 1), 0],
    [`casWeak${bits}`, bits / 8, (h, cell, off) => weak(h, cell, off, 0, 1), 0],
  ]),
  ["storePair", 8, (h, cell, off) => m.storePair(h, cell, off, 1, 1), undefined],
  ["storeF64", 8, (h, cell, off) => m.storeF64(h, cell, off, 1), undefined],
  ["exchange32", 4, (h, cell, off) => m.exchange32(h, cell, off, 1), 0],
  ["exchange64", 8, (h, cell, off) => m.exchange64(h, cell, off, 1), 0],
  ["movnt32", 4, (h, cell, off) => m.movnt32(h, cell, off, 1), undefined],
  ["movnt64", 8, (h, cell, off) => m.movnt64(h, cell, off, 1, 1), undefined],
  ["setN48Key", 1, (h, cell, off) => m.setN48Key(h, cell, off, 1), undefined],
  ["fillWord", 16, (h, cell, off) => m.fillWord(h, cell, off, 12, 2, 1), undefined],
  ["copyIn", 16, (h, cell, off) => m.copyIn(h, cell, off, 0, 16), 0],
  ["copyInFrom", 16, (h, cell, off) => m.copyInFrom(h, cell, off, new Uint8Array(16).fill(1), 16), 0],
  ["copyWithin", 16, (h, cell, off) => m.copyWithin(h, cell, off, 0, 0, 16), 0],
];

/** Every primitive that reads `width` bytes at a place, and what it gives where it must not. */
const READERS: readonly [string, number, (h: number, cell: number, off: number) => unknown, unknown][] = [
  ...INT.map(({ bits, load }): (typeof READERS)[number] => [`load${bits}`, bits / 8, load, 0]),
  ["loadF64", 8, m.loadF64, 0],
  ["findByte16", 16, (h, cell, off) => m.findByte16(h, cell, off, 16, 1), -1],
  ["findWord", 16, (h, cell, off) => m.findWord(h, cell, off, 12, 2, -1, 0x01010101), -1],
  ["findEntry", 16, (h, cell, off) => m.findEntry(h, cell, off, 12, 2, -1, 0x01010101, off, 0), -1],
  ["sum64", 16, (h, cell, off) => m.sum64(h, cell, off, 8, 2), 0],
  ["compareBytes", 16, (h, cell, off) => m.compareBytes(h, cell, off, 0, 16), 0],
  ["copyOut", 16, (h, cell, off) => m.copyOut(h, cell, off, 64, 16), 0],
  ["copyOutTo", 16, (h, cell, off) => m.copyOutTo(h, cell, off, new Uint8Array(16), 16), 0],
  ["copyWithin", 16, (h, cell, off) => m.copyWithin(h, 0, 0, cell, off, 16), 0],
  ["load16Bytes", 16, (h, cell, off) => m.load16Bytes(h, cell, off, 64), 0],
  ["hash", 16, (h, cell, off) => m.hash(h, cell, off, 16, 1), 0],
];

/** Places where `width` bytes do not fit below {@link LIMIT}. */
function placesBeyond(width: number): [number, number][] {
  return [
    [LIMIT / 8, 0],
    [0, LIMIT],
    [LIMIT / 8 - 1, 8],
    ...(width > 1 ? ([[0, LIMIT - width / 2]] as [number, number][]) : []),
    ...(width > 8 ? ([[LIMIT / 8 - 1, 0]] as [number, number][]) : []),
    [0, -width],
    [0, -1 & ~(width - 1)],
    [1, -8],
    [-1, 0],
    [-1, -8],
    [2 ** 31, 0],
    [2 ** 32 - 1, 2 ** 32 - 8],
    [2 ** 29, 0],
  ];
}

describe("beyond the limit", () => {
  let bounded: Mapped;
  beforeAll(() => {
    bounded = mapNew(BYTES);
  });
  afterAll(() => bounded.close());

  test.each(WRITERS)("%s changes nothing", (_name, width, write, refused) => {
    const { h } = bounded;
    m.fillWord(h, 0, 0, 4, BYTES / 4, 0);
    setLimit(h, LIMIT);
    bounded.scratch.fill(1);
    for (const [cell, off] of placesBeyond(width)) expect(write(h, cell, off)).toBe(refused);
    setLimit(h, BYTES);
    expect(m.findWord(h, 0, 0, 4, BYTES / 4, 0, 1)).toBe(-1);
    expect(m.sum64(h, 0, 0, 8, BYTES / 8)).toBe(0);
    expect(m.hash(h, 0, 0, BYTES, 0)).toBe(m.hashFrom(new Uint8Array(BYTES), BYTES, 0));
    // The last place where it fits is no less than that.
    setLimit(h, LIMIT);
    bounded.scratch.fill(1);
    m.fillWord(h, 0, 0, 4, 4, 0x01010101);
    const before = m.hash(h, 0, 0, LIMIT, 0);
    write(h, 0, LIMIT - width);
    expect(m.hash(h, 0, 0, LIMIT, 0)).not.toBe(before);
    setLimit(h, BYTES);
  });

  test.each(READERS)("%s reads nothing", (_name, width, read, refused) => {
    const { h } = bounded;
    setLimit(h, BYTES);
    m.fillWord(h, 0, 0, 4, BYTES / 4, 0x01010101);
    setLimit(h, LIMIT);
    bounded.scratch.fill(1);
    for (const [cell, off] of placesBeyond(width)) expect(read(h, cell, off)).toBe(refused);
    expect(read(h, 0, LIMIT - width)).not.toBe(refused);
    setLimit(h, BYTES);
  });

  test("handles that are closed or never were take nothing and give nothing", () => {
    const gone = mapNew(BYTES);
    m.store32(gone.h, 0, 0, 77);
    gone.close();
    for (const h of [0, gone.h, 1023, 1024, -1, 2 ** 31]) {
      for (const [, , write, refused] of WRITERS) expect(write(h, 0, 0)).toBe(refused);
      for (const [, , read, refused] of READERS) expect(read(h, 0, 0)).toBe(refused);
      m.persist(h, 0, 0, 64);
      m.prefetch(h, 0);
      expect(m.gather(h, 0, 4, 64, 64, -1, 0, 0)).toBe(0);
      expect(m.hashScratch(h, 0, 8, 1)).toBe(0);
    }
  });

  test("a mapping without a limit yet gives nothing", () => {
    const fresh = mapNew(BYTES);
    m.store32(fresh.h, 0, 0, 77);
    setLimit(fresh.h, 0);
    expect(m.load32(fresh.h, 0, 0)).toBe(0);
    setLimit(fresh.h, BYTES);
    expect(m.load32(fresh.h, 0, 0)).toBe(77);
    fresh.close();
  });

  test("a read-only mapping takes no store, and lives", () => {
    m.fillWord(bounded.h, 0, 0, 4, BYTES / 4, 0);
    const reader = mapFile(bounded.path, BYTES, "sharedReadOnly");
    reader.scratch.fill(1);
    for (const [, , write, refused] of WRITERS) expect(write(reader.h, 0, 0)).toBe(refused);
    expect(m.sum64(reader.h, 0, 0, 8, BYTES / 8)).toBe(0);
    m.store32(bounded.h, 3, 0, 5);
    expect(m.load32(reader.h, 3, 0)).toBe(5);
    reader.close();
  });

  test("a private mapping keeps its stores from the file", () => {
    m.store32(bounded.h, 3, 0, 5);
    const apart = mapFile(bounded.path, BYTES, "private");
    m.store32(apart.h, 3, 0, 6);
    expect(m.load32(apart.h, 3, 0)).toBe(6);
    expect(m.load32(bounded.h, 3, 0)).toBe(5);
    apart.close();
  });

  test("a shared mapping is the file", () => {
    m.store32(bounded.h, 3, 4, 0x0a0b0c0d);
    expect([...readFileSync(bounded.path).subarray(28, 32)]).toEqual([0x0d, 0x0c, 0x0b, 0x0a]);
  });

  test("cells past 2^31 work, given signed or unsigned", () => {
    // 17 GiB of address space over a file with holes: only the page that is touched takes room.
    const cell = 2 ** 31 + 3;
    const size = 17 * 2 ** 30;
    const far = mapNew(4096, "shared", size);
    expect(() => setLimit(far.h, size + 1)).toThrow("EINVAL");
    expect(m.load32(far.h, cell, 0)).toBe(0);
    truncate(far.fd, size);
    setLimit(far.h, size);
    m.store32(far.h, cell, 4, 77);
    expect(m.load32(far.h, cell | 0, 4)).toBe(77);
    expect(m.fetchAdd64(far.h, cell | 0, 0, 1)).toBe(77 * 2 ** 32);
    expect(m.load32(far.h, cell, 0)).toBe(1);
    expect(m.load32(far.h, 3, 0)).toBe(0);
    far.close();
  });
});
