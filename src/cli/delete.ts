/** `bancos delete`: removes keys. */
import type { Command } from "commander";
import type { Run } from "./command.ts";
import { EXIT_NOT_FOUND, EXIT_OK } from "./exit.ts";
import { addCommon, type CommonOptions, toChange } from "./options.ts";
import { err, out } from "./output.ts";
import { withStore } from "./session.ts";
import { parseKey, showKey } from "./text.ts";

export function addDelete(program: Command, run: Run): void {
  const command = program
    .command("delete")
    .summary("remove keys")
    .description(
      "Removes each KEY. Exit code 1 if one of them was not there; the others are removed all the same. When the " +
        "command returns, the change is on the disk.",
    )
    .argument("<file>", "the store")
    .argument("<key...>", "one key or more; see `bancos help get` for the forms");
  addCommon(command)
    .addHelpText(
      "after",
      `
Examples:
  $ bancos delete mail.bancos alice@example.org
  $ bancos list --keys --prefix tmp: mail.bancos | xargs -d '\\n' bancos delete mail.bancos`,
    )
    .action(run(remove));
}

function remove(file: string, keys: readonly string[], options: CommonOptions): number {
  return withStore(file, toChange(options), (store) => {
    let deleted = 0;
    for (const key of keys.map((text) => parseKey(store.keyEncoding, text))) {
      if (store.delete(key)) deleted++;
      else err.line(`bancos: not found: ${showKey(store.keyEncoding, key)}`);
    }
    store.flushSync();
    if (options.json === true) out.line(JSON.stringify({ deleted, missing: keys.length - deleted }));
    return deleted === keys.length ? EXIT_OK : EXIT_NOT_FOUND;
  });
}
