/** Loss of power, as an outsider sees it: real processes, the native build, a real file. See losses.ts. */
import { expect, test } from "bun:test";
import { budget, Folder, mixed, SEED } from "../process/support.ts";
import { losses, noLosses } from "./losses.ts";

/** More only where there is time. */
const FILES = budget("BANCOS_POWER_FILES", 2);

test("whatever of the file reaches the disk, what was flushed is there and nothing that never was", async () => {
  using folder = new Folder();
  const report = noLosses();
  for (let file = 0; file < FILES; file++) {
    const seed = mixed(SEED, file);
    const problems = await losses(folder, seed, { generations: 4, captures: 8, images: 5 }, report);
    expect({ seed, problems }).toEqual({ seed, problems: [] });
  }
  const { images, captures, generations, changes, keys, invalid, superseded } = report;
  console.log(
    `loss of power: ${images.size} different images of ${captures} captures in ${generations} generations of ${FILES} files; ` +
      `${changes} changes, up to ${keys} keys; ${invalid} invalid cells, ${superseded} superseded; seed ${SEED}`,
  );
});
