/**
 * `src/store/open.ts` without the path: the simulated file is there and sound, so that only mapping and joining are
 * left, which are done by the real code. The same exports.
 */
import { codecFor, type KeyCodec, type KeyEncoding } from "../../src/codec/index.ts";
import { SB, SB_CAPACITY, SB_MAX_SLABS, SB_ROOT } from "../../src/memory/layout.ts";
import { Region } from "../../src/memory/region.ts";
import { Participant } from "../../src/reclaim/participant.ts";
import { ROLE_READER, ROLE_WRITER } from "../../src/reclaim/registry.ts";
import { join, lockOpen, part, type RecoveryReport, unlockOpen } from "../../src/recovery/lifecycle.ts";
import { rebuild } from "../../src/recovery/rebuild.ts";
import { recoverSlot } from "../../src/recovery/recover.ts";
import type { CheckedOptions } from "../../src/store/options.ts";
import { machine } from "./machine.ts";
import { closeFile, newHandle, openFile, sleepMs } from "./platform.ts";

export interface Opened {
  readonly region: Region;
  readonly participant: Participant;
  readonly codec: KeyCodec;
  readonly keyEncoding: KeyEncoding;
  readonly role: number;
  readonly report: RecoveryReport;
}

const word = (field: number): number => machine.words[(SB * 8 + field) >>> 2]!;

export function openFileAsStore(path: string, options: CheckedOptions): Opened {
  const fd = openFile(path, { write: true });
  try {
    lockOpen(fd);
    const opened = joinFile(fd, path, options);
    unlockOpen(fd);
    return opened;
  } catch (error) {
    closeFile(fd);
    throw error;
  }
}

function joinFile(fd: number, path: string, options: CheckedOptions): Opened {
  const maxSlabs = word(SB_MAX_SLABS);
  const region = new Region(path, fd, newHandle(fd), "shared", word(SB_CAPACITY), maxSlabs);
  const role = options.readOnly ? ROLE_READER : ROLE_WRITER;
  const { slot, report } = join(region, role, maxSlabs, options.rebuild, rebuild);
  machine.slotOwner[slot] = machine.current.tid;
  const participant = new Participant(
    region,
    slot,
    word(SB_ROOT),
    (holder) => recoverSlot(region, holder, slot),
    () => sleepMs(1),
  );
  // As the real one does: room in limbo, so that a full store can delete.
  if (role === ROLE_WRITER) {
    participant.limbo.reserve();
    participant.waiting.reserve();
    participant.heap.abandon();
  }
  return { region, participant, codec: codecFor("utf8"), keyEncoding: "utf8", role, report };
}

export function closeOpened(opened: Opened): void {
  const { region, participant, role } = opened;
  try {
    participant.heap.abandon();
    part(region, participant.slot, role);
  } finally {
    region.close();
  }
}
