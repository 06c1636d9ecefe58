/** Text from a file or standard input, in batches of lines. */
import { closeSync, createReadStream, fstatSync, openSync, readSync } from "node:fs";
import { isatty } from "node:tty";
import { InputError, UsageError } from "./exit.ts";
import type { Session } from "./session.ts";

const CHUNK = 1 << 18;

export interface Lines {
  /** Without their line feeds; a carriage return before it is kept. */
  readonly lines: readonly string[];
  /** Number of the first, from 1. */
  readonly first: number;
  /** Share of the input that has been read, 0 to 1; undefined if nobody knows how long it is. */
  readonly share: number | undefined;
}

export const stdinIsTerminal = (): boolean => isatty(0);

/** An input that can be read once. */
export interface Input {
  /** What to call it in a message. */
  readonly name: string;
  /** Descriptor of the file; null: standard input. */
  readonly fd: number | null;
}

/**
 * Opens a file, or standard input if `path` is undefined or `-`. Before the store is opened, so that a mistyped name
 * does not make a store.
 */
export function openInput(path: string | undefined): Input {
  if (path === undefined || path === "-") return { name: "standard input", fd: null };
  const fd = openSync(path, "r");
  if (fstatSync(fd).isDirectory()) throw new UsageError(`${path} is a directory`);
  return { name: path, fd };
}

interface Chunk {
  readonly bytes: Uint8Array;
  readonly share: number | undefined;
}

async function* chunksOf({ fd, name }: Input, session: Session): AsyncGenerator<Chunk> {
  if (fd === null) {
    yield* chunksOfStream(Bun.stdin.stream(), session);
    return;
  }
  const status = fstatSync(fd);
  if (!status.isFile()) {
    // A pipe, a terminal: reading may wait, and Ctrl-C must not.
    yield* chunksOfStream(createReadStream(name, { fd, highWaterMark: CHUNK }), session);
    return;
  }
  try {
    const bytes = Buffer.alloc(CHUNK);
    for (let at = 0; session.interrupted === 0; ) {
      const length = readSync(fd, bytes, 0, CHUNK, null);
      if (length === 0) return;
      at += length;
      yield { bytes: bytes.subarray(0, length), share: at / Math.max(at, status.size) };
      await session.pause();
    }
  } finally {
    closeSync(fd);
  }
}

async function* chunksOfStream(stream: AsyncIterable<Uint8Array>, session: Session): AsyncGenerator<Chunk> {
  const iterator = stream[Symbol.asyncIterator]();
  const interrupted = session.whenInterrupted.then(() => undefined);
  while (session.interrupted === 0) {
    const next = await Promise.race([iterator.next(), interrupted]);
    if (next === undefined || next.done === true) return;
    yield { bytes: next.value, share: undefined };
    await session.pause();
  }
}

/** The lines of an input. Ends early when the session is interrupted. */
export async function* readLines(input: Input, session: Session): AsyncGenerator<Lines> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let first = 1;
  /** Pieces of the line that has not ended yet. */
  let rest: string[] = [];
  let at = 0;
  for await (const { bytes, share } of chunksOf(input, session)) {
    let text: string;
    try {
      text = decoder.decode(bytes, { stream: true });
    } catch {
      throw new InputError(
        `${input.name} is not UTF-8, somewhere between bytes ${at} and ${at + bytes.length}`,
      );
    }
    at += bytes.length;
    const last = text.lastIndexOf("\n");
    if (last < 0) {
      rest.push(text);
      continue;
    }
    const lines = (rest.join("") + text.slice(0, last)).split("\n");
    rest = [text.slice(last + 1)];
    yield { lines, first, share };
    first += lines.length;
  }
  if (session.interrupted !== 0) return;
  let end: string;
  try {
    end = rest.join("") + decoder.decode();
  } catch {
    throw new InputError(`${input.name} ends in the middle of a character`);
  }
  if (end !== "") yield { lines: [end], first, share: 1 };
}

/** All of standard input. */
export async function readStandardInput(): Promise<Uint8Array> {
  return new Uint8Array(await Bun.stdin.arrayBuffer());
}
