/** The formats by name. */
import type { KeyEncoding } from "../../index.ts";
import { ColumnsReader, CsvCutter, CsvWriter, TsvCutter, TsvWriter } from "./columns.ts";
import type { FormatName, FormatReader, FormatWriter, ReaderOptions } from "./format.ts";
import { JsonLinesReader, JsonLinesWriter } from "./jsonl.ts";
import { ScriptReader, ScriptWriter } from "./script.ts";

export function readerOf(format: FormatName, options: ReaderOptions): FormatReader {
  switch (format) {
    case "jsonl":
      return new JsonLinesReader(options);
    case "csv":
      return new ColumnsReader(new CsvCutter(), options);
    case "tsv":
      return new ColumnsReader(new TsvCutter(), options);
    case "script":
      return new ScriptReader(options.encoding);
  }
}

export function writerOf(format: FormatName, encoding: KeyEncoding, header: boolean): FormatWriter {
  switch (format) {
    case "jsonl":
      return new JsonLinesWriter();
    case "csv":
      return new CsvWriter(encoding, header);
    case "tsv":
      return new TsvWriter(encoding, header);
    case "script":
      return new ScriptWriter(encoding);
  }
}
