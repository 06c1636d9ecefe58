/** What a number of participants do in one run, with the times at which each began and ended. */
import { machine } from "./machine.ts";
import type { Operation, Played } from "./model.ts";
import { told } from "./report.ts";
import { type Actor, run } from "./world.ts";

export class Play {
  readonly played: Played[] = [];
  waited = 0;
  died = 0;
  private readonly problems: string[];
  private readonly waiting: { readonly actor: Actor; readonly parts: readonly Operation[] }[] = [];
  private time = 0;

  constructor(problems: string[]) {
    this.problems = problems;
  }

  /** An operation of one who died in it before. */
  accident(operation: Operation): void {
    this.played.push({ operation, ended: "died", from: this.time++, to: Number.POSITIVE_INFINITY });
  }

  /** Runs an operation, part by part if it has parts. Where it must wait it withdraws, until {@link finish}. */
  start(actor: Actor, operation: Operation): void {
    this.go(actor, operation.parts ?? [operation], false);
  }

  private go(actor: Actor, parts: readonly Operation[], last: boolean): void {
    for (const [i, operation] of parts.entries()) {
      const from = this.time++;
      try {
        const ending = run(actor, operation.run);
        if (ending.how === "waits") {
          if (last || machine.depth === 0) this.problems.push(`${actor.thread.name} waits for nobody`);
          else this.waiting.push({ actor, parts: parts.slice(i) });
          return;
        }
        if (ending.how === "died") {
          this.died++;
          this.played.push({ operation, ended: "died", from, to: Number.POSITIVE_INFINITY });
          return;
        }
        this.played.push({ operation, ended: "done", result: ending.result, from, to: this.time++ });
      } catch (error) {
        this.problems.push(`${actor.thread.name}: ${told(error)}`);
        return;
      }
    }
  }

  /** Those who waited go on, now that nobody is stopped. */
  finish(): void {
    for (const { actor, parts } of this.waiting) {
      this.waited++;
      actor.thread.rearm();
      this.go(actor, parts, true);
    }
  }
}
