/** `bancos info`: what is in a file, how its bytes are spent, and who uses it. */
import { statSync } from "node:fs";
import type { Command } from "commander";
import type { ParticipantInfo, Stats } from "../index.ts";
import type { Run } from "./command.ts";
import { EXIT_OK } from "./exit.ts";
import { addCommon, type CommonOptions, toRead } from "./options.ts";
import { err, out } from "./output.ts";
import { withStore } from "./session.ts";
import { printHeading, printPairs, printTable } from "./table.ts";
import { showBytes, showCount } from "./text.ts";

/** From this size on, counting the cells takes long enough to say so. */
const LARGE = 1 << 30;

export function addInfo(program: Command, run: Run): void {
  const command = program
    .command("info")
    .summary("show what is in a file and who uses it")
    .description(
      "Shows how many keys the file has, how its bytes are spent, which participants have it open (with the epoch " +
        "they work in and the nodes they have locked), and what this open found and repaired.",
    )
    .argument("<file>", "the store");
  addCommon(command)
    .addHelpText(
      "after",
      `
Slack is what free cells take in slabs that are in use; free is whole slabs, for any use; limbo is what waits until
no reader can see it any more. --json writes what stats() of the library returns, and bytesPerKey.

Examples:
  $ bancos info mail.bancos
  $ bancos info --json mail.bancos | jq .bytesPerKey`,
    )
    .action(run(info));
}

function info(file: string, options: CommonOptions): number {
  return withStore(file, toRead(options), (store) => {
    const note = err.isTerminal && statSync(file).size >= LARGE;
    if (note) {
      err.write(`reading ${showBytes(statSync(file).size)}…\r`);
      err.flush();
    }
    const stats = store.stats();
    if (note) err.write("\u001b[2K\r");
    if (options.json === true) out.line(JSON.stringify({ ...stats, bytesPerKey: bytesPerKey(stats) }));
    else print(stats);
    return EXIT_OK;
  });
}

const PARTS = ["nodes", "leaves", "limbo", "slack", "free", "overhead"] as const;

/** Bytes per key, by what they are spent on; null without keys. `used` leaves out what is free. */
function bytesPerKey(stats: Stats): Record<(typeof PARTS)[number] | "used" | "file", number> | null {
  const { keys, bytes } = stats;
  if (keys === 0) return null;
  const per = (amount: number): number => Math.round((amount / keys) * 100) / 100;
  return {
    nodes: per(bytes.nodes),
    leaves: per(bytes.leaves),
    limbo: per(bytes.limbo),
    slack: per(bytes.slack),
    free: per(bytes.free),
    overhead: per(bytes.overhead),
    used: per(bytes.file - bytes.free),
    file: per(bytes.file),
  };
}

function print(stats: Stats): void {
  const { bold, dim } = out.colors;
  out.line(bold(stats.path));
  printPairs([
    ["keys", showCount(stats.keys)],
    ["key encoding", stats.keyEncoding],
    ["file", `${showBytes(stats.bytes.file)} of at most ${showBytes(stats.bytes.maxSize)}`],
    ["epoch", showCount(stats.epoch)],
    ["opened", recoveryOf(stats)],
    ["recoveries", `${showCount(stats.recoveries)} since the file was made`],
    [
      "native part",
      [stats.native.build, stats.native.compiler, stats.native.writeBack]
        .filter((part) => part !== undefined)
        .join(", "),
    ],
  ]);

  printHeading("Bytes");
  const { bytes, keys } = stats;
  const perKey = (amount: number): string => (keys === 0 ? "" : (amount / keys).toFixed(1));
  const share = (amount: number): string => `${((amount / bytes.file) * 100).toFixed(1)} %`;
  const rows = PARTS.map((part) => [part, showBytes(bytes[part]), share(bytes[part]), perKey(bytes[part])]);
  rows.push(
    [
      "all but free",
      showBytes(bytes.file - bytes.free),
      share(bytes.file - bytes.free),
      perKey(bytes.file - bytes.free),
    ],
    [bold("file"), bold(showBytes(bytes.file)), "", bold(perKey(bytes.file))],
  );
  printTable(["", "bytes", "share", "per key"], rows, [1, 2, 3]);

  printHeading("Cells");
  printTable(
    ["", "used", "limbo", "free", "bytes used"],
    (["node4", "node16", "node48", "node256", "leaves"] as const).map((kind) => {
      const cells = stats.cells[kind];
      const name = kind === "leaves" ? kind : `N${kind.slice(1)}`;
      return [
        name,
        showCount(cells.used),
        showCount(cells.limbo),
        showCount(cells.free),
        showBytes(cells.usedBytes),
      ];
    }),
    [1, 2, 3, 4],
  );

  const others = stats.participants.filter(({ self }) => !self);
  printHeading("Participants");
  if (others.length === 0) out.line(dim("  nobody else has the file open"));
  else {
    printTable(
      ["slot", "process", "thread", "role", "state", "since", "epoch", "locks"],
      others.map((who) => participantRow(who)),
      [0, 1, 2],
    );
  }
  const holder = stats.heldBackBy;
  if (holder !== null && !holder.self) {
    out.line(
      `  process ${holder.pid} (slot ${holder.slot}) is in the oldest epoch and delays the reuse of memory`,
    );
  }
}

function participantRow(who: ParticipantInfo): string[] {
  return [
    String(who.slot),
    String(who.pid),
    String(who.threadId),
    who.role,
    who.state,
    Number.isNaN(who.since.getTime()) ? "?" : who.since.toISOString().replace(/\.\d+Z$/, "Z"),
    who.epoch === 0 ? "idle" : showCount(who.epoch),
    who.locks.map((offset) => `@${offset}`).join(" ") || "none",
  ];
}

const FOUND: Readonly<Record<Stats["recovery"]["found"], string>> = {
  clean: "it had been closed in order",
  running: "others have it open",
  unclean: "a process that had it open died",
  copied: "it is a copy of another file",
  rebooted: "the machine had gone down with the file open",
};

function recoveryOf({ recovery }: Stats): string {
  const parts = [FOUND[recovery.found]];
  if (recovery.participantsRecovered > 0)
    parts.push(`${recovery.participantsRecovered} dead participants recovered`);
  const { rebuild } = recovery;
  if (rebuild !== null) {
    parts.push(
      `tree rebuilt from ${showCount(rebuild.leaves)} leaves in ${showCount(rebuild.milliseconds)} ms`,
    );
  }
  return parts.join("; ");
}
