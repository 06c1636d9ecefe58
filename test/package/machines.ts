/** Buns for other machines than this one, and what runs them here. Each is kept in `.tools/`, which git does not see. */
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findOrInstall } from "../../scripts/tools.ts";
import { BUN, folder, mustRun, ROOT, run } from "./support.ts";

/** How programs of another machine are run here, or why they are not. */
export type Machine =
  | {
      readonly bun: string;
      command(program: readonly string[]): string[];
      readonly env: Record<string, string>;
    }
  | { readonly why: string };

/** The Bun of this version for another machine, from npm. */
async function fetchBun(name: string, flags: readonly string[]): Promise<string | null> {
  const home = join(ROOT, ".tools", `${name}-${Bun.version}`);
  const bun = join(home, "node_modules/@oven", name, "bin/bun");
  if (existsSync(bun)) return bun;
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "package.json"), '{ "private": true }\n');
  await run([BUN, "add", "--no-save", "--exact", ...flags, `@oven/${name}@${Bun.version}`], home);
  return existsSync(bun) ? bun : null;
}

/** arm64, emulated by qemu with Debian's C library for cross compilers. */
export async function arm64(): Promise<Machine> {
  const library = "/usr/aarch64-linux-gnu";
  const qemu = await findOrInstall(
    ["qemu-aarch64", "qemu-aarch64-static"],
    ["qemu-user", "libc6-arm64-cross"],
  );
  if (qemu === null) return { why: "no qemu-aarch64" };
  if (!existsSync(library)) return { why: `no C library for arm64 in ${library}` };
  const bun = await fetchBun("bun-linux-aarch64", ["--cpu=arm64"]);
  if (bun === null) return { why: "no Bun for arm64: npm cannot be reached" };
  return { bun, command: (program) => [qemu, "-L", library, ...program], env: {} };
}

/** What libstdc++ of this machine asks of glibc and musl does not have. */
const GLIBC_ONLY = `
char __libc_single_threaded;
int _dl_find_object(void *address, void *result) { return -1; }
unsigned arc4random(void) {
  unsigned value;
  long getrandom(void *, unsigned long, unsigned);
  getrandom(&value, sizeof value, 0);
  return value;
}
`;

/**
 * musl's dynamic linker beside glibc's. The Bun for musl needs a libstdc++ too, which Debian has for glibc only: the
 * parts that Bun asks for are linked anew, from the static library of the compiler.
 */
export async function musl(): Promise<Machine> {
  const loader = "/lib/ld-musl-x86_64.so.1";
  if (process.arch !== "x64") return { why: "this is not x64" };
  if (!existsSync(loader)) await findOrInstall(["ld-musl-x86_64"], ["musl"]);
  if (!existsSync(loader)) return { why: `there is no ${loader}` };
  const bun = await fetchBun("bun-linux-x64-musl", []);
  if (bun === null) return { why: "no Bun for musl: npm cannot be reached" };
  // On a musl system it runs as it is.
  const direct = await run([bun, "--version"], ROOT).catch(() => null);
  if (direct?.exitCode === 0) return { bun, command: (program) => [...program], env: {} };
  if (Bun.which("gcc") === null || Bun.which("nm") === null)
    return { why: "no gcc to link libstdc++ for musl" };
  const libraries = folder("musl");
  symlinkSync(loader, join(libraries, "libc.musl-x86_64.so.1"));
  await linkLibstdcxx(bun, loader, libraries);
  return { bun, command: (program) => [...program], env: { LD_LIBRARY_PATH: libraries } };
}

async function linkLibstdcxx(bun: string, loader: string, into: string): Promise<void> {
  const pathOf = async (name: string): Promise<string> =>
    (await mustRun(["gcc", `-print-file-name=${name}`], into)).trim();
  const symbols = async (file: string, ...flags: string[]): Promise<string[]> =>
    (await mustRun(["nm", "-D", "-P", ...flags, file], into))
      .split("\n")
      .map((line) => line.split(/[ @]/)[0] ?? "")
      .filter((name) => name !== "");
  const inMusl = new Set(await symbols(loader, "--defined-only"));
  const inLibstdcxx = new Set(
    (await mustRun(["nm", "-P", "--defined-only", "--extern-only", await pathOf("libstdc++.a")], into))
      .split("\n")
      .map((line) => line.split(" ")[0] ?? ""),
  );
  const wanted = (await symbols(bun)).filter((name) => inLibstdcxx.has(name) && !inMusl.has(name));
  writeFileSync(join(into, "glibc.c"), GLIBC_ONLY);
  await mustRun(
    [
      ...["gcc", "-shared", "-fPIC", "-w", "-nostdlib", "-nostartfiles", "-o", "libstdc++.so.6"],
      ...[await pathOf("crtbeginS.o"), "glibc.c", ...wanted.map((name) => `-Wl,-u,${name}`)],
      ...["-Wl,-soname,libstdc++.so.6", await pathOf("libstdc++.a"), await pathOf("libgcc_eh.a")],
      ...[await pathOf("libgcc.a"), await pathOf("crtendS.o")],
    ],
    into,
  );
}
