/** `bancos import`: keys and values from a file or standard input. */
import { type Command, Option } from "commander";
import type { Run } from "./command.ts";
import { ConditionError, EXIT_OK, UsageError, withPlace } from "./exit.ts";
import { chooseFormat, type Entry, FORMATS, type FormatName } from "./formats/format.ts";
import { readerOf } from "./formats/index.ts";
import { openInput, readLines } from "./input.ts";
import { addCommon, addCreate, addType, type CreateOptions, toCreate } from "./options.ts";
import { out } from "./output.ts";
import { Progress, showTime } from "./progress.ts";
import { type CliStore, withSession } from "./session.ts";
import { parseValue, plural, showCount, showKey, type TypeName } from "./text.ts";

const CONFLICTS = ["replace", "keep", "error"] as const;

interface ImportOptions extends CreateOptions {
  readonly format?: FormatName;
  readonly type: TypeName;
  readonly header?: boolean;
  readonly key?: string;
  readonly value?: string;
  readonly constant?: string;
  readonly onConflict: (typeof CONFLICTS)[number];
}

/** Lines between two looks at whether to stop. */
const BATCH = 1000;

export function addImport(program: Command, run: Run): void {
  const command = program
    .command("import")
    .summary("read keys and values from JSON lines, CSV, TSV or a script")
    .description(
      "Reads keys and values from INPUT, or standard input, into the store, and makes it if it is not there. Each is in " +
        "the store at once: others see them as they come, and what came before an error, or Ctrl-C, stays.",
    )
    .argument("<file>", "the store")
    .argument("[input]", "what to read; without it, or as -: standard input");
  addCreate(addCommon(addType(command, "what values in CSV and TSV are")))
    .addOption(
      new Option(
        "-f, --format <name>",
        "the format; by default by the name of the input, jsonl for standard input",
      ).choices([...FORMATS]),
    )
    .option("--header", "the first line of CSV or TSV names the columns")
    .option("-k, --key <name>", "column (name, or number from 1) or field that is the key")
    .option("-v, --value <name>", "column or field that is the value")
    .option("--constant <value>", "the value of every key")
    .addOption(
      new Option("--on-conflict <what>", "when a key is there already")
        .choices([...CONFLICTS])
        .default("replace"),
    )
    .addHelpText(
      "after",
      `
Formats:
  jsonl   {"key":"alice","value":42} or ["alice",42] a line; with --key id any objects: the value is the whole object,
          or the field that --value names. {"$bigint":"42"}, {"$bytes":"aGk="}, {"$number":"NaN"} say what JSON cannot
  csv     RFC 4180. Two columns are key and value; of more, --key and --value choose, or with --header the value is
          an object of the columns that are not the key
  tsv     the same with tabs; \\t \\n \\r \\\\ inside a field
  script  the lines of \`bancos run\`; look-ups are passed over

Examples:
  $ bancos import mail.bancos mail.jsonl
  $ bancos import users.bancos users.csv --header --key email
  $ bancos import --format tsv words.bancos < words.tsv
  $ bancos import names.bancos names.csv --constant true
  $ curl -s https://example.org/items.ndjson | bancos import items.bancos --key id`,
    )
    .action(run(importEntries));
}

interface Counts {
  inserted: number;
  replaced: number;
  kept: number;
  removed: number;
}

function importEntries(file: string, input: string | undefined, options: ImportOptions): Promise<number> {
  const path = input === "-" ? undefined : input;
  const format = chooseFormat(options.format, path);
  const constant = options.constant === undefined ? undefined : parseValue(options.constant, options.type);
  if (options.header === true && format !== "csv" && format !== "tsv") {
    throw new UsageError(`--header is for csv and tsv; this is ${format}`);
  }
  const source = openInput(path);
  return withSession(file, toCreate(options), async (session) => {
    const { store } = session;
    const reader = readerOf(format, {
      encoding: store.keyEncoding,
      type: options.type,
      header: options.header === true,
      key: options.key,
      value: options.value,
      constant,
    });
    const counts: Counts = { inserted: 0, replaced: 0, kept: 0, removed: 0 };
    const put = putter(store, options.onConflict, counts);
    const progress = new Progress("importing", "keys", options.json !== true);
    const started = performance.now();
    let line = 0;
    try {
      for await (const { lines, share } of readLines(source, session)) {
        for (let at = 0; at < lines.length && session.interrupted === 0; at += BATCH) {
          const batch = lines.slice(at, at + BATCH);
          try {
            store.writer(() => {
              for (const text of batch) {
                line++;
                const entry = reader.line(text);
                if (entry !== undefined) put(entry);
              }
            });
          } catch (error) {
            throw withPlace(error, source.name, line);
          }
          if (at > 0) await session.pause();
        }
        progress.update(share, total(counts));
      }
      if (session.interrupted === 0) {
        try {
          reader.end();
        } catch (error) {
          throw withPlace(error, source.name, line);
        }
      }
    } finally {
      progress.stop();
      summarize(counts, performance.now() - started, session.interrupted !== 0, options);
    }
    store.flushSync();
    return EXIT_OK;
  });
}

const total = (counts: Counts): number => counts.inserted + counts.replaced + counts.kept + counts.removed;

/** What is done with an entry. */
function putter(
  store: CliStore,
  onConflict: ImportOptions["onConflict"],
  counts: Counts,
): (entry: Entry) => void {
  return ({ key, value }) => {
    if (value === undefined) {
      if (store.delete(key)) counts.removed++;
    } else if (store.compareAndSet(key, undefined, value)) {
      counts.inserted++;
    } else if (onConflict === "replace") {
      store.set(key, value);
      counts.replaced++;
    } else if (onConflict === "keep") {
      counts.kept++;
    } else {
      throw new ConditionError(
        `the key ${showKey(store.keyEncoding, key)} is there already (--on-conflict error)`,
      );
    }
  };
}

function summarize(counts: Counts, milliseconds: number, interrupted: boolean, options: ImportOptions): void {
  const seconds = milliseconds / 1000;
  const rate = Math.round(total(counts) / seconds);
  if (options.json === true) {
    out.line(
      JSON.stringify({ ...counts, seconds: Number(seconds.toFixed(3)), keysPerSecond: rate, interrupted }),
    );
    return;
  }
  const parts = [`${showCount(counts.inserted)} inserted`, `${showCount(counts.replaced)} replaced`];
  if (counts.kept > 0) parts.push(`${showCount(counts.kept)} kept`);
  if (counts.removed > 0) parts.push(`${showCount(counts.removed)} removed`);
  const time = seconds < 10 ? `${seconds.toFixed(2)} s` : showTime(seconds);
  out.line(
    `${interrupted ? "interrupted after " : ""}${plural(total(counts), "key")} in ${time} ` +
      `(${showCount(rate)}/s): ${parts.join(", ")}`,
  );
}
