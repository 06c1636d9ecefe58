/** A folder that is mounted for the time of a test, where the machine allows it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A mounted folder; `undefined` where this process may not mount. */
export class Mounted {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  private static at(...options: string[]): Mounted | undefined {
    const path = mkdtempSync(join(tmpdir(), "bancos-mounted-"));
    const { status } = spawnSync("mount", [...options, path]);
    if (status === 0) return new Mounted(path);
    rmdirSync(path);
    return undefined;
  }

  /** A filesystem in memory of so many bytes. */
  static small(bytes: number): Mounted | undefined {
    return Mounted.at("-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs");
  }

  /** `folder` once more, for reading only. */
  static readOnly(folder: string): Mounted | undefined {
    const mounted = Mounted.at("--bind", folder);
    if (mounted === undefined) return undefined;
    if (spawnSync("mount", ["-o", "remount,ro,bind", mounted.path]).status === 0) return mounted;
    mounted[Symbol.dispose]();
    return undefined;
  }

  /** The filesystem on a block device, or in a file. */
  static device(device: string, ...options: string[]): Mounted | undefined {
    return Mounted.at(...options, device);
  }

  [Symbol.dispose](): void {
    spawnSync("umount", ["-l", this.path]);
    rmdirSync(this.path);
  }
}
