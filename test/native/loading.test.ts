/** Which library is loaded, and what is said when none can be. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BancosError } from "../../src/errors.ts";
import {
  ABI_VERSION,
  DECLARATIONS,
  loadNative,
  loadPrebuilt,
  loadTinycc,
  native,
  symbols,
} from "../../src/memory/native.ts";
import { temporaryFolder } from "./support.ts";

const SOURCE = join(import.meta.dir, "../../c/bancos.c");
const MODULE = join(import.meta.dir, "../../src/memory/native.ts");

/** The error that `work` throws. */
function failure(work: () => unknown): BancosError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(BancosError);
    return error as BancosError;
  }
  throw new Error("nothing was thrown");
}

/** Calls `work` with the path of a file of this content. */
function withFile(name: string, content: string | Uint8Array, work: (path: string) => void): void {
  const folder = temporaryFolder();
  try {
    const path = join(folder, name);
    writeFileSync(path, content);
    work(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What a process of its own finds, with these variables set and these flags. */
function elsewhere(env: Record<string, string | undefined>, flags: string[] = []): unknown {
  const program = `import { native, symbols } from ${JSON.stringify(MODULE)};
    let thrown = null;
    try { symbols.bancos_load32(0, 0, 0); } catch (error) { thrown = error === native.error; }
    console.log(JSON.stringify({ build: native.build, code: native.error?.code ?? null, thrown }));`;
  const child = Bun.spawnSync([process.execPath, ...flags, "-e", program], {
    env: { ...process.env, BANCOS_NATIVE: undefined, ...env },
  });
  expect(child.stderr.toString()).toBe("");
  return JSON.parse(child.stdout.toString());
}

test("the build that is asked for is the one that is loaded", () => {
  expect(native.error).toBeNull();
  const asked = process.env.BANCOS_NATIVE;
  expect(asked === undefined || asked === "" ? native.build : asked).toBe(native.build);
  expect(native.compiler).toMatch(native.build === "tinycc" ? /^tinycc$/ : /^(gcc|.*clang) \d/i);
  expect(existsSync(native.path)).toBe(true);
  expect(symbols.bancos_abi()).toBe(ABI_VERSION);
});

test("every function of the source is declared, and every declared one is in the source", () => {
  const source = readFileSync(SOURCE, "utf8");
  const families = ["load", "store", "fetchAdd", "fetchSub", "fetchOr", "cas", "casWeak"];
  const exported = [...source.matchAll(/^\w[\w *]*\b(bancos_\w+)\(/gm)].map((found) => found[1] as string);
  for (const family of families) for (const bits of [8, 16, 32, 64]) exported.push(`bancos_${family}${bits}`);
  expect([...new Set(exported)].sort()).toEqual(Object.keys(DECLARATIONS).sort());
});

describe("a process of its own", () => {
  test("import never throws; every function then throws the error", () => {
    expect(elsewhere({ BANCOS_NATIVE: "nonsense" })).toEqual({
      build: "none",
      code: "INVALID_OPTION",
      thrown: true,
    });
  });

  test("TinyCC can be forced, on x64", () => {
    const x64 = { build: "tinycc", code: null, thrown: null };
    const arm64 = { build: "none", code: "NATIVE_LOAD", thrown: true };
    expect(elsewhere({ BANCOS_NATIVE: "tinycc" })).toEqual(process.arch === "x64" ? x64 : arm64);
  });

  test("without TinyCC the error says so", () => {
    expect(elsewhere({ BANCOS_NATIVE: "tinycc" }, ["--no-ffi-cc"])).toEqual({
      build: "none",
      code: "NATIVE_LOAD",
      thrown: true,
    });
  });

  test("left alone, it takes what there is", () => {
    const prebuilt = existsSync(join(import.meta.dir, `../../build/libbancos-linux-${process.arch}.so`));
    expect(elsewhere({})).toEqual({ build: prebuilt ? "prebuilt" : "tinycc", code: null, thrown: null });
  });
});

describe("a library that is", () => {
  test("missing", () => {
    const { code, message } = failure(() => loadPrebuilt("/no/such/library.so"));
    expect(code).toBe("NATIVE_LOAD");
    expect(message).toContain("make");
  });

  test("not a library", () => {
    withFile("text.so", "this is text", (path) => {
      const { code, message } = failure(() => loadPrebuilt(path));
      expect(code).toBe("NATIVE_LOAD");
      expect(message).toContain(path);
    });
  });

  test("cut short", () => {
    withFile("short.so", readFileSync(process.execPath).subarray(0, 5000), (path) => {
      expect(failure(() => loadPrebuilt(path)).code).toBe("NATIVE_LOAD");
    });
  });

  test("of another choice", () => {
    expect(failure(() => loadNative("gcc")).code).toBe("INVALID_OPTION");
  });
});

// In the run with the prebuilt library there is one to spoil.
if (native.build === "prebuilt") {
  test.each(["bancos_abi", "bancos_gather"])("a library without %s is stale", (name) => {
    const library = readFileSync(native.path);
    const at = library.indexOf(`\0${name}\0`);
    expect(at).toBeGreaterThan(0);
    library[at + name.length] = 0x5f;
    withFile("stale.so", library, (path) => {
      const { code, message } = failure(() => loadPrebuilt(path));
      expect(code).toBe("NATIVE_LOAD");
      expect(message).toContain(path);
    });
  });
} else {
  test("a source of another version is refused", () => {
    const source = readFileSync(SOURCE, "utf8").replace(/#define ABI_VERSION \d+/, "#define ABI_VERSION 999");
    withFile("bancos.c", source, (path) => {
      const { code, message } = failure(() => loadTinycc(path));
      expect(code).toBe("NATIVE_LOAD");
      expect(message).toContain("999");
    });
  });

  test("a source that does not compile is refused", () => {
    withFile("bancos.c", "int bancos_abi(void) { return", (path) => {
      expect(failure(() => loadTinycc(path)).code).toBe("NATIVE_LOAD");
    });
  });

  test("a source that is missing", () => {
    expect(failure(() => loadTinycc("/no/such/bancos.c")).code).toBe("NATIVE_LOAD");
  });
}
