/** A bar for what takes longer than a second, on a terminal only: how far, how fast, how long still. */
import { SingleBar } from "cli-progress";
import { err } from "./output.ts";
import { showCount } from "./text.ts";

const SHOW_AFTER = 1000;

/** Seconds for people. */
export function showTime(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const s = Math.ceil(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

export class Progress {
  private readonly verb: string;
  private readonly unit: string;
  private readonly started = performance.now();
  private readonly shown: boolean;
  private bar: SingleBar | null = null;

  /** `verb`: such as "importing"; `unit`: what is counted, such as "keys". */
  constructor(verb: string, unit: string, enabled = true) {
    this.verb = verb;
    this.unit = unit;
    this.shown = enabled && err.isTerminal;
  }

  /** `share`: how much of the work is done, 0 to 1; undefined if nobody knows. `count`: what has been counted. */
  update(share: number | undefined, count: number): void {
    if (!this.shown) return;
    const elapsed = performance.now() - this.started;
    if (elapsed < SHOW_AFTER) return;
    const seconds = elapsed / 1000;
    const left = share === undefined || share <= 0 ? Number.NaN : (seconds * (1 - share)) / share;
    const payload = {
      verb: this.verb,
      count: `${showCount(count)} ${this.unit}`,
      rate: `${showCount(count / seconds)}/s`,
      left: share === undefined ? `${showTime(seconds)} so far` : `${showTime(left)} left`,
    };
    const done = Math.round(Math.min(1, share ?? 0) * 1000);
    if (this.bar === null) {
      this.bar = new SingleBar({
        stream: process.stderr,
        format:
          share === undefined
            ? "{verb}  {count}  {rate}  {left}"
            : "{verb} {bar} {percentage}%  {count}  {rate}  {left}",
        barsize: 24,
        barCompleteChar: "█",
        barIncompleteChar: "░",
        hideCursor: true,
        clearOnComplete: true,
        // Ctrl-C is the session's.
        gracefulExit: false,
      });
      this.bar.start(1000, done, payload);
    } else {
      this.bar.update(done, payload);
    }
  }

  /** Takes the bar away. Idempotent. */
  stop(): void {
    this.bar?.stop();
    this.bar = null;
  }
}
