/** On a terminal: colours, a bar, Ctrl-C. In a pipe: none of them, and no complaint when the reader goes away. */
import { describe, expect, test } from "bun:test";
import { closeSync, existsSync, openSync, readdirSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { open } from "../../src/index.ts";
import { finish, freshFolder, freshPath } from "../store/support.ts";
import { bancos, contents, MAIN, ok, onTerminal, plainEnvironment } from "./support.ts";

const ESCAPE = "\u001b[";

function filled(keys: number): string {
  const path = freshPath();
  const store = open(path, { flushEvery: 0 });
  store.writer((writer) => {
    for (let i = 0; i < keys; i++) writer.set(`key ${i}`, i);
  });
  finish(store);
  return path;
}

describe("colours", () => {
  test("are there on a terminal, and not with NO_COLOR, --no-color, TERM=dumb or in a pipe", async () => {
    const path = filled(3);
    for (const args of [
      ["list", path],
      ["info", path],
      ["verify", path],
      ["inspect", path, "key 1"],
      ["--help"],
    ]) {
      const colored = await onTerminal(args).ended();
      expect({ args, code: colored.code, colored: colored.text.includes(ESCAPE) }).toEqual({
        args,
        code: 0,
        colored: true,
      });
      for (const plain of [
        await onTerminal(args, { NO_COLOR: "1" }).ended(),
        await onTerminal(args, { TERM: "dumb" }).ended(),
        ...(args[0] === "--help" ? [] : [await onTerminal([...args, "--no-color"]).ended()]),
      ]) {
        expect({ args, code: plain.code, text: plain.text }).toMatchObject({ args, code: 0 });
        expect(plain.text).not.toContain(ESCAPE);
      }
      // Not even where continuous integration asks for colours: what reads a pipe is a program.
      const piped = Bun.spawnSync([process.execPath, MAIN, ...args], { env: plainEnvironment({ CI: "1" }) });
      expect(piped.stdout.toString()).not.toContain(ESCAPE);
    }
    expect(contents(path)).toHaveLength(3);
  });

  test("a list fits the terminal's width", async () => {
    const path = filled(2);
    await ok(["set", path, "long", "x".repeat(500)]);
    const { text } = await onTerminal(["list", path, "--no-color"]).ended();
    const lines = text.trimEnd().split("\r\n");
    expect(lines).toHaveLength(3);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines[2]).toEndWith("…");
    expect(contents(path)).toHaveLength(3);
  });
});

describe("progress", () => {
  test("comes after a second, says how far, how fast and how long still, and goes away", async () => {
    const terminal = onTerminal([], {}, [process.execPath, join(import.meta.dir, "bar.ts")]);
    const { code, text } = await terminal.ended();
    expect(code).toBe(0);
    expect(text).toMatch(/counting █+░+ 50% {2}1,000 things {2}\d+\/s {2}\d+ s left/);
    // Cleared, and the cursor is back.
    expect(text).toEndWith("\u001b[2Kdone\r\n");
    expect(text).toContain("\u001b[?25h");
    expect(text).not.toContain("10%");
  });

  test("of an input whose end nobody knows says how much, how fast and for how long", async () => {
    const path = freshPath();
    const pipe = join(dirname(path), "pipe");
    expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
    const terminal = onTerminal(["import", path, pipe, "--format", "csv"]);
    const to = openSync(pipe, "w");
    writeSync(to, "a,1\n");
    await Bun.sleep(1200);
    writeSync(to, "b,2\n");
    await terminal.until(/importing {2}2 keys {2}\d+\/s {2}\d+ s so far/);
    closeSync(to);
    expect((await terminal.ended()).code).toBe(0);
    expect(contents(path)).toHaveLength(2);
  });

  test("is not shown in a pipe", async () => {
    const path = freshPath();
    const child = Bun.spawn([process.execPath, MAIN, "import", path, "--format", "csv"], {
      env: plainEnvironment(),
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    child.stdin.write("a,1\n");
    child.stdin.flush();
    await Bun.sleep(1500);
    child.stdin.write("b,2\n");
    child.stdin.end();
    expect(await child.stderr.text()).toBe("");
    expect(await child.stdout.text()).toMatch(/^2 keys in /);
    expect(contents(path)).toHaveLength(2);
  });
});

describe("a reader that goes away", () => {
  // head ends after the first line; the pipe then breaks under what follows.
  test.each([["list"], ["export"]])("ends %s without a word", async (command) => {
    const path = filled(50_000);
    const child = Bun.spawn(
      [
        "bash",
        "-c",
        'set -o pipefail; "$0" "$1" "$2" "$3" | head -n 1; echo "code $?"',
        process.execPath,
        MAIN,
        command,
        path,
      ],
      { env: plainEnvironment(), stdout: "pipe", stderr: "pipe" },
    );
    expect(await child.stderr.text()).toBe("");
    expect(await child.stdout.text()).toMatch(/key 0.*\ncode 0\n$/);
    expect(contents(path)).toHaveLength(50_000);
  });

  test("does not keep run from its work", async () => {
    const path = freshPath();
    const child = Bun.spawn(
      ["bash", "-c", '"$0" "$1" run "$2" > >(exec 0<&-; sleep 0.1)', process.execPath, MAIN, path],
      {
        env: plainEnvironment(),
        stdin: new TextEncoder().encode(`${"find x\n".repeat(20_000)}insert a 1\n`),
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    expect(await child.stderr.text()).toBe("");
    expect(await child.exited).toBe(0);
    expect(contents(path)).toEqual([["a", 1]]);
  });
});

describe("Ctrl-C", () => {
  test("ends run at a terminal; what was typed is in the file, which is closed and sound", async () => {
    const path = freshPath();
    const terminal = onTerminal(["run", path]);
    await terminal.until(/Ctrl-D ends/);
    terminal.type("insert a 1\n");
    terminal.type("find a\n");
    await terminal.until(/a\t1|a {2,}1/);
    terminal.type("\u0003");
    const { code, text } = await terminal.ended();
    expect(code).toBe(130);
    expect(text).toContain("# interrupted after 2 lines");
    const stats = JSON.parse(await ok(["info", "--json", path]));
    expect(stats.recovery).toMatchObject({ found: "clean", participantsRecovered: 0 });
    expect(contents(path)).toEqual([["a", 1]]);
  });

  test("Ctrl-D ends it as well, in good order", async () => {
    const path = freshPath();
    const terminal = onTerminal(["run", path]);
    await terminal.until(/Ctrl-D ends/);
    terminal.type("insert a 1\n");
    terminal.type("\u0004");
    expect((await terminal.ended()).code).toBe(0);
    expect(contents(path)).toEqual([["a", 1]]);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)(
    "%s in the middle of an import leaves what came until then, in a sound file",
    async (signal, expected) => {
      const path = freshPath();
      const child = Bun.spawn([process.execPath, MAIN, "import", path, "--format", "csv", "--json"], {
        env: plainEnvironment(),
        stdin: "pipe",
        stdout: "pipe",
        stderr: "pipe",
      });
      let sent = 0;
      const send = (): void => {
        let text = "";
        for (let i = 0; i < 1000; i++) text += `key ${sent},${sent++}\n`;
        child.stdin.write(text);
        child.stdin.flush();
      };
      send();
      // Until the first of them can be seen from outside.
      while (!existsSync(path)) await Bun.sleep(5);
      const store = open(path, { readOnly: true });
      while (!store.has("key 500")) await Bun.sleep(5);
      store.close();
      send();
      child.kill(signal);
      expect(await child.exited).toBe(expected);
      const summary = JSON.parse(await child.stdout.text());
      expect(summary.interrupted).toBe(true);
      expect(JSON.parse(await ok(["info", "--json", path])).recovery.found).toBe("clean");
      const entries = contents(path);
      expect(entries).toHaveLength(summary.inserted);
      for (const [key, value] of entries) expect(key).toBe(`key ${value}`);
    },
  );

  test("in an export leaves neither a part of the file nor its temporary one", async () => {
    const path = filled(200_000);
    const folder = freshFolder();
    const child = Bun.spawn([process.execPath, MAIN, "export", path, join(folder, "out.jsonl")], {
      env: plainEnvironment(),
      stdout: "pipe",
      stderr: "pipe",
    });
    while (readdirSync(folder).length === 0) await Bun.sleep(1);
    child.kill("SIGINT");
    const code = await child.exited;
    // It may have been done already: then the file is whole.
    if (code === 0) expect(readdirSync(folder)).toEqual(["out.jsonl"]);
    else expect({ code, left: readdirSync(folder) }).toEqual({ code: 130, left: [] });
    expect(contents(path)).toHaveLength(200_000);
  });
});

test("a full device is an error, not silence", async () => {
  const path = filled(1000);
  const child = Bun.spawn(["bash", "-c", '"$0" "$1" list "$2" > /dev/full', process.execPath, MAIN, path], {
    env: plainEnvironment(),
    stdout: "pipe",
    stderr: "pipe",
  });
  expect(await child.stderr.text()).toContain("ENOSPC");
  expect(await child.exited).toBe(3);
  expect((await bancos(["verify", path])).code).toBe(0);
  expect(contents(path)).toHaveLength(1000);
});
