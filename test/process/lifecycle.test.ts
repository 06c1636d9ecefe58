/** Coming and going: doubled opens, hot reloads, exits without close, terminated Workers, a full registry. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BancosError, open, type Store } from "../../src/index.ts";
import { STOP } from "./role.ts";
import { Scene, until } from "./scene.ts";
import { budget, checkWhole, SEED, spawnActor } from "./support.ts";

const LIMIT = 600_000;
const TERMINATIONS = budget("BANCOS_TERMINATIONS", 300);

const others = (store: Store): number => store.stats().participants.filter(({ self }) => !self).length;

describe("two stores on one file in one process", () => {
  test("are two participants: each sees what the other writes, and closing one leaves the other be", async () => {
    await using scene = new Scene();
    const a = scene.open();
    const b = scene.open();
    for (let i = 0; i < 2000; i++) {
      (i % 2 === 0 ? a : b).set(`key ${i}`, i);
      expect((i % 2 === 0 ? b : a).get(`key ${i}`)).toBe(i);
    }
    expect(a.stats().participants.length).toBe(2);
    // One inside a group or an iteration of the other.
    a.reader((reader) => {
      for (const [key] of reader.entries({ limit: 100 })) b.delete(key);
    });
    expect(a.size).toBe(1900);
    a.close();
    expect(() => a.get("key 1")).toThrow(BancosError);
    expect(others(b)).toBe(0);
    expect(b.size).toBe(1900);
    b.set("after", 1);
    checkWhole(b, "after one was closed");
    b.close();
    const c = scene.open();
    expect(c.stats().recovery.found).toBe("clean");
    expect(c.get("after")).toBe(1);
  });

  test("share the sync: flush of one, flushSync of the other, close in the middle", async () => {
    await using scene = new Scene();
    const a = scene.open({ flushEvery: 0 });
    const b = scene.open({ flushEvery: 0 });
    for (let i = 0; i < 50; i++) {
      a.set(`a${i}`, i);
      const flushed = a.flush();
      b.set(`b${i}`, i);
      if (i % 3 === 0) a.flushSync();
      if (i % 3 === 1) b.flushSync();
      await Promise.all([flushed, b.flush()]);
    }
    const pending = a.flush();
    a.close();
    await pending;
    await b.flush();
    checkWhole(b, "after the flushes");
  });
});

describe("a process that exits without close", () => {
  for (const where of ["the middle of nowhere", "reader", "writer", "iteration", "toJSON"]) {
    test(`in ${where} leaves a whole file, all that it wrote, and no participant`, async () => {
      await using scene = new Scene();
      const store = scene.open();
      const actor = await scene.start("leaver", 1, { where });
      expect(await actor.ended).toBe("done");
      for (let i = 0; i < 1000; i++) expect(store.get(`left/1/${i}`)).toBe(i);
      store.collect();
      expect(others(store)).toBe(0);
      checkWhole(store, "after the exit");
    });
  }

  test("does so too when it was the only one", async () => {
    await using scene = new Scene();
    const actor = await scene.start("leaver", 1);
    expect(await actor.ended).toBe("done");
    const store = scene.open();
    expect(store.stats().recovery.found).toBe("unclean");
    expect(store.stats().recovery.participantsRecovered).toBe(1);
    expect(store.size).toBe(1000);
    checkWhole(store, "after the exit");
  });
});

describe("a program that a process with a store starts", () => {
  test("does not keep it alive: the descriptors are closed on exec", async () => {
    await using scene = new Scene();
    const store = scene.open();
    const actor = spawnActor(scene.task("parent", 0));
    const grandchild = Number(await actor.line());
    try {
      await actor.kill();
      // It is still there, and holds no lock of the dead.
      process.kill(grandchild, 0);
      store.collect();
      expect(others(store)).toBe(0);
      expect(store.stats().recoveries).toBe(1);
    } finally {
      process.kill(grandchild, "SIGKILL");
    }
    checkWhole(store, "after the kill");
  });
});

describe("bun --hot", () => {
  test(
    "reloads open the store again, beside the one that was open, and go on",
    async () => {
      await using scene = new Scene();
      const store = scene.open();
      const script = scene.folder.file("app.ts");
      const source = (version: number): string => `
      import { open } from ${JSON.stringify(join(import.meta.dir, "../../src/index.ts"))};
      const store = open(${JSON.stringify(scene.path)});
      store.set("version", ${version});
      store.add("loads", 1);
      globalThis.keep ??= setInterval(() => {}, 1000);
    `;
      writeFileSync(script, source(0));
      const app = Bun.spawn([process.execPath, "--hot", "--no-clear-screen", script], {
        stdin: "ignore",
        stdout: "ignore",
        stderr: "pipe",
      });
      try {
        await until("the app has started", () => store.get("version") === 0);
        for (let version = 1; version <= 8; version++) {
          writeFileSync(script, source(version));
          await until(`version ${version} has been loaded`, () => store.get("version") === version);
        }
        expect(store.get("loads")).toBeGreaterThanOrEqual(9);
        expect(app.exitCode).toBeNull();
        console.log(
          `  after ${store.get("loads")} loads: ${others(store)} participants of the reloaded program`,
        );
      } finally {
        app.kill("SIGKILL");
        await app.exited;
      }
      store.collect();
      expect(others(store)).toBe(0);
      checkWhole(store, "after the reloads");
    },
    LIMIT,
  );
});

describe("512 participants", () => {
  test(
    "are as many as there can be: one more is told so, and may come when one goes",
    async () => {
      await using scene = new Scene();
      const store = scene.open();
      store.set("steady", 1);
      const crowd = await scene.start("opener", 0, { times: 300 });
      await scene.start("opener", 1, { times: 210 });
      const last = scene.open();
      expect(store.stats().participants.length).toBe(512);
      let code = "";
      try {
        open(scene.path);
      } catch (error) {
        if (!(error instanceof BancosError)) throw error;
        code = error.code;
      }
      expect(code).toBe("TOO_MANY_PARTICIPANTS");
      last.close();
      scene.open().set("again", 1);
      expect(store.stats().participants.length).toBe(512);
      // The dead never count.
      await crowd.kill();
      for (let i = 0; i < 5; i++) scene.open({ readOnly: true });
      expect(store.stats().recoveries).toBe(300);
      await scene.allDone();
      store.set("other", 2);
      checkWhole(store, "after the crowd has gone");
    },
    LIMIT,
  );
});

interface Left {
  readonly descriptors: number;
  readonly mappings: number;
  readonly handles: number;
  readonly all: number;
}

for (const native of ["prebuilt", "tinycc"]) {
  describe(`worker.terminate() at random moments, native part ${native}`, () => {
    for (const company of ["alone", "while another process recovers them first"]) {
      test(
        `leaks no slot, no descriptor, no lock: ${company}`,
        async () => {
          await using scene = new Scene();
          const store = scene.open({ flushEvery: 20 });
          store.set("steady", 1);
          const times = Math.ceil(TERMINATIONS / (native === "tinycc" ? 10 : 2));
          const host = spawnActor(scene.task("host", 0, { times, atOnce: 4 }), { BANCOS_NATIVE: native });
          let last = "";
          const lines = (async () => {
            for (let line = await host.line(); line !== undefined; line = await host.line()) last = line;
          })();
          let most = 0;
          while (scene.counters.get(STOP) === 0) {
            const gone = await Promise.race([host.ended, Bun.sleep(5)]);
            if (gone !== undefined) break;
            if (company !== "alone") store.collect();
            most = Math.max(most, store.stats().participants.at(-1)?.slot ?? 0);
          }
          expect(await host.ended).toBe("done");
          await lines;
          const left = JSON.parse(last) as Left;
          console.log(
            `  seed ${SEED}, ${native}, ${times} Workers, ${company}: highest slot ${most}, left ${last}`,
          );
          // Slots were used again and again, and all was closed; TinyCC can't find the mappings of other threads.
          expect(most).toBeLessThan(40);
          expect(left.descriptors).toBeLessThan(8);
          if (native === "prebuilt") expect(left.mappings).toBeLessThan(8);
          store.collect();
          expect(others(store)).toBe(0);
          checkWhole(store, "after the terminations");
        },
        LIMIT,
      );
    }
  });
}
