/**
 * Tests the tests: breaks the code on purpose, one way at a time, and sees whether a test notices.
 *
 * `bun scripts/mutants.ts [WORD…]` takes the mutants of `test/mutants.json` whose name contains one of the words (all
 * without words). A mutant is `{ name, file, find, replace, also?, suites }`: in `file`, the text `find`, which must
 * occur exactly once, becomes `replace`, and so do further pairs in `also`; then the named suites must fail. The work is done on a copy: the project is never
 * changed. A suite that hangs has noticed too. Cost: one run of its suites for each mutant.
 *
 * The exit code is 0 if every mutant was caught, 1 if one survived or does not fit the code any more.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { projectFiles } from "../test/architecture/files.ts";
import { ROOT } from "./suites.ts";

interface Edit {
  readonly find: string;
  readonly replace: string;
}

interface Mutant extends Edit {
  /** What is broken, in a few words. */
  readonly name: string;
  readonly file: string;
  /** Further edits of the same file, each after the ones before it: a step that moves leaves one place for another. */
  readonly also?: readonly Edit[];
  readonly suites: readonly string[];
}

/** Longer than any suite takes, in milliseconds. */
const HANGS_AFTER = 15 * 60_000;

function readMutants(): Mutant[] {
  const path = join(ROOT, "test/mutants.json");
  if (!existsSync(path)) throw new Error("there is no test/mutants.json");
  const mutants: Mutant[] = JSON.parse(readFileSync(path, "utf8"));
  const words = process.argv.slice(2);
  return words.length === 0
    ? mutants
    : mutants.filter(({ name }) => words.some((word) => name.includes(word)));
}

/** A copy of the project that shares its dependencies. */
function copyProject(): string {
  const copy = mkdtempSync(join(tmpdir(), "bancos-mutants-"));
  for (const path of projectFiles()) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    cpSync(join(ROOT, path), join(copy, path));
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  if (existsSync(join(ROOT, "build"))) cpSync(join(ROOT, "build"), join(copy, "build"), { recursive: true });
  return copy;
}

function buildNative(copy: string): boolean {
  const library = `build/libbancos-${process.platform}-${process.arch}.so`;
  return Bun.spawnSync(["scripts/native.sh", library], { cwd: copy }).success;
}

type Verdict = "passed" | "failed" | "hung";

function runSuites(copy: string, suites: readonly string[]): { verdict: Verdict; output: string } {
  const run = Bun.spawnSync([process.execPath, "scripts/test.ts", "--bail", ...suites], {
    cwd: copy,
    timeout: HANGS_AFTER,
    killSignal: "SIGKILL",
  });
  const output = run.stdout.toString() + run.stderr.toString();
  if (run.exitedDueToTimeout) return { verdict: "hung", output };
  // Exit code 2: no such suite. That is no test noticing anything.
  if (run.exitCode === 2) throw new Error(output);
  return { verdict: run.exitCode === 0 ? "passed" : "failed", output };
}

const mutants = readMutants();
const copy = copyProject();
let caught = 0;
const survivors: string[] = [];
try {
  const suites = [...new Set(mutants.flatMap((mutant) => mutant.suites))];
  const sound = runSuites(copy, suites);
  if (sound.verdict !== "passed") {
    console.error(`${sound.output}\nthe code fails these suites as it is: mutants would prove nothing`);
    process.exitCode = 1;
  } else {
    for (const mutant of mutants) {
      const path = join(copy, mutant.file);
      const source = existsSync(path) ? readFileSync(path, "utf8") : "";
      let broken = source;
      let fits = true;
      for (const { find, replace } of [mutant, ...(mutant.also ?? [])]) {
        const occurrences = broken.split(find).length - 1;
        if (occurrences !== 1) {
          survivors.push(`${mutant.name}: its text occurs ${occurrences} times in ${mutant.file}, not once`);
          fits = false;
          break;
        }
        broken = broken.replace(find, () => replace);
      }
      if (!fits) continue;
      const started = performance.now();
      writeFileSync(path, broken);
      const native = mutant.file.startsWith("c/");
      // A compiler that refuses the mutant has noticed as well.
      const verdict = native && !buildNative(copy) ? "failed" : runSuites(copy, mutant.suites).verdict;
      writeFileSync(path, source);
      if (native) buildNative(copy);
      if (verdict === "passed")
        survivors.push(`${mutant.name} (${mutant.file}; ${mutant.suites.join(", ")})`);
      else caught++;
      const result = verdict === "passed" ? "SURVIVED" : verdict === "hung" ? "caught (hung)" : "caught";
      console.log(
        `${result.padEnd(14)} ${mutant.name.padEnd(60)} ${((performance.now() - started) / 1000).toFixed(1)} s`,
      );
    }
    for (const survivor of survivors) console.log(`SURVIVED  ${survivor}`);
    console.log(`${caught} caught, ${survivors.length} survived`);
    if (survivors.length > 0) process.exitCode = 1;
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
