/** Several processes on one store: throughput of two beside that of one, of each store in turn, in interleaved rounds. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ABILITIES, type Name } from "../stores/index.ts";
import { fill, isYcsb, KEYS, TINY_KEYS, WORK_TITLES, WORKS, type Work } from "./works.ts";

/** Operations a second, or a quotient of such: row, store, one figure a round. */
export type ProcessFigures = Record<string, Partial<Record<Name, number[]>>>;

export interface ProcessEffort {
  readonly rounds: number;
  readonly milliseconds: number;
  readonly keys: number;
  readonly mixes: readonly Work[];
}
export const FULL_PROCESSES = { milliseconds: 1000, keys: KEYS, mixes: WORKS.filter(isYcsb) };
/** For tests. Starting a process takes most of the time, so there is one mix only. */
export const TINY_PROCESSES = { milliseconds: 20, keys: TINY_KEYS, mixes: ["ycsb-A"] as const };

/** Rows of the report that the targets name. */
export const TWO_READERS = "two readers / one";
export const TWO_WRITERS = `two writers / one: ${WORK_TITLES.fresh}`;
/** What the machine has to give: two who share nothing but it. */
export const TWO_FILES = `two writers, a file each / one: ${WORK_TITLES.fresh}`;

/** Runs processes that do `works` at once, each on the store in its directory; operations per second of each. */
async function run(
  name: Name,
  directories: readonly string[],
  works: readonly Work[],
  firstId: number,
  effort: ProcessEffort,
): Promise<number[]> {
  const children = works.map((work, i) => {
    const arguments_ = [name, directories[i], work, effort.keys, firstId + i, effort.milliseconds].map(
      String,
    );
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "child.ts"), ...arguments_], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
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
  try {
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
  } finally {
    // Of two, the one may have failed.
    for (const { child } of children) child.kill();
  }
}

const sum = (figures: readonly number[]): number => figures.reduce((a, b) => a + b, 0);

/** Measures those of `names` that several processes can open. */
export async function compareProcesses(
  names: readonly Name[],
  effort: ProcessEffort,
  onProgress: (what: string) => void,
): Promise<ProcessFigures> {
  const figures: ProcessFigures = {};
  for (let round = 0; round < effort.rounds; round++) {
    for (const name of names.filter((each) => ABILITIES[each].processes && !ABILITIES[each].writesOnly)) {
      onProgress(`processes, round ${round + 1} of ${effort.rounds}: ${name}`);
      const note = (row: string, figure: number): void => {
        figures[row] ??= {};
        const byName = figures[row];
        byName[name] = [...(byName[name] ?? []), figure];
      };
      const folder = mkdtempSync(join(tmpdir(), "bancos-bench-"));
      // Each process makes keys of its own.
      let id = 1;
      const two = async (first: string, second: string, work: Work, other = work): Promise<number[]> => {
        const rates = await run(name, [first, second], [work, other], id, effort);
        id += 2;
        return rates;
      };
      const one = async (directory: string, work: Work): Promise<number> =>
        (await run(name, [directory], [work], id++, effort))[0] ?? 0;
      const made = async (what: string, work: Work): Promise<string> => {
        const directory = mkdtempSync(join(folder, `${what}-`));
        await (await fill(name, directory, work, effort.keys)).close();
        return directory;
      };
      try {
        const numbers = await made("numbers", "read");
        const reader = await one(numbers, "read");
        const readers = sum(await two(numbers, numbers, "read"));
        note("one reader", reader);
        note("two readers", readers);
        note(TWO_READERS, readers / reader);
        const [beside = 0] = await two(numbers, numbers, "read", "update");
        note("a reader beside a writer / alone", beside / reader);
        for (const work of ["fresh", "update", "hot"] as const) {
          // New keys make the store larger, and slower: each run begins with one of the first size.
          const store = async (): Promise<string> => (work === "fresh" ? made("fresh", work) : numbers);
          const writer = await one(await store(), work);
          const shared = await store();
          const writers = await two(shared, shared, work);
          note(`one writer, set: ${WORK_TITLES[work]}`, writer);
          note(`two writers / one: ${WORK_TITLES[work]}`, sum(writers) / writer);
          note(`share of the slower writer: ${WORK_TITLES[work]}`, Math.min(...writers) / sum(writers));
          if (work !== "fresh") continue;
          note(TWO_FILES, sum(await two(await store(), await store(), work)) / writer);
        }
        const texts = await made("texts", "ycsb-A");
        for (const work of effort.mixes) {
          note(`${WORK_TITLES[work]}, one process`, await one(texts, work));
          note(`${WORK_TITLES[work]}, two processes`, sum(await two(texts, texts, work)));
          if (work !== "ycsb-A") continue;
          const others = await made("others", work);
          note(`${WORK_TITLES[work]}, two processes, a file each`, sum(await two(texts, others, work)));
        }
      } catch (error) {
        // lmdb has been seen to fail with two writers (MDB_PROBLEM); of our own store we want to know.
        if (name === "bancos") throw error;
        onProgress(`${name} has failed, and has no more figures of this round: ${(error as Error).message}`);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
  }
  return figures;
}
