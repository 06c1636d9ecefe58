/** A small store that has something of everything, to be damaged: every kind of node, leaves, a run, both limbos. */
import { readFileSync } from "node:fs";
import { open, type Store } from "../../src/index.ts";

/** What the sample has, key by key. Text only: a number's value is not covered by its leaf's checksum. */
export function sampleEntries(): Map<string, string> {
  const entries = new Map<string, string>();
  // A Node256, a Node48, a Node16 and Node4s, at several depths.
  for (let i = 0; i < 100; i++) entries.set(`a${String.fromCharCode(20 + i)}`, `wide ${i}`);
  for (let i = 0; i < 40; i++) entries.set(`bb${String.fromCharCode(40 + i)}`, `middle ${i}`);
  for (let i = 0; i < 12; i++) entries.set(`cccccc${String.fromCharCode(60 + i)}`, `narrow ${i}`);
  for (let i = 0; i < 60; i++) entries.set("d".repeat(i), `prefix ${i} ${"x".repeat(i * 7)}`);
  entries.set("run", "r".repeat(40_000));
  return entries;
}

/** Fills a new store: with the sample, and with cells that wait in limbo. */
export function fillSample(store: Store<string>): Map<string, string> {
  const entries = sampleEntries();
  for (let i = 0; i < 80; i++) store.set(`bb${String.fromCharCode(40 + i)}`, "goes");
  for (const [key, value] of entries) store.set(key, value);
  // Promised to a sync: what replaces or deletes them leaves them waiting for the next.
  store.flushSync();
  for (let i = 0; i < 30; i++) store.set("cccccc<", `waits ${i}`);
  store.set("cccccc<", entries.get("cccccc<")!);
  for (let i = 40; i < 80; i++) store.delete(`bb${String.fromCharCode(40 + i)}`);
  return entries;
}

/** Makes the sample at `path`, closes it, and returns its bytes. Written back to the same path, it is the same file. */
export function makeSample(path: string): Buffer {
  const store = open<string>(path, { flushEvery: 0, maxSize: 4 << 20 });
  fillSample(store);
  store.close();
  return readFileSync(path);
}
