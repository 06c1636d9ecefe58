/** Which numbers change in their place: those that lie in one sector of the disk with their leaf's header. */
import { expect, test } from "bun:test";
import { open } from "../../src/index.ts";
import { numberOffset } from "../../src/memory/layout.ts";
import { descend } from "../../src/rowex/place.ts";
import { finish, quickPath } from "../store/support.ts";

const SECTOR_BYTES = 512;

test("a number changes in place only if no sector ends between its leaf's header and its value", () => {
  const store = open<number>(quickPath(), { flushEvery: 0 });
  const leafOf = (key: string): number => {
    const p = store.participant();
    p.keyLength = store.codec.encode(key, p.key);
    descend(p);
    return p.leaf;
  };
  let across = 0;
  for (let i = 0; i < 400; i++) {
    const key = `${i}`.padStart(20 + (i % 40), "k");
    // No integer: a float64.
    store.set(key, i + 0.5);
    const leaf = leafOf(key);
    const first = (leaf << 3) & (SECTOR_BYTES - 1);
    const isInOne = first + numberOffset(key.length) + 8 <= SECTOR_BYTES;
    if (!isInOne) across++;
    store.set(key, i + 0.25);
    expect(leafOf(key) === leaf).toBe(isInOne);
    expect(store.get(key)).toBe(i + 0.25);
  }
  expect(across).toBeGreaterThan(10);
  finish(store);
});
