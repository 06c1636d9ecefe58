/**
 * JavaScriptCore counts every ArrayBuffer as heap, mapped or not; a store that laid one over its file would make the
 * collector come that much later. Measured before there was a store: 2,023 MB of RSS instead of 66 MB.
 */
import { heapStats } from "bun:jsc";
import { expect, setDefaultTimeout, test } from "bun:test";
import { open } from "../../src/index.ts";
import { finish, freshPath } from "../store/support.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

/** What the table of hints takes, whatever the file's size. */
const BYTES_PER_KEY = 12;

test("an open store of 10 MB, and one of 100 MB, count as less than 1 MB of JavaScript memory, and 12 bytes a key", () => {
  for (const [count, length] of [
    [100_000, 60],
    [100, 1 << 20],
  ] as const) {
    const path = freshPath();
    const store = open<string>(path, { flushEvery: 0 });
    for (let i = 0; i < count; i++) store.set(`key ${i}`, "v".repeat(length));
    expect(store.stats().bytes.file).toBeGreaterThan(10 << 20);
    finish(store);
    Bun.gc(true);
    const before = heapStats().extraMemorySize;
    const reopened = open<string>(path, { maxSize: 2 ** 35 });
    for (let i = 0; i < count; i += 10) expect(reopened.get(`key ${i}`)?.length).toBe(length);
    let keys = 0;
    for (const _ of reopened.keys()) keys++;
    expect(keys).toBe(count);
    Bun.gc(true);
    expect(heapStats().extraMemorySize - before).toBeLessThan((1 << 20) + count * BYTES_PER_KEY);
    finish(reopened);
  }
});
