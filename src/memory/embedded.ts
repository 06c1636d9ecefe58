/**
 * The library inside a bundle. `bun build`, with or without `--compile`, leaves the files of node_modules behind, so the
 * package has each library a second time, as a module that a bundler takes along (scripts/dist.ts writes it): gzip in
 * base64. A module and not a file to be embedded: a file would be an asset beside the bundle that has to be carried
 * along, and `bun build --outfile` refuses those (Bun 1.4.5).
 *
 * The dynamic linker wants a file, so the library is put into an anonymous one, in memory. That needs no folder, leaves
 * nothing behind, and works where the temporary folder is read-only or mounted noexec. Where the kernel forbids it, a
 * temporary file is used.
 */
import { dlopen } from "bun:ffi";
import {
  closeSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A way to make a file of the library for `load`, which gets its path and may throw. */
export type Place = <T>(load: (path: string) => T) => T;

/** The library as a module of native/: its size in bytes, and gzip in base64. */
interface Module {
  readonly size: number;
  readonly library: string;
}

/** Where the library inside this program can be loaded from, the best first; none if it was not bundled. */
export function embeddedLibrary(): readonly Place[] {
  const module = libraryModule();
  if (module === undefined) return [];
  return [(load) => fromMemory(module, load), (load) => fromTemporaryFile(module, load)];
}

/**
 * The branch not taken disappears from an executable, whose processor is known. The names are literal, since a bundler
 * does not follow others; in a checkout there are no such modules.
 */
function libraryModule(): Module | undefined {
  try {
    return process.arch === "arm64"
      ? (require("../../native/libbancos-linux-arm64.js") as Module)
      : (require("../../native/libbancos-linux-x64.js") as Module);
  } catch {
    return undefined;
  }
}

const unpack = ({ library }: Module): Uint8Array => Bun.gunzipSync(Buffer.from(library, "base64"));

const MFD_CLOEXEC = 1;
/** Says so to kernels that would rather not, since Linux 6.3; older ones refuse what they do not know. */
const MFD_EXEC = 16;

function anonymousFile(name: string): number {
  const nameBytes = Buffer.from(`${name}\0`);
  const failures: string[] = [];
  // The system's C library, since our own is what is about to be loaded: glibc or musl.
  const musl = process.arch === "arm64" ? "libc.musl-aarch64.so.1" : "libc.musl-x86_64.so.1";
  for (const libc of ["libc.so.6", musl]) {
    try {
      const { symbols } = dlopen(libc, { memfd_create: { args: ["ptr", "u32"], returns: "i32" } });
      for (const flags of [MFD_CLOEXEC | MFD_EXEC, MFD_CLOEXEC]) {
        const file = symbols.memfd_create(nameBytes, flags);
        if (file >= 0) return file;
      }
      failures.push("memfd_create is refused");
    } catch (error) {
      failures.push(String(error));
    }
  }
  throw new Error(`no file in memory (${failures.join(", ")})`);
}

/**
 * All Workers of a process use one copy, and with it one table of handles: the first leaves its descriptor open, the
 * others find it by its name. While it is being written its size tells; those who see it so make one of their own, which
 * does no harm.
 */
function fromMemory<T>(module: Module, load: (path: string) => T): T {
  const name = `libbancos-${Bun.hash(module.library).toString(16)}`;
  const folder = "/proc/self/fd";
  for (const file of readdirSync(folder)) {
    const path = join(folder, file);
    if (linkOf(path) === `/memfd:${name} (deleted)` && statSync(path).size === module.size) return load(path);
  }
  const file = anonymousFile(name);
  try {
    const bytes = unpack(module);
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    return load(join(folder, String(file)));
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // closed meanwhile
  }
}

/** Once loaded, the mapping keeps the file, which needs no name any more. */
function fromTemporaryFile<T>(module: Module, load: (path: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "bancos-"));
  try {
    const path = join(folder, `libbancos-linux-${process.arch}.so`);
    writeFileSync(path, unpack(module), { mode: 0o700 });
    return load(path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
