/** A part of an operation, measured alone. */

export interface Part {
  /** What it belongs to. */
  readonly group: string;
  readonly name: string;
  /** Does it once. What it returns keeps the compiler from leaving it out. */
  readonly run: () => unknown;
  /** How often `run` does it, if not once. */
  readonly times?: number;
}
