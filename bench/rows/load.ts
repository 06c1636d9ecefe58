/** New keys: most of them in the store's best way, the last ones by a call each, so that those meet a store of full size. */
import { compareKeys, fresh, type Key } from "../data.ts";
import { forgetPeak, memory, time } from "../measure.ts";
import { ABILITIES, type Contender } from "../stores/index.ts";
import type { RowName } from "./rows.ts";
import { diskBytes, numbers, type Subject } from "./subject.ts";

interface LoadRows {
  readonly all: RowName;
  readonly each: RowName;
  readonly file: RowName;
  readonly used: RowName;
}

const RANDOM: LoadRows = { all: "setAll", each: "setEach", file: "fileRandom", used: "usedRandom" };
const SORTED: LoadRows = {
  all: "setSortedAll",
  each: "setSortedEach",
  file: "fileSorted",
  used: "usedSorted",
};

const MIB = 2 ** 20;

async function load(
  subject: Subject,
  rows: LoadRows,
  keys: readonly Key[],
): Promise<{ store: Contender<Key>; directory: string }> {
  const directory = subject.newFolder();
  const store = await subject.open(directory);
  const each = Math.min(ABILITIES[subject.name].each, subject.effort.each, Math.ceil(keys.length / 10));
  const most = keys.length - each;
  const first = keys.slice(0, most);
  const firstValues = numbers(0, most);
  const last = keys.slice(most);
  const lastValues = numbers(most, each);
  await subject.time(rows.all, most, () => store.setAll(first, firstValues));
  await subject.time(rows.each, each, () => store.setEach(last, lastValues));
  return { store, directory };
}

async function noteSpace(
  subject: Subject,
  rows: LoadRows,
  store: Contender<Key>,
  directory: string,
): Promise<void> {
  const { persistent } = ABILITIES[subject.name];
  const used = store.usedBytes();
  const keys = subject.data.keys.length;
  if (used !== undefined) subject.note(rows.used, { wall: used / keys, cpu: Number.NaN });
  await store.close();
  if (persistent) subject.note(rows.file, { wall: diskBytes(directory) / keys, cpu: Number.NaN });
}

/** Loads in sorted order; the store is closed afterwards. */
export async function loadSorted(subject: Subject): Promise<void> {
  const keys = fresh([...subject.data.keys].sort(compareKeys));
  const { store, directory } = await load(subject, SORTED, keys);
  await noteSpace(subject, SORTED, store, directory);
}

/** Loads in random order and opens what was loaded again; the store to go on with. */
export async function loadRandom(subject: Subject): Promise<Contender<Key>> {
  const { keys } = subject.data;
  const { persistent } = ABILITIES[subject.name];
  Bun.gc(true);
  forgetPeak();
  const before = memory();
  const { store, directory } = await load(subject, RANDOM, keys);
  const { peak } = memory();
  Bun.gc(true);
  const { anonymous } = memory();
  // What the process needs anyhow, the keys above all, is not the store's. Less than before: the collector did more.
  subject.note("peak", { wall: Math.max(0, peak - before.resident) / MIB, cpu: Number.NaN });
  subject.note("anonymous", { wall: Math.max(0, anonymous - before.anonymous) / MIB, cpu: Number.NaN });
  if (!persistent) return store;
  await noteSpace(subject, RANDOM, store, directory);
  let again: Contender<Key> | undefined;
  // One by one: opening is over before a clock that is shared by many would notice it.
  const times: { wall: number; cpu: number }[] = [];
  for (let i = 0; i < OPENINGS; i++) {
    if (again !== undefined) await again.close();
    let opened: Contender<Key> | undefined;
    const { wall, cpu } = await time(1, async () => {
      opened = await subject.open(directory);
    });
    again = opened;
    times.push({ wall: wall / 1e6, cpu: cpu / 1e6 });
  }
  times.sort((a, b) => a.wall - b.wall);
  const middle = times[times.length >> 1];
  if (again === undefined || middle === undefined) throw new Error("opened nothing");
  subject.note("open", middle);
  return again;
}

const OPENINGS = 5;
