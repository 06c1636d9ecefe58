/** `bancos inspect`: the way to a key, or what lies at an offset. */
import type { Command } from "commander";
import type { CellInspection, Key, KeyEncoding, KeyInspection, LeafView, SlabView, Value } from "../index.ts";
import { inspectAt, inspectKey } from "../index.ts";
import type { Run } from "./command.ts";
import { EXIT_NOT_FOUND, EXIT_OK, UsageError } from "./exit.ts";
import { addCommon, type CommonOptions, toRead, wholeNumber } from "./options.ts";
import { out } from "./output.ts";
import { type CliStore, withStore } from "./session.ts";
import { printHeading, printPairs, printTable } from "./table.ts";
import { jsonOfKey, jsonOfValue, parseKey, plural, shorten, showCount, showKey, showValue } from "./text.ts";

interface InspectOptions extends CommonOptions {
  readonly key?: string;
  readonly bytes: number;
}

export function addInspect(program: Command, run: Run): void {
  const command = program
    .command("inspect")
    .summary("show the way to a key, or what lies at an offset")
    .description(
      "With a KEY: the path from the root to its leaf, node by node, and the leaf's fields. With @OFFSET (decimal or " +
        "0x…): the cell, or whatever else lies at that byte of the file, its bytes, and its slab. Meant for damaged " +
        "files too: what makes no sense is said, and exit code 1.",
    )
    .argument("<file>", "the store")
    .argument("[target]", "a key, or @ and an offset");
  addCommon(command)
    .option("-k, --key <key>", "a key, also one that begins with @")
    .option("-b, --bytes <count>", "how many bytes to show at an offset", wholeNumber, 256)
    .addHelpText(
      "after",
      `
A node tells its children apart by one digit of the key, the one at its depth. Digits are the key's bytes, but for
byte 0 (1 1) and byte 1 (1 2); digit 0 ends a key.

Examples:
  $ bancos inspect mail.bancos alice@example.org
  $ bancos inspect mail.bancos @294912
  $ bancos inspect mail.bancos @0x48000 --bytes 1032
  $ bancos inspect mail.bancos @0                      the superblock`,
    )
    .action(run(inspect));
}

function inspect(file: string, target: string | undefined, options: InspectOptions): number {
  if ((target === undefined) === (options.key === undefined)) {
    throw new UsageError("inspect needs one thing to look at: a key, @OFFSET, or --key KEY");
  }
  const offset = target?.startsWith("@") === true ? parseOffset(target.slice(1)) : null;
  return withStore(file, toRead(options), (store) => {
    if (offset !== null) {
      const found = inspectAt(store, offset, options.bytes);
      if (options.json === true) out.line(jsonOfCell(found));
      else printCell(store, offset, found);
      return found.problem === null ? EXIT_OK : EXIT_NOT_FOUND;
    }
    const key = parseKey(store.keyEncoding, (options.key ?? target) as string);
    const way = inspectKey(store, key);
    if (options.json === true) out.line(jsonOfWay(key, way));
    else printWay(store, key, way);
    return way.found && way.problem === null ? EXIT_OK : EXIT_NOT_FOUND;
  });
}

function parseOffset(text: string): number {
  const offset = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(offset)) {
    throw new UsageError(
      `@${text} is no offset: @ and decimal digits or 0x…; --key ${text} for a key that begins with @`,
    );
  }
  return offset;
}

// ---- for programs ----------------------------------------------------------------------------------------------------

/** JSON of an object whose fields are JSON already. */
function object(fields: Readonly<Record<string, string>>): string {
  return `{${Object.entries(fields)
    .map(([name, json]) => `${JSON.stringify(name)}:${json}`)
    .join(",")}}`;
}

function jsonOfLeaf(leaf: LeafView | null): string {
  if (leaf === null) return "null";
  const { key, value, ...rest } = leaf;
  return object({
    ...Object.fromEntries(Object.entries(rest).map(([name, field]) => [name, JSON.stringify(field)])),
    ...(key === undefined ? {} : { key: jsonOfKey(key as Key) }),
    ...(value === undefined ? {} : { value: jsonOfValue(value as Value) }),
  });
}

function jsonOfWay(key: Key, way: KeyInspection): string {
  return object({
    key: jsonOfKey(key),
    found: String(way.found),
    digits: JSON.stringify(Buffer.from(way.digits).toString("hex")),
    path: JSON.stringify(way.path),
    leaf: jsonOfLeaf(way.leaf),
    problem: JSON.stringify(way.problem),
  });
}

function jsonOfCell(found: CellInspection): string {
  const { leaf, dump, fields, ...rest } = found;
  return object({
    ...Object.fromEntries(Object.entries(rest).map(([name, field]) => [name, JSON.stringify(field)])),
    leaf: jsonOfLeaf(leaf),
    fields: JSON.stringify(Object.fromEntries(fields)),
    dump: JSON.stringify(Buffer.from(dump).toString("hex")),
  });
}

// ---- for people ------------------------------------------------------------------------------------------------------

/** A digit, with the character it stands for. */
function showDigit(digit: number | null): string {
  if (digit === null) return "none";
  if (digit === 0) return "0 (end of key)";
  return digit > 0x20 && digit < 0x7f ? `${digit} '${String.fromCharCode(digit)}'` : String(digit);
}

function printWay(store: CliStore, key: Key, way: KeyInspection): void {
  const { bold, red } = out.colors;
  out.line(`${bold(showKey(store.keyEncoding, key))}  ${plural(way.digits.length, "digit")}`);
  printHeading("Path");
  printTable(
    ["offset", "kind", "depth", "digit", "live", "used", "locked by"],
    way.path.map((step) => [
      `@${step.offset}`,
      step.kind,
      String(step.depth),
      showDigit(step.digit),
      `${step.live} of ${step.capacity}`,
      step.kind === "Node256" ? "" : String(step.used),
      step.slot === 0 ? "nobody" : `slot ${step.slot}`,
    ]),
    [0, 2],
  );
  const last = way.path.at(-1);
  if (way.leaf !== null) printLeaf(store.keyEncoding, way.leaf);
  if (way.problem !== null) out.line(`\n${red("problem")}  ${way.problem}`);
  if (way.found) return;
  out.line();
  if (way.leaf !== null) out.line("Not found: the path ends at the leaf of another key.");
  else if (way.problem === null && last !== undefined) {
    out.line(
      last.digit === null
        ? "Not found: the key ends above the last node."
        : `Not found: the last node has no child under digit ${showDigit(last.digit)}.`,
    );
  }
}

function printLeaf(encoding: KeyEncoding, leaf: LeafView): void {
  printHeading(`Leaf @${leaf.offset}`);
  const room = Math.max(40, (out.isTerminal ? out.columns : 4096) - 20);
  printPairs([
    ["key", leaf.key === undefined ? "?" : shorten(showKey(encoding, leaf.key as Key), room)],
    ["digits", showCount(leaf.digits)],
    ["state", leaf.state],
    ["sequence", String(leaf.sequence)],
    [
      "mark",
      leaf.mark === "none" ? "none" : `${leaf.mark}, when ${plural(leaf.markedAt, "sync")} had started`,
    ],
    ["had an older leaf", leaf.hasOld ? "yes" : "no"],
    ["checksum", leaf.checksum],
    ["type", leaf.type],
    ["value", showLeafValue(leaf, room)],
    ["bytes", `${showCount(leaf.bytes)}, of which the value ${showCount(leaf.valueBytes)}`],
  ]);
}

function showLeafValue(leaf: LeafView, room: number): string {
  if (leaf.value !== undefined) return shorten(showValue(leaf.value as Value), room);
  return leaf.problem === null ? "too large to be shown here; see `bancos get`" : "?";
}

function printCell(store: CliStore, offset: number, found: CellInspection): void {
  const { bold, red } = out.colors;
  const end = found.offset + found.bytes - 1;
  out.line(`${bold(found.what)}  @${found.offset} to @${end}, ${plural(found.bytes, "byte")}`);
  const pairs: [string, string][] = [];
  if (offset !== found.offset) pairs.push(["asked for", `byte ${offset - found.offset} of it`]);
  if (found.state !== null) pairs.push(["state", found.state]);
  if (found.slot !== 0) pairs.push([found.state === "live" ? "locked by slot" : "slot", String(found.slot)]);
  for (const [name, value] of found.fields) pairs.push([name, String(value)]);
  if (found.node !== null) {
    const { depth, live, capacity, used, kind } = found.node;
    pairs.push(["depth", String(depth)], ["live", `${live} of ${capacity}`]);
    if (kind !== "Node256") pairs.push(["used", String(used)]);
  }
  if (pairs.length > 0) printPairs(pairs);
  if (found.leaf !== null) printLeaf(store.keyEncoding, found.leaf);
  if (found.children.length > 0) {
    printHeading("Children");
    printTable(
      ["digit", "offset", "kind"],
      found.children.map((child) => [showDigit(child.digit), `@${child.offset}`, child.kind]),
      [1],
    );
  }
  printSlab(found.slab);
  if (found.dump.length > 0) {
    printHeading("Bytes");
    printDump(found.dump, found.offset);
    const more = found.bytes - found.dump.length;
    if (more > 0) out.line(`  ${plural(more, "more byte")} (--bytes shows more)`);
  }
  if (found.problem !== null) out.line(`\n${red("problem")}  ${found.problem}`);
}

function printSlab(slab: SlabView): void {
  printHeading(`Slab ${slab.number}`);
  const pairs: [string, string][] = [
    ["offset", `@${slab.offset}`],
    ["kind", slab.kind],
  ];
  if (slab.kind === "cells") {
    pairs.push([
      "class",
      `${slab.sizeClass}: ${plural(slab.cells, "cell")} of ${plural(slab.cellBytes, "byte")}`,
    ]);
  }
  if (slab.run !== null) pairs.push(["run", `${plural(slab.run.slabs, "slab")} from slab ${slab.run.first}`]);
  pairs.push(["owner", slab.owner === 0 ? "nobody" : `slot ${slab.owner}, process ${slab.ownerPid}`]);
  if (slab.sound !== null) pairs.push(["table entry", slab.sound ? "checksum right" : "checksum wrong"]);
  printPairs(pairs);
}

function printDump(bytes: Uint8Array, offset: number): void {
  const width = String(offset + bytes.length).length;
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte, i) => (i === 8 ? " " : "") + byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    out.line(`  ${out.colors.dim(String(offset + at).padStart(width))}  ${hex.padEnd(48)}  ${text}`);
  }
}
