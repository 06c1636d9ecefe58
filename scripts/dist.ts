/**
 * Packs the npm package: `bun scripts/dist.ts` leaves `dist/bancos-VERSION.tgz`.
 *
 * In it: the TypeScript sources and declarations of their types, the C source, and the native libraries for Linux on
 * x64 and arm64 under `native/`, each also as a module for bundlers (src/memory/embedded.ts). The other packages that
 * the command line uses become part of its one file, so that the package asks for no other and has no install script.
 *
 * A library whose compiler is missing is left out and said so; with `--strict` that is an error. With `--install`, and in
 * continuous integration, apt is asked for the compiler first. `--out FOLDER` packs somewhere else than in `dist/`.
 */
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "./suites.ts";
import { findOrInstall } from "./tools.ts";

const LIBRARIES = [
  { arch: "x64", cross: "x86_64-linux-gnu-gcc", debian: "gcc-x86-64-linux-gnu" },
  { arch: "arm64", cross: "aarch64-linux-gnu-gcc", debian: "gcc-aarch64-linux-gnu" },
] as const;

const { values: options } = parseArgs({
  options: {
    strict: { type: "boolean", default: false },
    install: { type: "boolean", default: process.env["CI"] === "true" },
    out: { type: "string", default: join(ROOT, "dist") },
  },
});
const out = resolve(options.out);
const packageFolder = join(out, "package");

type Conditions = Record<string, string>;

interface Manifest {
  version: string;
  exports: Record<string, string | Conditions>;
  bin: Record<string, string>;
  files: string[];
  [field: string]: unknown;
}

const manifest: Manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

/** The sources that the package exports: `./src/index.ts` and so on. */
const entries = Object.values(manifest.exports).flatMap((target) =>
  typeof target === "object" ? [sourceOf(target)] : [],
);

/** The one source of an export, whatever condition it has beside its types. */
function sourceOf({ types: _declared, ...conditions }: Conditions): string {
  const [source, another] = new Set(Object.values(conditions));
  if (source === undefined || another !== undefined)
    throw new Error("an export of package.json has not one source");
  return source;
}

function run(command: readonly string[], cwd: string): void {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], { cwd, stdout: "pipe", stderr: "pipe" });
  if (exitCode === 0) return;
  console.error(stdout.toString() + stderr.toString());
  throw new Error(`${command.join(" ")} ended with exit code ${exitCode}`);
}

async function buildLibraries(): Promise<void> {
  for (const { arch, cross, debian } of LIBRARIES) {
    const isOurs = process.platform === "linux" && process.arch === arch;
    const names = isOurs ? ["cc", "gcc", "clang"] : [cross];
    const compiler = await findOrInstall(names, [isOurs ? "gcc" : debian], options.install);
    if (compiler === null) {
      const message =
        `dist: no library for linux-${arch}: there is no ${names.join(", ")} here ` +
        `(in Debian: apt-get install ${isOurs ? "gcc" : debian})`;
      if (options.strict) throw new Error(message);
      console.log(message);
      continue;
    }
    const library = join(packageFolder, `native/libbancos-linux-${arch}.so`);
    run(["scripts/native.sh", library, compiler], ROOT);
    writeModule(library);
    console.log(`dist: native/libbancos-linux-${arch}.so by ${relative(dirname(compiler), compiler)}`);
  }
}

/** The library as the module that src/memory/embedded.ts looks for when it has become part of a bundle. */
function writeModule(library: string): void {
  const bytes = readFileSync(library);
  const encoded = Buffer.from(Bun.gzipSync(bytes, { level: 9 })).toString("base64");
  writeFileSync(
    library.replace(/\.so$/, ".js"),
    "// The library beside this file, for bundlers, which leave it behind: gzip in base64. Loaded in bundles only.\n" +
      `export const size = ${bytes.length};\nexport const library = "${encoded}";\n`,
  );
}

/** Declarations of what is exported, and of the types that these name, in `types/`. */
function writeTypes(): void {
  const config = join(out, "tsconfig.json");
  const all = join(out, "types");
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(ROOT, "tsconfig.json"),
      compilerOptions: {
        noEmit: false,
        declaration: true,
        emitDeclarationOnly: true,
        rootDir: join(ROOT, "src"),
        outDir: all,
        typeRoots: [join(ROOT, "node_modules"), join(ROOT, "node_modules/@types")],
      },
      include: [],
      files: entries.map((entry) => join(ROOT, entry)),
    }),
  );
  run([process.execPath, join(ROOT, "node_modules/typescript/bin/tsc"), "-p", config], ROOT);
  const waiting = entries.map((entry) => declarationOf(entry).replace("./types/", ""));
  const done = new Set<string>();
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (done.has(path)) continue;
    done.add(path);
    const folder = dirname(path);
    // Not every reader of declarations takes the endings of sources, which Bun asks for.
    const text = readFileSync(join(all, path), "utf8").replace(
      /(\bfrom |\bimport\(|^import )"(\.{1,2}\/[^"]*)\.ts"/gm,
      (_, before: string, module: string) => {
        waiting.push(join(folder, `${module}.d.ts`));
        return `${before}"${module}.js"`;
      },
    );
    const target = join(packageFolder, "types", path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
  rmSync(all, { recursive: true });
  rmSync(config);
}

/** `./types/x.d.ts` for `./src/x.ts`. */
function declarationOf(source: string): string {
  return source.replace(/^\.\/src\//, "./types/").replace(/\.ts$/, ".d.ts");
}

/** Bundles the command line with the packages it uses; the library stays outside of it, in its own files. */
async function bundleCli(): Promise<void> {
  const folder = join(ROOT, "src/cli");
  const notices = new Map<string, string>();
  const result = await Bun.build({
    entrypoints: [join(folder, "main.ts")],
    target: "bun",
    plugins: [
      {
        name: "library stays outside",
        setup(build) {
          build.onResolve({ filter: /^\.\.?\// }, ({ path, importer }) => {
            if (!importer.startsWith(`${folder}/`)) return undefined;
            const target = resolve(dirname(importer), path);
            if (target.startsWith(`${folder}/`)) return undefined;
            return { path: relative(folder, target), external: true };
          });
          build.onLoad({ filter: /node_modules/ }, ({ path }) => {
            const match = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(path);
            if (match?.[1] !== undefined && match[2] !== undefined) notices.set(match[2], match[1]);
            return undefined;
          });
        },
      },
    ],
  });
  const [bundle] = result.outputs;
  if (bundle === undefined) throw new Error("the command line gave no bundle");
  mkdirSync(join(packageFolder, "src/cli"));
  await Bun.write(join(packageFolder, "src/cli/main.js"), await bundle.text());
  writeNotices(notices);
}

/** The licences of the packages that are now part of ours ask to be kept with them. */
function writeNotices(packages: ReadonlyMap<string, string>): void {
  const parts = [...packages].sort().map(([name, folder]) => {
    const file = ["LICENSE", "LICENSE.md", "LICENSE.txt", "license", "License"].find((name) =>
      existsSync(join(folder, name)),
    );
    const bundled: { version: string; license?: string } = JSON.parse(
      readFileSync(join(folder, "package.json"), "utf8"),
    );
    const text =
      file === undefined ? `Licence: ${bundled.license}` : readFileSync(join(folder, file), "utf8");
    return `## ${name} ${bundled.version}\n\n${text.trim()}\n`;
  });
  if (parts.length === 0) return;
  const head = "# Packages inside src/cli/main.js\n\n";
  writeFileSync(join(packageFolder, "THIRD-PARTY.md"), head + parts.join("\n"));
}

/** The manifest without what only development needs; types come from their declarations. */
function writeManifest(): void {
  const { devDependencies, scripts, overrides, ...published } = manifest;
  published.exports = Object.fromEntries(
    Object.entries(manifest.exports).map(([name, target]) => {
      if (typeof target === "string") return [name, target];
      const { types: _source, ...others } = target;
      return [name, { types: declarationOf(sourceOf(target)), ...others }];
    }),
  );
  published.bin = { bancos: "./src/cli/main.js" };
  published.files = [...manifest.files, "types", "THIRD-PARTY.md"];
  writeFileSync(join(packageFolder, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
}

/** Everything but the command line, which is bundled, and the notes for those who change the code. */
function copySources(): void {
  const paths = [
    ...globSync("src/**/*.ts", { cwd: ROOT }).filter((path) => !path.startsWith("src/cli/")),
    ...globSync("docs/**/*.md", { cwd: ROOT }),
    ...["c/bancos.c", "README.md", "CHANGELOG.md", "LICENSE"].filter((path) => existsSync(join(ROOT, path))),
  ];
  for (const path of paths) cpSync(join(ROOT, path), join(packageFolder, path));
}

rmSync(out, { recursive: true, force: true });
mkdirSync(packageFolder, { recursive: true });
copySources();
await buildLibraries();
writeTypes();
await bundleCli();
writeManifest();
const archive = join(out, `bancos-${manifest.version}.tgz`);
run([process.execPath, "pm", "pack", "--filename", archive, "--ignore-scripts"], packageFolder);
console.log(`dist: ${relative(process.cwd(), archive)}, ${(statSync(archive).size / 1024).toFixed(0)} KiB`);
