/** What one process of a measurement does, again and again. */
import { generatedKey } from "../data.ts";
import { random, zipf } from "../random.ts";
import { type Contender, contender, type Name, type Value } from "../stores/index.ts";

/** Keys that are in the store before the processes start. */
export const KEYS = 200_000;
export const TINY_KEYS = 1000;

/** The kinds of work. `ycsb-…` are the mixes of the Yahoo! Cloud Serving Benchmark (Cooper et al. 2010). */
export const WORKS = [
  "read",
  "fresh",
  "update",
  "hot",
  "ycsb-A",
  "ycsb-B",
  "ycsb-C",
  "ycsb-D",
  "ycsb-E",
  "ycsb-F",
] as const;
export type Work = (typeof WORKS)[number];

/** What a row of the report calls it. */
export const WORK_TITLES: Readonly<Record<Work, string>> = {
  read: "get",
  fresh: "own keys",
  update: "random keys",
  hot: "the same 100 keys",
  "ycsb-A": "YCSB A, 50 % update",
  "ycsb-B": "YCSB B, 5 % update",
  "ycsb-C": "YCSB C, get only",
  "ycsb-D": "YCSB D, get the latest, 5 % new",
  "ycsb-E": "YCSB E, ranges to 100, 5 % new",
  "ycsb-F": "YCSB F, 50 % get and set",
};

export const isYcsb = (work: Work): boolean => work.startsWith("ycsb");

/** Values of the mixes have 100 bytes, those of the other works are numbers. */
export function valueFor(work: Work, i: number): Value {
  return isYcsb(work) ? `${i}`.padStart(100, "value ") : i;
}

/** Makes a store of `keys` keys with the values that `work` has. */
export async function fill(name: Name, directory: string, work: Work, keys: number): Promise<Contender> {
  const store = await contender(name, directory);
  const all = Array.from({ length: keys }, (_, i) => generatedKey(i));
  await store.setAll(
    all,
    all.map((_, i) => valueFor(work, i)),
  );
  return store;
}

/** Choices are drawn beforehand, so that drawing them is not what is measured. */
const CHOICES = 1 << 17;

/**
 * One step of `work` on `store`, which has keys `generatedKey(0 … keys - 1)`; to be called with 0, 1, 2, …
 *
 * @param id of the process: keys that it makes are its own
 */
export function stepOf(work: Work, store: Contender, keys: number, id: number): (i: number) => void {
  const next = random(id * 7919 + 17);
  const draw = <T>(of: () => T): T[] => Array.from({ length: CHOICES }, of);
  const at = <T>(choices: readonly T[], i: number): T => choices[i & (CHOICES - 1)] as T;
  // Above every key there is, and none that another process makes.
  const own = (n: number): string => generatedKey(keys + id * 50_000_000 + n);

  if (!isYcsb(work)) {
    const asked = draw(() => generatedKey(Math.floor(next() * keys)));
    const hot = Array.from({ length: 100 }, (_, i) => generatedKey(i));
    switch (work) {
      case "read":
        return (i) => expectThere(store.get(at(asked, i)));
      case "fresh":
        return (i) => void store.set(own(i), i);
      case "update":
        return (i) => void store.set(at(asked, i), i);
      default:
        return (i) => void store.set(hot[i % 100] as string, i);
    }
  }

  const popular = zipf(keys, next);
  // Which keys are popular has nothing to do with their order: a permutation, as a prime does not divide `keys`.
  const scatter = (i: number): number => (i * 7919) % keys;
  const asked = draw(() => generatedKey(scatter(popular())));
  const dice = new Float64Array(draw(next));
  const value = valueFor(work, id);
  let made = 0;
  const insert = (): void => void store.set(own(made++), value);
  switch (work) {
    case "ycsb-A":
    case "ycsb-B": {
      const reads = work === "ycsb-A" ? 0.5 : 0.95;
      return (i) => {
        if ((dice[i & (CHOICES - 1)] as number) < reads) expectThere(store.get(at(asked, i)));
        else void store.set(at(asked, i), value);
      };
    }
    case "ycsb-C":
      return (i) => expectThere(store.get(at(asked, i)));
    case "ycsb-D": {
      const ages = new Int32Array(draw(popular));
      return (i) => {
        const age = ages[i & (CHOICES - 1)] as number;
        if ((dice[i & (CHOICES - 1)] as number) >= 0.95) insert();
        else expectThere(store.get(age < made ? own(made - 1 - age) : generatedKey(keys - 1 - (age - made))));
      };
    }
    case "ycsb-E":
      return (i) => {
        const roll = dice[i & (CHOICES - 1)] as number;
        if (roll >= 0.95) insert();
        else void store.range(at(asked, i), 1 + Math.floor((roll / 0.95) * 100));
      };
    default:
      return (i) => {
        const key = at(asked, i);
        expectThere(store.get(key));
        if ((dice[i & (CHOICES - 1)] as number) < 0.5) void store.set(key, value);
      };
  }
}

function expectThere(value: Value | undefined): void {
  if (value === undefined) throw new Error("a key is lost");
}
