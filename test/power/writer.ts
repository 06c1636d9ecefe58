/** A child that writes until it is killed: `writer.ts store progress seed writer`. */
import { openSync, writeSync } from "node:fs";
import { open } from "../../src/index.ts";
import { random } from "../random.ts";
import { apply, changes, FLUSH_EVERY, PROGRESS } from "./workload.ts";

const [path = "", progressPath = "", seed = "0", writer = "0"] = process.argv.slice(2);
const fd = openSync(progressPath, "r+");
const progress = new Uint32Array(4);
const tell = (): void => {
  writeSync(fd, progress, 0, progress.byteLength, 0);
};

const store = open(path, { flushEvery: 0, maxSize: 256 << 20 });
progress[PROGRESS.ready] = 1;
tell();
const below = random(Number(seed) ^ Number(writer));
for (const change of changes(Number(seed), Number(writer))) {
  progress[PROGRESS.begun]!++;
  tell();
  apply(store, change);
  progress[PROGRESS.ended]!++;
  tell();
  if (below(FLUSH_EVERY) === 0) {
    store.flushSync();
    progress[PROGRESS.flushed] = progress[PROGRESS.ended]!;
    tell();
  }
}
