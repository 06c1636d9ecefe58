/**
 * Histories of real participants: each logs what it did, with tickets of a counter that all share, taken before the
 * call and after the return. The log is a mapped file, so that a killed participant's is as good as any.
 */
import { BancosError, open, type Store } from "../../src/index.ts";
import {
  allocate,
  closeFile,
  map,
  newHandle,
  openFile,
  setLimit,
  unmapHandle,
} from "../../src/memory/platform.ts";
import { load32, store32 } from "../../src/memory/primitives.ts";
import { type Call, type Content, checkHistory, describeViolation, type Event } from "./checker.ts";
import { COUNTER_COUNT, type Role, type Roles, STOP } from "./role.ts";
import {
  type Actor,
  Counters,
  checkWhole,
  Folder,
  mixed,
  Random,
  spawnActor,
  startWorker,
  type Task,
} from "./support.ts";

/** Few keys, on one path and beside it, so that neighbours split, grow, shrink and collapse the nodes above them. */
const KEYS = [
  "lin/a",
  "lin/a/long/prefix",
  "lin/a/long/prefix/x",
  "lin/a/long/prefix/y",
  "lin/a/lots",
  "lin/b",
];
const PREFIX = "lin/";
const TICKET = 62;
const READY = 61;
const PARTICIPANTS = 4;

// ---- the log -------------------------------------------------------------------------------------------------------

const RECORD = 32;
const FROM = 0;
const TO = 4;
const WHAT = 8;
const VALUE = 12;
const EXPECTED = 16;
const RESULT = 20;

const KINDS = ["get", "has", "set", "insert", "delete", "compareAndSet", "add"] as const;
type Kind = (typeof KINDS)[number];

class Log {
  private readonly fd: number;
  private readonly h: number;
  constructor(path: string, records: number) {
    this.fd = openFile(path, { write: true, create: true });
    allocate(this.fd, 0, records * RECORD);
    this.h = newHandle(this.fd);
    map(this.h, records * RECORD, "shared");
    setLimit(this.h, records * RECORD);
  }
  load(i: number, field: number): number {
    return load32(this.h, i * (RECORD / 8), field);
  }
  store(i: number, field: number, value: number): void {
    store32(this.h, i * (RECORD / 8), field, value);
  }
  [Symbol.dispose](): void {
    unmapHandle(this.h);
    closeFile(this.fd);
  }
}

// ---- values --------------------------------------------------------------------------------------------------------

// A number n >= 0 stands for a value; 0 in the log for absence, n + 1 for n.
type Kept = number | bigint | string;

/** Numbers are changed in place, the others replaced. */
function encode(key: number, n: number): Kept {
  if (key % 3 === 0) return n;
  if (key % 3 === 1) return `v${n}${"-".repeat(n % 50)}`;
  return BigInt(n);
}

function decode(key: number, value: unknown): number {
  let n: number;
  if (value === undefined) return -1;
  if (key % 3 === 0 && typeof value === "number") n = value;
  else if (key % 3 === 1 && typeof value === "string") n = Number.parseInt(value.slice(1), 10);
  else if (key % 3 === 2 && typeof value === "bigint") n = Number(value);
  else throw new Error(`${KEYS[key]} has a value of the wrong type: ${String(value)}`);
  if (encode(key, n) !== value)
    throw new Error(`${KEYS[key]} has a value that nobody gave it: ${String(value)}`);
  return n;
}

// ---- a participant -------------------------------------------------------------------------------------------------

/** `broken`: one lookup in so many gives what an earlier one gave; 0 for none. To show that the checker notices. */
function staleReader(store: Store, broken: number, random: Random): (key: number) => unknown {
  const earlier: unknown[] = [];
  return (key) => {
    const now = store.get(KEYS[key]!);
    const before = earlier[key];
    earlier[key] = now;
    return broken > 0 && random.oneIn(broken) ? before : now;
  };
}

const historian: Role = async (task, counters, say) => {
  using store = open(task.path);
  const operations = Number(task.options?.["operations"]);
  using log = new Log(String(task.options?.["log"]), operations);
  const { me } = task;
  const random = new Random(mixed(task.seed, me));
  const lookup = staleReader(store, Number(task.options?.["broken"] ?? 0), random);
  const seen = new Int32Array(KEYS.length).fill(-1);
  say("ready");
  counters.take(READY);
  while (counters.get(READY) < PARTICIPANTS && counters.get(STOP) === 0) await Bun.sleep(0);

  let at = 0;
  const begin = (kind: Kind, key: number, value: number, expected: number, from: number): number => {
    log.store(at, WHAT, KINDS.indexOf(kind) * 256 + key);
    log.store(at, VALUE, value + 1);
    log.store(at, EXPECTED, expected + 1);
    log.store(at, FROM, from);
    return at++;
  };
  const end = (record: number, result: number): void => {
    log.store(record, RESULT, result);
    log.store(record, TO, counters.take(TICKET));
  };
  const ticket = (): number => counters.take(TICKET);

  while (at < operations - KEYS.length) {
    const key = random.below(KEYS.length);
    const name = KEYS[key]!;
    const dice = random.below(100);
    // Never given before by anybody.
    const fresh = at * PARTICIPANTS + me + 1_000_000;
    const value = encode(key, fresh);
    if (dice < 30) {
      const record = begin("get", key, -1, -1, ticket());
      seen[key] = decode(key, lookup(key));
      end(record, seen[key]! + 1);
    } else if (dice < 33) {
      const record = begin("has", key, -1, -1, ticket());
      end(record, store.has(name) ? 1 : 0);
    } else if (dice < 50) {
      const record = begin("set", key, fresh, -1, ticket());
      store.set(name, value);
      end(record, 0);
    } else if (dice < 55) {
      const record = begin("insert", key, fresh, -1, ticket());
      let result = 1;
      try {
        store.insert(name, value);
      } catch (error) {
        if (!(error instanceof BancosError) || error.code !== "DUPLICATE_KEY") throw error;
        result = 0;
      }
      end(record, result);
    } else if (dice < 67) {
      const record = begin("delete", key, -1, -1, ticket());
      end(record, store.delete(name) ? 1 : 0);
    } else if (dice < 80) {
      const expected = seen[key]!;
      const gone = random.oneIn(4);
      const record = begin("compareAndSet", key, gone ? -1 : fresh, expected, ticket());
      const before = expected < 0 ? undefined : encode(key, expected);
      const won = store.compareAndSet(name, before, gone ? undefined : value);
      end(record, won ? 1 : 0);
      if (won) seen[key] = gone ? -1 : fresh;
    } else if (dice < 88) {
      if (key % 3 === 1) continue;
      const record = begin("add", key, 1, -1, ticket());
      end(record, Number(store.add(name, key % 3 === 0 ? 1 : 1n)) + 1);
    } else if (dice < 91) {
      // A scan, and getMany: not atomic, but each key is looked at once, between the call and the return.
      const from = ticket();
      const records = KEYS.map((_, k) => begin("get", k, -1, -1, from));
      const found = new Map<string, unknown>(
        random.oneIn(2)
          ? [...store.entries({ prefix: PREFIX, reverse: random.oneIn(2) })]
          : store.getMany(KEYS).map((content, k) => [KEYS[k]!, content] as const),
      );
      records.forEach((record, k) => {
        end(record, decode(k, found.get(KEYS[k]!)) + 1);
      });
    } else {
      // Neighbours of the key come and go: nobody's business, but they change the nodes around it.
      const neighbour = `${name.slice(0, name.length - random.below(6))}${String.fromCharCode(48 + random.below(60))}#${me}`;
      if (random.oneIn(2)) store.set(neighbour, me);
      else store.delete(neighbour);
    }
  }
};

export const histories: Roles = { historian };

// ---- a run -----------------------------------------------------------------------------------------------------------

function readLog(path: string, records: number, by: number): Event[] {
  using log = new Log(path, records);
  const events: Event[] = [];
  for (let i = 0; i < records; i++) {
    const from = log.load(i, FROM);
    // Tickets start at 1.
    if (from === 0) continue;
    const what = log.load(i, WHAT);
    const kind = KINDS[what >>> 8]!;
    const value = log.load(i, VALUE);
    const result = log.load(i, RESULT);
    const to = log.load(i, TO);
    const text = (n: number): Content => (n === 0 ? undefined : String(n - 1));
    let call: Call;
    let answer: Content = result === 1 ? "true" : "false";
    switch (kind) {
      case "get":
        call = { kind };
        answer = text(result);
        break;
      case "set":
        call = { kind, value: String(value - 1) };
        answer = "done";
        break;
      case "insert":
        call = { kind, value: String(value - 1) };
        answer = result === 1 ? "done" : "duplicate";
        break;
      case "compareAndSet":
        call = { kind, value: text(value), expected: text(log.load(i, EXPECTED)) };
        break;
      case "add":
        call = { kind, delta: value - 1 };
        answer = text(result);
        break;
      default:
        call = { kind };
    }
    const over = to !== 0;
    events.push({
      key: KEYS[what & 255]!,
      call,
      result: over ? answer : undefined,
      from,
      to: over ? to : Number.POSITIVE_INFINITY,
      by,
    });
  }
  return events;
}

export interface HistoryOptions {
  readonly seed: number;
  /** Operations of each of the four participants. */
  readonly operations: number;
  /** Kill one process and one Worker on the way. */
  readonly kill?: boolean;
  /** Participant 1 gives a stale answer to one get in so many. */
  readonly broken?: number;
}

export interface HistoryReport {
  readonly operations: number;
  /** Operations that overlapped another one on the same key. */
  readonly overlapping: number;
  /** Operations that a kill left open. */
  readonly open: number;
  /** What the checker found, or null. */
  readonly violation: string | null;
}

function countOverlaps(events: readonly Event[]): number {
  let overlaps = 0;
  const lastReturn = new Map<string, number>();
  for (const event of [...events].sort((a, b) => a.from - b.from)) {
    const before = lastReturn.get(event.key) ?? 0;
    if (before > event.from) overlaps++;
    if (event.to !== Number.POSITIVE_INFINITY) lastReturn.set(event.key, Math.max(before, event.to));
  }
  return overlaps;
}

/** Two processes and two Workers on a file of their own; their history, checked. Throws if anything else goes wrong. */
export async function runHistory(options: HistoryOptions): Promise<HistoryReport> {
  using folder = new Folder();
  using store = open(folder.file("store"));
  using counters = new Counters(folder.file("counters"), COUNTER_COUNT);
  counters.set(TICKET, 1);
  const random = new Random(options.seed);
  const logOf = (me: number): string => folder.file(`log${me}`);
  const actors: Actor[] = [];
  for (let me = 0; me < PARTICIPANTS; me++) {
    const task: Task = {
      role: "historian",
      path: store.path,
      counters: folder.file("counters"),
      me,
      seed: options.seed,
      options: {
        operations: options.operations,
        log: logOf(me),
        broken: me === 1 ? (options.broken ?? 0) : 0,
      },
    };
    actors.push(me < 2 ? spawnActor(task) : startWorker(task));
  }
  if (options.kill === true) {
    await Promise.all(actors.map((actor) => actor.line()));
    while (counters.get(TICKET) < 100 + random.below(options.operations * 4)) await Bun.sleep(1);
    await Promise.all([actors[0]!.kill(), actors[2]!.kill()]);
  }
  for (const [me, actor] of actors.entries()) {
    const how = await actor.ended;
    if (how === "done" || (how === "killed" && options.kill === true && me % 2 === 0)) continue;
    counters.set(STOP, 1);
    throw new Error(typeof how === "object" ? how.error : `participant ${me} was killed`);
  }
  const events = actors.flatMap((_, me) => readLog(logOf(me), options.operations, me));
  store.collect();
  checkWhole(store, "after the history");
  const violation = checkHistory(events);
  return {
    operations: events.length,
    overlapping: countOverlaps(events),
    open: events.filter(({ to }) => to === Number.POSITIVE_INFINITY).length,
    violation: violation === null ? null : describeViolation(violation),
  };
}
