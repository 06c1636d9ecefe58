/**
 * A process that changes numbers: `number.ts add PATH KEY COUNT` adds 1 to KEY and to "shared", COUNT times each;
 * `number.ts hold PATH KEY` locks the leaf of KEY as who changes its number does, and is killed; `number.ts take PATH
 * KEY` locks node and leaf as who takes the leaf out does, and is killed.
 */
import { open } from "../../src/index.ts";
import { enter } from "../../src/reclaim/epoch.ts";
import { announceAndLock } from "../../src/rowex/change.ts";
import { descend } from "../../src/rowex/place.ts";

const [what, path = "", key = "", count = "0"] = process.argv.slice(2);
const store = open<number>(path, { flushEvery: 0 });
if (what === "add") {
  for (let i = 0; i < Number(count); i++) {
    store.add(key, 1);
    store.add("shared", 1);
  }
  store.close();
} else {
  const p = store.participant();
  p.keyLength = store.codec.encode(key, p.key);
  enter(p);
  descend(p);
  const locked =
    what === "hold" ? announceAndLock(p, p.leaf, 0, 0) : announceAndLock(p, p.leafNode, 0, p.leaf);
  if (!locked) throw new Error("not locked");
  process.kill(process.pid, "SIGKILL");
}
