/**
 * Damages the sample in one place at a time and does everything with it that a store can do:
 * `child.ts PATH SEED FROM COUNT`. One line each: what is damaged, before it is tried, and what came of it after.
 */
import { openSync, writeSync } from "node:fs";
import { BancosError, open } from "../../src/index.ts";
import { damageOf } from "./flip.ts";
import { makeSample, sampleEntries } from "./sample.ts";

const [path = "", seed = "", from = "", count = ""] = process.argv.slice(2);
const image = makeSample(path);
const entries = sampleEntries();
const sorted = [...entries.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
const file = openSync(path, "r+");

/** What it led to: "sound", "reported", an error's code; "WRONG ..." where nobody noticed. */
function attempt(): string {
  const seen = new Set<string>();
  const tried = <T>(run: () => T): T | undefined => {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof BancosError)) throw error;
      seen.add(error.code);
      return undefined;
    }
  };
  const store = tried(() => open<string>(path, { flushEvery: 0 }));
  if (store === undefined) return [...seen].join();
  let wrong = "";
  const rebuilt = store.stats().recovery.rebuild !== null;
  for (const [key, value] of entries) {
    const got = tried(() => ({ value: store.get(key) }));
    if (got !== undefined && got.value !== value) {
      // A key may be lost by a damaged node. What is there must be right.
      if (got.value !== undefined)
        return `WRONG VALUE of ${JSON.stringify(key)}: ${JSON.stringify(got.value)}`;
      wrong = `lost ${JSON.stringify(key)}`;
    }
  }
  const listed = tried(() => [...store.keys()]);
  if (listed !== undefined && listed.join("|") !== sorted.join("|")) wrong ||= "listed otherwise";
  const backwards = tried(() => [...store.entries({ reverse: true, gte: "a", lt: "e" })].length);
  if (backwards !== undefined && backwards !== sorted.filter((key) => key >= "a" && key < "e").length) {
    wrong ||= "listed otherwise in reverse";
  }
  const report = tried(() => store.verify());
  // Writing into a damaged file: no crash and no hang is all that can be asked.
  for (let i = 0; i < 40; i++) {
    tried(() => store.set(`a${String.fromCharCode(21 + i)}`, "new"));
    tried(() => store.set(`bb${String.fromCharCode(41 + i)} more`, "new"));
    tried(() => store.delete(`d${"d".repeat(i)}`));
    tried(() => store.delete(`cccccc${String.fromCharCode(60 + i)}`));
    tried(() => store.add(`number ${i}`, 1));
  }
  tried(() => store.delete("run"));
  tried(() => store.collect());
  tried(() => store.flushSync());
  tried(() => store.stats());
  tried(() => store.verify());
  tried(() => store.close());
  if (wrong !== "" && report?.ok === true && !rebuilt) return `WRONG and verify() saw nothing: ${wrong}`;
  return `${report?.ok === true ? "sound" : "reported"} ${[...seen].join()}`;
}

for (let i = Number(from); i < Number(from) + Number(count); i++) {
  const { offset, bytes, what } = damageOf(image, Number(seed), i);
  process.stdout.write(`${i} ${what}: `);
  writeSync(file, image, 0, image.length, 0);
  writeSync(file, bytes, 0, bytes.length, offset);
  process.stdout.write(`${attempt()}\n`);
}
