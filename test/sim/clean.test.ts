/**
 * A file that was closed in order: who opens it alone, to write, stores nothing but to the superblock and the registry
 * until its first change, and has the disk say before that that the file was not closed in order. Then the power fails, at
 * any moment, with another who opens the file between any two steps of the first change, or makes its first change between
 * any two steps of the other's opening.
 */
import { expect, test } from "bun:test";
import { CLEAN, SB_CLEAN } from "../../src/memory/layout.ts";
import type { Value } from "../../src/store/types.ts";
import type { Upkeep } from "../../src/store/upkeep.ts";
import { contents, verify } from "./audit.ts";
import { SECTOR } from "./disk.ts";
import { Ledger } from "./ledger.ts";
import { machine } from "./machine.ts";
import { remove, set } from "./model.ts";
import { Failures, Random, SEED, told } from "./report.ts";
import { nothingSeen, Scene } from "./scene.ts";
import { type Actor, newWorld, openActor, openIn, run } from "./world.ts";

const KEYS = ["kA", "kB", "kC"];
/** Leaves of one length, two of which lie in different sectors. */
const value = (name: string): string => name.padEnd(1000, "-");

const syncs = { count: 0 };

/** A file that was closed in order, and what happens to it from then on. */
function closedInOrder(random: Random, seen = nothingSeen()): Scene {
  newWorld(24);
  const ledger = new Ledger(KEYS);
  const first = openActor("first");
  for (const key of KEYS) {
    run(first, (store) => store.set(key, value(key)));
    ledger.has(key, value(key), true);
  }
  run(first, (store) => store.delete("kC"));
  ledger.has("kC", undefined, true);
  run(first, (store) => store.close());
  expect(machine.view.getInt32(SB_CLEAN, true)).toBe(CLEAN);
  return new Scene(random, { unit: SECTOR, persistent: false, looks: 0.02, looksAtPersist: 0 }, seen, ledger);
}

function countSyncs(): void {
  const before = machine.onSync;
  syncs.count = 0;
  machine.onSync = (from, length) => {
    syncs.count++;
    before?.(from, length);
  };
}

const isClean = (): boolean => machine.view.getInt32(SB_CLEAN, true) === CLEAN;

test("nothing is asked of the disk by who opens it, reads, and closes it; once by who writes", () => {
  const scene = closedInOrder(new Random(SEED));
  countSyncs();
  for (let i = 0; i < 3; i++) {
    const actor = scene.open(`reads ${i}`);
    expect(scene.get(actor, "kA")).toBe(value("kA"));
    run(actor, (store) => store.close());
    expect([syncs.count, isClean()]).toEqual([0, true]);
  }
  const writer = scene.open("writes");
  run(writer, (store) => store.set("kA", 1));
  expect([syncs.count, isClean()]).toEqual([1, false]);
  run(writer, (store) => store.set("kB", 1));
  expect(syncs.count).toBe(1);
  run(writer, (store) => store.close());
  expect([syncs.count, isClean()]).toEqual([3, true]);
  expect(scene.problems).toEqual([]);
});

test("a flush without a change gives no memory back: the file is still one that was closed in order", () => {
  for (const readOnly of [false, true]) {
    newWorld(24);
    const first = openActor("first");
    run(first, (store) => store.set("kA", value("one")));
    run(first, (store) => store.flushSync());
    run(first, (store) => store.set("kA", value("two")));
    run(first, (store) => store.close());
    const { store, thread } = openIn(machine.spawn("flushes"), { readOnly });
    const p = store.participant();
    expect([isClean(), p.waiting.length]).toEqual([true, 1]);
    const before = machine.bytes.slice(64 << 10);
    run({ store, thread }, () => {
      for (let i = 0; i < 3; i++) store.flushSync();
      (store as unknown as { upkeep: Upkeep }).upkeep.afterSync(p, () => true);
    });
    expect(Buffer.compare(before, machine.bytes.subarray(64 << 10))).toBe(0);
    expect(isClean()).toBe(true);
  }
});

test("who finds somebody there has the disk know at once", () => {
  const scene = closedInOrder(new Random(SEED));
  countSyncs();
  const first = scene.open("first");
  const second = scene.open("second");
  expect([syncs.count, isClean()]).toEqual([1, false]);
  run(first, (store) => store.set("kA", 1));
  expect(syncs.count).toBe(1);
  run(second, (store) => store.close());
  expect(isClean()).toBe(false);
  run(first, (store) => store.close());
  expect(isClean()).toBe(true);
});

test("a disk that refuses: the change fails, and the next one asks again", () => {
  const scene = closedInOrder(new Random(SEED));
  const actor = scene.open("A");
  const settle = machine.onSync;
  machine.onSync = () => {
    throw Object.assign(new Error("EIO"), { errno: 5, code: "EIO" });
  };
  const before = machine.bytes.slice(64 << 10);
  const ending = run(actor, (store) => {
    try {
      store.set("kA", 1);
    } catch (error) {
      return (error as { code: string }).code;
    }
    return "done";
  });
  expect(ending).toMatchObject({ how: "done", result: "IO_ERROR" });
  expect(Buffer.compare(before, machine.bytes.subarray(64 << 10))).toBe(0);
  machine.onSync = settle;
  countSyncs();
  run(actor, (store) => store.set("kA", 2));
  expect([syncs.count, scene.get(actor, "kA")]).toEqual([1, 2]);
});

const HOW = ["comes while the other begins to write", "begins to write while the other comes"] as const;

for (const how of HOW) {
  test(`the power fails, and somebody ${how}, between any two steps`, () => {
    const failures = new Failures();
    const seen = nothingSeen();
    let places = 0;
    for (let at = 1; failures.count === 0; at++) {
      const scene = closedInOrder(new Random((SEED + at) >>> 0), seen);
      const { problems } = scene;
      const write = scene.writer();
      const a = scene.open("A");
      let b: Actor | null = null;
      let came = false;
      try {
        if (how === HOW[0]) {
          const hook = (): void => {
            came = true;
            b = scene.open("B");
            write(b, "kB", set("kB", value("of B")));
            scene.lookThoroughly();
          };
          write(a, "kA", set("kA", value("of A")), { hook, at });
        } else {
          const hook = (): void => {
            came = true;
            write(a, "kA", set("kA", value("of A")));
            scene.lookThoroughly();
          };
          b = scene.open("B", { hook, at });
        }
        for (const actor of b === null ? [a] : [a, b]) {
          write(actor, "kA", remove("kA"));
          scene.look();
          write(actor, "kC", set("kC", value("again")));
          scene.look();
        }
        verify(a, problems);
        scene.ledger.judge(contents(a, problems) as ReadonlyMap<string, Value>, problems);
      } catch (error) {
        problems.push(told(error));
      }
      failures.note(`at access ${at}`, problems);
      if (!came) break;
      places++;
    }
    console.log(`${how}: ${places} places, ${seen.images.size} different images; seed ${SEED}`);
    expect(failures.report()).toEqual([]);
    expect(places).toBeGreaterThan(50);
  });
}
