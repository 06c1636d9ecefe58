/** The type of what main.ts makes of a command's function: something that commander can call. */

/** A command's function: its arguments, its options; returns the exit code. */
// biome-ignore lint/suspicious/noExplicitAny: placeholder
export type Action = never;
export type Run = never;
