/** Tables and headings, for people. */
import Table from "cli-table3";
import { out } from "./output.ts";

const PLAIN = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
};

/** A table without lines; columns named in `right` (by number) are set to the right. */
export function printTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): void {
  const { bold } = out.colors;
  const table = new Table({
    chars: PLAIN,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0, compact: true },
    colAligns: head.map((_, i) => (right.includes(i) ? "right" : "left")),
  });
  if (head.some((name) => name !== "")) table.push(head.map((name) => bold(name)));
  for (const row of rows) table.push([...row]);
  for (const line of table.toString().split("\n")) out.line(`  ${line.trimEnd()}`);
}

export function printHeading(text: string): void {
  out.line();
  out.line(out.colors.bold(out.colors.cyan(text)));
}

/** Names and values, one pair a line. */
export function printPairs(pairs: readonly (readonly [string, string])[]): void {
  const width = Math.max(...pairs.map(([name]) => name.length));
  for (const [name, value] of pairs) out.line(`  ${out.colors.dim(name.padEnd(width))}  ${value}`);
}
