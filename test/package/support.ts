/** The packed package, empty projects that install it, and the machines that a program is tried on. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../scripts/suites.ts";

export { ROOT };

/** A folder for everything that these tests make; {@link cleanUp} takes it away. */
export const SCRATCH: string = mkdtempSync(join(tmpdir(), "bancos-package-"));

export function cleanUp(): void {
  rmSync(SCRATCH, { recursive: true, force: true });
}

/** An empty folder below {@link SCRATCH}. */
export function folder(name: string): string {
  const path = mkdtempSync(join(SCRATCH, `${name}-`));
  mkdirSync(path, { recursive: true });
  return path;
}

export interface Ran {
  readonly exitCode: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a command to its end. `env` is added to this process's own, without what chooses a native build. */
export async function run(
  command: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0", BANCOS_NATIVE: "", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { exitCode: await child.exited, out, err };
}

/** As {@link run}, for what has to work. */
export async function mustRun(
  command: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { exitCode, out, err } = await run(command, cwd, env);
  if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with ${exitCode}\n${out}${err}`);
  return out;
}

export const BUN: string = process.execPath;

/** Says which part of a promise this machine cannot show. */
export function notRun(what: string, why: string): void {
  console.log(`${what}: not run: ${why}`);
}

/** Packs the package. */
export async function pack(): Promise<{ archive: string; unpacked: string; log: string }> {
  const out = join(SCRATCH, "dist");
  const log = await mustRun([BUN, join(ROOT, "scripts/dist.ts"), "--out", out], ROOT);
  const [archive] = [...new Bun.Glob("bancos-*.tgz").scanSync({ cwd: out, absolute: true })];
  if (archive === undefined) throw new Error(`no archive in ${out}\n${log}`);
  return { archive, unpacked: join(out, "package"), log };
}

/** A new project with nothing in it but the package, as `bun add` installs it, and {@link PROGRAM}. */
export async function project(archive: string): Promise<string> {
  const path = folder("project");
  writeFileSync(join(path, "package.json"), "{}\n");
  await mustRun([BUN, "add", archive], path);
  writeFileSync(join(path, "app.ts"), PROGRAM);
  return path;
}

/** A program that uses the store named by its argument, checks the whole file, and prints what it found. */
const PROGRAM = `
import { BancosError, open } from "bancos";

try {
  using store = open(process.argv[2] ?? "app.bancos");
  for (let i = 0; i < 1000; i++) store.set(\`key \${i}\`, { i });
  for (let i = 0; i < 1000; i += 3) store.delete(\`key \${i}\`);
  const problems = store.verify().problems.map(({ message }) => message);
  const { build } = store.stats().native;
  console.log(JSON.stringify({ found: store.get("key 998"), keys: [...store.keys()].length, build, problems }));
} catch (error) {
  if (!(error instanceof BancosError)) throw error;
  console.log(JSON.stringify({ code: error.code, message: error.message }));
}
`;

/** What the program prints where the library loaded. */
export const WORKS = { found: { i: 998 }, keys: 666, build: "prebuilt", problems: [] } as const;

/** What the program printed. */
export async function printed(
  command: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const { exitCode, out, err } = await run(command, cwd, env);
  if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with ${exitCode}\n${out}${err}`);
  return JSON.parse(out);
}

/** A folder without node_modules anywhere above it that has these files alone. */
export function elsewhere(...files: readonly string[]): string {
  const path = folder("elsewhere");
  for (const file of files) Bun.spawnSync(["cp", "-r", file, path]);
  return path;
}

/** A namespace of its own for mounting: root may have one, others where the kernel lets them be root in it. */
const NAMESPACE: readonly string[] = ["unshare", process.getuid?.() === 0 ? "-m" : "-rm"];

/** True if this process may mount filesystems in a namespace of its own. */
export function canMount(): boolean {
  if (Bun.which("unshare") === null) return false;
  return Bun.spawnSync([...NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", SCRATCH]).exitCode === 0;
}

/**
 * A command that runs in a namespace of its own: with the folder `noexec` on a filesystem mounted so, as the temporary
 * folder, and without a list of its descriptors if `hideDescriptors`, so that no file in memory can be loaded.
 */
export function confined(
  command: readonly string[],
  { noexec, hideDescriptors }: { readonly noexec?: string; readonly hideDescriptors?: boolean },
): string[] {
  const steps = [
    ...(noexec === undefined ? [] : [`mount -t tmpfs -o noexec tmpfs ${noexec} && export TMPDIR=${noexec}`]),
    ...(hideDescriptors === true ? ["mount -t tmpfs tmpfs /proc/$$/fd"] : []),
    'exec "$@"',
  ];
  return [...NAMESPACE, "sh", "-c", steps.join(" && "), "sh", ...command];
}
