/** What commander is to call for a command. */

/**
 * Makes an action of a command's function, which takes the arguments and then the options, and returns the exit code.
 */
export type Run = <A extends readonly unknown[]>(
  fn: (...args: A) => number | Promise<number>,
) => (...args: A) => Promise<void>;
