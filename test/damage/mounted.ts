/** Folders that are mounted, and devices that are there, for the time of a test, where the machine allows it. */
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

  /** Mounts it anew with other options: `ro`, `rw`. */
  remount(options: string): void {
    const { status, stderr } = spawnSync("mount", ["-o", `remount,${options}`, this.path], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`cannot remount: ${stderr}`);
  }

  [Symbol.dispose](): void {
    spawnSync("umount", ["-l", this.path]);
    rmdirSync(this.path);
  }
}

/** A block device over a sparse file; `undefined` where there are none to be had. */
export class Loop {
  readonly device: string;
  private constructor(device: string) {
    this.device = device;
  }
  setReadOnly(isReadOnly: boolean): void {
    spawnSync("blockdev", [isReadOnly ? "--setro" : "--setrw", this.device]);
  }
  static over(file: string): Loop | undefined {
    const { status, stdout } = spawnSync("losetup", ["-f", "--show", file], { encoding: "utf8" });
    return status === 0 ? new Loop(stdout.trim()) : undefined;
  }
  [Symbol.dispose](): void {
    // The device would be read-only for whoever has it next.
    this.setReadOnly(false);
    spawnSync("losetup", ["-d", this.device]);
  }
}
