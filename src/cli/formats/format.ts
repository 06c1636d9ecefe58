/** What all formats of `import` and `export` have in common. */
import { extname } from "node:path";
import type { Key, KeyEncoding, Value } from "../../index.ts";
import { UsageError } from "../exit.ts";
import type { TypeName } from "../text.ts";

export const FORMATS = ["jsonl", "csv", "tsv", "script"] as const;
export type FormatName = (typeof FORMATS)[number];

/** What a line, or more than one, of the input asks for. */
export interface Entry {
  readonly key: Key;
  /** undefined: the key is to be removed. */
  readonly value: Value | undefined;
}

/** Reads one format. Errors are UsageErrors without the place; who calls knows it. */
export interface FormatReader {
  /** The entry that ends with this line; undefined: none does. */
  line(line: string): Entry | undefined;
  /** The input has ended. */
  end(): void;
}

export interface ReaderOptions {
  readonly encoding: KeyEncoding;
  readonly type: TypeName;
  /** The first line has the names of the columns. */
  readonly header: boolean;
  /** Name or number of the column, or name of the field. */
  readonly key: string | undefined;
  readonly value: string | undefined;
  /** The value of every key. */
  readonly constant: Value | undefined;
}

/** Writes one format. */
export interface FormatWriter {
  /** What stands before everything else. */
  readonly head: string;
  /** An entry, with its line feed. */
  entry(key: Key, value: Value): string;
}

const BY_EXTENSION: Readonly<Record<string, FormatName>> = {
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
  ".json": "jsonl",
  ".csv": "csv",
  ".tsv": "tsv",
  ".tab": "tsv",
  ".script": "script",
  ".txt": "script",
};

/** The format asked for, or that of the path's ending, or JSON lines for standard input and output. */
export function chooseFormat(asked: FormatName | undefined, path: string | undefined): FormatName {
  if (asked !== undefined) return asked;
  if (path === undefined) return "jsonl";
  const format = BY_EXTENSION[extname(path).toLowerCase()];
  if (format === undefined) {
    throw new UsageError(`cannot tell the format of ${path} by its name: say --format ${FORMATS.join("|")}`);
  }
  return format;
}
