/** Every part of an operation can be measured alone, and measuring does the store no harm. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measure } from "mitata";
import { withParts } from "../../bench/parts/parts.ts";

/** As little as mitata does. */
const TINY = { min_samples: 2, min_cpu_time: 1, batch_samples: 64, warmup_samples: 1 };

const GROUPS = ["key encoding", "find a child", "lookup", "epoch", "allocation", "intent", "lock", "retire"];

test("each part has a figure, and the store verifies afterwards", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bancos-test-"));
  const seen: string[] = [];
  try {
    await withParts(join(folder, "parts.bancos"), 2000, async (parts) => {
      for (const { group, name, run, times = 1 } of parts) {
        const { p50 } = await measure(run, { ...TINY });
        expect({ name, positive: p50 / times > 0 }).toEqual({ name, positive: true });
        seen.push(group);
      }
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
  console.log(`${seen.length} parts`);
  for (const group of GROUPS) expect(seen).toContain(group);
});
