/** `bancos repair`: what can be saved of a damaged file, in a new one. */
import { type Command, Option } from "commander";
import { type Key, type KeyEncoding, type RepairReport, repair } from "../index.ts";
import type { Run } from "./command.ts";
import { EXIT_NOT_FOUND, EXIT_OK, EXIT_SIGINT } from "./exit.ts";
import { addCommon, type CommonOptions } from "./options.ts";
import { out } from "./output.ts";
import { Progress } from "./progress.ts";
import { printTable } from "./table.ts";
import { plural, shorten, showBytes } from "./text.ts";

interface RepairOptions extends CommonOptions {
  readonly keyEncoding?: KeyEncoding;
}

/** Lost leaves that are listed without --json. */
const MOST_SHOWN = 20;

export function addRepair(program: Command, run: Run): void {
  const command = program
    .command("repair")
    .summary("save what can be saved of a damaged file")
    .description(
      "Searches all of FILE for leaves whose checksum is right, whatever else is damaged, and makes the new store TO " +
        "of them. FILE is not changed; nobody may have it open. Says what was lost; exit code 1 if anything was.",
    )
    .argument("<file>", "the damaged store")
    .argument("<to>", "the new file")
    .addOption(
      new Option("--key-encoding <name>", "how keys are encoded, if the file can't tell").choices([
        "utf8",
        "binary",
        "ordered",
      ]),
    );
  addCommon(command)
    .addHelpText(
      "after",
      `
A key whose newest value is lost is left out, rather than given an older value.

Examples:
  $ bancos verify mail.bancos
  $ bancos repair mail.bancos saved.bancos`,
    )
    .action(run(repairFile));
}

async function repairFile(file: string, to: string, options: RepairOptions): Promise<number> {
  const progress = new Progress("searching", "keys", options.json !== true);
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  process.once("SIGINT", stop);
  try {
    const report = await repair(file, to, {
      onProgress: (share, keys) => progress.update(share, keys),
      signal: controller.signal,
      ...(options.keyEncoding === undefined ? {} : { keyEncoding: options.keyEncoding }),
    });
    progress.stop();
    if (options.json === true) out.line(JSON.stringify({ ...report, path: to }, jsonOf));
    else print(report, to);
    return isWhole(report) ? EXIT_OK : EXIT_NOT_FOUND;
  } catch (error) {
    if (controller.signal.aborted) return EXIT_SIGINT;
    throw error;
  } finally {
    process.off("SIGINT", stop);
    progress.stop();
  }
}

/** As far as anybody can tell: was everything saved? */
const isWhole = (report: RepairReport): boolean =>
  report.lostCount === 0 &&
  report.outdated === 0 &&
  report.missingBytes === 0 &&
  report.expectedKeys === report.keys;

/** Keys may hold what JSON has no words for. */
function jsonOf(_name: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  return value instanceof Uint8Array ? `0x${Buffer.from(value).toString("hex")}` : value;
}

function print(report: RepairReport, to: string): void {
  const { bold, green, yellow } = out.colors;
  const { lost, lostCount, outdated, missingBytes, expectedKeys } = report;
  out.line(
    `${bold(isWhole(report) ? green("saved") : yellow("saved"))}  ${to}: ${plural(report.keys, "key")}`,
  );
  if (report.saltRecovered)
    out.line("The superblock is damaged; the slab table gave what the checksums need.");
  if (report.unsoundSlabs > 0) {
    out.line(
      `${plural(report.unsoundSlabs, "slab")} with a damaged table entry had leaves, which are saved.`,
    );
  }
  if (expectedKeys !== undefined && expectedKeys !== report.keys) {
    out.line(`The file says that it had ${plural(expectedKeys, "key")}.`);
  }
  if (missingBytes > 0) out.line(`The file is ${showBytes(missingBytes)} too short.`);
  if (outdated > 0) {
    out.line(`${plural(outdated, "key")} left out: only older values were found; deleted later, or lost.`);
  }
  if (lostCount === 0) return;
  out.line(`${plural(lostCount, "value")} lost:`);
  out.line();
  printTable(
    ["offset", "key, as far as it can be read"],
    lost.slice(0, MOST_SHOWN).map(({ offset, key }) => [String(offset), showLost(key as Key | undefined)]),
    [0],
  );
  if (lostCount > MOST_SHOWN) out.line(`and ${lostCount - MOST_SHOWN} more; --json lists 1,000`);
}

function showLost(key: Key | undefined): string {
  if (key === undefined) return "?";
  return shorten(typeof key === "string" ? key : (JSON.stringify(key, jsonOf) ?? "?"));
}
