/** Several processes on one store: throughput of two beside that of one, of each store in turn, in interleaved rounds. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generatedKey } from "../data.ts";
import { ABILITIES, contender, type Name } from "../stores/index.ts";
import { isYcsb, KEYS, TINY_KEYS, valueFor, WORK_TITLES, WORKS, type Work } from "./works.ts";

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

/** Runs processes that do `works` at once on the store in `directory`; operations per second of each. */
async function run(
  name: Name,
  directory: string,
  works: readonly Work[],
  firstId: number,
  effort: ProcessEffort,
): Promise<number[]> {
  const children = works.map((work, i) => {
    const arguments_ = [name, directory, work, effort.keys, firstId + i, effort.milliseconds].map(String);
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

/** Makes a store of `keys` keys with the values that `work` has. */
async function fill(name: Name, directory: string, work: Work, keys: number): Promise<void> {
  const store = await contender(name, directory);
  const all = Array.from({ length: keys }, (_, i) => generatedKey(i));
  await store.setAll(
    all,
    all.map((_, i) => valueFor(work, i)),
  );
  await store.close();
}

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
      const oneAndTwo = async (
        directory: string,
        work: Work,
        second = directory,
      ): Promise<{ one: number; two: number[] }> => {
        const [one = 0] = await run(name, directory, [work], id++, effort);
        const two = await run(name, second, [work, work], id, effort);
        id += 2;
        return { one, two };
      };
      try {
        const numbers = mkdtempSync(join(folder, "numbers-"));
        await fill(name, numbers, "read", effort.keys);
        const readers = await oneAndTwo(numbers, "read");
        note("one reader", readers.one);
        note("two readers", sum(readers.two));
        note(TWO_READERS, sum(readers.two) / readers.one);
        const [beside = 0] = await run(name, numbers, ["read", "update"], id, effort);
        id += 2;
        note("a reader beside a writer / alone", beside / readers.one);
        // New keys make the store larger, and slower: each of the two runs begins with one of the first size.
        const freshStore = async (): Promise<string> => {
          const made = mkdtempSync(join(folder, "fresh-"));
          await fill(name, made, "fresh", effort.keys);
          return made;
        };
        for (const work of ["fresh", "update", "hot"] as const) {
          const { one, two } =
            work === "fresh"
              ? await oneAndTwo(await freshStore(), work, await freshStore())
              : await oneAndTwo(numbers, work);
          note(`one writer, set: ${WORK_TITLES[work]}`, one);
          note(`two writers / one: ${WORK_TITLES[work]}`, sum(two) / one);
          note(`share of the slower writer: ${WORK_TITLES[work]}`, Math.min(...two) / sum(two));
        }
        const texts = mkdtempSync(join(folder, "texts-"));
        await fill(name, texts, "ycsb-A", effort.keys);
        for (const work of effort.mixes) {
          const { one, two } = await oneAndTwo(texts, work);
          note(`${WORK_TITLES[work]}, one process`, one);
          note(`${WORK_TITLES[work]}, two processes`, sum(two));
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
  }
  return figures;
}
