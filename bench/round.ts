/**
 * One round of the comparison: one store, one data set, every row, in a process of its own, so that no store pays for
 * another one's garbage, memory or polymorphism. Writes its figures as JSON.
 *
 *     bun bench/round.ts STORE DATA ROUND FOLDER full|brief|tiny|tiny-brief
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dataSet } from "./data.ts";
import { changeRows } from "./rows/change.ts";
import { loadRandom, loadSorted } from "./rows/load.ts";
import { bytesRow, readRows } from "./rows/read.ts";
import { scanRows } from "./rows/scan.ts";
import { EFFORTS, type EffortName, type Figures, Subject } from "./rows/subject.ts";
import { warmUp } from "./rows/warmup.ts";
import { ABILITIES, NAMES, type Name } from "./stores/index.ts";

/** What a round hands over. */
export interface RoundReport {
  readonly keys: number;
  readonly figures: Figures;
}

async function round(): Promise<RoundReport> {
  const [wanted = "", spec = "", ordinal = "0", folder = ".", effort = "full"] = process.argv.slice(2);
  const name = NAMES.find((known) => known === wanted);
  if (name === undefined) throw new Error(`no store ${wanted}`);
  const data = await dataSet(spec);
  const subject = new Subject(name, data, EFFORTS[effort as EffortName], folder, Number(ordinal));
  const { brief } = subject.effort;
  await warmUp(subject);
  if (!brief) await loadSorted(subject);
  const store = await loadRandom(subject);
  if (!ABILITIES[name].writesOnly) {
    await readRows(subject, store);
    await scanRows(subject, store);
  }
  await changeRows(subject, store);
  await store.close();
  if (!ABILITIES[name].writesOnly && !brief) await bytesRow(subject);
  return { keys: data.keys.length, figures: subject.figures };
}

/** Runs one round of one store in a process; `undefined`, with a message, if it failed. Throws if it was our own. */
export async function runRound(
  name: Name,
  spec: string,
  ordinal: number,
  effort: EffortName,
): Promise<RoundReport | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "bancos-bench-"));
  try {
    const child = Bun.spawn(
      [process.execPath, import.meta.path, name, spec, String(ordinal), folder, effort],
      { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
    );
    const output = await child.stdout.text();
    const code = await child.exited;
    if (code === 0) return JSON.parse(output.trimEnd().split("\n").at(-1) ?? "") as RoundReport;
    const message = `${name} failed on ${spec}: it ended with ${child.signalCode ?? `exit code ${code}`}`;
    if (name === "bancos") throw new Error(message);
    console.error(message);
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const report = await round();
  // Some packages write to standard output as they like; the report is the last line.
  console.log(`\n${JSON.stringify(report)}`);
  process.exit(0);
}
