/** The examples run, and do what they say. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import words from "an-array-of-english-words" with { type: "json" };
import { open } from "../../src/index.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

const EXAMPLES = join(import.meta.dir, "../../examples");

function start(folder: string, example: string, ...args: string[]) {
  return Bun.spawn([process.execPath, join(EXAMPLES, example), ...args], {
    stderr: "pipe",
    env: { ...process.env, TMPDIR: folder, NO_COLOR: "1" },
  });
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "bancos-examples-"));
  try {
    await work(folder);
    for (const name of new Bun.Glob("*.bancos").scanSync(folder)) {
      using store = open(join(folder, name), { create: false });
      expect(store.verify().problems).toEqual([]);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("demo.ts loads all words with two writers, and says how to go on", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "demo.bancos");
    const demo = start(folder, "demo.ts", path);
    const output = await demo.stdout.text();
    expect(await demo.stderr.text()).toBe("");
    expect(await demo.exited).toBe(0);
    expect(output).toContain("274,937 of 274,937");
    expect(output).toContain("bancassurance");
    expect(output).toMatch(/zyga .*zygantrum\n/);
    expect(output).toMatch(/zydecos .*zwischenzugs\n/);
    expect(output).toMatch(/yes, checked in/);
    expect(output).toContain(`list ${path} --prefix`);
    using store = open<number>(path, { create: false });
    expect(store.size).toBe(274_937);
    expect(store.get("zebra")).toBe(5);
  });
});

test("sessions.ts: what one process writes, the other one goes on with", async () => {
  await inFolder(async (folder) => {
    const servers = start(folder, "sessions.ts", "0", join(folder, "sessions.bancos"));
    try {
      const decoder = new TextDecoder();
      let text = "";
      const urls = () => [...text.matchAll(/serves (\S+)/g)].map(([, url]) => url!);
      for await (const chunk of servers.stdout) {
        text += decoder.decode(chunk, { stream: true });
        if (urls().length === 2) break;
      }
      const [one, two] = urls() as [string, string];
      const first = await fetch(one);
      const cookie = first.headers.get("set-cookie")!.split(";")[0]!;
      const session = (await first.json()) as { visits: number; since: number; by: number };
      expect(session.visits).toBe(1);
      const second = (await (await fetch(two, { headers: { cookie } })).json()) as typeof session;
      expect(second).toMatchObject({ visits: 2, since: session.since });
      expect(second.by).not.toBe(session.by);
      const visits = Array.from({ length: 50 }, (_, i) => fetch([one, two][i % 2]!, { headers: { cookie } }));
      await Promise.all(visits);
      expect(await (await fetch(one, { headers: { cookie } })).json()).toMatchObject({ visits: 53 });
      await fetch(`${two}logout`, { headers: { cookie } });
      expect(await (await fetch(one, { headers: { cookie } })).json()).toMatchObject({ visits: 1 });
    } finally {
      servers.kill();
      await servers.exited;
    }
  });
});

test("queue.ts: every job is done, also that of the worker that dies", async () => {
  await inFolder(async (folder) => {
    const queue = start(folder, "queue.ts", "200", "3");
    const output = await queue.stdout.text();
    expect(await queue.stderr.text()).toBe("");
    expect(await queue.exited).toBe(0);
    expect(output).toContain("200 jobs in ");
    expect(output).toContain("worker 1: 3 jobs, died of SIGKILL with a job in its hands");
    const done = [...output.matchAll(/worker \d: (\d+) jobs/g)].map(([, jobs]) => Number(jobs));
    expect(done.reduce((sum, jobs) => sum + jobs)).toBe(200);
    expect(output).toContain("0 jobs left after");
  });
});

test("pool.ts counts words", async () => {
  await inFolder(async (folder) => {
    const text = join(folder, "text.txt");
    await Bun.write(text, "a rose is a rose is a rose, says Gertrude");
    const pool = start(folder, "pool.ts", text);
    const output = await pool.stdout.text();
    expect(await pool.stderr.text()).toBe("");
    expect(await pool.exited).toBe(0);
    expect(output.split("\n").slice(0, 3).sort()).toEqual(["    2 is", "    3 a", "    3 rose"]);
    expect(output).toContain("5 different words");
  });
});

/** Gives the example its standard input, and returns what it says. */
async function answers(
  folder: string,
  input: string,
  ...args: string[]
): Promise<{ out: string; err: string }> {
  const child = Bun.spawn([process.execPath, join(EXAMPLES, "autocomplete.ts"), ...args], {
    stdin: new TextEncoder().encode(input),
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, TMPDIR: folder, NO_COLOR: "1" },
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect({ err, code }).toEqual({ err: expect.any(String), code: 0 });
  return { out, err };
}

test("autocomplete.ts completes words, names by their parts, and keeps its index if asked to", async () => {
  await inFolder(async (folder) => {
    const { out, err } = await answers(folder, "zebr\n\nQWX\nbanca\n");
    const first8 = (typed: string) =>
      words
        .filter((word) => word.startsWith(typed))
        .sort()
        .slice(0, 8)
        .join("  ");
    expect(out).toBe(`zebr: ${first8("zebr")}\nQWX: nothing\nbanca: ${first8("banca")}\n`);
    expect(first8("zebr").split("  ")).toHaveLength(8);
    expect(err).toContain("274937 names, 274937 keys");
    expect(readdirSync(folder)).toEqual([]);

    const names = join(folder, "names.json");
    await Bun.write(
      names,
      JSON.stringify(["react-dom", "@types/react", "Reactor", "dom-tools", "react-dom-x"]),
    );
    const store = join(folder, "names.bancos");
    const expected =
      "rea: react-dom  react-dom-x  reactor  @types/react\ndo: dom-tools  react-dom  react-dom-x\n";
    const first = await answers(folder, "rea\ndo\n", names, "--store", store);
    expect(first.out).toBe(expected);
    // The names themselves, and by their parts: dom; types, react; tools; dom, x.
    expect(first.err).toContain(`5 names, ${5 + 1 + 2 + 1 + 2} keys`);
    // From the file of the first run.
    expect(await answers(folder, "rea\ndo\n", "--store", store)).toEqual({ out: expected, err: "" });
    await Bun.write(names, "one-two\nthree-two\n");
    expect((await answers(folder, "tw\n", names)).out).toBe("tw: one-two  three-two\n");
  });
});

test("autocomplete.ts installs the package that it is told, once", async () => {
  await inFolder(async (folder) => {
    // A small one, in place of the names of all packages: installed and read in the same way.
    const small = "an-array-of-english-words@2.0.0";
    const first = await answers(folder, "zyg\n", small);
    expect(first.err).toContain(`installing an-array-of-english-words 2.0.0 into ${folder}`);
    const second = await answers(folder, "zyg\n", small);
    expect(second.err).not.toContain("installing");
    expect(first.out).toStartWith("zyg: zyga  ");
    expect(second.out).toBe(first.out);
  });
});

test("migrate-lmdb.ts copies a database of lmdb, and compares every entry", async () => {
  await inFolder(async (folder) => {
    const trial = start(folder, "migrate-lmdb.ts");
    const output = await trial.stdout.text();
    expect(await trial.exited).toBe(0);
    expect(output).toContain("21002 entries with ordered keys in ");
    expect(output).toContain("1 values have another form now");
    expect(readdirSync(folder)).toEqual(["bancos-examples"]);

    const wrong = start(folder, "migrate-lmdb.ts", join(folder, "none"), join(folder, "to.bancos"));
    expect(await wrong.stderr.text()).toContain("none is not there");
    expect(await wrong.exited).toBe(2);

    // A database with string keys, made by lmdb itself.
    const from = join(folder, "words.lmdb");
    const make = `const { open } = require("lmdb"); const db = open(${JSON.stringify(from)}, {});
      db.transactionSync(() => { for (let i = 0; i < 500; i++) db.putSync("key " + i, { i }); }); db.close();`;
    const lmdb = Bun.spawnSync([process.execPath, "-e", make], {
      cwd: join(folder, "bancos-examples/lmdb@3.5.6"),
      stderr: "inherit",
    });
    expect(lmdb.exitCode).toBe(0);
    const to = join(folder, "words.bancos");
    const copy = start(folder, "migrate-lmdb.ts", from, to);
    expect(await copy.stdout.text()).toContain("500 entries with utf8 keys in ");
    expect(await copy.exited).toBe(0);
    using store = open<{ i: number }>(to, { create: false });
    expect(store.size).toBe(500);
    expect(store.get("key 77")).toEqual({ i: 77 });
  });
});
