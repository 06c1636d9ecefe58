/**
 * What a command writes. Buffered, written synchronously, so that nothing is lost when the process exits. A reader that
 * has gone away (`bancos list … | head`) is no error: `closed` becomes true, and who has much to write stops.
 */
import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import pc from "picocolors";

type Colors = ReturnType<typeof pc.createColors>;

const CHUNK = 1 << 16;
const wait = new Int32Array(new SharedArrayBuffer(4));

/** Colours: on a terminal that has them, unless the user said no (https://no-color.org). */
function hasColors(fd: number): boolean {
  if ((process.env["NO_COLOR"] ?? "") !== "" || process.argv.includes("--no-color")) return false;
  return isatty(fd) && process.env["TERM"] !== "dumb";
}

export class Output {
  readonly isTerminal: boolean;
  readonly colors: Colors;
  /** The reader has gone away: what is written from now on is dropped. */
  closed = false;
  private readonly fd: number;
  private text = "";

  constructor(fd: number) {
    this.fd = fd;
    this.isTerminal = isatty(fd);
    this.colors = pc.createColors(hasColors(fd));
  }

  /** Characters in a line of the terminal. */
  get columns(): number {
    return (this.fd === 2 ? process.stderr.columns : process.stdout.columns) || 80;
  }

  write(text: string): void {
    this.text += text;
    if (this.text.length >= CHUNK) this.flush();
  }

  line(text = ""): void {
    this.write(`${text}\n`);
  }

  bytes(bytes: Uint8Array): void {
    this.flush();
    this.writeOut(bytes);
  }

  /** Writes out what is buffered. */
  flush(): void {
    if (this.text === "") return;
    const bytes = Buffer.from(this.text, "utf8");
    this.text = "";
    this.writeOut(bytes);
  }

  private writeOut(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.closed; ) {
      try {
        at += writeSync(this.fd, bytes, at, bytes.length - at);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // Another program may have made a terminal or pipe that we share non-blocking.
        if (code === "EAGAIN") Atomics.wait(wait, 0, 0, 5);
        else if (code === "EPIPE") this.closed = true;
        else throw error;
      }
    }
  }
}

export const out = new Output(1);
export const err = new Output(2);
