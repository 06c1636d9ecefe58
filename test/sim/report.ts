/** Seeds, budgets, and failures told so that they can be run again. */

/** `BANCOS_SIM_SEED`, or a new one; each suite prints it. */
export const SEED = Number(process.env.BANCOS_SIM_SEED ?? Math.floor(Math.random() * 2 ** 31)) >>> 0;

/** Seconds that a suite may spend on what is sampled; what is exhaustive takes what it takes. */
export function budget(usual: number): number {
  const given = Number(process.env.BANCOS_SIM_SECONDS);
  return Number.isFinite(given) && given > 0 ? given : usual;
}

/** Mulberry32: small, and the same everywhere. */
export class Random {
  private state: number;
  constructor(seed: number) {
    this.state = seed >>> 0;
  }
  /** From 0 to 1, without 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let x = this.state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  }
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}

/** Collects failures: the first few in full, then how many more. */
export class Failures {
  readonly first: string[] = [];
  count = 0;
  /** Notes the problems of one run, if there are any. */
  note(where: string, problems: readonly string[]): void {
    if (problems.length === 0) return;
    this.count++;
    if (this.first.length < 8) this.first.push(`${where}: ${problems.slice(0, 4).join("; ")}`);
  }
  /** Has so much gone wrong that there is no point in going on? */
  get enough(): boolean {
    return this.count >= 50;
  }
  report(): string[] {
    return this.count > this.first.length
      ? [...this.first, `and ${this.count - this.first.length} more`]
      : [...this.first];
  }
}

/** An error of the code under test, as a problem. */
export function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const at = (error.stack ?? "").split("\n").filter((line) => line.includes("/src/"));
  return `${error.name}: ${error.message.slice(0, 200)}${at
    .slice(0, 3)
    .map((line) => ` <${line.trim()}>`)
    .join("")}`;
}
