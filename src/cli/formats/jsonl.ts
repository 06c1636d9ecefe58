/**
 * JSON lines: `{"key":"alice","value":42}` or `["alice",42]` each, or any objects of which one field is the key
 * (`--key id`) and another the value (`--value name`; without it the whole object).
 */
import type { Key, Value } from "../../index.ts";
import { UsageError } from "../exit.ts";
import { jsonOfKey, jsonOfValue, keyOfJson, shorten, valueOfJson } from "../text.ts";
import type { Entry, FormatReader, FormatWriter, ReaderOptions } from "./format.ts";

/** What many a tool writes, and is not meant to be read line by line. */
const ONE_ARRAY = " (is the input one array? `jq -c '.[]' INPUT | bancos import FILE …` makes lines of it)";

/** An object that is no key: those of bigints and bytes have names such as $bytes. */
const isRecord = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !Object.keys(value).every((name) => name.startsWith("$"));

export class JsonLinesReader implements FormatReader {
  private readonly options: ReaderOptions;

  constructor(options: ReaderOptions) {
    this.options = options;
  }

  line(line: string): Entry | undefined {
    if (line.trim() === "") return undefined;
    let parsed: unknown;
    try {
      parsed = JSON.parse(line);
    } catch (error) {
      const hint = line.trimStart().startsWith("[") ? ONE_ARRAY : "";
      throw new UsageError(`not JSON (${(error as Error).message}): ${shorten(line)}${hint}`);
    }
    const { encoding, constant } = this.options;
    if (Array.isArray(parsed) && isRecord(parsed[0])) {
      throw new UsageError(`an array of objects, not [key, value]: ${shorten(line)}${ONE_ARRAY}`);
    }
    const [key, value] = Array.isArray(parsed) ? this.pair(parsed, line) : this.fields(parsed, line);
    if (encoding === "utf8" && typeof key === "number") {
      throw new UsageError(
        `the key is a number, and the keys of this store are strings: ${shorten(line)} ` +
          "(a new store made with --key-encoding ordered takes both)",
      );
    }
    return {
      key: keyOfJson(encoding, key),
      value: constant !== undefined ? constant : valueOfJson(value),
    };
  }

  private pair(parsed: readonly unknown[], line: string): [unknown, unknown] {
    if (this.options.key !== undefined || this.options.value !== undefined) {
      throw new UsageError(`--key and --value name fields of objects; this is an array: ${shorten(line)}`);
    }
    if (parsed.length !== 2 && (parsed.length !== 1 || this.options.constant === undefined)) {
      throw new UsageError(`an array must be [key, value]: ${shorten(line)}`);
    }
    return [parsed[0], parsed[1]];
  }

  private fields(parsed: unknown, line: string): [unknown, unknown] {
    if (typeof parsed !== "object" || parsed === null) {
      throw new UsageError(`neither an object nor [key, value]: ${shorten(line)}`);
    }
    const fields = parsed as Record<string, unknown>;
    const { key, value, constant } = this.options;
    const keyName = key ?? "key";
    if (!Object.hasOwn(fields, keyName)) {
      throw new UsageError(
        `no field ${JSON.stringify(keyName)} (--key says which is the key): ${shorten(line)}`,
      );
    }
    if (constant !== undefined || (value === undefined && key !== undefined))
      return [fields[keyName], fields];
    const valueName = value ?? "value";
    if (!Object.hasOwn(fields, valueName)) {
      throw new UsageError(
        `no field ${JSON.stringify(valueName)} (--value says which is the value): ${shorten(line)}`,
      );
    }
    return [fields[keyName], fields[valueName]];
  }

  end(): void {}
}

export class JsonLinesWriter implements FormatWriter {
  readonly head = "";

  // The key encoding makes no difference: JSON says of itself what is a string and what bytes.
  entry(key: Key, value: Value): string {
    return `{"key":${jsonOfKey(key)},"value":${jsonOfValue(value)}}\n`;
  }
}
