/** The files of the project as git would commit them, for tests that look at all of them. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

/** The top folder of the project. */
export const ROOT: string = dirname(dirname(import.meta.dir));

/** Paths, from {@link ROOT}, of what is committed or would be by `git add --all`. */
export function projectFiles(): string[] {
  const git = Bun.spawnSync(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    stderr: "ignore",
  });
  const listed =
    git.exitCode === 0
      ? git.stdout.toString().split("\0")
      : // An unpacked archive has no git: then everything but what the tools made.
        [...new Bun.Glob("**/*").scanSync({ cwd: ROOT, dot: true })].filter(
          (path) =>
            !/(^|\/)(node_modules|\.tools|\.git|build|dist|native|coverage)\//.test(path) ||
            path.startsWith("test/"),
        );
  return listed.filter((path) => {
    const full = join(ROOT, path);
    return path !== "" && existsSync(full) && statSync(full).isFile();
  });
}

/** The text of a project file, or `undefined` if it is not text. */
export function textOf(path: string): string | undefined {
  const bytes = readFileSync(join(ROOT, path));
  return bytes.includes(0) ? undefined : bytes.toString("utf8");
}
