/** Keys to digits and back, by each encoding. */
import { codecFor, DIGITS_CAPACITY } from "../../src/codec/index.ts";
import type { Part } from "./part.ts";

/** How many different keys: as many as stay in the nearest cache. */
const KEYS = 64;

export function keyParts(): Part[] {
  const out = Buffer.alloc(DIGITS_CAPACITY);
  const parts: Part[] = [];
  const add = (
    what: string,
    codec: {
      encode(key: unknown, out: Buffer): number;
      decode(buf: Buffer, from: number, to: number): unknown;
    },
    keys: readonly unknown[],
  ): void => {
    let i = 0;
    parts.push({
      group: "key encoding",
      name: `encode ${what}`,
      run: () => codec.encode(keys[i++ & (KEYS - 1)], out),
    });
    const digits = Buffer.alloc(DIGITS_CAPACITY);
    const length = codec.encode(keys[0], digits);
    parts.push({
      group: "key encoding",
      name: `decode ${what}`,
      run: () => codec.decode(digits, 0, length),
    });
  };
  const many = <T>(of: (i: number) => T): T[] => Array.from({ length: KEYS }, (_, i) => of(i));
  add(
    "8 letters",
    codecFor("utf8"),
    many((i) => `letter${10 + i}`),
  );
  add(
    "22 letters",
    codecFor("utf8"),
    many((i) => `somebody${10 + i}@example.org`),
  );
  add(
    "22 letters, some beyond ASCII",
    codecFor("utf8"),
    many((i) => `jemand${10 + i}@müller.example`),
  );
  add(
    "8 bytes",
    codecFor("binary"),
    many((i) => Uint8Array.of(0, 0, 0, 0, 0, 1, 2, i)),
  );
  add(
    "an array of text and number",
    codecFor("ordered"),
    many((i) => ["user", i]),
  );
  return parts;
}
