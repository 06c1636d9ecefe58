/** `bancos run`: the lines of a script, one after the other. */
import type { Command } from "commander";
import type { Key, Value } from "../index.ts";
import type { Run } from "./command.ts";
import { ConditionError, EXIT_OK, withPlace } from "./exit.ts";
import { parseCommand, type Command as ScriptCommand } from "./formats/script.ts";
import { openInput, readLines, stdinIsTerminal } from "./input.ts";
import { addCommon, addCreate, type CreateOptions, toCreate } from "./options.ts";
import { err, out } from "./output.ts";
import { Progress, showTime } from "./progress.ts";
import { type CliStore, withSession } from "./session.ts";
import { jsonOfKey, jsonOfValue, plural, showCount, showKey, showValue } from "./text.ts";

interface RunOptions extends CreateOptions {
  readonly strict?: boolean;
  readonly quiet?: boolean;
}

/** Commands between two looks at whether to stop. */
const BATCH = 1000;

export function addRun(program: Command, run: Run): void {
  const command = program
    .command("run")
    .summary("run a script of inserts, look-ups and removals")
    .description(
      "Runs the lines of SCRIPT, or of standard input, one after the other, and sums up at the end. Each look-up writes " +
        "a line: the key, a tab, the value (nothing if it is not there). Makes the file if it is not there.",
    )
    .argument("<file>", "the store")
    .argument("[script]", "the script; without it, or as -: standard input");
  addCreate(addCommon(command))
    .option("--strict", "an insert of a key that is there, and a remove of one that is not, are errors")
    .option("-q, --quiet", "write only the summary")
    .addHelpText(
      "after",
      `
A line of a script:
  insert KEY INT    insert; replaces the value of a key that is there
  find KEY          look up (lookup is the same)
  remove KEY        remove
  # comment

A KEY with white space goes in double quotes: insert "two words" 2. An INT past 2^53 is stored as a bigint. A line that
makes no sense ends the run with its number; what came before it stays. So does Ctrl-C.

Examples:
  $ bancos run words.bancos words.script
  $ printf 'insert a 1\\nfind a\\nremove a\\n' | bancos run words.bancos
  $ bancos run --strict --json words.bancos words.script | tail -n 1`,
    )
    .action(run(runScript));
}

interface Counts {
  lines: number;
  inserted: number;
  replaced: number;
  found: number;
  notFound: number;
  removed: number;
  notRemoved: number;
}

function runScript(file: string, script: string | undefined, options: RunOptions): Promise<number> {
  const input = openInput(script);
  return withSession(file, toCreate(options), async (session) => {
    const { store } = session;
    const counts: Counts = {
      lines: 0,
      inserted: 0,
      replaced: 0,
      found: 0,
      notFound: 0,
      removed: 0,
      notRemoved: 0,
    };
    const runner = new Runner(store, options, counts);
    const started = performance.now();
    if (input.fd === null && stdinIsTerminal() && err.isTerminal) {
      err.line("bancos: reading commands from the terminal; Ctrl-D ends, `bancos help run` explains");
      err.flush();
    }
    // Results and a bar on one terminal would be in each other's way.
    const progress = new Progress(
      "running",
      "lines",
      options.json !== true && (options.quiet === true || !out.isTerminal),
    );
    try {
      for await (const { lines, first, share } of readLines(input, session)) {
        for (let at = 0; at < lines.length && session.interrupted === 0; at += BATCH) {
          const batch = lines.slice(at, at + BATCH);
          try {
            store.writer(() => {
              for (const line of batch) runner.line(line);
            });
          } catch (error) {
            throw withPlace(error, input.name, counts.lines);
          }
          if (at > 0) await session.pause();
        }
        out.flush();
        progress.update(share, first + lines.length - 1);
      }
    } finally {
      progress.stop();
      summarize(counts, performance.now() - started, session.interrupted !== 0, options);
    }
    store.flushSync();
    return EXIT_OK;
  });
}

class Runner {
  private readonly store: CliStore;
  private readonly options: RunOptions;
  private readonly counts: Counts;

  constructor(store: CliStore, options: RunOptions, counts: Counts) {
    this.store = store;
    this.options = options;
    this.counts = counts;
  }

  line(line: string): void {
    this.counts.lines++;
    const command = parseCommand(line, this.store.keyEncoding);
    if (command === undefined) return;
    if (command.verb === "insert") this.insert(command);
    else if (command.verb === "find") this.find(command);
    else this.remove(command);
  }

  private insert({ key, value }: ScriptCommand): void {
    const { store, counts } = this;
    if (store.compareAndSet(key, undefined, value)) {
      counts.inserted++;
      return;
    }
    if (this.options.strict === true) {
      throw new ConditionError(
        `insert: the key ${showKey(store.keyEncoding, key)} is there already (--strict)`,
      );
    }
    store.set(key, value);
    counts.replaced++;
  }

  private find({ key }: ScriptCommand): void {
    const value = this.store.get(key);
    if (value === undefined) this.counts.notFound++;
    else this.counts.found++;
    if (this.options.quiet === true) return;
    out.line(this.options.json === true ? jsonOfFind(key, value) : this.textOfFind(key, value));
  }

  private textOfFind(key: Key, value: Value | undefined): string {
    const shown = showKey(this.store.keyEncoding, key);
    if (value !== undefined) return `${shown}\t${showValue(value)}`;
    // On a terminal nothing would look like an empty string.
    return out.isTerminal ? `${shown}\t${out.colors.dim("(not found)")}` : `${shown}\t`;
  }

  private remove({ key }: ScriptCommand): void {
    if (this.store.delete(key)) {
      this.counts.removed++;
      return;
    }
    this.counts.notRemoved++;
    if (this.options.strict === true) {
      throw new ConditionError(`remove: there is no key ${showKey(this.store.keyEncoding, key)} (--strict)`);
    }
  }
}

function jsonOfFind(key: Key, value: Value | undefined): string {
  const json = value === undefined ? '"found":false' : `"found":true,"value":${jsonOfValue(value)}`;
  return `{"key":${jsonOfKey(key)},${json}}`;
}

function summarize(counts: Counts, milliseconds: number, interrupted: boolean, options: RunOptions): void {
  const seconds = milliseconds / 1000;
  if (options.json === true) {
    out.line(JSON.stringify({ summary: { ...counts, seconds: Number(seconds.toFixed(3)), interrupted } }));
    return;
  }
  const parts = [
    `${showCount(counts.inserted)} inserted`,
    `${showCount(counts.replaced)} replaced`,
    `${showCount(counts.found)} found`,
    `${showCount(counts.notFound)} not found`,
    `${showCount(counts.removed)} removed`,
  ];
  if (counts.notRemoved > 0) parts.push(`${showCount(counts.notRemoved)} not there to remove`);
  const time = seconds < 10 ? `${seconds.toFixed(2)} s` : showTime(seconds);
  out.line(
    `# ${interrupted ? "interrupted after " : ""}${plural(counts.lines, "line")} in ${time}: ${parts.join(", ")}`,
  );
}
