/** The stores by name, what each of them can do, and whether its package is there. */
import { join } from "node:path";
import type { Key } from "../data.ts";
import { Bancos } from "./bancos.ts";
import { type Contender, rival } from "./contender.ts";
import { Level } from "./level.ts";
import { Lmdb } from "./lmdb.ts";
import { BTree, InMap } from "./memory.ts";
import { betterDriver, bunDriver, Sqlite } from "./sqlite.ts";

export { Contender, type Soon, type Value } from "./contender.ts";

type Kind = "strings" | "bytes";

/** What the rows of a comparison have to know of a store. */
export interface Ability {
  /** It has a file, so that it can be closed and opened again. */
  readonly persistent: boolean;
  readonly ordered: boolean;
  /** Takes a Uint8Array as a key. */
  readonly bytes: boolean;
  /** Several processes can have it open. */
  readonly processes: boolean;
  /** Reads as another one does, and so only writing is measured. */
  readonly writesOnly: boolean;
  /** Writes of one call each that are enough to measure. */
  readonly each: number;
  /** Package that must be installed. */
  readonly needs: string | undefined;
}

const FILE = {
  persistent: true,
  ordered: true,
  bytes: true,
  processes: true,
  writesOnly: false,
  each: 20_000,
  needs: undefined,
} satisfies Ability;
const MEMORY = { ...FILE, persistent: false, bytes: false, processes: false } satisfies Ability;

/** In the order in which they are shown. */
export const ABILITIES = {
  bancos: FILE,
  "bancos commit": { ...FILE, writesOnly: true, each: 200 },
  lmdb: { ...FILE, needs: "lmdb" },
  "lmdb default": { ...FILE, writesOnly: true, each: 200, needs: "lmdb" },
  "bun:sqlite": { ...FILE, each: 10_000 },
  "better-sqlite3": { ...FILE, each: 10_000, needs: "better-sqlite3" },
  "classic-level": { ...FILE, processes: false, each: 10_000, needs: "classic-level" },
  Map: { ...MEMORY, ordered: false },
  "sorted-btree": { ...MEMORY, needs: "sorted-btree" },
} as const satisfies Readonly<Record<string, Ability>>;

export type Name = keyof typeof ABILITIES;
export const NAMES: readonly Name[] = Object.keys(ABILITIES) as Name[];

/** Opens or makes the store `name` in `directory`. */
export async function contender<K extends Key = string>(
  name: Name,
  directory: string,
  kind: Kind = "strings",
): Promise<Contender<K>> {
  switch (name) {
    case "bancos":
    case "bancos commit":
      return new Bancos<K>(join(directory, "store.bancos"), kind, name === "bancos commit");
    case "lmdb":
    case "lmdb default":
      return await Lmdb.open<K>(name, join(directory, "store.mdb"), kind, name === "lmdb");
    case "bun:sqlite":
      return new Sqlite<K>(bunDriver(join(directory, "store.db")), kind);
    case "better-sqlite3":
      return new Sqlite<K>(await betterDriver(join(directory, "store.db")), kind);
    case "classic-level":
      return await Level.open<K>(join(directory, "level"), kind);
    case "Map":
      return new InMap() as unknown as Contender<K>;
    case "sorted-btree":
      return (await BTree.open()) as unknown as Contender<K>;
  }
}

/** Those of `names` whose packages can be loaded here; for the others, why not. */
export async function available(
  names: readonly string[],
): Promise<{ names: Name[]; missing: Map<string, string> }> {
  const found: Name[] = [];
  const missing = new Map<string, string>();
  for (const wanted of names) {
    const name = NAMES.find((known) => known === wanted);
    if (name === undefined) throw new Error(`no store ${wanted}; there are ${NAMES.join(", ")}`);
    const { needs } = ABILITIES[name];
    try {
      if (needs !== undefined) await rival(needs);
      found.push(name);
    } catch (error) {
      missing.set(name, error instanceof Error ? error.message.split("\n")[0]! : String(error));
    }
  }
  return { names: found, missing };
}
