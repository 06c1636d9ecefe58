/**
 * One bit of a small store turned over, or one word of it replaced, anywhere, a thousand times: opening, getting, scanning, verifying, writing
 * and closing end, with a right answer or a BancosError; and when an answer was not right, verify() has something to
 * say. In children, since what is looked for are crashes and hangs.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { quickPath, random, seed } from "../store/support.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

const FLIPS = Number(process.env["BANCOS_FLIPS"] ?? 1200);
/** Milliseconds without an answer after which a flip hangs. One takes 15. */
const HANGS_AFTER = 60_000;

interface Answers {
  readonly lines: string[];
  readonly ended: string;
}

function flip(start: number, from: number, count: number): Promise<Answers> {
  const args = [join(import.meta.dir, "child.ts"), quickPath(), String(start), String(from), String(count)];
  return new Promise((done) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    let errors = "";
    let hung = false;
    const hang = (): void => {
      hung = true;
      child.kill("SIGKILL");
    };
    let timer = setTimeout(hang, HANGS_AFTER);
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      clearTimeout(timer);
      timer = setTimeout(hang, HANGS_AFTER);
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      errors += chunk;
    });
    child.once("close", (status, signal) => {
      clearTimeout(timer);
      const ended = hung ? "hangs" : `${status ?? signal}${errors}`;
      done({ lines: text.split("\n").filter((line) => line !== ""), ended });
    });
  });
}

test(`${FLIPS} times a bit or a word is damaged`, async () => {
  const start = random(seed)(2 ** 31);
  const half = Math.ceil(FLIPS / 2);
  const both = await Promise.all([flip(start, 0, half), flip(start, half, half)]);
  for (const { lines, ended } of both) {
    // The last line names the flip that crashed or hangs.
    expect([lines.at(-1), ended]).toEqual([expect.any(String), "0"]);
    expect(lines.filter((line) => line.includes("WRONG"))).toEqual([]);
    expect(lines.length).toBe(half);
    // It is no test if most of them touch nothing.
    expect(lines.filter((line) => line.includes("reported")).length).toBeGreaterThan(half / 4);
  }
});
