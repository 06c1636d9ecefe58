/** What an example needs and this project does not: a package that is installed when it is first asked for. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FOLDER = join(tmpdir(), "bancos-examples");

/** Imports `name` at exactly `version`, from a folder of its own under the temporary one; installs it there first. */
export async function onDemand(name: string, version: string): Promise<unknown> {
  const folder = join(FOLDER, `${name.replaceAll("/", "+")}@${version}`);
  if (!existsSync(join(folder, "node_modules", name))) {
    console.error(`installing ${name} ${version} into ${folder}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
    const { exitCode, stderr } = Bun.spawnSync([process.execPath, "add", "--exact", `${name}@${version}`], {
      cwd: folder,
    });
    if (exitCode !== 0) throw new Error(`cannot install ${name}: ${stderr}`);
  }
  return import(Bun.resolveSync(name, folder));
}
