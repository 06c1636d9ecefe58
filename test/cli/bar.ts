/** Shows a bar, for terminal.test.ts: half of the work done after a good second. */
import { Progress } from "../../src/cli/progress.ts";

const bar = new Progress("counting", "things");
bar.update(0.1, 1);
if (process.stderr.writableLength > 0) console.log("too early");
await Bun.sleep(1100);
bar.update(0.5, 1000);
bar.stop();
bar.stop();
console.log("done");
