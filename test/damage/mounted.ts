/** Folders that are mounted, and devices that are there, for the time of a test, where the machine allows it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync, writeFileSync } from "node:fs";
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

const MIB = 2 ** 20;

/**
 * A disk of 64 MiB, with a file system, that really has 24: what does not fit is a write error, long after the file system
 * said yes. `undefined` where this process may not mount, or there is no loop device or no mkfs.ext4.
 */
export class FailingDisk {
  private constructor(
    private readonly room: Mounted,
    private readonly loop: Loop,
    private readonly mounted: Mounted,
  ) {}

  static make(): FailingDisk | undefined {
    const room = Mounted.small(24 * MIB);
    if (room === undefined) return undefined;
    const disk = join(room.path, "disk");
    writeFileSync(disk, "");
    spawnSync("truncate", ["-s", `${64 * MIB}`, disk]);
    spawnSync("mkfs.ext4", ["-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=0", disk]);
    const loop = Loop.over(disk);
    const mounted = loop === undefined ? undefined : Mounted.device(loop.device, "-t", "ext4");
    if (loop !== undefined && mounted !== undefined) return new FailingDisk(room, loop, mounted);
    loop?.[Symbol.dispose]();
    room[Symbol.dispose]();
    return undefined;
  }

  file(name: string): string {
    return join(this.mounted.path, name);
  }

  /** From now on it has what it lacked. */
  mend(): void {
    spawnSync("mount", ["-o", `remount,size=${80 * MIB}`, this.room.path]);
  }

  [Symbol.dispose](): void {
    this.mounted[Symbol.dispose]();
    this.loop[Symbol.dispose]();
    this.room[Symbol.dispose]();
  }
}
