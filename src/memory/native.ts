/**
 * Loads the native library: a prebuilt one, from `make` or from the package, or the one inside a bundle; else
 * `c/bancos.c` compiled by the TinyCC of bun:ffi.
 *
 * Importing this module never throws. Where nothing can be loaded, `native.error` says why and every native function
 * throws that error, so that `open()` can report it. `BANCOS_NATIVE=prebuilt|tinycc` in the environment forces one.
 */
import { cc, dlopen, linkSymbols, type Pointer } from "bun:ffi";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BancosError } from "../errors.ts";
import { embeddedLibrary, type Place } from "./embedded.ts";

/** Raised with every change of an export; `ABI_VERSION` in c/bancos.c holds the same number. */
export const ABI_VERSION = 12;

/** The two ways to build the library. */
export type Build = "prebuilt" | "tinycc";

type Argument = "i32" | "f64" | "ptr";

function f<const A extends readonly Argument[], const R extends "i32" | "f64" | "void" | "cstring">(
  args: A,
  returns: R,
): { readonly args: A; readonly returns: R } {
  return { args, returns };
}

/** Every export of c/bancos.c. */
export const DECLARATIONS = {
  bancos_abi: f([], "i32"),
  bancos_compiler: f([], "cstring"),

  bancos_load8: f(["i32", "i32", "i32"], "i32"),
  bancos_load16: f(["i32", "i32", "i32"], "i32"),
  bancos_load32: f(["i32", "i32", "i32"], "i32"),
  bancos_load64: f(["i32", "i32", "i32"], "f64"),
  bancos_loadF64: f(["i32", "i32", "i32"], "f64"),
  bancos_store8: f(["i32", "i32", "i32", "i32"], "void"),
  bancos_store16: f(["i32", "i32", "i32", "i32"], "void"),
  bancos_store32: f(["i32", "i32", "i32", "i32"], "void"),
  bancos_store64: f(["i32", "i32", "i32", "f64"], "void"),
  bancos_storePair: f(["i32", "i32", "i32", "i32", "i32"], "void"),
  bancos_storeF64: f(["i32", "i32", "i32", "f64"], "void"),
  bancos_exchange32: f(["i32", "i32", "i32", "i32"], "i32"),
  bancos_exchange64: f(["i32", "i32", "i32", "f64"], "f64"),
  bancos_fetchAdd8: f(["i32", "i32", "i32", "i32"], "i32"),
  bancos_fetchAdd16: f(["i32", "i32", "i32", "i32"], "i32"),
  bancos_fetchAdd32: f(["i32", "i32", "i32", "i32"], "i32"),
  bancos_fetchAdd64: f(["i32", "i32", "i32", "f64"], "f64"),
  bancos_fetchSub8: f(["i32", "i32", "i32", "i32"], "i32"),
  bancos_fetchSub16: f(["i32", "i32", "i32", "i32"], "i32"),
  bancos_fetchSub32: f(["i32", "i32", "i32", "i32"], "i32"),
  bancos_fetchSub64: f(["i32", "i32", "i32", "f64"], "f64"),
  bancos_fetchOr8: f(["i32", "i32", "i32", "i32"], "i32"),
  bancos_fetchOr16: f(["i32", "i32", "i32", "i32"], "i32"),
  bancos_fetchOr32: f(["i32", "i32", "i32", "i32"], "i32"),
  bancos_fetchOr64: f(["i32", "i32", "i32", "f64"], "f64"),
  bancos_cas8: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_cas16: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_cas32: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_cas64: f(["i32", "i32", "i32", "f64", "f64"], "i32"),
  bancos_casWeak8: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_casWeak16: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_casWeak32: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_casWeak64: f(["i32", "i32", "i32", "f64", "f64"], "i32"),

  bancos_enterEpoch: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_fence: f([], "void"),
  bancos_acquireFence: f([], "void"),
  bancos_pause: f(["i32"], "void"),
  bancos_prefetch: f(["i32", "i32"], "void"),

  bancos_movnt32: f(["i32", "i32", "i32", "i32"], "void"),
  bancos_movnt64: f(["i32", "i32", "i32", "i32", "i32"], "void"),
  bancos_setN48Key: f(["i32", "i32", "i32", "i32"], "void"),
  bancos_persist: f(["i32", "i32", "i32", "i32"], "void"),
  bancos_cpuFeature: f([], "i32"),

  bancos_findByte16: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_findWord: f(["i32", "i32", "i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_findEntry: f(["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_fillWord: f(["i32", "i32", "i32", "i32", "i32", "i32"], "void"),
  bancos_sum64: f(["i32", "i32", "i32", "i32", "i32"], "f64"),
  bancos_compareBytes: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_copyIn: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_copyOut: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_copyInFrom: f(["i32", "i32", "i32", "ptr", "i32"], "i32"),
  bancos_copyOutTo: f(["i32", "i32", "i32", "ptr", "i32"], "i32"),
  bancos_copyWithin: f(["i32", "i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_load16Bytes: f(["i32", "i32", "i32", "i32"], "i32"),
  bancos_loadWords: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_storeWords: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_childOf: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_listChildren: f(["i32", "i32", "i32", "i32"], "i32"),
  bancos_walk: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_findLeaf: f(["i32", "i32", "i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_hashLeaves: f(["i32", "i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_leafIsSound: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_hash: f(["i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_hashScratch: f(["i32", "i32", "i32", "i32"], "i32"),
  bancos_hashFrom: f(["ptr", "i32", "i32"], "i32"),
  bancos_gather: f(["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"], "i32"),
  bancos_bindScratch: f(["i32", "ptr", "f64"], "i32"),

  bancos_open: f(["ptr", "i32", "i32"], "i32"),
  bancos_close: f(["i32"], "i32"),
  bancos_stat: f(["i32", "ptr"], "i32"),
  bancos_allocate: f(["i32", "f64", "f64"], "i32"),
  bancos_truncate: f(["i32", "f64"], "i32"),
  bancos_syncFile: f(["i32"], "i32"),
  bancos_lock: f(["i32", "f64", "i32", "i32"], "i32"),
  bancos_unlock: f(["i32", "f64"], "i32"),
  bancos_lockHeld: f(["i32", "f64"], "i32"),
  bancos_threadId: f([], "i32"),
  bancos_newHandle: f(["i32"], "i32"),
  bancos_map: f(["i32", "f64", "i32"], "i32"),
  bancos_setLimit: f(["i32", "f64"], "i32"),
  bancos_unmap: f(["i32"], "i32"),
  bancos_closeHandle: f(["i32"], "i32"),
  bancos_lockRange: f(["i32", "f64", "f64"], "i32"),
  bancos_unlockRange: f(["i32", "f64", "f64"], "i32"),
  bancos_rangeHeld: f(["i32", "f64"], "f64"),
  bancos_takeHandle: f(["i32", "i32"], "i32"),
  bancos_handleInfo: f(["i32", "i32"], "f64"),
  bancos_syncRange: f(["i32", "f64", "f64"], "i32"),
  bancos_populate: f(["i32", "i32", "i32"], "void"),
  bancos_prefault: f(["ptr", "f64"], "void"),
  bancos_letGo: f(["i32", "i32", "i32"], "void"),
  bancos_writeBack: f(["i32", "i32", "i32"], "void"),
  bancos_writeError: f(["i32"], "i32"),
  bancos_letOthersFence: f([], "i32"),
  bancos_fenceOthers: f([], "i32"),
  bancos_monotonicNs: f([], "f64"),
  bancos_yieldThread: f([], "void"),
  bancos_sleepMs: f(["f64"], "void"),
  bancos_futexWait: f(["i32", "i32", "i32", "i32", "f64"], "i32"),
  bancos_futexWake: f(["i32", "i32", "i32", "i32"], "i32"),
} as const;

/** The native functions, by their names in C. */
export type Symbols = ReturnType<typeof dlopen<typeof DECLARATIONS>>["symbols"];

/** A library that was loaded. */
export interface Library {
  readonly build: Build;
  /** The file that was loaded or compiled. */
  readonly path: string;
  /** What compiled it, with its version. */
  readonly compiler: string;
  readonly symbols: Symbols;
}

/** What became of loading at import. */
export interface Native {
  readonly build: Build | "none";
  /** The file that was loaded or compiled; empty with an error. */
  readonly path: string;
  readonly compiler?: string;
  /** `UNSUPPORTED_PLATFORM` or `NATIVE_LOAD`, or null if all is well. */
  readonly error: BancosError | null;
}

const NAME = `libbancos-${process.platform}-${process.arch}.so`;
const inProject = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const SOURCE = inProject("c/bancos.c");
/** In a bundle this module is somewhere else, and what lies around there is not ours. */
const IN_PLACE = import.meta.url.endsWith("/src/memory/native.ts");
/** Where `make` puts it, and where the package has it. */
const PREBUILT: readonly string[] = IN_PLACE ? [inProject(`build/${NAME}`), inProject(`native/${NAME}`)] : [];

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const AGAIN = "run `make` again, or install bancos again";

function checkVersion(path: string, version: number): void {
  if (version === ABI_VERSION) return;
  throw new BancosError(
    "NATIVE_LOAD",
    `${path} has version ${version} of the native interface, this code needs ${ABI_VERSION}; ${AGAIN}`,
  );
}

/**
 * Loads a prebuilt library.
 * @param path the file; by default the one of this platform, from `make` or from the package, else the one that a
 * bundler made part of the program
 * @throws BancosError `NATIVE_LOAD` if there is none, it does not load, or has another ABI version
 */
export function loadPrebuilt(path?: string): Library {
  const file = path ?? PREBUILT.find((candidate) => existsSync(candidate));
  if (file !== undefined && existsSync(file)) return loadFile(file);
  if (path === undefined && !IN_PLACE) return loadEmbedded(embeddedLibrary());
  const where = path ?? PREBUILT.join(" or ");
  throw new BancosError("NATIVE_LOAD", `there is no native library at ${where}; ${AGAIN}`);
}

function loadFile(path: string): Library {
  // The version first and alone: an older library may lack other functions, and then dlopen would complain of those.
  let version: number;
  try {
    version = dlopen(path, { bancos_abi: DECLARATIONS.bancos_abi }).symbols.bancos_abi();
  } catch (cause) {
    throw new BancosError(
      "NATIVE_LOAD",
      `the native library ${path} could not be loaded (${reason(cause)}); ` +
        `see that its filesystem is not mounted noexec, then ${AGAIN}`,
      { cause },
    );
  }
  checkVersion(path, version);
  try {
    const { symbols } = dlopen(path, DECLARATIONS);
    return { build: "prebuilt", path, compiler: String(symbols.bancos_compiler()), symbols };
  } catch (cause) {
    throw new BancosError("NATIVE_LOAD", `the native library ${path} is incomplete (${reason(cause)})`, {
      cause,
    });
  }
}

/** Tries each place that the library inside a bundle can be loaded from. */
function loadEmbedded(places: readonly Place[]): Library {
  if (places.length === 0) {
    throw new BancosError(
      "NATIVE_LOAD",
      `the bancos that this program was bundled from had no native/${NAME.replace(/so$/, "js")} to take along; ` +
        "bundle it from an installed package",
    );
  }
  const failures: string[] = [];
  for (const place of places) {
    try {
      return place(loadFile);
    } catch (error) {
      const { cause = error } = error as { readonly cause?: unknown };
      failures.push(reason(cause));
    }
  }
  throw new BancosError(
    "NATIVE_LOAD",
    "the native library inside this program could not be loaded; set TMPDIR to a folder that can be written to and " +
      `is not mounted noexec (${failures.join("; and ")})`,
  );
}

/** What TinyCC compiled is freed with the object that cc() returned, so those are kept. */
const compiled: unknown[] = [];

/**
 * The functions of cc(), called as those of dlopen() are. The calls that cc() itself makes take the low 32 bits of
 * whatever a JavaScript number is stored as, so an integer that the JIT keeps as a double arrives as another number
 * (seen in Bun 1.4.5; dlopen() and linkSymbols() convert as `| 0` does). They are also several times slower.
 */
function relink(functions: Symbols): Symbols {
  const linked = Object.entries(DECLARATIONS).map(([name, declaration]) => {
    const { ptr } = functions[name as keyof Symbols] as unknown as { readonly ptr?: Pointer };
    if (typeof ptr !== "number" || ptr <= 0) throw new Error(`no address of ${name}`);
    return [name, { ...declaration, ptr }];
  });
  return linkSymbols(Object.fromEntries(linked)).symbols as unknown as Symbols;
}

/**
 * Compiles c/bancos.c with TinyCC, about 10 ms. Each Worker that does so has a table of handles of its own.
 * @throws BancosError `NATIVE_LOAD` where cc() is switched off, the source is missing, or on arm64
 */
export function loadTinycc(path: string = SOURCE): Library {
  if (process.arch !== "x64") {
    throw new BancosError("NATIVE_LOAD", `TinyCC cannot compile bancos for ${process.arch}; run \`make\``);
  }
  if (!existsSync(path)) {
    throw new BancosError("NATIVE_LOAD", `the source of the native library is not at ${path}`);
  }
  let symbols: Symbols;
  try {
    const library = cc({ source: path, symbols: DECLARATIONS });
    compiled.push(library);
    symbols = relink(library.symbols);
  } catch (cause) {
    throw new BancosError("NATIVE_LOAD", `${path} could not be compiled with TinyCC (${reason(cause)})`, {
      cause,
    });
  }
  checkVersion(path, symbols.bancos_abi());
  return { build: "tinycc", path, compiler: String(symbols.bancos_compiler()), symbols };
}

/**
 * Loads as `choice` says: one build, or with `undefined` the prebuilt library and after that TinyCC.
 * @throws BancosError `UNSUPPORTED_PLATFORM`, `NATIVE_LOAD`, or `INVALID_OPTION` for another choice
 */
export function loadNative(choice: string | undefined): Library {
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64")) {
    throw new BancosError(
      "UNSUPPORTED_PLATFORM",
      `bancos runs on Linux with x64 or arm64, not on ${process.platform} ${process.arch}`,
    );
  }
  if (choice === "prebuilt") return loadPrebuilt();
  if (choice === "tinycc") return loadTinycc();
  if (choice !== undefined && choice !== "") {
    throw new BancosError("INVALID_OPTION", `BANCOS_NATIVE is "${choice}"; it can be "prebuilt" or "tinycc"`);
  }
  let first: unknown;
  try {
    return loadPrebuilt();
  } catch (error) {
    first = error;
  }
  // A bundle has no source beside it: what it has inside is all there is.
  if (!IN_PLACE) throw first;
  try {
    return loadTinycc();
  } catch (cause) {
    throw new BancosError("NATIVE_LOAD", `${reason(first)}; and ${reason(cause)}`, { cause });
  }
}

function loadAtImport(): { native: Native; symbols: Symbols } {
  try {
    const { build, path, compiler, symbols } = loadNative(process.env.BANCOS_NATIVE);
    return { native: { build, path, compiler, error: null }, symbols };
  } catch (cause) {
    const error =
      cause instanceof BancosError
        ? cause
        : new BancosError("NATIVE_LOAD", `the native part failed (${reason(cause)})`, { cause });
    const fail = (): never => {
      throw error;
    };
    const names = Object.keys(DECLARATIONS);
    const symbols = Object.fromEntries(names.map((name) => [name, fail])) as unknown as Symbols;
    return { native: { build: "none", path: "", error }, symbols };
  }
}

const loaded = loadAtImport();

/** Which library was loaded, or why none was. */
export const native: Native = loaded.native;

/** The native functions. With `native.error` set, each of them throws it. */
export const symbols: Symbols = loaded.symbols;
