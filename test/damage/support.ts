/** What these tests share: a folder that is mounted for the time of a test, where the machine allows it. */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { freshFolder } from "../store/support.ts";

/** A mounted folder; `undefined` where this process may not mount. */
export class Mounted {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  private static at(...options: string[]): Mounted | undefined {
    const path = join(freshFolder(), "mounted");
    mkdirSync(path);
    const { status } = spawnSync("mount", [...options, path]);
    return status === 0 ? new Mounted(path) : undefined;
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

  [Symbol.dispose](): void {
    spawnSync("umount", ["-l", this.path]);
  }
}
