/** `bancos set`: inserts or replaces one key. */
import type { Command } from "commander";
import type { Value } from "../index.ts";
import type { Run } from "./command.ts";
import { ConditionError, EXIT_OK, UsageError } from "./exit.ts";
import { readStandardInput, stdinIsTerminal } from "./input.ts";
import { addCommon, addCreate, addType, type CreateOptions, toCreate } from "./options.ts";
import { withStore } from "./session.ts";
import { parseKey, parseValue, showKey, type TypeName } from "./text.ts";

interface SetOptions extends CreateOptions {
  readonly type: TypeName;
  readonly ifAbsent?: boolean;
}

export function addSet(program: Command, run: Run): void {
  const command = program
    .command("set")
    .summary("insert or replace a key")
    .description(
      "Inserts KEY with VALUE, or replaces its value. Makes the file if it is not there. Without VALUE, the value is " +
        "what comes from standard input. When the command returns, the change is on the disk.",
    )
    .argument("<file>", "the store")
    .argument("<key>", "the key; see `bancos help get` for the forms")
    .argument("[value]", "the value; without it: standard input");
  addCreate(addCommon(addType(command, "what the value is")))
    .option("--if-absent", "only if the key is not there; otherwise exit code 1")
    .addHelpText(
      "after",
      `
Values, by --type:
  auto     JSON where the text is JSON (42, true, null, "42", {"a":1}), a bigint for 42n, any other text is a string;
           {"$bigint":"42"}, {"$bytes":"aGk="} and {"$number":"NaN"} say what JSON cannot
  number   42, 0x2a, 1e3, NaN, Infinity
  bigint   42 or 42n, within 64 bits
  string   the text, whatever it looks like
  json     JSON, as it stands
  bytes    0x6869, base64:aGk=, or text, which stands for its UTF-8; standard input byte by byte

Examples:
  $ bancos set mail.bancos alice@example.org 42
  $ bancos set mail.bancos zip --type string 04109
  $ bancos set mail.bancos bob '{"name":"Bob","tags":["a","b"]}'
  $ bancos set photos.bancos cat.png --type bytes < cat.png
  $ bancos set index.bancos --key-encoding ordered '["2024-01-31",7]' x`,
    )
    .action(run(set));
}

async function set(
  file: string,
  key: string,
  text: string | undefined,
  options: SetOptions,
): Promise<number> {
  const value = text === undefined ? await fromStandardInput(options.type) : parseValue(text, options.type);
  return withStore(file, toCreate(options), (store) => {
    const parsed = parseKey(store.keyEncoding, key);
    if (options.ifAbsent === true) {
      if (!store.compareAndSet(parsed, undefined, value)) {
        throw new ConditionError(`${showKey(store.keyEncoding, parsed)} is there already`);
      }
    } else {
      store.set(parsed, value);
    }
    store.flushSync();
    return EXIT_OK;
  });
}

async function fromStandardInput(type: TypeName): Promise<Value> {
  if (stdinIsTerminal())
    throw new UsageError("the value is missing: bancos set FILE KEY VALUE, or give it on standard input");
  const bytes = await readStandardInput();
  if (type === "bytes") return bytes;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UsageError("standard input is not UTF-8; --type bytes takes it byte by byte");
  }
  // What echo adds is not meant.
  return parseValue(text.replace(/\r?\n$/, ""), type);
}
