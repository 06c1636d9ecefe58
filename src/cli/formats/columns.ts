/**
 * CSV (RFC 4180: quotes around a field, doubled inside one) and TSV (no quotes; `\t \n \r \\` inside a field).
 *
 * Two columns are key and value. With more, `--key` and `--value` choose by number from 1 or, with a header, by name;
 * with a header and no `--value`, the value is an object of the other columns.
 */
import type { Json, Key, KeyEncoding, Value } from "../../index.ts";
import { UsageError } from "../exit.ts";
import { parseKey, parseValue, shorten, textOfKey, textOfValue } from "../text.ts";
import type { Entry, FormatReader, FormatWriter, ReaderOptions } from "./format.ts";

/** Cuts lines into fields. */
interface Cutter {
  /** The fields of the record that ends with this line; undefined: it goes on in the next. */
  cut(line: string): string[] | undefined;
  end(): void;
}

const withoutReturn = (line: string): string => (line.endsWith("\r") ? line.slice(0, -1) : line);

export class CsvCutter implements Cutter {
  /** Lines of a record whose last quote is not closed yet. */
  private readonly begun: string[] = [];

  cut(line: string): string[] | undefined {
    if (this.begun.length > 0) {
      this.begun.push(line);
      // Without a quote nothing can close: a quote forgotten in the first line must not cost a scan at each line.
      if (!line.includes('"')) return undefined;
      const record = this.begun.join("\n");
      this.begun.length = 0;
      return this.cutRecord(record);
    }
    return line.includes('"') ? this.cutRecord(line) : withoutReturn(line).split(",");
  }

  private cutRecord(record: string): string[] | undefined {
    const fields: string[] = [];
    const text = withoutReturn(record);
    for (let at = 0; ; at++) {
      if (text[at] !== '"') {
        const comma = text.indexOf(",", at);
        fields.push(comma < 0 ? text.slice(at) : text.slice(at, comma));
        if (comma < 0) return fields;
        at = comma;
        continue;
      }
      const end = closingQuote(text, at);
      if (end < 0) {
        // It ends in a later line: the line feeds, and returns, between are the field's own.
        this.begun.push(record);
        return undefined;
      }
      fields.push(text.slice(at + 1, end).replaceAll('""', '"'));
      at = end + 1;
      if (at >= text.length) return fields;
      if (text[at] !== ",") throw new UsageError(`text behind a closing quote: ${shorten(text.slice(end))}`);
    }
  }

  end(): void {
    if (this.begun.length > 0) throw new UsageError(`a quote is never closed: ${shorten(this.begun[0]!)}`);
  }
}

/** Index of the quote that closes the one at `at`; -1: none does. */
function closingQuote(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 2)) {
    if (text[end + 1] !== '"') return end;
  }
  return -1;
}

const TSV_ESCAPES: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", "\\": "\\" };

export class TsvCutter implements Cutter {
  cut(line: string): string[] {
    const fields = withoutReturn(line).split("\t");
    if (!line.includes("\\")) return fields;
    return fields.map((field) =>
      field.replace(/\\([tnr\\])/g, (_, letter: string) => TSV_ESCAPES[letter] ?? letter),
    );
  }

  end(): void {}
}

export class ColumnsReader implements FormatReader {
  private readonly cutter: Cutter;
  private readonly options: ReaderOptions;
  private names: readonly string[] | null = null;
  private keyAt = -1;
  /** -1: not chosen. */
  private valueAt = -1;
  private columns = 0;

  constructor(cutter: Cutter, options: ReaderOptions) {
    this.cutter = cutter;
    this.options = options;
  }

  line(line: string): Entry | undefined {
    const fields = this.cutter.cut(line);
    // An empty line is no record: many tools end a file with one.
    if (fields === undefined || (fields.length === 1 && fields[0] === "" && this.columns !== 1))
      return undefined;
    if (this.columns === 0) {
      this.columns = fields.length;
      if (this.options.header) this.names = fields;
      this.keyAt = this.columnOf(this.options.key ?? "1", "--key");
      if (this.options.value !== undefined) this.valueAt = this.columnOf(this.options.value, "--value");
      else if (this.columns === 2) this.valueAt = 1 - this.keyAt;
      if (this.names !== null) return undefined;
    }
    if (fields.length !== this.columns) {
      throw new UsageError(`${fields.length} columns, where the first line has ${this.columns}`);
    }
    return { key: parseKey(this.options.encoding, fields[this.keyAt]!), value: this.valueOf(fields) };
  }

  private valueOf(fields: readonly string[]): Value {
    const { constant, type } = this.options;
    if (constant !== undefined) return constant;
    if (this.valueAt >= 0) return parseValue(fields[this.valueAt]!, type);
    const { names } = this;
    if (names === null || this.columns === 1) {
      throw new UsageError(
        this.columns === 1
          ? "there is one column, and so no value; --constant VALUE gives every key the same"
          : `there are ${this.columns} columns: --value says which is the value, or --header makes objects of them`,
      );
    }
    const object: Record<string, Json> = {};
    fields.forEach((field, i) => {
      // A bigint or bytes in an object would not be JSON.
      if (i !== this.keyAt)
        object[names[i]!] = type === "string" ? field : jsonField(parseValue(field, type), field);
    });
    return object;
  }

  private columnOf(name: string, option: string): number {
    const named = this.names?.indexOf(name) ?? -1;
    if (named >= 0) return named;
    const number = Number(name);
    if (Number.isInteger(number) && number >= 1 && number <= this.columns) return number - 1;
    const known = this.names === null ? `1 to ${this.columns}` : this.names.join(", ");
    throw new UsageError(`${option} ${name}: there is no such column; there are ${known}`);
  }

  end(): void {
    this.cutter.end();
  }
}

function jsonField(value: Value, text: string): Json {
  return typeof value === "bigint" ||
    value instanceof Uint8Array ||
    (typeof value === "number" && !Number.isFinite(value))
    ? text
    : value;
}

export class CsvWriter implements FormatWriter {
  readonly head: string;
  private readonly encoding: KeyEncoding;

  constructor(encoding: KeyEncoding, header: boolean) {
    this.encoding = encoding;
    this.head = header ? "key,value\n" : "";
  }

  entry(key: Key, value: Value): string {
    return `${csvField(textOfKey(this.encoding, key))},${csvField(textOfValue(value))}\n`;
  }
}

const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

export class TsvWriter implements FormatWriter {
  readonly head: string;
  private readonly encoding: KeyEncoding;

  constructor(encoding: KeyEncoding, header: boolean) {
    this.encoding = encoding;
    this.head = header ? "key\tvalue\n" : "";
  }

  entry(key: Key, value: Value): string {
    return `${tsvField(textOfKey(this.encoding, key))}\t${tsvField(textOfValue(value))}\n`;
  }
}

const TSV_LETTERS: Readonly<Record<string, string>> = { "\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\" };
const tsvField = (text: string): string =>
  /[\t\n\r\\]/.test(text) ? text.replace(/[\t\n\r\\]/g, (character) => TSV_LETTERS[character]!) : text;
