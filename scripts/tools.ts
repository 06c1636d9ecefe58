/** Looks for programs that the project can do without, and asks apt for them where nobody minds. */

/**
 * The path of the first of `names` that is here. If none is, and `mayInstall`, apt installs `packages` first, where
 * there is apt and this process is root or `sudo` asks for no password.
 * @param mayInstall by default in continuous integration, where nobody minds
 * @returns null if there is none and none can be installed
 */
export async function findOrInstall(
  names: readonly string[],
  packages: readonly string[],
  mayInstall: boolean = process.env["CI"] === "true",
): Promise<string | null> {
  const find = (): string | null =>
    names.map((name) => Bun.which(name)).find((path) => path !== null) ?? null;
  const found = find();
  if (found !== null || !mayInstall || Bun.which("apt-get") === null) return found;
  console.log(`no ${names.join(", ")} here: apt-get install ${packages.join(" ")}`);
  const apt = [...(process.getuid?.() === 0 ? [] : ["sudo", "-n"]), "apt-get"];
  const install = ["-o", "DPkg::Lock::Timeout=60", "install", "-y", "-qq", "--no-install-recommends"];
  for (const command of [
    [...apt, "update", "-qq"],
    [...apt, ...install, ...packages],
  ]) {
    try {
      const child = Bun.spawn(command, {
        env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
        stdio: ["ignore", "ignore", "ignore"],
        timeout: 120_000,
      });
      await child.exited;
    } catch {
      return null; // no sudo here
    }
  }
  return find();
}
