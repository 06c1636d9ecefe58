/** The data sets: keys to measure with. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import words from "an-array-of-english-words";
import { random, shuffle } from "./random.ts";

/** A key as a store is given it. */
export type Key = string | Uint8Array;

/** A data set: all its keys are of one kind, and none comes twice. */
export interface DataSet {
  readonly name: string;
  readonly kind: "strings" | "bytes";
  /** In random order, the same in every process. */
  readonly keys: readonly Key[];
}

const MILLION = 1_000_000;
const FOLDERS = ["user", "order", "session", "item", "mail", "log", "cache", "tag"];

/** The i-th generated key: one of a few prefixes, then letters and digits as an identifier has them. */
export function generatedKey(i: number): string {
  // Odd factor: a permutation of the 32-bit numbers, so no key comes twice.
  return `${FOLDERS[i % FOLDERS.length]}/${(Math.imul(i, 0x9e3779b1) >>> 0).toString(36).padStart(7, "0")}`;
}

/** How the keys of each data set are made, in any order; `most` bounds how many are needed, where that saves work. */
const SOURCES: Readonly<Record<string, (most: number) => Promise<Key[]>>> = {
  words: async () => [...(words as unknown as string[])],
  npm: async () => {
    // Real, and 117 MB: installed with the rivals only. Read, not imported: a module stays for ever, and whoever makes
    // garbage, as every scan does, had the collector look at 4.5 million names that nobody needs.
    const file = import.meta.resolve("all-the-package-names");
    return JSON.parse(readFileSync(fileURLToPath(file), "utf8")) as string[];
  },
  hex: async (most) => {
    const next = random(7);
    const word = (): string =>
      Math.floor(next() * 2 ** 32)
        .toString(16)
        .padStart(8, "0");
    const keys = new Set<string>();
    while (keys.size < Math.min(most, MILLION)) keys.add(word() + word());
    return [...keys];
  },
  sequential: async (most) =>
    Array.from({ length: Math.min(most, MILLION) }, (_, i) => i.toString().padStart(10, "0")),
  binary: async (most) => {
    const next = random(11);
    // The upper half is a permutation of the numbers, so no key comes twice.
    return Array.from({ length: Math.min(most, MILLION) }, (_, i) => {
      const key = Buffer.alloc(8);
      key.writeUInt32BE(Math.imul(i, 0x9e3779b1) >>> 0, 0);
      key.writeUInt32BE(Math.floor(next() * 2 ** 32), 4);
      return key;
    });
  },
  generated: async (most) =>
    Array.from({ length: Number.isFinite(most) ? most : 10 * MILLION }, (_, i) => generatedKey(i)),
};

/** Names of the data sets. */
export const DATA: readonly string[] = Object.keys(SOURCES);

/** `250k`, `10m` or a plain number. */
export function parseCount(text: string): number {
  const found = /^(\d+(?:\.\d+)?)([km]?)$/i.exec(text);
  if (found === null) throw new Error(`${text} is no number of keys: say 250000, 250k or 10m`);
  const unit = { "": 1, k: 1000, m: MILLION }[(found[2] ?? "").toLowerCase()] ?? 1;
  return Math.round(Number(found[1]) * unit);
}

/** Makes data set `spec`: a name, or `name:count` for a random part of it, such as `npm:500k`. */
export async function dataSet(spec: string): Promise<DataSet> {
  const [name = "", count] = spec.split(":");
  const source = SOURCES[name];
  if (source === undefined) throw new Error(`no data set ${name}; there are ${DATA.join(", ")}`);
  const most = count === undefined ? Number.POSITIVE_INFINITY : parseCount(count);
  const all = await source(most);
  // Fresh ones, since a string that lies where it lay before the shuffle costs whoever loads it more to read than to store.
  const keys = fresh(shuffle(all, random(1), most).slice(0, Math.min(most, all.length)));
  return { name: spec, kind: typeof keys[0] === "string" ? "strings" : "bytes", keys };
}

/** The same texts or bytes in objects that no engine has seen: as they come from a network. */
export function fresh<K extends Key>(keys: readonly K[]): K[] {
  return keys.map((key) => (typeof key === "string" ? Buffer.from(key).toString() : Buffer.from(key)) as K);
}

/** A key that is not in the data set, near `key`. */
export function absent<K extends Key>(key: K): K {
  return (typeof key === "string" ? `${key}~` : Buffer.concat([key, Buffer.from("~")])) as K;
}

/** The order in which every store here keeps keys: that of their bytes (our texts have no character above U+D7FF). */
export function compareKeys(a: Key, b: Key): number {
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  return Buffer.compare(a as Uint8Array, b as Uint8Array);
}

/**
 * Prefixes of keys, each shared by some 20 to 1,000 keys, drawn from `sorted`.
 * @param count how many, at most
 */
export function prefixes<K extends Key>(sorted: readonly K[], count: number): K[] {
  const next = random(5);
  const found: K[] = [];
  for (let tries = 0; tries < count * 10 && found.length < count; tries++) {
    const i = Math.floor(next() * Math.max(1, sorted.length - 30));
    const first = sorted[i];
    const last = sorted[Math.min(i + 30, sorted.length - 1)];
    if (first === undefined || last === undefined) break;
    let length = 0;
    while (length < Math.min(first.length, last.length) && first[length] === last[length]) length++;
    // A prefix that many more share would make the row one about long scans.
    if (length === 0 || startsWith(sorted[i - 500], first, length)) continue;
    if (startsWith(sorted[i + 500], first, length)) continue;
    found.push(first.slice(0, length) as K);
  }
  return found;
}

function startsWith(key: Key | undefined, with_: Key, length: number): boolean {
  if (key === undefined || key.length < length) return false;
  for (let i = 0; i < length; i++) if (key[i] !== with_[i]) return false;
  return true;
}
