/** The rows of the comparison, in the order of the table. */

/** What a row's figures are. */
export type Unit = "ns" | "ms" | "bytes" | "MiB";

export interface Row {
  readonly title: string;
  readonly unit: Unit;
  /** Which chart shows it; `none`: the table alone, since few stores can tell. */
  readonly chart: Chart | "none";
}

export type Chart = "reads" | "writes" | "scans" | "space";

const row = (title: string, unit: Unit, chart: Row["chart"]): Row => ({ title, unit, chart });

/** "Best way": one transaction or large batches where the store has them, single calls where it has not. */
export const ROWS = {
  getFirst: row("the first 50,000 get hits after opening", "ns", "reads"),
  getNext: row("those that follow, to an eighth of the keys", "ns", "reads"),
  getFresh: row("get hit, fresh strings", "ns", "reads"),
  getUsed: row("get hit, strings used before", "ns", "reads"),
  getBytes: row("get hit, keys encoded already", "ns", "reads"),
  getMiss: row("get miss", "ns", "reads"),
  has: row("has", "ns", "reads"),
  getMany: row("getMany of 1,000, per key", "ns", "reads"),
  setEach: row("set new, random order, one call each", "ns", "writes"),
  setAll: row("set new, random order, best way", "ns", "writes"),
  setSortedEach: row("set new, sorted order, one call each", "ns", "writes"),
  setSortedAll: row("set new, sorted order, best way", "ns", "writes"),
  updateEach: row("set, update a number, one call each", "ns", "writes"),
  updateAll: row("set, update a number, best way", "ns", "writes"),
  addEach: row("add, one call each", "ns", "writes"),
  addAll: row("add, best way", "ns", "writes"),
  textEach: row("set, to 100-byte strings, one call each", "ns", "writes"),
  textAll: row("set, to 100-byte strings, best way", "ns", "writes"),
  deleteEach: row("delete, one call each", "ns", "writes"),
  deleteAll: row("delete, best way", "ns", "writes"),
  scanKeys: row("scan of keys, per key", "ns", "scans"),
  scan: row("scan of keys and values, per key", "ns", "scans"),
  range: row("100 entries from a random key", "ns", "scans"),
  count: row("count a prefix of 20 to 1,000 keys", "ns", "scans"),
  open: row("open an existing file", "ms", "space"),
  fileRandom: row("file, bytes per key, random order", "bytes", "space"),
  fileSorted: row("file, bytes per key, sorted load", "bytes", "space"),
  usedRandom: row("bytes in use per key, random order", "bytes", "none"),
  usedSorted: row("bytes in use per key, sorted load", "bytes", "none"),
  peak: row("peak memory of loading, with mapped file", "MiB", "space"),
  anonymous: row("memory after loading, no mapped file", "MiB", "space"),
} as const satisfies Readonly<Record<string, Row>>;

export type RowName = keyof typeof ROWS;
export const ROW_NAMES: readonly RowName[] = Object.keys(ROWS) as RowName[];
