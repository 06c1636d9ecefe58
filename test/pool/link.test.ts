/** The queue before a Worker, on Workers that only the test moves. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Command, NO_BUCKET } from "../../src/pool/command.ts";
import { Link, MOST_BATCHES, MOST_COMMANDS, type Port, type PortEvent } from "../../src/pool/link.ts";
import { GET, VERIFY } from "../../src/pool/protocol.ts";
import { codeOf } from "./support.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

class FakeWorker implements Port {
  readonly posted: unknown[][] = [];
  isReferenced = true;
  private readonly listeners = new Map<string, (event: PortEvent) => void>();
  postMessage(message: unknown): void {
    if (Array.isArray(message)) this.posted.push(message);
  }
  addEventListener(type: string, listener: (event: PortEvent) => void): void {
    this.listeners.set(type, listener);
  }
  ref(): void {
    this.isReferenced = true;
  }
  unref(): void {
    this.isReferenced = false;
  }
  terminate(): void {
    queueMicrotask(() => this.emit("close", { code: 0 }));
  }
  emit(type: string, event: PortEvent): void {
    this.listeners.get(type)?.(event);
  }
  opened(): void {
    this.emit("message", { data: { keyEncoding: "utf8" } });
  }
  /** Answers the first `count` commands of batch `index` with their keys. */
  answer(index: number, count?: number): void {
    const batch = this.posted[index]!;
    const keys = batch.slice(1).filter((_, i) => i % 2 === 1);
    this.emit("message", { data: [batch[0], null, ...keys.slice(0, count)] });
  }
}

interface Fixture {
  readonly link: Link;
  readonly workers: FakeWorker[];
  get(key: string, verb?: number): Promise<unknown>;
}

function fixture(): Fixture {
  const workers: FakeWorker[] = [];
  const link = new Link({
    newWorker: () => {
      workers.push(new FakeWorker());
      return workers.at(-1)!;
    },
    opening: () => ({ path: "x", options: {} }),
    ended: () => {},
  });
  return {
    link,
    workers,
    get: (key, verb = GET) =>
      new Promise((resolve, reject) =>
        link.push(new Command(verb, [key], 8, NO_BUCKET, false, resolve, reject)),
      ),
  };
}

async function opened(): Promise<Fixture> {
  const made = fixture();
  const started = made.link.start();
  made.workers[0]!.opened();
  await started;
  return made;
}

const turn = () => Bun.sleep(0);

describe("a link", () => {
  test("sends what one turn brings as one batch", async () => {
    const { get, workers } = await opened();
    const answers = Promise.all(["a", "b", "c"].map((key) => get(key)));
    await turn();
    expect(workers[0]!.posted).toEqual([[1, GET, "a", GET, "b", GET, "c"]]);
    workers[0]!.answer(0);
    expect(await answers).toEqual(["a", "b", "c"]);
  });

  test("never gives a Worker more than two batches, however much is asked", async () => {
    const { get, workers, link } = await opened();
    const [worker] = workers as [FakeWorker];
    const keys = Array.from({ length: 20_000 }, (_, i) => `key ${i}`);
    const answers = Promise.all(keys.map((key) => get(key)));
    let answered = 0;
    while (link.pending > 0) {
      await turn();
      expect(worker.posted.length - answered).toBeLessThanOrEqual(MOST_BATCHES);
      expect(worker.posted.length).toBeGreaterThan(answered);
      for (const batch of worker.posted) expect((batch.length - 1) / 2).toBeLessThanOrEqual(MOST_COMMANDS);
      worker.answer(answered++);
    }
    expect(await answers).toEqual(keys);
  });

  test("does not make a second batch of a few commands while the first one runs", async () => {
    const { get, workers } = await opened();
    const answers = [get("a")];
    await turn();
    answers.push(get("b"), get("c"));
    await turn();
    expect(workers[0]!.posted).toHaveLength(1);
    workers[0]!.answer(0);
    await turn();
    expect(workers[0]!.posted[1]).toEqual([2, GET, "b", GET, "c"]);
    workers[0]!.answer(1);
    expect(await Promise.all(answers)).toEqual(["a", "b", "c"]);
  });

  test("sends what takes long alone, and lets others pass it", async () => {
    const { get, workers } = await opened();
    const [worker] = workers as [FakeWorker];
    const first = get("a");
    const slow = get("slow", VERIFY);
    const second = get("b");
    await turn();
    expect(worker.posted).toEqual([
      [1, GET, "a"],
      [2, VERIFY, "slow"],
    ]);
    worker.answer(0);
    await turn();
    worker.answer(2);
    expect(await Promise.all([first, second])).toEqual(["a", "b"]);
    worker.answer(1);
    expect(await slow).toBe("slow");
  });

  test("takes an answer in pieces", async () => {
    const { get, workers } = await opened();
    const answers = ["a", "b", "c"].map((key) => get(key));
    await turn();
    const [id] = workers[0]!.posted[0]!;
    workers[0]!.answer(0, 2);
    expect(await Promise.all(answers.slice(0, 2))).toEqual(["a", "b"]);
    workers[0]!.emit("message", { data: [id, null, "c"] });
    expect(await answers[2]!).toBe("c");
  });

  test("after a death rejects what was sent and not answered, and nothing else", async () => {
    const { get, workers, link } = await opened();
    const sent = ["a", "b", "c"].map((key) => get(key));
    await turn();
    const waiting = get("d");
    await turn();
    workers[0]!.answer(0, 1);
    workers[0]!.emit("close", { code: 1 });
    expect(await sent[0]!).toBe("a");
    expect(await Promise.all(sent.slice(1).map(codeOf))).toEqual(["OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN"]);
    expect(workers).toHaveLength(2);
    // A message of the dead one that comes late means nothing.
    workers[0]!.answer(0);
    workers[1]!.opened();
    expect(workers[1]!.posted).toEqual([[2, GET, "d"]]);
    workers[1]!.answer(0);
    expect(await waiting).toBe("d");
    expect(link.deaths).toBe(1);
  });

  test("gives up on Workers that die before they open the store, until the next command", async () => {
    const { link, workers, get } = fixture();
    const started = link.start();
    for (let i = 0; i < 3; i++) {
      workers[i]!.emit("error", { message: "error: no such module" });
      workers[i]!.emit("close", { code: 1 });
    }
    expect(await codeOf(started)).toBe("INVALID_OPERATION");
    expect(workers).toHaveLength(3);
    const answer = get("a");
    workers[3]!.opened();
    await turn();
    workers[3]!.answer(0);
    expect(await answer).toBe("a");
  });

  test("has more patience with Workers that somebody terminates while they start", async () => {
    const { link, workers } = fixture();
    const started = link.start();
    for (let i = 0; i < 20; i++) workers[i]!.emit("close", { code: 1 });
    workers[20]!.opened();
    expect(await started).toEqual({ keyEncoding: "utf8" });
  });

  test("does not start Workers for ever that die of themselves while they have nothing to do", async () => {
    const { workers, get } = await opened();
    for (let i = 0; i < workers.length; i++) {
      workers[i]!.opened();
      workers[i]!.emit("close", { code: 1 });
    }
    expect(workers.length).toBeLessThan(3);
    const before = workers.length;
    const answer = get("a");
    expect(workers).toHaveLength(before + 1);
    workers.at(-1)!.opened();
    await turn();
    workers.at(-1)!.answer(0);
    expect(await answer).toBe("a");
  });

  test("keeps the process alive while something is asked, and not longer", async () => {
    const { get, workers } = await opened();
    const [worker] = workers as [FakeWorker];
    expect(worker.isReferenced).toBe(false);
    const answer = get("a");
    expect(worker.isReferenced).toBe(true);
    await turn();
    worker.answer(0);
    await answer;
    expect(worker.isReferenced).toBe(false);
  });
});
