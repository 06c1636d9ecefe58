/** A store opened by a command, closed in good order however the command ends. */
import { type Key, type OpenOptions, Store, type Value } from "../index.ts";
import { EXIT_SIGINT, EXIT_SIGTERM } from "./exit.ts";
import { err, out } from "./output.ts";

export type CliStore = Store<Value, Key>;

/**
 * A command that takes long opens its store through a session: Ctrl-C then ends its loop, not the process, and the
 * store is closed as always. The loop calls `pause` now and then, since signals come between two turns of the event
 * loop. Commands that are one call of the library need none: the file is good without us, and the kernel's own way of
 * ending a process is the quickest.
 */
export class Session {
  readonly store: CliStore;
  /** Exit code of the signal that came; 0: none. */
  interrupted = 0;
  /** Resolves when a signal comes. */
  readonly whenInterrupted: Promise<void>;
  private resolve: () => void = () => {};
  private readonly onInterrupt = (): void => this.interrupt(EXIT_SIGINT);
  private readonly onTerminate = (): void => this.interrupt(EXIT_SIGTERM);

  constructor(path: string, options: OpenOptions) {
    // Opening may wait for another process: until it is done, Ctrl-C ends ours at once.
    this.store = new Store<Value, Key>(path, options);
    this.whenInterrupted = new Promise((resolve) => {
      this.resolve = resolve;
    });
    process.on("SIGINT", this.onInterrupt);
    process.on("SIGTERM", this.onTerminate);
  }

  private interrupt(code: number): void {
    // A second time: at once. The file is good even so; who opens it next clears up.
    if (this.interrupted !== 0) process.exit(code);
    this.interrupted = code;
    this.resolve();
  }

  /** Lets signals and timers in. */
  async pause(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  close(): void {
    process.off("SIGINT", this.onInterrupt);
    process.off("SIGTERM", this.onTerminate);
    this.store.close();
  }
}

/** Runs `fn` with a session; returns its exit code, or the signal's. */
export async function withSession(
  path: string,
  options: OpenOptions,
  fn: (session: Session) => Promise<number>,
): Promise<number> {
  const session = new Session(path, options);
  try {
    const code = await fn(session);
    return session.interrupted || code;
  } finally {
    session.close();
    out.flush();
    err.flush();
  }
}

/** Runs `fn` with a store. */
export function withStore(path: string, options: OpenOptions, fn: (store: CliStore) => number): number {
  const store = new Store<Value, Key>(path, options);
  try {
    return fn(store);
  } finally {
    store.close();
  }
}
