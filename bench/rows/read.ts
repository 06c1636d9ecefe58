/** Looking keys up. */
import { absent, fresh, type Key } from "../data.ts";
import { ABILITIES, type Contender } from "../stores/index.ts";
import { numbers, type Subject } from "./subject.ts";

const BATCH = 1000;

function expectAll(store: Contender<Key>, keys: readonly Key[]): void {
  for (const key of keys) if (store.get(key) === undefined) throw new Error(`${store.name} has lost ${key}`);
}

function expectNone(store: Contender<Key>, keys: readonly Key[]): void {
  for (const key of keys)
    if (store.get(key) !== undefined) throw new Error(`${store.name} has made up ${key}`);
}

function hasAll(store: Contender<Key>, keys: readonly Key[]): void {
  for (const key of keys) if (!store.has(key)) throw new Error(`${store.name} has lost ${key}`);
}

async function manyOfAll(store: Contender<Key>, batches: readonly (readonly Key[])[]): Promise<void> {
  for (const batch of batches) {
    const found = store.getMany(batch);
    // Waiting only for those who make one wait.
    if ((typeof found === "number" ? found : await found) !== batch.length) {
      throw new Error(`${store.name} has lost a key of a batch`);
    }
  }
}

/** Looks `keys` up by each verb. */
export async function readAll(store: Contender<Key>, keys: readonly Key[]): Promise<void> {
  expectAll(store, keys);
  expectNone(store, keys.map(absent));
  hasAll(store, keys);
  await manyOfAll(store, batchesOf(keys));
}

function batchesOf(keys: readonly Key[]): Key[][] {
  const batches: Key[][] = [];
  for (let i = 0; i < keys.length; i += BATCH) batches.push(keys.slice(i, i + BATCH));
  return batches;
}

export async function readRows(subject: Subject, store: Contender<Key>): Promise<void> {
  // By themselves: what a store that was just opened has not mapped yet, or not learnt, is no part of the rows that follow.
  const first = subject.askFresh().slice(0, subject.effort.warm);
  await subject.time("getFirst", first.length, () => expectAll(store, first));
  const next: Key[] = [];
  const most = Math.ceil(subject.data.keys.length / 8) - first.length;
  while (next.length < most) for (const key of subject.askFresh()) next.push(key);
  next.length = Math.max(0, most);
  await subject.time("getNext", next.length, () => expectAll(store, next));
  if (subject.data.kind === "strings") {
    const asked = subject.askFresh();
    await subject.time("getFresh", asked.length, () => expectAll(store, asked));
    // The very objects that were handed to set.
    const used = subject.ask();
    await subject.time("getUsed", used.length, () => expectAll(store, used));
  } else {
    const asked = subject.askFresh();
    await subject.time("getBytes", asked.length, () => expectAll(store, asked));
  }
  const missing = fresh(subject.ask().map(absent));
  await subject.time("getMiss", missing.length, () => expectNone(store, missing));
  const there = subject.askFresh();
  await subject.time("has", there.length, () => hasAll(store, there));
  const many = subject.askFresh();
  const batches = batchesOf(many);
  await subject.time("getMany", many.length, () => manyOfAll(store, batches));
}

/** The keys of a set of strings, encoded beforehand by who asks: a store of its own that has bytes for keys. */
export async function bytesRow(subject: Subject): Promise<void> {
  if (subject.data.kind !== "strings" || !ABILITIES[subject.name].bytes) return;
  const encode = (keys: readonly Key[]): Key[] => keys.map((key) => Buffer.from(key as string));
  const directory = subject.newFolder();
  const store = await subject.open(directory, "bytes");
  const keys = encode(subject.data.keys);
  await store.setAll(keys, numbers(0, keys.length));
  const asked = encode(subject.ask());
  expectAll(store, asked.slice(0, subject.effort.warm));
  await subject.time("getBytes", asked.length, () => expectAll(store, asked));
  await store.close();
}
