/** What the codec tests share: Buffers of the sizes that stores use, and orders written in another way than the codecs'. */
import { expect } from "bun:test";
import fc from "fast-check";
import { DIGITS_CAPACITY, type KeyCodec } from "../../src/codec/index.ts";
import { BancosError, type ErrorCode } from "../../src/errors.ts";

/** One seed for all properties of a run, printed so that a failure can be run again with BANCOS_SEED. */
export const seed = Number(process.env["BANCOS_SEED"] ?? (Math.random() * 0x7fffffff) | 0);
console.log(`fast-check seed: BANCOS_SEED=${seed}`);

/** Checks a property with the seed. */
export function check<T>(property: fc.IProperty<T>, runs = 1000): void {
  fc.assert(property, { seed, numRuns: runs });
}

/** A Buffer as stores give it to `encode`, full of bytes that a codec must not rely on. */
export function scratch(): Buffer {
  return Buffer.alloc(DIGITS_CAPACITY, 0xaa);
}

/** The digits of `key`, without the terminator, in a Buffer of their own; checks that the terminator stands after them. */
export function digitsOf(codec: KeyCodec, key: unknown): Buffer {
  const out = scratch();
  const length = codec.encode(key, out);
  expect(out[length]).toBe(0);
  expect(out.subarray(0, length).includes(0)).toBe(false);
  return Buffer.from(out.subarray(0, length));
}

/** The digits of a prefix, in a Buffer of their own. */
export function prefixDigitsOf(codec: KeyCodec, prefix: unknown): Buffer {
  const out = scratch();
  return Buffer.from(out.subarray(0, codec.encodePrefix(prefix, out)));
}

/** Decodes digits that stand in the middle of a Buffer, between bytes that must not be read. */
export function decodeAmid<K>(codec: KeyCodec<K>, digits: Uint8Array): K {
  const buf = Buffer.concat([Buffer.from([1, 0, 0xff]), digits, Buffer.from([0, 1, 0xff])]);
  return codec.decode(buf, 3, 3 + digits.length);
}

/** The code of the BancosError that `run` throws; anything else fails the test. */
export function codeOf(run: () => unknown): ErrorCode {
  return errorOf(run).code;
}

/** The BancosError that `run` throws; anything else fails the test. */
export function errorOf(run: () => unknown): BancosError {
  try {
    run();
  } catch (error) {
    if (error instanceof BancosError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** Text without lone surrogates, with many of the characters that codecs treat apart. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.string({ unit: fc.constantFrom("\0", "\u0001", "\u0002", "\u0003", "\u0004", "a", "b"), maxLength: 6 }),
  fc.string({
    unit: fc.constantFrom(
      "\x7f",
      "\x80",
      "\u07ff",
      "\u0800",
      "\ud7ff",
      "\ue000",
      "\ufeff",
      "\ufffd",
      "\uffff",
      "😀",
    ),
    maxLength: 6,
  }),
);

/** Bytes with many of those that codecs treat apart. */
export const bytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.array(fc.constantFrom(0, 1, 2, 3, 4, 254, 255), { maxLength: 6 }).map((list) => Uint8Array.from(list)),
);

/** Code points compared one by one. */
export function compareText(a: string, b: string): number {
  return compareLists([...a], [...b], (x, y) => x.codePointAt(0)! - y.codePointAt(0)!);
}

/** Bytes compared one by one. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return compareLists([...a], [...b], (x, y) => x - y);
}

/** Elements compared one by one; the shorter list first. */
export function compareLists<T>(a: readonly T[], b: readonly T[], compare: (x: T, y: T) => number): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compare(a[i]!, b[i]!);
    if (order !== 0) return Math.sign(order);
  }
  return Math.sign(a.length - b.length);
}

/** How the tree compares two keys: their digits with terminators. */
export function compareDigits(codec: KeyCodec, a: unknown, b: unknown): number {
  const end = Buffer.from([0]);
  return Math.sign(
    Buffer.compare(Buffer.concat([digitsOf(codec, a), end]), Buffer.concat([digitsOf(codec, b), end])),
  );
}

/** No key's digits, terminator included, begin another's. */
export function neitherBeginsTheOther(codec: KeyCodec, a: unknown, b: unknown): boolean {
  const x = [...digitsOf(codec, a), 0];
  const y = [...digitsOf(codec, b), 0];
  const common = Math.min(x.length, y.length);
  return x.slice(0, common).some((digit, i) => digit !== y[i]);
}

/** The bytewise test of `encodePrefix`: do the digits of `key` begin with those of `prefix`? */
export function beginsWith(codec: KeyCodec, key: unknown, prefix: unknown): boolean {
  const wanted = prefixDigitsOf(codec, prefix);
  return digitsOf(codec, key).subarray(0, wanted.length).equals(wanted);
}

/** Digits that may or may not be a key: a changed, cut or lengthened encoding, or noise. */
export function brokenDigits(codec: KeyCodec, key: fc.Arbitrary<unknown>): fc.Arbitrary<Buffer> {
  const good = key.map((value) => digitsOf(codec, value));
  return fc.oneof(
    fc.uint8Array({ maxLength: 24 }).map((list) => Buffer.from(list)),
    fc.tuple(good, fc.nat(), fc.nat(255)).map(([digits, at, digit]) => {
      if (digits.length > 0) digits[at % digits.length] = digit;
      return digits;
    }),
    fc.tuple(good, fc.nat()).map(([digits, to]) => digits.subarray(0, to % (digits.length + 1))),
    fc.tuple(good, fc.nat(255)).map(([digits, more]) => Buffer.concat([digits, Buffer.from([more])])),
  );
}

/** Damaged digits give CORRUPT, or the one key whose digits they are: never another error, never a key twice. */
export function survivesDamage(codec: KeyCodec, key: fc.Arbitrary<unknown>): void {
  let broken = 0;
  check(
    fc.property(brokenDigits(codec, key), (digits) => {
      let decoded: unknown;
      try {
        decoded = decodeAmid(codec, digits);
      } catch (error) {
        expect((error as BancosError).code).toBe("CORRUPT");
        broken++;
        return;
      }
      expect(digitsOf(codec, decoded).equals(digits)).toBe(true);
    }),
    5000,
  );
  expect(broken).toBeGreaterThan(0);
}
