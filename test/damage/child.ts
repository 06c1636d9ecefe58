/** What the child processes of these tests do: `child.ts WHAT PATH …`. */
import { spawnSync } from "node:child_process";
import { fdatasyncSync, openSync, writeFileSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { BancosError, open } from "../../src/index.ts";
import { failSync, forgetSync, tryStartSync } from "../../src/recovery/sync.ts";

const [what = "", path = "", ...rest] = process.argv.slice(2);

switch (what) {
  case "fill": {
    // Fills until there is no room, deletes half, writes again; others do the same. Says what it met and has.
    const [name = "", rounds = "3"] = rest;
    const store = open(path, { flushEvery: 0 });
    // Who opens a store that is full already finds no room for what a delete needs.
    store.set(`ready ${name}`, true);
    while (store.count({ prefix: "ready " }) < 2) await Bun.sleep(1);
    const mine = new Map<string, string>();
    const codes = new Set<string>();
    let next = 0;
    for (let round = 0; round < Number(rounds); round++) {
      for (let full = 0; full < 20; ) {
        const key = `${name} ${next++}`;
        const value = `${next} ${"v".repeat((next * 37) % 500)}`;
        try {
          store.set(key, value);
          mine.set(key, value);
        } catch (error) {
          if (!(error instanceof BancosError)) throw error;
          codes.add(error.code);
          full++;
        }
      }
      let i = 0;
      for (const key of mine.keys()) {
        if (i++ % 2 !== round % 2) continue;
        if (!store.delete(key)) throw new Error(`${key} was not there`);
        mine.delete(key);
      }
      store.collect();
    }
    for (const [key, value] of mine) if (store.get(key) !== value) throw new Error(`${key} is wrong`);
    if (store.count({ prefix: `${name} ` }) !== mine.size) throw new Error("keys came or went");
    store.close();
    console.log([...codes].join());
    break;
  }
  case "commit": {
    // Writes and says what has been promised, a line each, until it is killed: a number of a key that is on the disk.
    const [name = "", how = ""] = rest;
    const store = open(path, { flushEvery: 0, durability: how === "commit" ? "commit" : "process" });
    const value = (i: number): string => `${i} ${"v".repeat((i * 37) % 300)}`;
    for (let i = 0; ; i++) {
      store.set(`${name} ${i}`, value(i));
      // Now and then an older key goes, and a key of all is replaced.
      if (i % 7 === 6) store.delete(`${name} ${i - 3}`);
      store.set(`last ${name}`, i);
      if (how === "flush" && i % 4 === 3) store.flushSync();
      if (how === "commit" || i % 4 === 3) writeSync(1, `${i}\n`);
    }
  }
  case "busy": {
    // Writes more than the disk takes; then as a flush in the background of a program that is too busy to say that it failed.
    const [milliseconds = ""] = rest;
    const store = open(path, { flushEvery: 0 });
    for (let i = 0; i < 30_000; i++) store.set(`busy ${i}`, "v".repeat(1000));
    const { region, slot } = store.participant();
    if (tryStartSync(region, slot) === null) throw new Error("somebody else syncs");
    let said = "the disk took it all";
    const fd = openSync(path, "r+");
    try {
      fdatasyncSync(fd);
      writeSync(1, "busy\n");
    } catch (error) {
      writeSync(1, "busy\n");
      Bun.sleepSync(Number(milliseconds));
      said = failSync(region, error).code;
    }
    forgetSync(region.h, slot);
    writeSync(1, `${said}\n`);
    break;
  }
  case "sync": {
    // Writes and flushes until a flush fails. Says how many keys were flushed, and what came after.
    const store = open(path, { flushEvery: 0 });
    let flushed = 0;
    const said: string[] = [];
    const note = (run: () => unknown): void => {
      try {
        run();
        said.push("done");
      } catch (error) {
        if (!(error instanceof BancosError)) throw error;
        said.push(error.code);
      }
    };
    for (let n = 0; said.length === 0; n++) {
      for (let i = 0; i < 100; i++) {
        if (said.length === 0) {
          try {
            store.set(`key ${n * 100 + i}`, "v".repeat(1000));
          } catch (error) {
            if (!(error instanceof BancosError)) throw error;
            said.push(`set: ${error.code}`);
          }
        }
      }
      try {
        store.flushSync();
        if (said.length === 0) flushed = (n + 1) * 100;
      } catch (error) {
        if (!(error instanceof BancosError)) throw error;
        said.push(error.code);
      }
    }
    note(() => store.flushSync());
    for (let i = 0; i < flushed; i++) {
      if (store.get(`key ${i}`) !== "v".repeat(1000)) throw new Error(`key ${i} is wrong`);
    }
    note(() => store.close());
    console.log(JSON.stringify({ flushed, said }));
    break;
  }
  case "turn": {
    // Writes, flushes, writes again when the filesystem has become read-only beneath it. Says what each call gave.
    const [device = "", how = ""] = rest;
    const store = open(path, { flushEvery: 0 });
    const strict = open(path, { durability: "commit", flushEvery: 0 });
    const value = (i: number, version: number): string => `${version} ${"v".repeat((i * 37) % 600)}`;
    for (let i = 0; i < 2000; i++) store.set(`key ${i}`, value(i, 0));
    store.flushSync();
    if (how === "error") writeFileSync(`/sys/fs/ext4/${basename(device)}/trigger_fs_error`, "read-only test");
    else if (spawnSync("blockdev", ["--setro", device]).status !== 0)
      throw new Error("cannot set it read-only");
    const codes: Record<string, string> = {};
    const note = async (name: string, run: () => unknown): Promise<void> => {
      try {
        await run();
        codes[name] = "done";
      } catch (error) {
        if (!(error instanceof BancosError)) throw error;
        codes[name] = error.code;
      }
    };
    // How far these come depends on what room there is: each that returned must be seen.
    let replaced = 0;
    await note("replace", () => {
      for (; replaced < 2000; replaced++) store.set(`key ${replaced}`, value(replaced, 1));
    });
    await note("flushSync", () => store.flushSync());
    let more = 0;
    await note("insert", () => {
      for (; more < 5000; more++) store.set(`more ${more}`, value(more, 1));
    });
    await note("flush", () => store.flush());
    await note("delete", () => {
      if (!store.delete("key 1999")) throw new Error("key 1999 was not there");
    });
    await note("commit", () => strict.set("key 0", value(0, 1)));
    for (let i = 1; i < 1999; i++) {
      if (store.get(`key ${i}`) !== value(i, i < replaced ? 1 : 0)) throw new Error(`key ${i} is wrong`);
    }
    for (let i = 0; i < more; i++) {
      if (store.get(`more ${i}`) !== value(i, 1)) throw new Error(`more ${i} is wrong`);
    }
    if (!store.verify().ok) throw new Error("not in order");
    // The last one syncs.
    await note("close", () => {
      store.close();
      strict.close();
    });
    console.log(JSON.stringify({ codes, replaced, more }));
    break;
  }
  case "leave": {
    // Writes, and is gone without closing.
    const store = open(path, { flushEvery: 0 });
    for (let i = 0; i < 1000; i++) store.set(`key ${i}`, i % 2 === 0 ? i : `value ${i}`);
    for (let i = 0; i < 1000; i += 10) store.delete(`key ${i}`);
    process.kill(process.pid, "SIGKILL");
    break;
  }
  case "look": {
    // Reads a file that it can't open for writing.
    const store = open(path, { readOnly: true });
    const { access, participants, recovery } = store.stats();
    const [first] = store.entries();
    console.log(
      JSON.stringify({
        access,
        participants: participants.length,
        found: recovery.found,
        rebuilt: recovery.rebuild !== null,
        keys: store.size,
        first,
        sound: store.verify().ok,
      }),
    );
    store.close();
    break;
  }
  default:
    throw new Error(`child.ts does not know ${what}`);
}
