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

/** Each verb once over a few keys before it is measured. */
export async function readRows(subject: Subject, store: Contender<Key>): Promise<void> {
  const warm = subject.askFresh().slice(0, subject.effort.warm);
  expectAll(store, warm);
  expectNone(store, warm.map(absent));
  hasAll(store, warm);
  await manyOfAll(store, [warm.slice(0, BATCH)]);

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
  const batches: Key[][] = [];
  for (let i = 0; i < many.length; i += BATCH) batches.push(many.slice(i, i + BATCH));
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
