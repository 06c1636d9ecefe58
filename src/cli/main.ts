#!/usr/bin/env bun
/**
 * The command line. Each subcommand is a file of its own: what it can be told, its help, and what it does; here they
 * are put together, and their ends become exit codes.
 */
import { type Command, CommanderError } from "commander";
import { BancosError } from "../index.ts";
import {
  ConditionError,
  codeOf,
  EXIT_FAILED,
  EXIT_USAGE,
  exitCodeOf,
  InputError,
  UsageError,
} from "./exit.ts";
import { err, out } from "./output.ts";
import { makeProgram } from "./program.ts";

function report(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  if (process.argv.includes("--json")) {
    const offset = error instanceof BancosError && error.offset !== undefined ? { offset: error.offset } : {};
    err.line(JSON.stringify({ error: { code: codeOf(error), message, ...offset } }));
    return;
  }
  const isOurs =
    error instanceof BancosError ||
    error instanceof UsageError ||
    error instanceof InputError ||
    error instanceof ConditionError ||
    typeof (error as NodeJS.ErrnoException).code === "string";
  const word = error instanceof BancosError ? ` [${error.code}]` : "";
  err.line(`bancos: ${message}${word}`);
  // A fault of ours, not a condition: where it happened is what a report needs.
  if (!isOurs && error instanceof Error && error.stack !== undefined) err.line(error.stack);
}

async function main(program: Command): Promise<number> {
  try {
    await program.parseAsync(process.argv);
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      // It has said what is wrong; asked-for help and version are no errors.
      return error.exitCode === 0 ? 0 : EXIT_USAGE;
    }
    report(error);
    return exitCodeOf(error);
  }
}

let exitCode = 0;
const program = makeProgram((fn) => async (...args) => {
  exitCode = await fn(...args);
});

let code = EXIT_FAILED;
try {
  code = await main(program);
  out.flush();
  err.flush();
} catch (error) {
  // The output itself failed: a full disk, say.
  err.line(`bancos: cannot write the output: ${error instanceof Error ? error.message : String(error)}`);
  err.flush();
}
process.exit(code);
