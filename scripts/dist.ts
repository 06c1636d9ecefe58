/**
 * Packs the npm package: `bun scripts/dist.ts` leaves `dist/bancos-VERSION.tgz`.
 *
 * In it: the TypeScript sources, the C source, and the native libraries for Linux on x64 and arm64 under `native/`. The
 * other packages that the command line uses become part of its one file, so that the package asks for no other and has
 * no install script. A library whose compiler is missing here is left out and said so (Bun then compiles the C source
 * at first open); with `--strict` that is an error.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { ROOT } from "./suites.ts";

const LIBRARIES = [
  { arch: "x64", compilers: process.arch === "x64" ? ["cc", "gcc", "clang"] : ["x86_64-linux-gnu-gcc"] },
  { arch: "arm64", compilers: process.arch === "arm64" ? ["cc", "gcc", "clang"] : ["aarch64-linux-gnu-gcc"] },
] as const;

const strict = process.argv.includes("--strict");
const out = join(ROOT, "dist");
const packageFolder = join(out, "package");
rmSync(out, { recursive: true, force: true });
mkdirSync(packageFolder, { recursive: true });

function run(command: readonly string[], cwd: string): void {
  const { exitCode } = Bun.spawnSync([...command], { cwd, stdout: "inherit", stderr: "inherit" });
  if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with exit code ${exitCode}`);
}

function buildLibraries(): void {
  for (const { arch, compilers } of LIBRARIES) {
    const compiler = compilers.find((name) => Bun.which(name) !== null);
    if (compiler === undefined) {
      const message = `dist: no library for linux-${arch}: none of ${compilers.join(", ")} is here`;
      if (strict) throw new Error(message);
      console.log(message);
      continue;
    }
    run(
      [
        "scripts/native.sh",
        relative(ROOT, join(packageFolder, `native/libbancos-linux-${arch}.so`)),
        compiler,
      ],
      ROOT,
    );
  }
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
  rmSync(join(packageFolder, "src/cli"), { recursive: true });
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
    const manifest: { version: string; license?: string } = JSON.parse(
      readFileSync(join(folder, "package.json"), "utf8"),
    );
    const text =
      file === undefined ? `Licence: ${manifest.license}` : readFileSync(join(folder, file), "utf8");
    return `## ${name} ${manifest.version}\n\n${text.trim()}\n`;
  });
  if (parts.length === 0) return;
  const head = "# Packages inside src/cli/main.js\n\n";
  writeFileSync(join(packageFolder, "THIRD-PARTY.md"), head + parts.join("\n"));
}

/** The manifest without what only development needs. */
function writeManifest(): void {
  const manifest: Record<string, unknown> = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  delete manifest["devDependencies"];
  delete manifest["scripts"];
  manifest["bin"] = { bancos: "./src/cli/main.js" };
  manifest["files"] = [...(manifest["files"] as string[]), "THIRD-PARTY.md"];
  writeFileSync(join(packageFolder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

for (const path of ["src", "c/bancos.c", "docs", "README.md", "CHANGELOG.md", "LICENSE"]) {
  if (existsSync(join(ROOT, path))) cpSync(join(ROOT, path), join(packageFolder, path), { recursive: true });
}
buildLibraries();
await bundleCli();
writeManifest();
run([process.execPath, "pm", "pack", "--destination", out, "--ignore-scripts"], packageFolder);
