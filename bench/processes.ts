/** Several processes on one store: throughput of two against one, of each store in turn, in interleaved rounds. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Table from "cli-table3";
import { contender, PERSISTENT } from "./stores.ts";

/** What one process does, again and again, for the length of a measurement. */
export type Work = "read" | "fresh" | "update" | "hot";

const MILLISECONDS = 1500;
const KEYS = 200_000;

/** Runs processes that do `works` at once on `directory`; operations per second of each. */
async function run(
  name: string,
  directory: string,
  works: readonly Work[],
  round: number,
): Promise<number[]> {
  const children = works.map((work, i) => {
    const child = Bun.spawn(
      [
        process.execPath,
        join(import.meta.dir, "child.ts"),
        name,
        directory,
        work,
        `${round}-${i}`,
        String(MILLISECONDS),
      ],
      { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
    );
    return { child, reader: child.stdout.getReader(), text: "" };
  });
  const line = async (of: (typeof children)[number]): Promise<string> => {
    for (;;) {
      const end = of.text.indexOf("\n");
      if (end >= 0) {
        const found = of.text.slice(0, end);
        of.text = of.text.slice(end + 1);
        return found;
      }
      const { done, value } = await of.reader.read();
      if (done) throw new Error(`a process of ${name} ended too early`);
      of.text += new TextDecoder().decode(value);
    }
  };
  for (const each of children) await line(each);
  for (const { child } of children) {
    child.stdin.write("go\n");
    child.stdin.flush();
  }
  const rates: number[] = [];
  for (const each of children) rates.push(Number(await line(each)));
  for (const { child } of children) {
    child.stdin.end();
    await child.exited;
  }
  return rates;
}

const sum = (figures: readonly number[]): number => figures.reduce((a, b) => a + b, 0);
const median = (figures: readonly number[]): number =>
  [...figures].sort((a, b) => a - b)[figures.length >> 1] ?? Number.NaN;

/** Prints, and returns, the ratios. */
export async function compareProcesses(rounds: number): Promise<Record<string, Record<string, number>>> {
  const rows: Record<string, Record<string, number[]>> = {};
  const note = (row: string, name: string, figure: number): void => {
    const byName = rows[row] ?? {};
    rows[row] = byName;
    byName[name] = [...(byName[name] ?? []), figure];
  };
  for (let round = 0; round < rounds; round++) {
    for (const name of PERSISTENT) {
      const directory = mkdtempSync(join(tmpdir(), "bancos-bench-"));
      try {
        const store = await contender(name, directory);
        store.load(Array.from({ length: KEYS }, (_, i) => `key-${i}`));
        store.close();
        const readOne = sum(await run(name, directory, ["read"], round));
        const readTwo = sum(await run(name, directory, ["read", "read"], round));
        note("two readers / one", name, readTwo / readOne);
        for (const work of ["fresh", "update", "hot"] as const) {
          const one = sum(await run(name, directory, [work], round * 10));
          const two = await run(name, directory, [work, work], round * 10 + 1);
          note(`two writers / one, ${WORK_NAMES[work]}`, name, sum(two) / one);
          note(`share of the slower writer, ${WORK_NAMES[work]}`, name, Math.min(...two) / sum(two));
          note(`one writer, ${WORK_NAMES[work]}, operations per second`, name, one);
        }
        const beside = await run(name, directory, ["read", "update"], round);
        note("reader beside a writer / alone", name, (beside[0] ?? 0) / readOne);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    }
  }
  const table = new Table({ head: ["processes", ...PERSISTENT], style: { head: [], border: [] } });
  const result: Record<string, Record<string, number>> = {};
  for (const [row, byName] of Object.entries(rows)) {
    const medians = Object.fromEntries(Object.entries(byName).map(([name, all]) => [name, median(all)]));
    result[row] = medians;
    table.push([
      row,
      ...PERSISTENT.map((name) => {
        const figure = medians[name] ?? Number.NaN;
        return figure > 1000 ? Math.round(figure).toLocaleString("en") : figure.toFixed(2);
      }),
    ]);
  }
  console.log(table.toString());
  return result;
}

const WORK_NAMES: Record<Exclude<Work, "read">, string> = {
  fresh: "fresh keys",
  update: "updates",
  hot: "the same 100 hot keys",
};
