/** `bancos completion`: the scripts complete what the commands have. */
import { describe, expect, test } from "bun:test";
import { ok } from "./support.ts";

/** What bash would offer for the words, of which the last is being typed. */
async function complete(script: string, words: readonly string[]): Promise<string[]> {
  const program = `${script}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bancos; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const child = Bun.spawn(["bash", "-c", program, "bash", ...words], { stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(err).toBe("");
  return out.split("\n").filter((line) => line !== "");
}

describe("bash", () => {
  test("completes commands, options, choices and files", async () => {
    const script = await ok(["completion", "bash"]);
    expect(await complete(script, ["bancos", "in"])).toEqual(["info", "inspect"]);
    expect(await complete(script, ["bancos", "help", "exp"])).toEqual(["export"]);
    expect(await complete(script, ["bancos", "list", "--l"])).toEqual(["--lt", "--lte", "--limit"]);
    expect(await complete(script, ["bancos", "import", "x", "--format", "c"])).toEqual(["csv"]);
    expect(await complete(script, ["bancos", "set", "--type", "b"])).toEqual(["bigint", "bytes"]);
    expect(await complete(script, ["bancos", "completion", ""])).toEqual(["bash", "zsh", "fish"]);
    expect(await complete(script, ["bancos", "verify", "/etc/pass"])).toContain("/etc/passwd");
  });
});

describe("zsh and fish", () => {
  test("name every command and option that help shows", async () => {
    const top = await ok(["--help"]);
    const commands = [...top.matchAll(/^ {2}([a-z]+) \[?[<o]/gm)].map(([, name]) => name!);
    const zsh = await ok(["completion", "zsh"]);
    const fish = await ok(["completion", "fish"]);
    for (const command of commands) {
      expect(zsh).toContain(`'${command}:`);
      expect(fish).toContain(`-a ${command} -d`);
      const help = await ok(["help", command]);
      for (const [, option] of help.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)) {
        expect(zsh).toContain(`--${option}`);
        expect(fish).toContain(`-l ${option}`);
      }
    }
  });

  test("are sound scripts, where their shell is here to say so", async () => {
    for (const shell of ["bash", "zsh", "fish"]) {
      if (Bun.which(shell) === null) continue;
      const script = await ok(["completion", shell]);
      const child = Bun.spawn([shell, "-n"], { stdin: new TextEncoder().encode(script), stderr: "pipe" });
      expect({ shell, err: await child.stderr.text(), code: await child.exited }).toEqual({
        shell,
        err: "",
        code: 0,
      });
    }
  });
});
