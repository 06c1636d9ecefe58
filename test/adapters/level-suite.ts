/**
 * The suite that abstract-level ships, on BancosLevel. `level.test.ts` runs this file in a process of its own: tape runs
 * when its process has nothing else to do, and prints TAP. Argument: an empty folder for the files.
 */
import { join } from "node:path";
import suite from "abstract-level/test/index.js";
import tape from "tape";
import { BancosLevel, type BancosLevelOptions } from "../../src/level.ts";

const folder = process.argv[2];
if (folder === undefined) throw new Error("which folder?");
let files = 0;
let verified = 0;
let problems = 0;
// Before tape's own, which ends the process.
process.on("exit", () => console.log(`# verified ${verified} stores, ${problems} problems`));

/** The class under test, which looks at its whole file before each close. */
class VerifiedLevel extends BancosLevel {
  override async _close(): Promise<void> {
    verified++;
    for (const problem of this.store.verify().problems) {
      problems++;
      console.error(this.location, problem);
    }
    await super._close();
  }
}

suite({
  test: tape,
  factory: (options?: BancosLevelOptions<string, string>) =>
    new VerifiedLevel(join(folder, `${files++}.bancos`), options),
});
