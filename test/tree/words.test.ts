/** The 274,937 English words: real keys, all of them, against Array.prototype.sort on their bytes. */
import { expect, setDefaultTimeout, test } from "bun:test";
import words from "an-array-of-english-words/index.json" with { type: "json" };
import { open } from "../../src/index.ts";
import { expectSound, finish, freshPath, random, seed } from "../store/support.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

const inByteOrder = (words as string[])
  .map((word) => Buffer.from(word))
  .sort(Buffer.compare)
  .map((bytes) => bytes.toString());

function shuffled(list: readonly string[]): string[] {
  const pick = random(seed);
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = pick(i + 1);
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}

test("every word is found, in byte order; half deleted, the rest is; reinserted, the file has not grown", () => {
  const store = open<number>(freshPath(), { flushEvery: 0 });
  const order = shuffled(inByteOrder);
  const place = new Map(inByteOrder.map((word, i) => [word, i]));
  expect(order.length).toBe(274_937);

  store.writer((writer) => {
    for (const word of order) writer.insert(word, place.get(word)!);
  });
  expect(store.size).toBe(order.length);
  for (const word of order) if (store.get(word) !== place.get(word)) throw new Error(`${word} is lost`);
  expect([...store.keys()]).toEqual(inByteOrder);
  expect([...store.values({ reverse: true })]).toEqual(inByteOrder.map((_, i) => i).reverse());
  expect(store.has("qwertyuiop asdf")).toBe(false);
  expectSound(store);
  const first = store.stats();

  const gone = order.slice(0, order.length / 2);
  const left = new Set(order.slice(order.length / 2));
  for (const word of gone) if (!store.delete(word)) throw new Error(`${word} was lost`);
  expect(store.size).toBe(left.size);
  for (const word of left) if (store.get(word) !== place.get(word)) throw new Error(`${word} is lost`);
  for (const word of gone) if (store.has(word)) throw new Error(`${word} is there`);
  expect([...store.keys()]).toEqual(inByteOrder.filter((word) => left.has(word)));
  store.collect();
  expectSound(store);
  // No sync promised anything to the disk yet, so nothing waits for one.
  expect(store.stats().bytes.limbo).toBe(0);

  for (const word of shuffled(gone)) store.insert(word, place.get(word)!);
  expect([...store.entries()]).toEqual(inByteOrder.map((word, i): [string, number] => [word, i]));
  expectSound(store);
  const second = store.stats();
  expect(second.bytes.file).toBe(first.bytes.file);
  console.log(
    `words: ${((second.bytes.file - second.bytes.free) / order.length).toFixed(1)} bytes a key ` +
      `(${(second.bytes.nodes / order.length).toFixed(1)} nodes, ${(second.bytes.leaves / order.length).toFixed(1)} leaves, ` +
      `${(second.bytes.slack / order.length).toFixed(1)} slack; before the second round ${(first.bytes.slack / order.length).toFixed(1)})`,
  );

  const path = store.path;
  store.close();
  const reopened = open<number>(path);
  expect(reopened.stats().recovery.found).toBe("clean");
  expect(reopened.size).toBe(order.length);
  reopened.close();
  const rebuilt = open<number>(path, { recover: "rebuild" });
  expect(rebuilt.stats().recovery.rebuild?.keys).toBe(order.length);
  expect([...rebuilt.entries()]).toEqual(inByteOrder.map((word, i): [string, number] => [word, i]));
  finish(rebuilt);
});
