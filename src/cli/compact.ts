/** `bancos compact`: puts a compact copy in the place of a file. */
import type { Command } from "commander";
import { compact } from "../index.ts";
import { printCopy } from "./backup.ts";
import type { Run } from "./command.ts";
import { EXIT_OK, EXIT_SIGINT } from "./exit.ts";
import { addCommon, type CommonOptions } from "./options.ts";
import { Progress } from "./progress.ts";

export function addCompact(program: Command, run: Run): void {
  const command = program
    .command("compact")
    .summary("make a file as small as its content allows")
    .description(
      "Copies what is in FILE, in key order and without gaps, and puts the copy in its place. Nobody else may have " +
        "FILE open; who opens it meanwhile waits. There must be room for the copy beside it. Killed at any moment, " +
        "it leaves the old file or the new one.",
    )
    .argument("<file>", "the store");
  addCommon(command)
    .addHelpText(
      "after",
      `
While others use the file, \`bancos backup\` makes a compact copy of it.

Examples:
  $ bancos compact mail.bancos`,
    )
    .action(run(compactFile));
}

async function compactFile(file: string, options: CommonOptions): Promise<number> {
  const progress = new Progress("copying", "keys", options.json !== true);
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  process.once("SIGINT", stop);
  try {
    const report = await compact(file, {
      onProgress: (share, keys) => progress.update(share, keys),
      signal: controller.signal,
      ...(options.force === undefined ? {} : { force: ["filesystem"] as const }),
    });
    progress.stop();
    printCopy(report, file, options);
    return EXIT_OK;
  } catch (error) {
    if (controller.signal.aborted) return EXIT_SIGINT;
    throw error;
  } finally {
    process.off("SIGINT", stop);
    progress.stop();
  }
}
