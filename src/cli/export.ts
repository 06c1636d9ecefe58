/** `bancos export`: keys and values to a file or standard output. */
import { closeSync, fsyncSync, openSync, renameSync, unlinkSync } from "node:fs";
import { type Command, Option } from "commander";
import type { Run } from "./command.ts";
import { EXIT_OK, InputError, UsageError } from "./exit.ts";
import { chooseFormat, FORMATS, type FormatName } from "./formats/format.ts";
import { writerOf } from "./formats/index.ts";
import { addCommon, addRange, type CommonOptions, type RangeOptions, rangeOf, toRead } from "./options.ts";
import { err, Output, out } from "./output.ts";
import { Progress, showTime } from "./progress.ts";
import { type Session, withSession } from "./session.ts";
import { plural, showCount } from "./text.ts";

interface ExportOptions extends CommonOptions, RangeOptions {
  readonly format?: FormatName;
  readonly header?: boolean;
}

/** Entries between two looks at whether to stop. */
const BATCH = 1000;

export function addExport(program: Command, run: Run): void {
  const command = program
    .command("export")
    .summary("write keys and values as JSON lines, CSV, TSV or a script")
    .description(
      "Writes keys and values, in key order, to OUTPUT or standard output. `bancos import` reads all formats back; " +
        "jsonl, csv and tsv without loss. OUTPUT appears, or is replaced, when it is complete. Not a snapshot: what " +
        "others write meanwhile may be in it or not.",
    )
    .argument("<file>", "the store")
    .argument("[output]", "where to write; without it, or as -: standard output");
  addRange(addCommon(command))
    .addOption(
      new Option(
        "-f, --format <name>",
        "the format; by default by the name of the output, jsonl for standard output",
      ).choices([...FORMATS]),
    )
    .option("--header", "begin CSV or TSV with a line key,value")
    .addHelpText(
      "after",
      `
In CSV and TSV, a string that would read as something else stands in JSON quotes ("42" for the string, 42 for the
number), a bigint has an n behind it, and bytes are {"$bytes":"aGk="}. A script holds integers only, and does not tell
numbers from bigints.

Examples:
  $ bancos export mail.bancos mail.jsonl
  $ bancos export mail.bancos --format csv --header --prefix al > al.csv
  $ bancos export old.bancos | bancos import new.bancos`,
    )
    .action(run(exportEntries));
}

function exportEntries(file: string, output: string | undefined, options: ExportOptions): Promise<number> {
  const path = output === undefined || output === "-" ? undefined : output;
  const format = chooseFormat(options.format, path);
  if (options.header === true && format !== "csv" && format !== "tsv") {
    throw new UsageError(`--header is for csv and tsv; this is ${format}`);
  }
  return withSession(file, toRead(options), async (session) => {
    const started = performance.now();
    const exported =
      path === undefined
        ? await writeAll(session, out, format, options)
        : await writeFile(session, path, format, options);
    const seconds = (performance.now() - started) / 1000;
    // Standard output is for the data.
    if (path !== undefined && session.interrupted === 0) {
      const rate = Math.round(exported / seconds);
      const time = seconds < 10 ? `${seconds.toFixed(2)} s` : showTime(seconds);
      if (options.json === true) {
        out.line(JSON.stringify({ exported, seconds: Number(seconds.toFixed(3)), keysPerSecond: rate }));
      } else {
        out.line(`${plural(exported, "key")} in ${time} (${showCount(rate)}/s)`);
      }
    }
    return EXIT_OK;
  });
}

/** The file under another name until it is complete. */
async function writeFile(
  session: Session,
  path: string,
  format: FormatName,
  options: ExportOptions,
): Promise<number> {
  const temporary = `${path}.${process.pid}.new`;
  const fd = openSync(temporary, "wx");
  let complete = false;
  try {
    const file = new Output(fd);
    const exported = await writeAll(session, file, format, options);
    file.flush();
    if (session.interrupted === 0) {
      fsyncSync(fd);
      renameSync(temporary, path);
      complete = true;
    }
    return exported;
  } finally {
    closeSync(fd);
    if (!complete) unlinkSync(temporary);
  }
}

async function writeAll(
  session: Session,
  to: Output,
  format: FormatName,
  options: ExportOptions,
): Promise<number> {
  const { store } = session;
  const range = rangeOf(store.keyEncoding, options);
  const writer = writerOf(format, store.keyEncoding, options.header === true);
  const isWhole = Object.keys(range).length === 0;
  const progress = new Progress("exporting", "keys", options.json !== true && !to.isTerminal);
  // For a part of the keys nobody knows how many, and counting them would take as long as writing them.
  const keys = isWhole ? store.size : undefined;
  let exported = 0;
  try {
    to.write(writer.head);
    for (const [key, value] of store.entries(range)) {
      try {
        to.write(writer.entry(key, value));
      } catch (error) {
        throw error instanceof UsageError ? new InputError(error.message) : error;
      }
      if (++exported % BATCH !== 0) continue;
      progress.update(keys === undefined ? undefined : exported / keys, exported);
      await session.pause();
      if (to.closed || session.interrupted !== 0) break;
    }
  } finally {
    progress.stop();
    err.flush();
  }
  return exported;
}
