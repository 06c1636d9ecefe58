/** Options and arguments that more than one command has. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { KEY_ENCODINGS, type Key, type KeyEncoding, type OpenOptions, type Range } from "../index.ts";
import { parseKey, TYPES, type TypeName } from "./text.ts";

/** Every command's. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly force?: readonly ("filesystem" | "persistent-memory")[];
}

/** Of commands that may make a file. */
export interface CreateOptions extends CommonOptions {
  readonly keyEncoding?: KeyEncoding;
}

export interface RangeOptions {
  readonly prefix?: string;
  readonly gt?: string;
  readonly gte?: string;
  readonly lt?: string;
  readonly lte?: string;
  readonly reverse?: boolean;
  readonly limit?: number;
}

export function addCommon(command: Command): Command {
  return command
    .option("--json", "write JSON, for programs")
    .option("--no-color", "no colours (also: the environment variable NO_COLOR)")
    .addOption(
      new Option("--force <what>", "open the file on a filesystem that is not supported")
        .choices(["filesystem"])
        .argParser((what: string, before: string[] = []) => {
          if (what !== "filesystem") throw new InvalidArgumentError('It can be "filesystem".');
          return [...before, what];
        }),
    );
}

export function addCreate(command: Command): Command {
  return command.addOption(
    new Option("--key-encoding <name>", "how keys are encoded, if the file is new").choices([
      ...KEY_ENCODINGS,
    ]),
  );
}

export function addType(command: Command, what: string): Command {
  return command.addOption(
    new Option("-t, --type <type>", what).choices([...TYPES]).default("auto" satisfies TypeName),
  );
}

export function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) {
    throw new InvalidArgumentError("It must be a whole number, 0 or more.");
  }
  return number;
}

export function addRange(command: Command): Command {
  return command
    .option("-p, --prefix <key>", "only keys that begin so")
    .option("--gt <key>", "only keys after this one")
    .option("--gte <key>", "only this key and those after it")
    .option("--lt <key>", "only keys before this one")
    .option("--lte <key>", "only this key and those before it")
    .option("-r, --reverse", "from the last key to the first")
    .option("-n, --limit <count>", "at most this many", wholeNumber);
}

/** Options of the library for a command that reads. */
export function toRead(options: CommonOptions): OpenOptions {
  return { create: false, readOnly: true, ...forced(options) };
}

/** For a command that changes a file that is there. */
export function toChange(options: CommonOptions): OpenOptions {
  return { create: false, ...forced(options) };
}

/** For a command that may make the file. */
export function toCreate(options: CreateOptions): OpenOptions {
  return {
    ...forced(options),
    ...(options.keyEncoding === undefined ? {} : { keyEncoding: options.keyEncoding }),
  };
}

function forced(options: CommonOptions): OpenOptions {
  return options.force === undefined ? {} : { force: options.force };
}

export function rangeOf(encoding: KeyEncoding, options: RangeOptions): Range<Key> {
  const range: Range<Key> = {};
  for (const bound of ["prefix", "gt", "gte", "lt", "lte"] as const) {
    const text = options[bound];
    if (text !== undefined) range[bound] = parseKey(encoding, text);
  }
  if (options.reverse === true) range.reverse = true;
  if (options.limit !== undefined) range.limit = options.limit;
  return range;
}
