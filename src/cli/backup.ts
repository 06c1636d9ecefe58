/** `bancos backup`: a compact copy at one point in time, while others write. */
import { statSync } from "node:fs";
import type { Command } from "commander";
import type { CopyReport } from "../index.ts";
import type { Run } from "./command.ts";
import { EXIT_OK } from "./exit.ts";
import { addCommon, type CommonOptions, toRead } from "./options.ts";
import { out } from "./output.ts";
import { Progress } from "./progress.ts";
import { type Session, withSession } from "./session.ts";
import { plural, showBytes } from "./text.ts";

export function addBackup(program: Command, run: Run): void {
  const command = program
    .command("backup")
    .summary("copy a store at one point in time")
    .description(
      "Writes a compact copy of FILE to the new file TO: the store as it was at one moment, while others go on " +
        "writing. TO appears when it is complete; a file that is there is not replaced. Meanwhile no memory that the " +
        "copy needs is reused, so that FILE may grow.",
    )
    .argument("<file>", "the store")
    .argument("<to>", "the new file");
  addCommon(command)
    .addHelpText(
      "after",
      `
Examples:
  $ bancos backup mail.bancos mail-monday.bancos
  $ bancos backup mail.bancos copy.bancos && bancos verify copy.bancos`,
    )
    .action(run(backup));
}

function backup(file: string, to: string, options: CommonOptions): Promise<number> {
  return withSession(file, toRead(options), async (session) => {
    const progress = new Progress("copying", "keys", options.json !== true);
    try {
      const report = await session.store.backupWith(to, {
        onProgress: (share, keys) => progress.update(share, keys),
        signal: signalOf(session),
      });
      progress.stop();
      printCopy(report, to, options);
    } catch (error) {
      if (session.interrupted === 0) throw error;
    } finally {
      progress.stop();
    }
    return EXIT_OK;
  });
}

/** What Ctrl-C does to a copy. */
function signalOf(session: Session): AbortSignal {
  const controller = new AbortController();
  session.whenInterrupted.then(() => controller.abort());
  return controller.signal;
}

/** One line about a copy. */
export function printCopy(report: CopyReport, to: string, options: CommonOptions): void {
  if (options.json === true) {
    out.line(JSON.stringify({ ...report, path: to }));
    return;
  }
  const { bold, green } = out.colors;
  out.line(
    `${bold(green("done"))}  ${to}: ${plural(report.keys, "key")}, ${showBytes(statSync(to).size)} ` +
      `(${showBytes(report.before)} before)`,
  );
}
