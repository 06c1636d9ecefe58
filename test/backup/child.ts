/** What the child processes of these tests do: `child.ts WHAT PATH …`. They run until they are killed. */
import { BancosError, compact, open } from "../../src/index.ts";
import { random } from "../random.ts";
import { apply, change, countKey } from "./workload.ts";

const [what = "", path = "", ...rest] = process.argv.slice(2);

switch (what) {
  case "write": {
    const [writer, seed] = rest.map(Number) as [number, number];
    const store = open(path, { flushEvery: 0 });
    const pick = random(seed + writer);
    console.log("ready");
    for (let n = 0; ; n++) {
      apply(store, change(seed, writer, n));
      store.set(countKey(writer), n + 1);
      if (pick(300) === 0) store.flushSync();
      if (pick(64) === 0) await Bun.sleep(0);
    }
  }
  case "back up": {
    const store = open(path, { flushEvery: 0, readOnly: true });
    console.log("ready");
    for (let i = 0; ; i++) {
      try {
        await store.backup(`${path}.${process.pid}.${i}`);
      } catch (error) {
        // Killed backups hold up others for a moment.
        if (!(error instanceof BancosError)) throw error;
        console.error(error.message);
      }
    }
  }
  case "open and set": {
    const store = open(path, { flushEvery: 0 });
    store.set("set meanwhile", true);
    store.close();
    console.log("done");
    break;
  }
  case "compact":
    console.log("ready");
    for (;;) await compact(path);
  default:
    throw new Error(`child.ts does not know ${what}`);
}
