/** The program: its commands in the order in which help shows them. */
import { Command } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { addBackup } from "./backup.ts";
import { addBench } from "./bench.ts";
import type { Run } from "./command.ts";
import { addCompact } from "./compact.ts";
import { addCompletion } from "./completion.ts";
import { addDelete } from "./delete.ts";
import { EXIT_CODES_HELP } from "./exit.ts";
import { addExport } from "./export.ts";
import { addGet } from "./get.ts";
import { addImport } from "./import.ts";
import { addInfo } from "./info.ts";
import { addInspect } from "./inspect.ts";
import { addList } from "./list.ts";
import { err, out } from "./output.ts";
import { addRepair } from "./repair.ts";
import { addRun } from "./run.ts";
import { addSet } from "./set.ts";
import { addVerify } from "./verify.ts";

const HELP = `
Examples:
  $ bancos set mail.bancos alice@example.org 42
  $ bancos get mail.bancos alice@example.org
  $ bancos list mail.bancos --prefix al
  $ bancos import mail.bancos mail.csv
  $ bancos info mail.bancos

Any number of processes may use a file at the same time. \`bancos help COMMAND\` explains a command, with examples.

${EXIT_CODES_HELP}`;

export function makeProgram(run: Run): Command {
  const program = new Command("bancos")
    .description("Looks into, changes and checks files of bancos, an ordered key-value store.")
    .version(manifest.version, "-V, --version", "show the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "explain a command")
    .addHelpText("after", HELP)
    .showSuggestionAfterError()
    .showHelpAfterError("(bancos help COMMAND explains, with examples)")
    .configureOutput({
      writeOut: (text) => out.write(text),
      writeErr: (text) => err.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, "bancos: ")),
      getOutHelpWidth: () => (out.isTerminal ? Math.min(out.columns, 120) : 100),
      getErrHelpWidth: () => (err.isTerminal ? Math.min(err.columns, 120) : 100),
      getOutHasColors: () => out.colors.isColorSupported,
      getErrHasColors: () => err.colors.isColorSupported,
    })
    .configureHelp({
      styleTitle: (text) => out.colors.bold(text),
      styleCommandText: (text) => out.colors.cyan(text),
      styleSubcommandText: (text) => out.colors.cyan(text),
      styleOptionText: (text) => out.colors.cyan(text),
    })
    .exitOverride();
  for (const add of [
    addGet,
    addSet,
    addDelete,
    addList,
    addImport,
    addExport,
    addRun,
    addInfo,
    addInspect,
    addVerify,
    addRepair,
    addCompact,
    addBackup,
    addBench,
    addCompletion,
  ]) {
    add(program, run);
  }
  return program;
}
