/** `bancos get`: the values of keys. */
import type { Command } from "commander";
import type { Run } from "./command.ts";
import { EXIT_NOT_FOUND, EXIT_OK } from "./exit.ts";
import { addCommon, type CommonOptions, toRead } from "./options.ts";
import { err, out } from "./output.ts";
import { withStore } from "./session.ts";
import { hexOf, jsonOfKey, jsonOfValue, parseKey, showKey } from "./text.ts";

export function addGet(program: Command, run: Run): void {
  const command = program
    .command("get")
    .summary("show the value of a key")
    .description(
      "Shows the value of each KEY, in a line of its own. Strings come as they are, bytes as they are into a pipe or " +
        "file and in hexadecimal on a terminal. --json tells types apart; for more than one key it writes a line " +
        '{"key":…,"value":…} for each that is there.',
    )
    .argument("<file>", "the store")
    .argument("<key...>", "one key or more");
  addCommon(command)
    .addHelpText(
      "after",
      `
Keys:
  utf8     as they are
  binary   0x6869, base64:aGk=, or text, which stands for its UTF-8 (text:0x for text that begins like the others)
  ordered  JSON: 42, true, null, "42", ["a",1]; 42n for a bigint; other text is a string

Examples:
  $ bancos get mail.bancos alice@example.org
  $ bancos get --json mail.bancos alice@example.org bob@example.org
  $ bancos get photos.bancos cat.png > cat.png

A key that begins with "-" goes behind "--":
  $ bancos get mail.bancos -- -key-`,
    )
    .action(run(get));
}

function get(file: string, keys: readonly string[], options: CommonOptions): number {
  return withStore(file, toRead(options), (store) => {
    let missing = 0;
    for (const text of keys) {
      const key = parseKey(store.keyEncoding, text);
      const value = store.get(key);
      if (value === undefined) {
        missing++;
        err.line(`bancos: not found: ${showKey(store.keyEncoding, key)}`);
      } else if (options.json === true) {
        const json = jsonOfValue(value);
        out.line(keys.length === 1 ? json : `{"key":${jsonOfKey(key)},"value":${json}}`);
      } else if (value instanceof Uint8Array && !out.isTerminal) {
        out.bytes(value);
      } else if (value instanceof Uint8Array) {
        out.line(hexOf(value));
      } else {
        // As it was given: what is in quotes, or not, is for --json and for list.
        out.line(typeof value === "string" || typeof value === "bigint" ? String(value) : jsonOfValue(value));
      }
    }
    return missing === 0 ? EXIT_OK : EXIT_NOT_FOUND;
  });
}
