/** A file that another participant lets grow. Regressions: each of these once failed, under kills, with no kill needed. */
import { expect, test } from "bun:test";
import { Scene } from "./scene.ts";
import { checkWhole } from "./support.ts";

/**
 * A value of several slabs began in blocks that a reader knew and ended in blocks that it did not know yet: `get` and
 * scans threw CORRUPT ("a leaf's value has an impossible length").
 */
test("a value that ends in blocks added by another is read whole", async () => {
  await using scene = new Scene();
  for (const way of ["get", "scan", "compareAndSet", "replace"] as const) {
    const writer = scene.open({ flushEvery: 0 });
    const reader = scene.open({ flushEvery: 0 });
    for (let i = 0; i < 40; i++) {
      // 8 slabs each: one of them lies across the end of what the reader knows.
      const value = `${i}`.padEnd(120_000, "v");
      const key = `${way} ${i}`;
      writer.set(key, value);
      if (way === "get") expect(reader.get(key) === value).toBe(true);
      else if (way === "scan") expect([...reader.values({ prefix: key, limit: 1 })][0] === value).toBe(true);
      else if (way === "compareAndSet") expect(reader.compareAndSet(key, value, "swapped")).toBe(true);
      else expect(reader.delete(key)).toBe(true);
    }
    reader.collect();
    writer.collect();
    checkWhole(reader, way);
    writer.close();
    reader.close();
  }
});

/**
 * Tags are read several at a time. The first that lay in new blocks made the reader look up the file's length; for the
 * second that brought nothing new, and it threw CORRUPT ("a pointer leads to a cell that is not in use").
 */
test("a scan meets many cells in blocks added by another", async () => {
  await using scene = new Scene();
  const writer = scene.open({ flushEvery: 0 });
  const reader = scene.open({ readOnly: true });
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4000; i++) writer.set(`${round} ${i * 7919}`, i);
    let count = 0;
    for (const _ of reader.entries(round % 2 === 0 ? {} : { reverse: true })) count++;
    expect(count).toBe((round + 1) * 4000);
  }
  checkWhole(reader, "after the growth");
});

/** A participant that reserved address space for a small file follows one that was opened with a larger maxSize. */
test("a file that grows beyond what a participant reserved is mapped anew by it", async () => {
  await using scene = new Scene();
  const small = scene.open({ maxSize: 2 << 20, flushEvery: 0 });
  small.set("first", 1);
  const large = scene.open({ maxSize: 64 << 20, flushEvery: 0 });
  for (let i = 0; i < 100; i++) large.set(`large ${i}`, `${i}`.padEnd(100_000, "v"));
  expect(small.get("first")).toBe(1);
  for (let i = 0; i < 100; i++) expect(small.get(`large ${i}`) === `${i}`.padEnd(100_000, "v")).toBe(true);
  for (let i = 0; i < 100; i++) small.set(`small ${i}`, `${i}`.padEnd(100_000, "w"));
  expect(large.count({ prefix: "small " })).toBe(100);
  expect(small.stats().bytes.maxSize).toBe(64 << 20);
  checkWhole(small, "after the growth");
  checkWhole(large, "after the growth");
});
