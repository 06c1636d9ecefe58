/** `bancos verify`: checks the whole file. */
import type { Command } from "commander";
import { BancosError, type VerifyReport } from "../index.ts";
import { verifyWithProgress } from "../store/inspect.ts";
import type { Run } from "./command.ts";
import { EXIT_NOT_FOUND, EXIT_OK } from "./exit.ts";
import { addCommon, type CommonOptions, toRead } from "./options.ts";
import { out } from "./output.ts";
import { Progress } from "./progress.ts";
import { withStore } from "./session.ts";
import { printTable } from "./table.ts";
import { plural } from "./text.ts";

export function addVerify(program: Command, run: Run): void {
  const command = program
    .command("verify")
    .summary("check the whole file")
    .description(
      "Checks everything in the file: each pointer, count and checksum, and that each cell is in exactly one place. " +
        "Others may use the file meanwhile; when nobody else writes, the result is exact. Exit code 1 if something " +
        "is wrong.",
    )
    .argument("<file>", "the store");
  addCommon(command)
    .addHelpText(
      "after",
      `
Examples:
  $ bancos verify mail.bancos
  $ bancos verify --json mail.bancos | jq '.problems[].offset'

What lies where a problem was found:
  $ bancos inspect mail.bancos @OFFSET`,
    )
    .action(run(verify));
}

function verify(file: string, options: CommonOptions): number {
  const report = check(file, options);
  if (options.json === true) {
    out.line(JSON.stringify(report));
  } else if (report.ok) {
    const { green, bold } = out.colors;
    out.line(
      `${bold(green("ok"))}  ${plural(report.keys, "key")}, ${plural(report.nodes, "node")} and ` +
        `${plural(report.cells, "cell")} checked, no problem found`,
    );
  } else {
    const { red, bold } = out.colors;
    const count = report.problems.length;
    out.line(`${bold(red("damaged"))}  ${plural(count, "problem")}${count >= 1000 ? " or more" : ""}`);
    out.line();
    printTable(
      ["code", "offset", "what is wrong"],
      report.problems.map(({ code, offset, message }) => [code, String(offset), message]),
      [1],
    );
    out.line();
    out.line(`See what lies there: bancos inspect ${file} @${report.problems[0]!.offset}`);
  }
  return report.ok ? EXIT_OK : EXIT_NOT_FOUND;
}

/** A file too damaged to be opened is a finding too. */
function check(
  file: string,
  options: CommonOptions,
): Omit<VerifyReport, "problems"> & {
  problems: readonly { code: string; offset: number; message: string }[];
} {
  const progress = new Progress("checking", "cells", options.json !== true);
  try {
    let report: VerifyReport | undefined;
    withStore(file, toRead(options), (store) => {
      report = verifyWithProgress(store, (share, cells) => progress.update(share, cells));
      return EXIT_OK;
    });
    return report!;
  } catch (error) {
    if (!(error instanceof BancosError) || error.code !== "CORRUPT") throw error;
    const problem = { code: "OPEN", offset: error.offset ?? 0, message: error.message };
    return { ok: false, problems: [problem], keys: 0, nodes: 0, cells: 0 };
  } finally {
    progress.stop();
  }
}
