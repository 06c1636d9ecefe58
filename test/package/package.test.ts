/**
 * The packed package does what a stranger asks of it: it is installed into empty projects and used there, bundled,
 * compiled into one file, and taken to machines that lack what this one has. Nothing of the checkout is in reach.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { arm64, type Machine, musl } from "./machines.ts";
import {
  BUN,
  canMount,
  cleanUp,
  confined,
  elsewhere,
  folder,
  mustRun,
  notRun,
  pack,
  printed,
  project,
  ROOT,
  run,
  WORKS,
} from "./support.ts";

const ARCHES = ["x64", "arm64"] as const;

let archive = "";
let unpacked = "";
/** A project for the tests that only read it. */
let shared = "";

beforeAll(async () => {
  const packed = await pack();
  ({ archive, unpacked } = packed);
  shared = await project(archive);
  console.log(`${packed.log.trim()}; the program runs in ${shared}`);
});
afterAll(cleanUp);

interface Manifest {
  readonly version: string;
  readonly exports: Record<string, string | Record<string, string>>;
  readonly [field: string]: unknown;
}

const manifestOf = (path: string): Manifest => JSON.parse(readFileSync(join(path, "package.json"), "utf8"));

/** True if `make dist` had a compiler for this processor. */
function hasLibrary(arch: string): boolean {
  const found = existsSync(join(unpacked, `native/libbancos-linux-${arch}.so`));
  if (!found) notRun(`library for ${arch}`, "no compiler");
  return found;
}

describe("the archive", () => {
  test("has what runs and what is read, and nothing else", async () => {
    const wanted =
      /^(package\.json|README\.md|CHANGELOG\.md|LICENSE|THIRD-PARTY\.md|c\/bancos\.c|docs\/[\w-]+\.md|native\/libbancos-linux-(x64|arm64)\.(so|js)|src\/(?!cli\/)([\w-]+\/)*[\w-]+\.ts|src\/cli\/main\.js|types\/([\w-]+\/)*[\w-]+\.d\.ts)$/;
    const files = (await mustRun(["tar", "-tzf", archive], unpacked))
      .split("\n")
      .filter((line) => line !== "")
      .map((path) => path.replace(/^package\//, ""));
    expect(files.filter((path) => !wanted.test(path))).toEqual([]);
    expect(files).toContain("src/index.ts");
    const bytes = statSync(archive).size;
    console.log(`${files.length} files, ${(bytes / 1024).toFixed(0)} KiB packed`);
    if (Bun.which("npm") === null) return notRun("npm pack --dry-run", "no npm");
    const [listed]: { files: { path: string }[] }[] = JSON.parse(
      await mustRun(["npm", "pack", "--dry-run", "--json", "--loglevel=silent"], unpacked),
    );
    expect(listed?.files.map(({ path }) => path).toSorted()).toEqual(files.toSorted());
  });

  test("asks for no package, runs no script, and exports what the project does", () => {
    const manifest = manifestOf(unpacked);
    for (const field of ["dependencies", "devDependencies", "optionalDependencies", "overrides", "scripts"])
      expect({ field, value: manifest[field] }).toEqual({ field, value: undefined });
    expect(Object.keys(manifest.exports)).toEqual(Object.keys(manifestOf(ROOT).exports));
    for (const target of Object.values(manifest.exports)) {
      for (const path of typeof target === "string" ? [target] : Object.values(target))
        expect(existsSync(join(unpacked, path))).toBe(true);
      if (typeof target === "object") expect(target["types"]).toMatch(/^\.\/types\/.*\.d\.ts$/);
    }
  });

  test("has libraries that need no other library, nor any symbol of one", async () => {
    if (Bun.which("readelf") === null) return notRun("readelf", "it is not here");
    for (const arch of ARCHES) {
      if (!hasLibrary(arch)) continue;
      const library = join(unpacked, `native/libbancos-linux-${arch}.so`);
      const text = await mustRun(["readelf", "-W", "-h", "-d", "--dyn-syms", library], unpacked);
      expect(text).toContain({ x64: "X86-64", arm64: "AArch64" }[arch]);
      expect(text).toContain("bancos_abi");
      expect(text).not.toContain("(NEEDED)");
      expect([...text.matchAll(/^.* UND (\S+)$/gm)].map(([, symbol]) => symbol)).toEqual([]);
    }
  });

  test("has each library a second time, for bundlers, byte by byte the same", async () => {
    for (const arch of ARCHES) {
      if (!hasLibrary(arch)) continue;
      const path = join(unpacked, `native/libbancos-linux-${arch}`);
      const { size, library }: { size: number; library: string } = await import(`${path}.js`);
      const bytes = Bun.gunzipSync(Buffer.from(library, "base64"));
      expect(bytes.length).toBe(size);
      expect(Buffer.from(bytes).equals(readFileSync(`${path}.so`))).toBe(true);
    }
  });

  test("passes publint", async () => {
    await mustRun([BUN, join(ROOT, "node_modules/publint/src/cli.js"), "--strict", archive], ROOT);
  });

  test("passes attw, as a package of modules", async () => {
    const attw = join(ROOT, "node_modules/@arethetypeswrong/cli/dist/index.js");
    await mustRun([BUN, attw, "--profile", "esm-only", archive], ROOT);
  });
});

describe("in a project that has nothing else", () => {
  test("the first get comes right after bun add", async () => {
    const path = folder("first");
    writeFileSync(join(path, "package.json"), "{}\n");
    writeFileSync(
      join(path, "first.ts"),
      'import { open } from "bancos";\nusing store = open("a.bancos").set("a", 1);\n' +
        "console.log(JSON.stringify([store.get('a'), store.verify().problems.length]));\n",
    );
    const started = performance.now();
    await mustRun([BUN, "add", archive], path);
    expect(await printed([BUN, "first.ts"], path)).toEqual([1, 0]);
    console.log(`from bun add to the first get: ${(performance.now() - started).toFixed(0)} ms`);
  });

  test("it works", async () => {
    expect(await printed([BUN, "app.ts", join(folder("store"), "a.bancos")], shared)).toEqual(WORKS);
  });

  test("it can be required", async () => {
    writeFileSync(
      join(shared, "app.cjs"),
      'const { open } = require("bancos");\nconst { openPool } = require("bancos/pool");\n' +
        "console.log(JSON.stringify([typeof open, typeof openPool]));\n",
    );
    expect(await printed([BUN, "app.cjs"], shared)).toEqual(["function", "function"]);
  });

  test("it needs neither a C compiler nor Bun's", async () => {
    const PATH = folder("empty-path");
    const store = join(folder("store"), "a.bancos");
    expect(await printed([BUN, "--no-ffi-cc", "app.ts", store], shared, { PATH })).toEqual(WORKS);
  });

  test("without the library, Bun's compiler makes one; without that, the error says what is missing", async () => {
    const path = await project(archive);
    rmSync(join(path, "node_modules/bancos/native"), { recursive: true });
    const x64 = process.arch === "x64";
    if (x64) expect(await printed([BUN, "app.ts"], path)).toEqual({ ...WORKS, build: "tinycc" });
    const { code, message } = (await printed([BUN, "--no-ffi-cc", "app.ts"], path)) as Record<string, string>;
    expect(code).toBe("NATIVE_LOAD");
    expect(message).toContain("no native library");
    expect(message).toContain("install bancos again");
  });

  test("the command line works, without the packages that it was made from", async () => {
    const cli = join(shared, "node_modules/.bin/bancos");
    const store = join(folder("store"), "a.bancos");
    // The first line of the file asks for a Bun on the PATH.
    const PATH = `${folder("path")}:${process.env["PATH"]}`;
    Bun.spawnSync(["ln", "-s", BUN, join(PATH.split(":")[0] ?? "", "bun")]);
    await mustRun([cli, "set", store, "a", "1"], shared, { PATH });
    expect(await mustRun([cli, "get", store, "a"], shared, { PATH })).toBe("1\n");
    expect((await run([cli, "verify", store], shared, { PATH })).exitCode).toBe(0);
  });

  test("on another system, open says that it is not supported", async () => {
    // Bun reads these once a program asks for them, so this is what it finds on a Mac.
    writeFileSync(
      join(shared, "mac.ts"),
      'Object.defineProperty(process, "platform", { value: "darwin" });\n',
    );
    const { code, message } = (await printed([BUN, "--preload", "./mac.ts", "app.ts"], shared)) as Record<
      string,
      string
    >;
    expect(code).toBe("UNSUPPORTED_PLATFORM");
    expect(message).toContain("Linux");
    expect(message).toContain("darwin");
  });

  test.each(["bundler", "nodenext"])(
    "its types are sound to a strict project with resolution %s",
    async (how) => {
      const path = await project(archive);
      mkdirSync(join(path, "types"));
      for (const name of ["bun-types", "@types"])
        Bun.spawnSync(["ln", "-s", join(ROOT, "node_modules", name), join(path, "types", name)]);
      writeFileSync(
        join(path, "use.ts"),
        `import { open, type Store, type Value } from "bancos";
      import { openPool, type Pool } from "bancos/pool";
      const store: Store<number> = open<number>("a.bancos");
      const found: number | undefined = store.get("a");
      const any: Value | undefined = open("b.bancos").get("a");
      const pool: Pool = await openPool("a.bancos", { readers: 1 });
      // @ts-expect-error a store of numbers takes no text
      store.set("a", "text");
      export { any, found, pool };\n`,
      );
      writeFileSync(join(path, "package.json"), '{ "type": "module" }\n');
      writeFileSync(
        join(path, "tsconfig.json"),
        JSON.stringify({
          compilerOptions: {
            target: "esnext",
            lib: ["esnext"],
            module: how === "bundler" ? "preserve" : "nodenext",
            moduleResolution: how,
            strict: true,
            exactOptionalPropertyTypes: true,
            noEmit: true,
            typeRoots: ["types"],
            types: ["bun-types"],
          },
          files: ["use.ts"],
        }),
      );
      const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
      const { out } = await run([BUN, tsc, "--pretty", "false", "-p", path], path);
      // What Bun's own declarations have against each other is not ours to judge.
      expect(
        out.split("\n").filter((line) => /^(use\.ts|node_modules\/bancos)|error TS\d+: /.test(line)),
      ).toEqual([]);
    },
  );
});

describe("made part of a program that is run where no package is", () => {
  test.each([
    ["in a folder", ["--outdir", "out"]],
    ["in one file", ["--outfile", "out/app.js"]],
    ["in one file, minified", ["--minify", "--outfile", "out/app.js"]],
  ])("by bun build %s, it works", async (_, flags) => {
    const out = folder("out");
    const named = flags.map((flag) => flag.replace("out", out).replace(`--${out}`, "--out"));
    await mustRun([BUN, "build", "app.ts", "--target=bun", ...named], shared);
    expect(await printed([BUN, "--no-ffi-cc", "app.js"], elsewhere(join(out, "app.js")))).toEqual(WORKS);
  });

  let executable = "";
  async function compiled(): Promise<string> {
    if (executable === "") {
      const path = join(folder("out"), "app");
      await mustRun([BUN, "build", "--compile", "app.ts", "--outfile", path], shared);
      executable = path;
    }
    const there = folder("elsewhere");
    Bun.spawnSync(["ln", executable, join(there, "app")]);
    return there;
  }

  test("by bun build --compile, it works with the one file alone", async () => {
    const there = await compiled();
    expect(await printed(["./app"], there, { PATH: folder("empty-path") })).toEqual(WORKS);
  });

  test("a temporary folder mounted noexec does not matter, since the library is loaded from memory", async () => {
    if (!canMount()) return notRun("noexec", "this process may not mount");
    const there = await compiled();
    const noexec = folder("noexec");
    expect(await printed(confined(["./app"], { noexec }), there)).toEqual(WORKS);
  });

  test("where no file in memory can be loaded, the temporary folder is used and left clean", async () => {
    if (!canMount()) return notRun("temporary folder", "this process may not mount");
    const there = await compiled();
    const TMPDIR = folder("tmp");
    expect(await printed(confined(["./app"], { hideDescriptors: true }), there, { TMPDIR })).toEqual(WORKS);
    expect([...new Bun.Glob("*").scanSync({ cwd: TMPDIR, onlyFiles: false })]).toEqual([]);
  });

  test("where neither works, the error says what to do", async () => {
    if (!canMount()) return notRun("noexec", "this process may not mount");
    const there = await compiled();
    const noexec = folder("noexec");
    const { code, message } = (await printed(
      confined(["./app"], { noexec, hideDescriptors: true }),
      there,
    )) as Record<string, string>;
    expect(code).toBe("NATIVE_LOAD");
    expect(message).toContain("TMPDIR");
    expect(message).toContain("noexec");
  });

  test("a pool works with its Workers' module as a second entry, and all use one copy of the library", async () => {
    writeFileSync(
      join(shared, "pool.ts"),
      `import { readdirSync, readlinkSync } from "node:fs";
      import { open } from "bancos";
      import { openPool } from "bancos/pool";
      const linkOf = (file) => { try { return readlinkSync("/proc/self/fd/" + file); } catch { return ""; } };
      {
        await using pool = await openPool("a.bancos", { readers: 2, writers: 2 });
        await Promise.all(Array.from({ length: 100 }, (_, i) => pool.set(\`key \${i}\`, i)));
        const copies = readdirSync("/proc/self/fd").filter((file) => linkOf(file).includes("libbancos")).length;
        const { problems } = open("a.bancos").verify();
        console.log(JSON.stringify({ got: await pool.get("key 42"), copies, problems }));
      }\n`,
    );
    const worker = "node_modules/bancos/src/pool/worker.ts";
    const path = join(folder("out"), "app");
    await mustRun([BUN, "build", "--compile", "pool.ts", worker, "--outfile", path], shared);
    expect(await printed(["./app"], elsewhere(path))).toEqual({ got: 42, copies: 1, problems: [] });
    const out = folder("out");
    await mustRun([BUN, "build", "--target=bun", "pool.ts", worker, "--outdir", out], shared);
    expect(await printed([BUN, "out/pool.js"], elsewhere(renamed(out, "out")))).toEqual({
      got: 42,
      copies: 1,
      problems: [],
    });
  });

  test("without a library inside, the error says why", async () => {
    const path = await project(archive);
    rmSync(join(path, "node_modules/bancos/native"), { recursive: true });
    const out = join(folder("out"), "app.js");
    await mustRun([BUN, "build", "app.ts", "--target=bun", "--outfile", out], path);
    const { code, message } = (await printed([BUN, "app.js"], elsewhere(out))) as Record<string, string>;
    expect(code).toBe("NATIVE_LOAD");
    expect(message).toContain("bundled");
  });
});

/** The same folder under another name. */
function renamed(path: string, name: string): string {
  const to = join(folder("renamed"), name);
  renameSync(path, to);
  return to;
}

describe("on another machine", () => {
  async function worksOn(machine: Machine, what: string, flags: readonly string[]): Promise<void> {
    if ("why" in machine) return notRun(what, machine.why);
    const { bun, command, env } = machine;
    const there = folder("elsewhere");
    const store = join(there, "plain.bancos");
    expect(await printed(command([bun, "--no-ffi-cc", "app.ts", store]), shared, env)).toEqual(WORKS);
    await mustRun(
      [
        ...[BUN, "build", "--compile", ...flags, `--compile-executable-path=${bun}`],
        ...["app.ts", "--outfile", join(there, "app")],
      ],
      shared,
    );
    expect(await printed(command(["./app"]), there, env)).toEqual(WORKS);
    console.log(`${what}: installed and as an executable`);
  }

  test("with musl in place of glibc, the same library works", async () => {
    await worksOn(await musl(), "musl", ["--target=bun-linux-x64-musl"]);
  });

  test("with an arm64 processor, it works", async () => {
    if (hasLibrary("arm64")) await worksOn(await arm64(), "arm64", ["--target=bun-linux-arm64"]);
  });
});
