/** A sync in the background, in its two halves: others go on between them, and sync as well. */
import { SB, SB_DONE, SB_END, SB_SYNC_OWNER, SB_W, SB_W_DISK } from "../../src/memory/layout.ts";
import { load32, load64 } from "../../src/memory/primitives.ts";
import {
  beginSettling,
  endSettling,
  endSync,
  forgetSync,
  type Sync,
  tryStartSync,
} from "../../src/recovery/sync.ts";
import { machine } from "./machine.ts";
import { syncRange } from "./platform.ts";
import type { Scene, Trouble } from "./scene.ts";
import type { Actor } from "./world.ts";

/** Brings a sync to its end; with `settles`, W to the disk as well. */
export type End = (settles: boolean, trouble?: Trouble) => void;

/** Starts a sync of `actor`, as `Flusher` does; null: somebody else was at it, or the actor has died. */
export function startSync(scene: Scene, actor: Actor, trouble: Trouble = {}): End | null {
  const { region, slot } = machine.as(actor.thread, () => actor.store.participant());
  const { h } = region;
  const promise = scene.ledger.flushBegins((key) => scene.get(actor, key));
  let started: Sync | null = null;
  const start = (): void => {
    started = tryStartSync(region, slot);
  };
  if (scene.run(actor, start, trouble).how !== "done" || started === null) return null;
  const sync: Sync = started;
  const onDisk = scene.diskBegins();
  return (settles, within = {}) => {
    onDisk();
    const end = (): void => {
      endSync(h, sync);
      forgetSync(h, slot);
      const w = settles ? beginSettling(h) : -1;
      if (w < 0) return;
      syncRange(h, SB * 8, SB_END);
      endSettling(h, w);
    };
    if (scene.run(actor, end, within).how === "done") promise();
  };
}

/** Has anybody the lock that a sync starts with? */
export const isStarting = (actor: Actor): boolean =>
  machine.as(actor.thread, () => load32(actor.store.participant().h, SB, SB_SYNC_OWNER) !== 0);

/** What a sync counts: `done`, W, W_DISK. */
export function countersOf(actor: Actor): number[] {
  return machine.as(actor.thread, () => {
    const { h } = actor.store.participant();
    return [SB_DONE, SB_W, SB_W_DISK].map((field) => load64(h, SB, field));
  });
}
