/** Repair: what can be saved of a damaged file, in a new one. */
import { codecFor, encodingOf, KEY_ENCODINGS, type KeyEncoding } from "../codec/index.ts";
import { BancosError } from "../errors.ts";
import {
  CLEAN,
  FIRST_DATA_SLAB,
  FORMAT_VERSION,
  INITIAL_SLABS,
  MAX_SLABS,
  SB,
  SB_CLEAN,
  SLAB_BYTES,
} from "../memory/layout.ts";
import { native } from "../memory/native.ts";
import { closeHandle, fileSize, newHandle, openFile, setLimit } from "../memory/platform.ts";
import { load32 } from "../memory/primitives.ts";
import { Region } from "../memory/region.ts";
import { type Constants, readConstants } from "../memory/superblock.ts";
import { look } from "../recovery/lifecycle.ts";
import { type RepairReport, saltOfTable, salvage } from "../recovery/repair.ts";
import { type CopyOptions, checkIsNew, drive, NewFile } from "./backup.ts";
import { ioError } from "./create.ts";

/**
 * Options of {@link repair}.
 *
 * @example
 * ```ts
 * import { open, type RepairOptions, repair } from "bancos";
 * open("a.bancos", { keyEncoding: "binary" }).set(Uint8Array.of(1), "one").close();
 * const options: RepairOptions = { keyEncoding: "binary" };
 * console.log((await repair("a.bancos", "saved.bancos", options)).keys); // → 1
 * ```
 */
export interface RepairOptions extends CopyOptions {
  /** How the keys are encoded, where the damaged file does not tell. Default: what it says, else `"utf8"`. */
  keyEncoding?: KeyEncoding;
}

/**
 * Saves what can be saved of the damaged file at `path` into the new file `to`, and says what was lost. The damaged
 * file is not changed. Nobody may have it open.
 *
 * Cost: a pass over every byte of the file, memory in proportion to the keys, and room for the new file.
 *
 * @throws BancosError `NOT_FOUND`, `NOT_A_STORE`, `VERSION`, `CORRUPT` if nothing can be checked any more,
 * `INVALID_OPERATION` if the file is open or there is one at `to`, `NO_SPACE`, `IO_ERROR`; or the reason of
 * `options.signal`
 *
 * @example
 * ```ts
 * import { open, repair } from "bancos";
 * open("damaged.bancos").set("a", 1).set("b", 2).close();
 * const { keys, lostCount } = await repair("damaged.bancos", "saved.bancos");
 * console.log(keys, lostCount); // → 2 0
 * using saved = open("saved.bancos");
 * console.log([...saved]); // → [ [ "a", 1 ], [ "b", 2 ] ]
 * ```
 */
export async function repair(path: string, to: string, options: RepairOptions = {}): Promise<RepairReport> {
  if (native.error !== null) throw native.error;
  checkIsNew(to);
  let fd: number;
  try {
    fd = openFile(path, {});
  } catch (error) {
    throw ioError(`cannot open ${path}`, error);
  }
  const h = newHandle(fd);
  try {
    const constants = readConstants(fd, path);
    if (constants.areSound && constants.version !== FORMAT_VERSION) {
      throw new BancosError(
        "VERSION",
        `${path} has format version ${constants.version}, not ${FORMAT_VERSION}`,
      );
    }
    const size = fileSize(fd);
    const slabs = Math.min(Math.ceil(size / SLAB_BYTES), MAX_SLABS);
    if (slabs <= FIRST_DATA_SLAB) {
      throw new BancosError("CORRUPT", `${path} ends before its first leaf: nothing can be saved`, {
        offset: size,
      });
    }
    const region = new Region(path, fd, h, "sharedReadOnly", slabs, slabs);
    // What a shortened file has of its last slab is looked at too.
    setLimit(h, Math.min(size & ~7, slabs * SLAB_BYTES));
    const found = look(region);
    if (found === "running") {
      throw new BancosError(
        "INVALID_OPERATION",
        `${path} is open elsewhere: close the other stores first, or use backup() if it can still be read`,
      );
    }
    const saltRecovered = findSalt(region, constants);
    const encoding = options.keyEncoding ?? likelyEncoding(constants, region.salt);
    const areMarksComplete = found === "unclean" || load32(h, SB, SB_CLEAN) === CLEAN;
    return await salvageTo(region, constants, encoding, to, saltRecovered, areMarksComplete, options);
  } finally {
    closeHandle(h);
  }
}

/** The key encoding with which the superblock's checksum is right; where none is, what it says. */
function likelyEncoding(constants: Constants, salt: number): KeyEncoding {
  const said = encodingOf(constants.keyEncoding) ?? KEY_ENCODINGS[0]!;
  if (constants.areSound) return said;
  return KEY_ENCODINGS.find((_, id) => constants.fitWith(salt, id)) ?? said;
}

/** Sees to it that the region's salt can be believed; returns whether it had to be computed back. */
function findSalt(region: Region, constants: Constants): boolean {
  if (constants.areSound) return false;
  const salt = saltOfTable(region);
  if (salt === undefined) {
    throw new BancosError(
      "CORRUPT",
      `${region.path}: the superblock and the slab table are both damaged, so that no checksum can be checked; nothing can be saved`,
      { offset: 0 },
    );
  }
  const recovered = salt !== region.salt;
  region.salt = salt;
  return recovered;
}

async function salvageTo(
  region: Region,
  constants: Constants,
  encoding: KeyEncoding,
  to: string,
  saltRecovered: boolean,
  areMarksComplete: boolean,
  options: RepairOptions,
): Promise<RepairReport> {
  const codec = codecFor(encoding);
  const keyOf = (digits: Buffer): unknown => {
    try {
      return codec.decode(digits, 0, digits.length);
    } catch {
      return undefined;
    }
  };
  const { capacity, maxSlabs } = constants;
  // The new file is no larger than the old one, but for what is left over at its end.
  const most = Math.max(
    region.capacity * 2,
    INITIAL_SLABS,
    maxSlabs > 0 && maxSlabs <= MAX_SLABS ? maxSlabs : 0,
  );
  const file = new NewFile(to, codec.id, Math.min(most, MAX_SLABS));
  try {
    const report = await drive(salvage(region, file.region, keyOf, areMarksComplete), options);
    await file.complete(false);
    const isPlausible = capacity > FIRST_DATA_SLAB && capacity <= MAX_SLABS;
    const missingBytes = isPlausible ? Math.max(0, capacity * SLAB_BYTES - fileSize(region.fd)) : 0;
    return { ...report, saltRecovered, missingBytes };
  } finally {
    file.close();
  }
}
