/** Runs the command line as a user does: as a process of its own, with pipes or on a terminal. */
import { expect } from "bun:test";
import { join } from "node:path";
import { type Key, open, type Store, type Value } from "../../src/index.ts";
import { finish } from "../store/support.ts";

export const MAIN = join(import.meta.dir, "../../src/cli/main.ts");

/** Without what colours or hides colours: tests say so where they mean it. */
export function plainEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !["NO_COLOR", "FORCE_COLOR", "CI", "TERM"].includes(name)) kept[name] = value;
  }
  return { ...kept, TERM: "xterm-256color", ...extra };
}

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly bytes: Uint8Array;
}

/** Runs `bancos` with pipes. `input` is its standard input. */
export async function bancos(args: readonly string[], input: string | Uint8Array = ""): Promise<Ended> {
  const child = Bun.spawn([process.execPath, MAIN, ...args], {
    env: plainEnvironment(),
    stdin: typeof input === "string" ? new TextEncoder().encode(input) : input,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [bytes, err, code] = await Promise.all([child.stdout.bytes(), child.stderr.text(), child.exited]);
  return { code, out: new TextDecoder().decode(bytes), err, bytes };
}

/** The same, and it must end well and without a word on standard error. */
export async function ok(args: readonly string[], input: string | Uint8Array = ""): Promise<string> {
  const { code, out, err } = await bancos(args, input);
  expect({ args, code, err }).toEqual({ args, code: 0, err: "" });
  return out;
}

export interface Terminal {
  readonly child: Bun.Subprocess;
  /** All that has been written to it. */
  text(): string;
  type(text: string): void;
  /** Waits until something like this has been written. */
  until(pattern: RegExp): Promise<void>;
  /** Waits for the end. */
  ended(): Promise<{ code: number | null; text: string }>;
}

/** Runs a command on a pseudo-terminal, 80 columns wide; `bancos` if only its arguments are given. */
export function onTerminal(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  command: readonly string[] = [process.execPath, MAIN],
): Terminal {
  const decoder = new TextDecoder();
  let text = "";
  const child = Bun.spawn([...command, ...args], {
    env: plainEnvironment(environment),
    terminal: {
      cols: 80,
      rows: 24,
      data(_terminal: unknown, bytes: Uint8Array): void {
        text += decoder.decode(bytes, { stream: true });
      },
    },
  });
  return {
    child,
    text: () => text,
    type: (typed) => {
      child.terminal?.write(typed);
    },
    async until(pattern) {
      while (!pattern.test(text)) {
        if (child.exitCode !== null) throw new Error(`it ended without ${pattern}: ${JSON.stringify(text)}`);
        await Bun.sleep(10);
      }
    },
    async ended() {
      const code = await child.exited;
      // What it wrote last may still be on its way.
      await Bun.sleep(50);
      child.terminal?.close();
      return { code, text };
    },
  };
}

/** Everything in a file, which must be sound. */
export function contents(path: string): [Key, Value][] {
  const store = open(path, { create: false }) as unknown as Store<Value, Key>;
  const entries = [...store.entries()];
  finish(store);
  return entries;
}
