/**
 * One writer: `child.ts STORE DIRECTORY NUMBER MILLISECONDS`. Says that it is ready, waits for a line, writes keys of its
 * own, each on the disk before the next, and says how many.
 */
import { join } from "node:path";
import { open } from "../../src/index.ts";
import { rival } from "../stores/contender.ts";

const [name = "", directory = "", number = "", time = ""] = process.argv.slice(2);

/** Writes one key; on the disk when it returns, or when its promise resolves. */
type Commit = (key: string, value: string) => unknown;

async function commitOf(): Promise<Commit> {
  switch (name) {
    case "bancos": {
      const store = open(join(directory, "bancos"), { durability: "commit", flushEvery: 0 });
      return (key, value) => store.set(key, value);
    }
    case "lmdb":
    case "lmdb flushed": {
      interface Database {
        put(key: string, value: string): Promise<boolean>;
        readonly flushed: Promise<unknown>;
      }
      const { open: openLmdb } = (await rival("lmdb")) as { open(options: object): Database };
      const db = openLmdb({ path: join(directory, "lmdb"), compression: false });
      if (name === "lmdb") return (key, value) => db.put(key, value);
      return async (key, value) => {
        await db.put(key, value);
        await db.flushed;
      };
    }
    default: {
      const { Database } = await import("bun:sqlite");
      const db = new Database(join(directory, "sqlite"), { create: true });
      db.run("PRAGMA busy_timeout = 10000");
      db.run("PRAGMA journal_mode = WAL");
      db.run("PRAGMA synchronous = FULL");
      db.run("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID");
      const put = db.prepare("INSERT OR REPLACE INTO entries VALUES (?, ?)");
      return (key, value) => put.run(key, value);
    }
  }
}

const commit = await commitOf();
await commit(`ready ${number}`, "ready");
process.stdout.write("ready\n");
for await (const _ of Bun.stdin.stream()) break;
const until = performance.now() + Number(time);
const started = performance.now();
let count = 0;
for (; performance.now() < until; count++) {
  const done = commit(`writer ${number} key ${count}`, `value ${count} ${"v".repeat(80)}`);
  if (done instanceof Promise) await done;
}
process.stdout.write(`${count / ((performance.now() - started) / 1000)}\n`);
process.exit(0);
