/** Shows a bar, for terminal.test.ts: half of the work done after a good second. */
import { Progress } from "../../src/cli/progress.ts";

const bar = new Progress("counting", "things");
// Too early to be shown.
bar.update(0.1, 1);
await Bun.sleep(1100);
bar.update(0.5, 1000);
bar.stop();
bar.stop();
console.log("done");
