/**
 * A Worker that was terminated inside open() or close() used to leave the open lock to its process for ever, and every
 * open() of another process waited for it for as long as that process lived: in 29 of 40 tries.
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "../../src/index.ts";

const ROUNDS = Number(process.env["BANCOS_OPENLOCK_ROUNDS"] ?? 12);

test("a Worker that is terminated inside open() or close() keeps no other process out", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bancos-openlock-"));
  const path = join(folder, "store.bancos");
  try {
    // Several hosts live at once: their dead Workers may each hold a range of the lock.
    const hosts = [];
    for (let round = 0; round < ROUNDS; round++) {
      const host = Bun.spawn([process.execPath, join(import.meta.dir, "openlock.host.ts")], {
        env: { ...process.env, BANCOS_TEST_PATH: path },
        stdout: "pipe",
        stderr: "inherit",
      });
      hosts.push(host);
      const { value } = await host.stdout.getReader().read();
      expect(new TextDecoder().decode(value)).toContain("terminated");
      // Hangs, if it goes wrong: the test's time limit ends it.
      const store = open(path);
      store.set(`round-${round}`, round);
      expect(store.verify().problems).toEqual([]);
      store.close();
    }
    for (const host of hosts) host.kill("SIGKILL");
    for (const host of hosts) await host.exited;
    using store = open(path);
    expect(store.count({ prefix: "round-" })).toBe(ROUNDS);
    expect(store.verify().problems).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 120_000);
