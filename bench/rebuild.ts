/**
 * How fast a tree is rebuilt beside how fast its file is read from one end to the other: `bun bench/rebuild.ts [LEAVES]
 * [ROUNDS] [DIRECTORY]`. They take turns. Beside the time on the clock stands the processor time, since the machine may be
 * busy with other things. The file is in the page cache, unless it is larger than the memory; for what the disk itself
 * can do it is read once more past the cache, by dd.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "../src/index.ts";
import { SB_BOOT_ID } from "../src/memory/layout.ts";

const [leaves = "1000000", rounds = "3", parent = tmpdir()] = process.argv.slice(2);
const directory = mkdtempSync(join(parent, "bancos-rebuild-"));
const path = join(directory, "store");

/** Milliseconds on the clock, and of the processor. */
function timed(run: () => void): { clock: number; processor: number } {
  const before = process.cpuUsage();
  const started = performance.now();
  run();
  const clock = performance.now() - started;
  const { user, system } = process.cpuUsage(before);
  return { clock, processor: (user + system) / 1000 };
}

function readAll(): void {
  const buffer = Buffer.alloc(1 << 20);
  const fd = openSync(path, "r");
  while (readSync(fd, buffer, 0, buffer.length, null) > 0);
  closeSync(fd);
}

function readPastTheCache(): void {
  const { success, stderr } = Bun.spawnSync(["dd", `if=${path}`, "of=/dev/null", "bs=1M", "iflag=direct"]);
  if (!success) console.log(`not read past the cache: ${stderr.toString().trim()}`);
}

/** The file is one of another boot, as after a loss of power. One of this boot would be written anew, whole. */
function forgetBoot(): void {
  const fd = openSync(path, "r+");
  writeSync(fd, new Uint8Array(BOOT_ID_BYTES), 0, BOOT_ID_BYTES, SB_BOOT_ID);
  closeSync(fd);
}

const BOOT_ID_BYTES = 16;

try {
  const store = open<string>(path, { flushEvery: 0 });
  for (let i = 0; i < Number(leaves); i++) {
    store.set(`user:${(Math.imul(i, 2654435761) >>> 0).toString(36)}:${i % 97}`, `${"v".repeat(i % 24)}${i}`);
  }
  store.close();
  const mib = statSync(path).size / 2 ** 20;
  console.log(`${leaves} leaves, ${mib.toFixed(0)} MiB`);
  for (let round = 0; round < Number(rounds); round++) {
    forgetBoot();
    const rebuild = timed(() => {
      const opened = open(path, { flushEvery: 0 });
      if (opened.stats().recovery.rebuild?.keys !== opened.size) throw new Error("nothing was rebuilt");
      opened.close();
    });
    const read = timed(readAll);
    const past = timed(readPastTheCache);
    const each = (rebuild.processor / Number(leaves)) * 1e6;
    console.log(
      `rebuild ${rebuild.clock.toFixed(0)} ms (processor ${rebuild.processor.toFixed(0)} ms, ${each.toFixed(0)} ns a leaf), ` +
        `${(mib / (rebuild.clock / 1000)).toFixed(0)} MiB/s; read ${read.clock.toFixed(0)} ms, ` +
        `${(mib / (read.clock / 1000)).toFixed(0)} MiB/s; past the cache ${(mib / (past.clock / 1000)).toFixed(0)} MiB/s`,
    );
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
