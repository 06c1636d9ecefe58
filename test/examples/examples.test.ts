/** The examples run, and do what they say. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
