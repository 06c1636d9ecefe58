/**
 * c/bancos.c under AddressSanitizer and UBSan: thousands of damaged files, hundreds of calls each, with any arguments; and
 * by libFuzzer, where clang has it. Nothing outside of the file and the scratch buffer is touched, whatever they say.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryFolder, seconds, seed } from "../../store/support.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

const ROOT = join(import.meta.dir, "../../..");
const SOURCE = join(ROOT, "c/bancos.c");
const HARNESS = join(import.meta.dir, "harness.c");
const FLAGS = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fno-sanitize-recover=all"];
const SANITIZERS = "address,undefined";

const folder = mkdtempSync(join(tmpdir(), "bancos-sanitized-"));
const images = join(folder, "images");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(() => {
  mkdirSync(images);
  const maker = join(import.meta.dir, "../../fuzz/images.ts");
  const made = spawnSync(process.execPath, [maker, images, `${seed}`], { encoding: "utf8" });
  expect(made.stderr).toBe("");
});

const files = (): string[] => readdirSync(images).map((name) => join(images, name));

interface Ended {
  readonly status: number | null;
  readonly said: string;
}

function run(command: string, args: readonly string[]): Ended {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: "utf8",
    maxBuffer: 1 << 26,
    // A run whose ASLR gave the shadow memory away is no finding; nor is memory at exit.
    env: { ...process.env, ASAN_OPTIONS: "detect_leaks=0" },
  });
  return { status: error === undefined ? status : -1, said: `${stdout ?? ""}${stderr ?? ""}` };
}

/** Can this compiler build and run a program with these sanitizers? */
function has(compiler: string, sanitizers: string): boolean {
  const source = join(folder, "probe.c");
  const fuzzer = sanitizers.includes("fuzzer");
  writeFileSync(
    source,
    fuzzer
      ? "int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { (void)d; (void)n; return 0; }"
      : "int main(void) { return 0; }",
  );
  const program = join(folder, "probe");
  if (run(compiler, [`-fsanitize=${sanitizers}`, "-o", program, source]).status !== 0) return false;
  return run(program, fuzzer ? ["-runs=1"] : []).status === 0;
}

function build(compiler: string, sanitizers: string, program: string, ...more: string[]): void {
  const built = run(compiler, [...FLAGS, ...more, `-fsanitize=${sanitizers}`, "-o", program, HARNESS]);
  expect(built).toEqual({ status: 0, said: "" });
}

for (const compiler of ["gcc", "clang"]) {
  test(`built by ${compiler} with sanitizers, no call touches what it must not`, () => {
    if (!has(compiler, SANITIZERS)) {
      console.log(`not run: no ${compiler} here that has AddressSanitizer and UBSan`);
      return;
    }
    const program = join(folder, compiler);
    build(compiler, SANITIZERS, program);
    const ended = run(program, [`${seed}`, `${Math.ceil(seconds)}`, ...files()]);
    expect(ended).toEqual({ status: 0, said: expect.stringMatching(/^\d+ mutants, \d+ calls\n$/) });
    console.log(`${compiler}, seed ${seed}: ${ended.said.trim()}`);
  });
}

test("a bound that is not checked is found", () => {
  const compiler = ["gcc", "clang"].find((each) => has(each, SANITIZERS));
  if (compiler === undefined) {
    console.log("not run: no compiler here that has AddressSanitizer and UBSan");
    return;
  }
  const source = readFileSync(SOURCE, "utf8");
  const check = "return at + size <= e->limit ? past(e->base, at) : (u8 *)0;";
  expect(source.split(check).length).toBe(2);
  const broken = join(folder, "broken.c");
  writeFileSync(broken, source.replace(check, check.replace("at + size", "at + size / 2")));
  const program = join(folder, "broken");
  build(compiler, SANITIZERS, program, `-DSOURCE="${broken}"`);
  const ended = run(program, [`${seed}`, "20", ...files()]);
  expect(ended.status).not.toBe(0);
  expect(ended.said).toContain("AddressSanitizer");
});

test("libFuzzer finds nothing", () => {
  const sanitizers = `fuzzer,${SANITIZERS}`;
  if (!has("clang", sanitizers)) {
    console.log("not run: no clang here that has libFuzzer");
    return;
  }
  const program = join(folder, "fuzzer");
  build("clang", sanitizers, program, "-DLIBFUZZER");
  const ended = run(program, [
    `-max_total_time=${Math.ceil(seconds)}`,
    `-seed=${seed}`,
    "-max_len=16384",
    "-timeout=60",
    `-artifact_prefix=${folder}/`,
  ]);
  expect([ended.status, ended.said.slice(-3000)]).toEqual([0, expect.stringContaining("Done")]);
  console.log(`libFuzzer, seed ${seed}: ${/Done .*/.exec(ended.said)?.[0]}`);
});

test("no damaged file of the fuzz has the library do what C leaves undefined", async () => {
  const compiler = ["clang", "gcc"].find((each) => has(each, "undefined"));
  if (compiler === undefined) {
    console.log("not run: no compiler here that has UBSan");
    return;
  }
  // A copy of the project, whose library ends the process there and then: no run-time library of a sanitizer is needed.
  const copy = join(folder, "project");
  mkdirSync(join(copy, "build"), { recursive: true });
  for (const part of ["src", "c", "test", "package.json", "tsconfig.json"]) {
    cpSync(join(ROOT, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  const library = join(copy, "build", `libbancos-${process.platform}-${process.arch}.so`);
  const trap = compiler === "clang" ? "-fsanitize-trap=undefined" : "-fsanitize-undefined-trap-on-error";
  const built = run(compiler, [
    ...["-std=gnu11", "-O1", "-ffreestanding", "-nostdlib", "-fPIC", "-shared", "-fno-stack-protector"],
    ...["-fsanitize=undefined", trap, "-Wl,--no-undefined", "-o", library, join(copy, "c/bancos.c")],
  ]);
  expect(built).toEqual({ status: 0, said: "" });
  const { fuzzFiles } = (await import(join(copy, "test/fuzz/run.ts"))) as typeof import("../../fuzz/run.ts");
  const report = await fuzzFiles({
    seed,
    mutants: 100_000,
    milliseconds: seconds * 2000,
    parent: memoryFolder,
    env: { BANCOS_NATIVE: "prebuilt" },
  });
  expect(report.failures).toEqual([]);
  console.log(`${compiler}: ${report.mutants} damaged files, seed ${seed}`);
});
