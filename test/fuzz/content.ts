/** What the stores that are to be damaged hold: keys by number in each encoding, values by key and version. Pure. */
import type { Key, KeyEncoding, Value } from "../../src/index.ts";

/** Versions that the value of a key may have. */
export const VERSIONS = 8;

/** A store of few keys and small values costs a fraction of one of many, and has all there is to be damaged too. */
export type Size = "small" | "large";

/** The numbers of the keys of a store. */
export const keysOf = (size: Size): readonly number[] => KEYS[size];

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const KEYS = {
  large: numbers(0, 120),
  // By textKey: a Node48, a Node16, a Node4, a chain, a long key; the two of valueAt that take runs.
  small: [...numbers(0, 20), ...numbers(60, 68), ...numbers(84, 87), ...numbers(94, 101), 118],
};

/** Keys that make every kind of node, at several depths, a chain of prefixes, the empty key and a long one. */
function textKey(i: number): string {
  if (i < 60) return `a${String.fromCharCode(20 + i)}`;
  if (i < 84) return `bb${String.fromCharCode(40 + i)}`;
  if (i < 94) return `cccccc${String.fromCharCode(i)}`;
  if (i < 118) return "d".repeat(i - 94);
  return "e".repeat(i === 118 ? 300 : 1200);
}

function orderedKey(i: number): Key {
  switch (i % 8) {
    case 0:
      return i;
    case 1:
      return -i * 1.5;
    case 2:
      return `text ${i}`;
    case 3:
      return BigInt(i) << BigInt(i);
    case 4:
      return [i & 16, `${i}`, [i]];
    case 5:
      return Uint8Array.of(i, 0, 1, i >>> 3);
    case 6:
      return i === 6 ? true : i === 14 ? false : i === 22 ? null : ["", i, null];
    default:
      return -(BigInt(i) << 70n);
  }
}

/** Key number `i` of a store with this encoding. Bytes 0 and 1, which take two digits, are in the binary ones. */
export function keyAt(encoding: KeyEncoding, i: number): Key {
  if (encoding === "ordered") return orderedKey(i);
  if (encoding === "utf8") return textKey(i);
  return Uint8Array.from(Buffer.from(textKey(i)), (byte) => (byte === 97 ? 0 : byte === 99 ? 1 : byte));
}

/** What key `i` is set to in its version `version`: each type of value, and runs of slabs for a few keys. */
export function valueAt(size: Size, i: number, version: number): Value {
  const text = `${i} ${version} `;
  const isSmall = size === "small";
  if (i % 44 === 9) return text + "r".repeat(9000 + (isSmall ? (version & 1) * 8000 : version * 4000));
  switch ((i + (version >> 1)) % 9) {
    case 0:
      return i + version / 8;
    case 1:
      return BigInt(i) * 2n ** 40n + BigInt(version);
    case 2:
      return new Uint8Array(Buffer.from(text.repeat(isSmall ? version & 3 : version)));
    case 3:
      return { i, version, list: [text, null, true] };
    case 4:
      return [version > 3, i];
    case 5:
      return version > 3;
    case 6:
      return text + "x".repeat((i * 7 + version * 31) % (isSmall ? 64 : 400));
    default:
      return text;
  }
}

/** The same text for the same value, and for no other. */
export function identityOf(value: unknown): string {
  if (typeof value === "string") return `text ${value}`;
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("latin1")}`;
  if (Array.isArray(value)) return `[${value.map(identityOf).join()}]`;
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : `${value}`;
  return JSON.stringify(value) ?? "undefined";
}

/** Every value that a store of these may ever have had, by the identity of its key. */
export function everWritten(encoding: KeyEncoding, size: Size): Map<string, Set<string>> {
  const written = new Map<string, Set<string>>();
  for (const i of keysOf(size)) {
    const values = new Set<string>();
    for (let version = 0; version < VERSIONS; version++) values.add(identityOf(valueAt(size, i, version)));
    written.set(identityOf(keyAt(encoding, i)), values);
  }
  return written;
}
