/** The Worker's side of a pool: opens the store, runs batches, answers. */
import type { Range } from "../store/range.ts";
import { Store } from "../store/store.ts";
import type { Key, Value, Writer } from "../store/types.ts";
import {
  ADD,
  CLOSE,
  COLLECT,
  COMPARE_AND_SET,
  COUNT,
  DELETE,
  FIRST_ALONE,
  FIRST_VALUE_SHIFT,
  FLUSH,
  GET,
  GET_MANY,
  HAS,
  INSERT,
  JSON_TEXT,
  type Opened,
  type Opening,
  type PackedError,
  PIECE_BYTES,
  packError,
  SCAN,
  SCAN_KEYS,
  SCAN_VALUES,
  SECOND_VALUE_SHIFT,
  SET,
  SIZE,
  STATS,
  sizeOf,
  VALUE_MASK,
  VERB_MASK,
  VERIFY,
} from "./protocol.ts";

/** What a Worker has to talk to its pool. */
export interface WorkerScope {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

type AnyStore = Store<Value, Key>;
type AnyWriter = Writer<Value, Key>;

/** Stands for a value whose JSON text came over: the store's own encoder writes just that text again. */
class FromText {
  private readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toJSON(): unknown {
    return JSON.parse(this.text);
  }
}

/** Serves the pool that started this Worker. */
export function serve(scope: WorkerScope): void {
  scope.onmessage = (event) => {
    const { path, options } = event.data as Opening;
    let store: AnyStore;
    try {
      store = new Store<Value, Key>(path, options);
    } catch (error) {
      scope.postMessage({ error: packError(error) } satisfies Opened);
      return;
    }
    const server = new Server(scope, store, options.readOnly !== true, options.durability === "commit");
    scope.onmessage = (next) => server.run(next.data as unknown[]);
    scope.postMessage({ keyEncoding: store.keyEncoding } satisfies Opened);
  };
}

class Server {
  private readonly scope: WorkerScope;
  private readonly store: AnyStore;
  private readonly canWrite: boolean;
  /** Are writes on the disk before they are answered? */
  private readonly commit: boolean;
  private message: unknown[] = [];
  private at = 0;
  private reply: unknown[] = [];
  private replyBytes = 0;
  /** Commands answered in the present piece of the reply. */
  private inPiece = 0;
  private errors: [number, PackedError][] = [];
  private json: number[] = [];

  constructor(scope: WorkerScope, store: AnyStore, canWrite: boolean, commit: boolean) {
    this.scope = scope;
    this.store = store;
    this.canWrite = canWrite;
    this.commit = commit;
  }

  run(message: unknown[]): void {
    this.message = message;
    this.at = 1;
    const verb = message[1] as number;
    if ((verb & VERB_MASK) >= FIRST_ALONE) {
      void this.runAlone(message[0] as number, verb);
      return;
    }
    this.newPiece();
    try {
      // A group: one epoch for all of them and, with durability "commit", one sync at its end.
      if (this.canWrite) this.store.writer((writer) => this.runAll(writer));
      else this.store.reader((reader) => this.runAll(reader as AnyWriter));
    } catch (error) {
      // No command throws out of runAll: it was the sync. Nothing has been answered before it.
      this.failAll(error);
    }
    this.post();
  }

  private runAll(store: AnyWriter): void {
    const { message } = this;
    while (this.at < message.length) {
      // A writer's group that is to be synced is answered when it is.
      if (this.replyBytes >= PIECE_BYTES && !this.commit) {
        this.post();
        this.newPiece();
      }
      const length = this.reply.length;
      const marked = this.json.length;
      const verb = message[this.at++] as number;
      const first = this.at;
      try {
        this.one(store, verb, first);
      } catch (error) {
        this.reply.length = length;
        this.json.length = marked;
        this.errors.push([this.inPiece, packError(error)]);
      }
      this.at = first + this.width(verb, first);
      this.inPiece++;
    }
  }

  /** How many arguments a command has. */
  private width(verb: number, at: number): number {
    switch (verb & VERB_MASK) {
      case SIZE:
        return 0;
      case GET:
      case HAS:
      case DELETE:
      case COUNT:
        return 1;
      case SET:
      case INSERT:
      case ADD:
        return 2;
      case COMPARE_AND_SET:
      case SCAN:
        return 3;
      case GET_MANY:
        return 1 + (this.message[at] as number);
      default:
        throw new Error(`no command has the verb ${verb}`);
    }
  }

  private one(store: AnyWriter, verb: number, at: number): void {
    const { message } = this;
    const key = message[at] as Key;
    switch (verb & VERB_MASK) {
      case GET:
        this.give(store.get(key));
        return;
      case HAS:
        this.give(store.has(key));
        return;
      case SET:
        store.set(key, this.value(verb >>> FIRST_VALUE_SHIFT, at + 1));
        this.give(undefined);
        return;
      case INSERT:
        store.insert(key, this.value(verb >>> FIRST_VALUE_SHIFT, at + 1));
        this.give(undefined);
        return;
      case DELETE:
        this.give(store.delete(key));
        return;
      case COMPARE_AND_SET: {
        const expected = this.value(verb >>> FIRST_VALUE_SHIFT, at + 1);
        this.give(store.compareAndSet(key, expected, this.value(verb >>> SECOND_VALUE_SHIFT, at + 2)));
        return;
      }
      case ADD:
        this.give(store.add(key, message[at + 1] as number | bigint));
        return;
      case GET_MANY: {
        const count = message[at] as number;
        const values = store.getMany(message.slice(at + 1, at + 1 + count) as Key[]);
        this.reply.push(count);
        for (const value of values) this.give(value);
        return;
      }
      case SCAN:
        this.scan(store, message[at] as number, message[at + 1] as Range<Key>, message[at + 2] as number);
        return;
      case COUNT:
        this.give(store.count(message[at] as Range<Key> | undefined));
        return;
      case SIZE:
        this.give(store.size);
        return;
      default:
        throw new Error(`no command has the verb ${verb}`);
    }
  }

  private value(how: number, at: number): Value {
    const value = this.message[at] as Value;
    return (how & VALUE_MASK) === JSON_TEXT ? (new FromText(value as string) as unknown as Value) : value;
  }

  private give(value: unknown): void {
    const { reply } = this;
    if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
      const text = JSON.stringify(value);
      this.json.push(reply.length);
      this.replyBytes += text.length;
      reply.push(text);
    } else {
      this.replyBytes += sizeOf(value);
      reply.push(value);
    }
  }

  private giveKey(key: unknown): void {
    this.replyBytes += sizeOf(key);
    this.reply.push(key);
  }

  /** Some entries of a range. */
  private scan(store: AnyWriter, what: number, range: Range<Key>, most: number): void {
    const { reply } = this;
    const head = reply.length;
    const stopAt = this.replyBytes + PIECE_BYTES;
    reply.push(0, false);
    const limited = { ...range, limit: Math.min(most, range.limit ?? most) };
    let found = 0;
    const full = () => ++found === limited.limit || this.replyBytes >= stopAt;
    if (what === SCAN_KEYS) {
      for (const key of store.keys(limited)) {
        this.giveKey(key);
        if (full()) break;
      }
    } else {
      for (const [key, value] of store.entries(limited)) {
        // The values alone need the last key too: the next piece begins there.
        this.giveKey(key);
        this.give(value);
        if (full()) break;
      }
    }
    if (what === SCAN_VALUES) this.dropKeys(head + 2);
    reply[head] = reply.length - head - 2;
    reply[head + 1] = found > 0 && (found === limited.limit || this.replyBytes >= stopAt);
  }

  /** Of keys and values from place `from` on, leaves the values and, after them, the last key. */
  private dropKeys(from: number): void {
    const { reply, json } = this;
    const pairs = (reply.length - from) / 2;
    if (pairs === 0) return;
    const last = reply[reply.length - 2];
    for (let i = 0; i < pairs; i++) reply[from + i] = reply[from + 2 * i + 1];
    reply.length = from + pairs;
    reply.push(last);
    for (let i = json.length - 1; i >= 0 && json[i]! >= from; i--) json[i] = from + (json[i]! - from - 1) / 2;
  }

  private async runAlone(id: number, verb: number): Promise<void> {
    const { store } = this;
    try {
      let result: unknown;
      if (verb === FLUSH) result = await store.flush();
      else if (verb === STATS) result = store.stats();
      else if (verb === VERIFY) result = store.verify();
      else if (verb === COLLECT) result = store.collect();
      else if (verb === CLOSE) result = store.close();
      else throw new Error(`no command has the verb ${verb}`);
      this.scope.postMessage([id, null, result]);
    } catch (error) {
      this.scope.postMessage([id, JSON.stringify({ errors: [[0, packError(error)]], json: [] })]);
    }
  }

  private newPiece(): void {
    this.reply = [this.message[0], null];
    this.replyBytes = 0;
    this.inPiece = 0;
    this.errors = [];
    this.json = [];
  }

  private failAll(error: unknown): void {
    const commands = this.inPiece;
    const packed = packError(error);
    this.newPiece();
    for (let i = 0; i < commands; i++) this.errors.push([i, packed]);
  }

  private post(): void {
    if (this.errors.length > 0 || this.json.length > 0) {
      this.reply[1] = JSON.stringify({ errors: this.errors, json: this.json });
    }
    this.scope.postMessage(this.reply);
  }
}
