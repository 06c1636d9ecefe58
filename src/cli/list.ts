/** `bancos list`: keys and values in a range. */
import type { Command } from "commander";
import type { Key, Value } from "../index.ts";
import type { Run } from "./command.ts";
import { EXIT_OK, UsageError } from "./exit.ts";
import { addCommon, addRange, type CommonOptions, type RangeOptions, rangeOf, toRead } from "./options.ts";
import { out } from "./output.ts";
import { type Session, withSession } from "./session.ts";
import { jsonOfKey, jsonOfValue, shorten, showKey, showValue } from "./text.ts";

interface ListOptions extends CommonOptions, RangeOptions {
  readonly keys?: boolean;
  readonly values?: boolean;
  readonly count?: boolean;
}

/** Entries between two looks at whether to stop; on a terminal also what is set to one width. */
const BATCH = 500;

export function addList(program: Command, run: Run): void {
  const command = program
    .command("list")
    .summary("list keys and values in order")
    .description(
      "Lists keys with their values, in key order. On a terminal in columns, cut to its width; into a pipe or file " +
        "complete, a tab between key and value. Values read as `set` understands them. With --json, a line " +
        '{"key":…,"value":…} each.',
    )
    .argument("<file>", "the store");
  addRange(addCommon(command))
    .option("--keys", "only the keys")
    .option("--values", "only the values")
    .option("--count", "only how many there are")
    .addHelpText(
      "after",
      `
All bounds may be combined. Keys and values with unprintable characters are shown as JSON strings.

Examples:
  $ bancos list mail.bancos --prefix al --limit 10
  $ bancos list mail.bancos --gte b --lt c --reverse
  $ bancos list mail.bancos --keys --prefix user: | wc -l
  $ bancos list mail.bancos --json | jq .value`,
    )
    .action(run(list));
}

function list(file: string, options: ListOptions): Promise<number> {
  if (options.keys === true && options.values === true) {
    throw new UsageError("--keys and --values exclude each other; without both, list shows both");
  }
  return withSession(file, toRead(options), async (session) => {
    const { store } = session;
    const range = rangeOf(store.keyEncoding, options);
    if (options.count === true) {
      out.line(String(store.count(range)));
    } else if (options.keys === true) {
      const show = options.json === true ? jsonOfKey : (key: Key) => showKey(store.keyEncoding, key);
      await each(session, store.keys(range), (key) => out.line(show(key)));
    } else if (options.values === true) {
      const show = options.json === true ? jsonOfValue : showValue;
      await each(session, store.values(range), (value) => out.line(show(value)));
    } else if (options.json === true) {
      await each(session, store.entries(range), ([key, value]) =>
        out.line(`{"key":${jsonOfKey(key)},"value":${jsonOfValue(value)}}`),
      );
    } else if (out.isTerminal) {
      await columns(session, store.entries(range));
    } else {
      await each(session, store.entries(range), ([key, value]) =>
        out.line(`${showKey(store.keyEncoding, key)}\t${showValue(value)}`),
      );
    }
    return EXIT_OK;
  });
}

async function each<T>(session: Session, items: Iterable<T>, write: (item: T) => void): Promise<void> {
  let n = 0;
  for (const item of items) {
    write(item);
    if (++n % BATCH !== 0) continue;
    await session.pause();
    if (out.closed || session.interrupted !== 0) return;
  }
}

/** Keys set to one width, screen by screen. */
async function columns(session: Session, entries: Iterable<[Key, Value]>): Promise<void> {
  const { keyEncoding } = session.store;
  let rows: [string, string][] = [];
  const write = (): void => {
    const room = out.columns;
    const widest = Math.max(0, ...rows.map(([key]) => Bun.stringWidth(key)));
    const width = Math.min(widest, Math.floor(room / 2));
    for (const [key, value] of rows) {
      const shown = shorten(key, Math.max(width, room - 20));
      const gap = " ".repeat(Math.max(0, width - Bun.stringWidth(shown)) + 2);
      const left = room - Bun.stringWidth(shown) - gap.length;
      out.line(`${out.colors.cyan(shown)}${gap}${shorten(value, Math.max(8, left))}`);
    }
    out.flush();
    rows = [];
  };
  await each(session, entries, ([key, value]) => {
    rows.push([showKey(keyEncoding, key), showValue(value)]);
    if (rows.length === BATCH) write();
  });
  write();
}
