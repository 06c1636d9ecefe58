/** The steps over many words: find, compare, copy, gather, hash. Each against a plain version in TypeScript. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import words from "an-array-of-english-words";
import {
  AUX_SHIFT,
  KIND_MASK,
  LEAF,
  NODE256,
  PRIVATE,
  RETIRED,
  SLOT_SHIFT,
  STATE_MASK,
  TYPE_SHIFT,
} from "../../src/memory/layout.ts";
import * as m from "../../src/memory/primitives.ts";
import { type Mapped, mapNew } from "./support.ts";

const BYTES = 65_536;

let file: Mapped;
beforeAll(() => {
  file = mapNew(BYTES);
});
afterAll(() => file.close());

/** The same numbers in each run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return Math.floor(((state >>> 0) / 2 ** 32) * below);
  };
}

function randomBytes(length: number, seed: number): Uint8Array {
  const next = random(seed);
  return Uint8Array.from({ length }, () => next(256));
}

/** Puts bytes at the start of a cell. */
function put(cell: number, bytes: Uint8Array): void {
  expect(m.copyInFrom(file.h, cell, 0, bytes, bytes.length)).toBe(1);
}

describe("findByte16", () => {
  test("finds each byte at each place for each count", () => {
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => (i * 37 + 200) & 255);
    put(10, bytes);
    for (let count = -1; count <= 20; count++) {
      for (let byte = 0; byte < 256; byte++) {
        const expected = bytes.subarray(0, Math.max(0, count)).indexOf(byte);
        expect(m.findByte16(file.h, 10, 0, count, byte)).toBe(expected);
      }
    }
  });

  test("gives the first of equal bytes, and takes only the low byte of what is asked", () => {
    put(10, Uint8Array.of(9, 0, 255, 1, 255, 0, 1, 1, 1, 0, 255, 128, 127, 128, 129, 0));
    expect([0, 1, 255, 128, 127, 129, 256 + 127, -1].map((b) => m.findByte16(file.h, 10, 0, 16, b))).toEqual([
      1, 3, 2, 11, 12, 14, 12, 2,
    ]);
  });

  test("reads up to the end of the file where fewer than 16 bytes are left", () => {
    m.store8(file.h, BYTES / 8 - 1, 7, 0xee);
    for (let count = 1; count <= 8; count++) {
      expect(m.findByte16(file.h, BYTES / 8 - 1, 8 - count, count, 0xee)).toBe(count - 1);
    }
    expect(m.findByte16(file.h, BYTES / 8 - 1, 0, 9, 0xee)).toBe(-1);
  });
});

describe("words", () => {
  test("findWord finds under a mask at any stride", () => {
    for (let i = 0; i < 50; i++) m.store32(file.h, 100, i * 12, i * 256 + 7);
    for (let i = 0; i < 50; i++) {
      expect(m.findWord(file.h, 100, 0, 12, 50, 0xff00, i * 256)).toBe(i);
      expect(m.findWord(file.h, 100, 0, 12, i, 0xff00, i * 256)).toBe(-1);
    }
    expect(m.findWord(file.h, 100, 0, 12, 50, 255, 7)).toBe(0);
    for (const [stride, count] of [
      [-12, 2],
      [12, -1],
      [2 ** 31 - 1, 2 ** 31 - 1],
      [12, 2 ** 31 - 1],
    ] as const) {
      expect(m.findWord(file.h, 100, 0, stride, count, 0, 0)).toBe(-1);
    }
  });

  test("findEntry also wants the other word to be large enough, unsigned", () => {
    const sizes = [5, 10, -1, 7, 10];
    for (const [i, size] of sizes.entries()) {
      m.store32(file.h, 100, i * 16, i === 0 ? 2 : 1);
      m.store32(file.h, 100, i * 16 + 8, size);
    }
    const find = (min: number) => m.findEntry(file.h, 100, 0, 16, 5, -1, 1, 8, min);
    expect([0, 5, 10, 11, 2 ** 31, -1].map(find)).toEqual([1, 1, 1, 2, 2, 2]);
    expect(m.findEntry(file.h, 100, 0, 16, 2, -1, 1, 8, 11)).toBe(-1);
    expect(m.findEntry(file.h, 100, 0, 16, 5, -1, 1, BYTES, 0)).toBe(-1);
  });

  test("fillWord fills its words and leaves the gaps", () => {
    put(100, new Uint8Array(128).fill(3));
    m.fillWord(file.h, 100, 4, 12, 5, -2);
    for (let i = 0; i < 32; i++) {
      expect(m.load32(file.h, 100, i * 4)).toBe(i % 3 === 1 && i < 15 ? -2 : 0x03030303);
    }
  });

  test("sum64 adds signed words", () => {
    const values = [1, -5, 2 ** 40, -(2 ** 33), 7];
    for (const [i, v] of values.entries()) m.store64(file.h, 100, i * 24, v);
    expect(m.sum64(file.h, 100, 0, 24, 5)).toBe(values.reduce((a, b) => a + b));
    expect(m.sum64(file.h, 100, 0, 24, 0)).toBe(0);
  });
});

describe("bytes", () => {
  test("compareBytes finds the first difference at each place of each length", () => {
    const bytes = randomBytes(40, 1);
    put(10, bytes);
    for (let len = 0; len <= 40; len++) {
      file.scratch.set(bytes, 3);
      expect(m.compareBytes(file.h, 10, 0, 3, len)).toBe(-1);
      for (let at = 0; at < len; at++) {
        file.scratch.set(bytes, 3);
        (file.scratch[3 + at] as number) ^= 1 << (at & 7);
        for (let later = at + 1; later < len; later++) file.scratch[3 + later] = 0;
        expect(m.compareBytes(file.h, 10, 0, 3, len)).toBe(at);
      }
    }
    expect(m.compareBytes(file.h, 10, 0, 0, -1)).toBe(0);
    expect(m.compareBytes(file.h, 10, 0, file.scratch.length - 3, 4)).toBe(0);
    expect(m.compareBytes(file.h, 10, 0, -1, 4)).toBe(0);
  });

  const LENGTHS = [0, 1, 7, 8, 9, 15, 16, 63, 64, 65, 500, 511, 512, 513, 5000];

  test.each(LENGTHS)("%d bytes go in and out unchanged, and nothing beside them", (len) => {
    const bytes = randomBytes(len, len + 1);
    for (const off of [0, 1, 5]) {
      m.fillWord(file.h, 1000, 0, 4, 2000, 0x77777777);
      file.scratch.fill(0);
      file.scratch.set(bytes, 11);
      expect(m.copyIn(file.h, 1000, off + 1, 11, len)).toBe(1);
      expect(m.load8(file.h, 1000, off)).toBe(0x77);
      expect(m.load8(file.h, 1000, off + 1 + len)).toBe(0x77);
      file.scratch.fill(0x66);
      expect(m.copyOut(file.h, 1000, off + 1, 9, len)).toBe(1);
      expect(Buffer.compare(file.scratch.subarray(9, 9 + len), bytes)).toBe(0);
      expect([file.scratch[8], file.scratch[9 + len]]).toEqual([0x66, 0x66]);
      const out = new Uint8Array(len + 2).fill(0x55);
      expect(m.copyOutTo(file.h, 1000, off + 1, out.subarray(1), len)).toBe(1);
      expect(Buffer.compare(out.subarray(1, 1 + len), bytes)).toBe(0);
      expect([out[0], out[len + 1]]).toEqual([0x55, 0x55]);
      expect(m.copyInFrom(file.h, 3000, off, bytes, len)).toBe(1);
      expect(m.hash(file.h, 3000, off, len, 5)).toBe(m.hashFrom(bytes, len, 5));
    }
  });

  test.each([1, 8, 100, 600])("copyWithin moves %d bytes either way, over itself too", (len) => {
    const bytes = randomBytes(2000, 77);
    for (const [to, from] of [
      [0, 1000],
      [1000, 0],
      [100, 103],
      [103, 100],
      [100, 101],
      [101, 100],
      [100, 100],
      [100, 108],
      [108, 100],
    ] as const) {
      put(1000, bytes);
      expect(m.copyWithin(file.h, 1000, to, 1000, from, len)).toBe(1);
      const expected = bytes.slice().copyWithin(to, from, from + len);
      m.copyOut(file.h, 1000, 0, 0, 2000);
      expect(Buffer.compare(file.scratch.subarray(0, 2000), expected)).toBe(0);
    }
  });

  test("load16Bytes", () => {
    const bytes = randomBytes(16, 3);
    put(10, bytes);
    file.scratch.fill(0);
    expect(m.load16Bytes(file.h, 10, 0, 5)).toBe(1);
    expect([...file.scratch.subarray(4, 22)]).toEqual([0, ...bytes, 0]);
    expect(m.load16Bytes(file.h, 10, 0, file.scratch.length - 15)).toBe(0);
  });

  test("a scratch or buffer that is too small is refused", () => {
    const end = file.scratch.length;
    for (const [at, len] of [
      [end, 1],
      [end - 4, 5],
      [-1, 1],
      [0, -1],
      [0, end + 1],
    ] as const) {
      expect(m.copyIn(file.h, 0, 0, at, len)).toBe(0);
      expect(m.copyOut(file.h, 0, 0, at, len)).toBe(0);
      expect(m.hashScratch(file.h, at, len, 1)).toBe(0);
    }
    const small = new Uint8Array(4);
    for (const len of [5, -1, NaN]) {
      expect(() => m.copyInFrom(file.h, 0, 0, small, len)).toThrow(RangeError);
      expect(() => m.copyOutTo(file.h, 0, 0, small, len)).toThrow(RangeError);
      expect(() => m.hashFrom(small, len, 1)).toThrow(RangeError);
      expect(() => m.bindScratch(file.h, small, len)).toThrow(RangeError);
    }
    expect(() => m.bindScratch(file.h, new Uint8Array(0), 0)).toThrow(RangeError);
    expect(() => m.bindScratch(0, small, 4)).toThrow(RangeError);
    const missing = null as unknown as Uint8Array;
    expect(() => m.copyInFrom(file.h, 0, 0, missing, 0)).toThrow(RangeError);
  });

  test("a small scratch stays where it is when its ArrayBuffer is asked for and garbage collected", () => {
    const other = mapNew(4096);
    (() => m.bindScratch(other.h, new Uint8Array(16).fill(8), 16))();
    const small = new Uint8Array(32);
    m.bindScratch(other.h, small, 32);
    const { buffer } = small;
    Bun.gc(true);
    new Uint8Array(buffer).fill(6);
    expect(m.copyIn(other.h, 0, 0, 0, 32)).toBe(1);
    expect(m.load32(other.h, 3, 4)).toBe(0x06060606);
    other.close();
  });
});

describe("gather", () => {
  const LIST = 0;
  const OUT = 4096;
  const tagOf = (type: number, keyLength: number): number =>
    (type << TYPE_SHIFT) | (keyLength << AUX_SHIFT) | LEAF | RETIRED | (0x123 << SLOT_SHIFT);

  /** Leaves with keys of these lengths, one after the other from cell 2000; their cells and keys. */
  function leaves(lengths: readonly number[]): { cells: number[]; keys: Uint8Array[] } {
    let cell = 2000;
    const cells: number[] = [];
    const keys: Uint8Array[] = [];
    for (const [i, length] of lengths.entries()) {
      const key = randomBytes(length, i + 1);
      m.store32(file.h, cell, 0, tagOf(i & 7, length));
      expect(m.copyInFrom(file.h, cell, 20, key, length)).toBe(1);
      cells.push(cell);
      keys.push(key);
      cell += Math.ceil((20 + length) / 8) + 1;
    }
    return { cells, keys };
  }

  const list = (): Int32Array => new Int32Array(file.scratch.buffer, LIST, 64);

  test("a key that does not come behind the one before it has no tag and no bytes, where an order is asked for", () => {
    const keys = ["", "a", "ab", "ab\u0003", "abcdefgh1", "abcdefgh2", "b", "b".repeat(40)].map((key) =>
      Buffer.from(key),
    );
    let cell = 2000;
    const cells = keys.map((key) => {
      const here = cell;
      m.store32(file.h, here, 0, tagOf(3, key.length));
      m.copyInFrom(file.h, here, 20, key, key.length);
      cell += 9;
      return here;
    });
    const gathered = (order: readonly number[], checks: number): number[] => {
      list().set(order.map((i) => cells[i]!));
      expect(m.gather(file.h, LIST, order.length, OUT, 1000, -1, 0, checks)).toBe(order.length);
      const tags = [...list().subarray(order.length, order.length * 2)];
      const kept = order.filter((_, i) => tags[i] !== 0);
      const bytes = Buffer.concat(kept.map((i) => keys[i]!));
      expect(Buffer.compare(file.scratch.subarray(OUT, OUT + bytes.length), bytes)).toBe(0);
      return kept;
    };
    const up = keys.map((_, i) => i);
    expect(gathered(up, m.CHECK_ASCENDING)).toEqual(up);
    expect(gathered(up.toReversed(), m.CHECK_DESCENDING)).toEqual(up.toReversed());
    for (let i = 0; i < keys.length; i++) {
      for (let j = 0; j < keys.length; j++) {
        expect(gathered([i, j], m.CHECK_ASCENDING)).toEqual(i < j ? [i, j] : [i]);
        expect(gathered([i, j], m.CHECK_DESCENDING)).toEqual(i > j ? [i, j] : [i]);
        expect(gathered([i, j], 0)).toEqual([i, j]);
      }
    }
    // What is out of order is passed over; the next is compared with what came before it.
    expect(gathered([2, 1, 4, 3, 5], m.CHECK_ASCENDING)).toEqual([2, 4, 5]);
  });

  test("keys come back to back, tags behind the list", () => {
    const lengths = [3, 0, 17, 4096, 1, 600, 8];
    const { cells, keys } = leaves(lengths);
    list().fill(-1);
    list().set(cells);
    const all = Buffer.concat(keys);
    // With room to spare and with none, behind which nothing is touched.
    for (const room of [all.length + 100, all.length + 3, all.length]) {
      file.scratch.fill(0xaa, OUT, OUT + 60_000);
      expect(m.gather(file.h, LIST, 7, OUT, room, -1, 0, 0)).toBe(7);
      expect([...list().subarray(7, 15)]).toEqual([...lengths.map((n, i) => tagOf(i & 7, n)), -1]);
      expect(Buffer.compare(file.scratch.subarray(OUT, OUT + all.length), all)).toBe(0);
      expect(file.scratch.subarray(OUT + room, OUT + room + 64).every((byte) => byte === 0xaa)).toBe(true);
    }
  });

  test("a cell that is no leaf, or one that nobody can reach, gives tag 0 and no bytes", () => {
    const { cells, keys } = leaves([4, 5, 6, 7]);
    list().set(cells);
    m.store32(file.h, cells[0]!, 0, (tagOf(1, 4) & ~KIND_MASK) | NODE256);
    m.store32(file.h, cells[1]!, 0, (tagOf(1, 5) & ~STATE_MASK) | PRIVATE);
    m.store32(file.h, cells[2]!, 0, 0);
    expect(m.gather(file.h, LIST, 4, OUT, 1000, -1, 0, 0)).toBe(4);
    expect([...list().subarray(4, 8)]).toEqual([0, 0, 0, tagOf(3, 7)]);
    expect(Buffer.compare(file.scratch.subarray(OUT, OUT + 7), keys[3]!)).toBe(0);
  });

  test("it stops before the key that does not fit", () => {
    const { cells } = leaves([10, 10, 10]);
    list().set(cells);
    for (const [room, fitted] of [
      [0, 0],
      [9, 0],
      [10, 1],
      [29, 2],
      [30, 3],
    ] as const) {
      file.scratch.fill(0x42, OUT, OUT + 64);
      expect(m.gather(file.h, LIST, 3, OUT, room, -1, 0, 0)).toBe(fitted);
      expect(file.scratch[OUT + room]).toBe(0x42);
    }
  });

  test("a leaf out of bounds gives tag 0 and no bytes", () => {
    const { cells, keys } = leaves([4, 4]);
    const last = BYTES / 8 - 4;
    m.store32(file.h, last, 0, tagOf(1, 13)); // 32 bytes are left, 33 would be needed
    list().set([cells[0] as number, -1, last, BYTES / 8, cells[1] as number]);
    expect(m.gather(file.h, LIST, 5, OUT, 100, -1, 0, 0)).toBe(5);
    expect([...list().subarray(5, 10)]).toEqual([tagOf(0, 4), 0, 0, 0, tagOf(1, 4)]);
    expect([...file.scratch.subarray(OUT, OUT + 8)]).toEqual([...Buffer.concat(keys)]);
    m.store32(file.h, last, 0, tagOf(1, 12));
    list().set([last]);
    expect(m.gather(file.h, LIST, 1, OUT, 100, -1, 0, 0)).toBe(1);
    expect(list()[1]).toBe(tagOf(1, 12));
  });

  test("a list or an output beyond the scratch gives nothing", () => {
    const end = file.scratch.length;
    expect(m.gather(file.h, end - 8, 2, OUT, 10, -1, 0, 0)).toBe(0);
    expect(m.gather(file.h, LIST, 2, end - 5, 10, -1, 0, 0)).toBe(0);
    expect(m.gather(file.h, LIST, -1, OUT, 10, -1, 0, 0)).toBe(0);
    expect(m.gather(file.h, LIST, 2, OUT, -1, -1, 0, 0)).toBe(0);
    expect(m.gather(file.h, LIST, 2 ** 31 - 1, OUT, 10, -1, 0, 0)).toBe(0);
  });
});

describe("hash", () => {
  const MASK = 2n ** 64n - 1n;

  /** The hash as c/bancos.c describes it. The file format depends on it: it must never give anything else. */
  function reference(bytes: Uint8Array, seed: number): number {
    const round = (state: bigint, word: bigint): bigint => {
      let s = ((state ^ word) * 0x9e6c63d0876a9a35n) & MASK;
      s = ((s ^ (s >> 29n)) * 0xd1b54a32d192ed03n) & MASK;
      return s ^ (s >> 32n);
    };
    let s = round((BigInt(seed >>> 0) << 32n) | 0x6b616e63n, BigInt(bytes.length));
    for (let i = 0; i < bytes.length; i += 8) {
      let word = 0n;
      for (let k = 0; k < 8; k++) word |= BigInt(bytes[i + k] ?? 0) << BigInt(k * 8);
      s = round(s, word);
    }
    s = round(round(s, 0n), 0n);
    return Number(BigInt.asIntN(32, s ^ (s >> 32n)));
  }

  test("is the documented function, the same over file, scratch and buffer, at any alignment", () => {
    for (let len = 0; len <= 70; len++) {
      for (const seed of [0, 1, -1, 0x7fffffff]) {
        const bytes = randomBytes(len, len + 9);
        const expected = reference(bytes, seed);
        expect(m.hashFrom(bytes, len, seed)).toBe(expected);
        expect(m.copyInFrom(file.h, 10, len & 7, bytes, len)).toBe(1);
        expect(m.hash(file.h, 10, len & 7, len, seed)).toBe(expected);
        file.scratch.set(bytes, 100 + (len & 7));
        expect(m.hashScratch(file.h, 100 + (len & 7), len, seed)).toBe(expected);
      }
    }
  });

  const flip = (bytes: Uint8Array, bit: number): void => {
    (bytes[bit >> 3] as number) ^= 1 << (bit & 7);
  };

  test.each([1, 4, 8, 13, 24, 64])(
    "of %d bytes: each input bit changes each output bit half of the time",
    (len) => {
      const samples = 400;
      for (let bit = 0; bit < len * 8; bit += len > 16 ? 5 : 1) {
        const changed = new Array<number>(32).fill(0);
        for (let sample = 0; sample < samples; sample++) {
          const bytes = randomBytes(len, sample * 131 + bit);
          const before = m.hashFrom(bytes, len, sample);
          flip(bytes, bit);
          const differs = before ^ m.hashFrom(bytes, len, sample);
          for (let i = 0; i < 32; i++) (changed[i] as number) += (differs >>> i) & 1;
        }
        // 200 expected, standard deviation 10: six of these never happen by chance in so few draws.
        for (const count of changed) expect(Math.abs(count - samples / 2)).toBeLessThan(60);
      }
    },
  );

  test("each seed gives another function", () => {
    const bytes = randomBytes(20, 5);
    const seen = new Set(Array.from({ length: 1000 }, (_, seed) => m.hashFrom(bytes, 20, seed)));
    expect(seen.size).toBe(1000);
  });

  test("runs of zeros of each length differ", () => {
    const zeros = new Uint8Array(4096);
    const seen = new Set(Array.from({ length: 4097 }, (_, len) => m.hashFrom(zeros, len, 0)));
    expect(seen.size).toBeGreaterThanOrEqual(4096); // 2 of 4097 alike would be luck, 3 would not
  });

  test("no two bits of neighbouring words cancel each other", () => {
    const bytes = randomBytes(16, 6);
    const before = m.hashFrom(bytes, 16, 0);
    for (let a = 0; a < 64; a++) {
      for (let b = 64; b < 128; b++) {
        flip(bytes, a);
        flip(bytes, b);
        expect(m.hashFrom(bytes, 16, 0)).not.toBe(before);
        flip(bytes, a);
        flip(bytes, b);
      }
    }
  });

  test("the English words collide no more than chance has it", () => {
    const encoder = new TextEncoder();
    const seen = new Set<number>();
    for (const word of words) {
      const bytes = encoder.encode(word);
      seen.add(m.hashFrom(bytes, bytes.length, 1));
    }
    // n^2 / 2^33 = 8.8 pairs expected.
    expect(words.length - seen.size).toBeLessThan(30);
  });

  test("counters spread evenly over the low and the high bits", () => {
    const low = new Array<number>(256).fill(0);
    const high = new Array<number>(256).fill(0);
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    const n = 256 * 200;
    for (let i = 0; i < n; i++) {
      view.setUint32(0, i, true);
      const hash = m.hashFrom(bytes, 8, 0);
      (low[hash & 255] as number)++;
      (high[hash >>> 24] as number)++;
    }
    for (const buckets of [low, high]) {
      const chi = buckets.reduce((sum, count) => sum + (count - 200) ** 2 / 200, 0);
      expect(chi).toBeLessThan(400); // 255 expected, standard deviation 23
      expect(chi).toBeGreaterThan(130);
    }
  });
});
