/**
 * What a flush promises, at every access of the one or the other.
 *
 * A change counts from its committing store on, whether or not who makes it has returned: what another participant has
 * seen of it and then flushed is there after a loss of power. So a removed leaf is marked before it goes, and a leaf's
 * number is below that of any sync which begins after it was seen.
 *
 * What is changed while a sync is at its beginning may be above its number, and what it replaces below: the sync
 * promises the old or the new, and the new may be replaced and void before its successor is on the disk.
 */
import { expect, test } from "bun:test";
import { contents, verify } from "./audit.ts";
import { stage } from "./interleave.ts";
import { machine } from "./machine.ts";
import { add, compareAndSet, type Operation, remove, set, show } from "./model.ts";
import { Failures, told } from "./report.ts";
import { SCENARIOS } from "./scenarios.ts";
import { openActor, run } from "./world.ts";

const SECTOR = 512;

const CHANGES: readonly (readonly [scenario: string, key: string, change: Operation])[] = [
  ["Node4 with room", "kb", set("kb", "added")],
  ["Node4 with room", "kB", set("kB", "replaced")],
  ["Node4 with room", "kA", remove("kA")],
  ["Node4 with room", "z", remove("z")],
  ["Node4 that is full", "kb", set("kb", "grows")],
  ["Node4 that is full", "kC", compareAndSet("kC", "v2", undefined)],
  ["Node4 with two children", "pkA", remove("pkA")],
  ["a long edge", "abcX", set("abcX", "splits it")],
  ["numbers", "nA", add("nA", 10)],
  ["numbers", "nB", add("nB", 5n)],
  ["slots that are empty", "kB", set("kB", "into its own slot")],
  ["Node16", "kA", remove("kA")],
  ["Node48", "kz", set("kz", "added")],
  ["Node48", "kA", remove("kA")],
];

for (const promised of [false, true]) {
  test(`what another has seen and flushed survives a loss of power (${promised ? "" : "not "}promised before)`, () => {
    const failures = new Failures();
    let losses = 0;
    let seenAfter = 0;
    for (const [name, key, change] of CHANGES) {
      const scenario = SCENARIOS.find((one) => one.name === name)!;
      const { a, b, before, back } = stage(scenario, promised);
      const old = show(before.get(key));
      const map = new Map(before);
      change.apply?.(map);
      const changed = show(map.get(key));
      const images = new Set<string>();
      for (let n = 1; ; n++) {
        back();
        machine.boot = 0;
        let disk: Uint8Array | null = null;
        let seen = "";
        a.thread.hookAt = n;
        a.thread.hook = () => {
          const ending = run(b, (store) => store.get(key));
          seen = ending.how === "done" ? show(ending.result) : ending.how;
          // Until the sync begins the disk may lag behind; from then on it has this.
          machine.onSync = () => {
            disk = machine.copy();
          };
          run(b, (store) => store.flushSync());
          machine.onSync = null;
        };
        run(a, change.run);
        if (disk === null) break;
        // Where A has stored nothing meanwhile, the disk is the same.
        const image = `${Bun.hash(disk)} ${seen}`;
        if (images.has(image)) continue;
        images.add(image);
        losses++;
        if (seen === changed) seenAfter++;
        const problems: string[] = [];
        try {
          machine.restart(disk);
          // A rebuild makes the ground anew: the life of cells begins again.
          machine.watching = false;
          const heir = openActor("heir");
          const there = contents(heir, problems);
          const found = show(there.get(key));
          if (found !== changed && (found !== old || seen !== old))
            problems.push(`${found}, seen was ${seen}`);
          for (const [other, value] of before) {
            if (other !== key && show(there.get(other)) !== show(value))
              problems.push(`${other} has changed`);
          }
          verify(heir, problems);
        } catch (error) {
          problems.push(told(error));
        }
        failures.note(
          `${name}: ${change.name}, and before its access ${n} another looks and flushes`,
          problems,
        );
        machine.boot = 0;
      }
    }
    expect(failures.report()).toEqual([]);
    expect(seenAfter).toBeGreaterThan(0);
    console.log(
      `seen, then flushed: ${losses} losses of power, in ${seenAfter} of them the change had been seen`,
    );
  });
}

/** Of another size class: in a sector of its own. */
const elsewhere = (value: string, times: number): Operation => set("kB", value.repeat(times));

/** What happens to a key: the first in the middle of a sync, the others after it. */
const PATHS: readonly (readonly Operation[])[] = [
  [elsewhere("second", 20), elsewhere("third", 200)],
  [elsewhere("second", 20), remove("kB")],
  [remove("kB"), elsewhere("third", 200)],
  [elsewhere("second", 20), elsewhere("third", 200), elsewhere("fourth", 100)],
  [elsewhere("second", 20), remove("kB"), elsewhere("fourth", 100)],
];

test("what a sync promises is there whichever sector the disk has of what came after it", () => {
  const failures = new Failures();
  const scenario = SCENARIOS.find(({ name }) => name === "Node4 with room")!;
  let images = 0;
  for (const promised of [false, true]) {
    const { a, b, before, back } = stage(scenario, promised);
    for (const [first, ...rest] of PATHS) {
      const map = new Map(before);
      const states = new Set([show(map.get("kB"))]);
      for (const change of [first!, ...rest]) {
        change.apply?.(map);
        states.add(show(map.get("kB")));
      }
      for (let n = 1; ; n++) {
        back();
        machine.boot = 0;
        let disk: Uint8Array | null = null;
        let ran = false;
        a.thread.hookAt = n;
        a.thread.hook = () => {
          ran = true;
          run(b, first!.run);
        };
        machine.onSync = () => {
          disk = machine.copy();
        };
        run(a, (store) => store.flushSync());
        machine.onSync = null;
        if (!ran || disk === null) break;
        for (const change of rest) run(b, change.run);
        const now = machine.copy();
        for (let at = 0; at < now.length; at += SECTOR) {
          const sector = now.subarray(at, at + SECTOR);
          if (Buffer.compare(sector, (disk as Uint8Array).subarray(at, at + SECTOR)) === 0) continue;
          images++;
          const problems: string[] = [];
          try {
            const image = (disk as Uint8Array).slice();
            image.set(sector, at);
            machine.restart(image);
            machine.watching = false;
            const found = show(contents(openActor("heir"), problems).get("kB"));
            if (!states.has(found)) problems.push(`kB is ${found.slice(0, 20)}, as it never was`);
          } catch (error) {
            problems.push(told(error));
          }
          const changes = [first!, ...rest].map((one) => one.name).join(", ");
          failures.note(
            `${changes}: the first before access ${n} of a flush, then the sector at ${at}`,
            problems,
          );
        }
      }
    }
  }
  console.log(`changed in a sync: ${images} images`);
  expect(images).toBeGreaterThan(100);
  expect(failures.report()).toEqual([]);
});
