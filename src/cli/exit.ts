/** How the command line ends: exit codes, and the errors that are not the store's. */
import { BancosError, type ErrorCode } from "../index.ts";

export const EXIT_OK = 0;
/** A key is not there (or is, and should not be); a check found a problem. */
export const EXIT_NOT_FOUND = 1;
/** The command line makes no sense. */
export const EXIT_USAGE = 2;
/** The file, the disk or the input failed. */
export const EXIT_FAILED = 3;
/** As a shell reports death by SIGINT and SIGTERM. */
export const EXIT_SIGINT = 130;
export const EXIT_SIGTERM = 143;

export const EXIT_CODES_HELP = `Exit codes:
  0    done
  1    not found (or there already), or a check found a problem
  2    the command line makes no sense
  3    the file, the disk or the input failed
  130  interrupted by Ctrl-C (143: by SIGTERM); the file is closed and good`;

/** The command line makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The input makes no sense: `message` says where and why. */
export class InputError extends Error {
  override readonly name = "InputError";
}

/** A condition that the user asked for does not hold. */
export class ConditionError extends Error {
  override readonly name = "ConditionError";
}

/** The error with the place in the input where it came up. What a line says wrongly is no fault of the command line. */
export function withPlace(error: unknown, input: string, line: number): unknown {
  const where = `${input}, line ${line}: `;
  if (error instanceof UsageError) return new InputError(where + error.message);
  if (error instanceof BancosError && USAGE.has(error.code)) {
    return new InputError(where + error.message, { cause: error });
  }
  if (error instanceof Error) error.message = where + error.message;
  return error;
}

/** What the command line gave to the store, and the store did not take. */
const USAGE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "INVALID_KEY",
  "INVALID_VALUE",
  "INVALID_OPTION",
  "KEY_TOO_LONG",
  "VALUE_TOO_LARGE",
]);

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT_USAGE;
  if (error instanceof ConditionError) return EXIT_NOT_FOUND;
  if (error instanceof BancosError) {
    if (error.code === "DUPLICATE_KEY") return EXIT_NOT_FOUND;
    return USAGE.has(error.code) ? EXIT_USAGE : EXIT_FAILED;
  }
  return EXIT_FAILED;
}

/** A stable word for programs. */
export function codeOf(error: unknown): string {
  if (error instanceof BancosError) return error.code;
  if (error instanceof UsageError) return "USAGE";
  if (error instanceof InputError) return "INPUT";
  if (error instanceof ConditionError) return "CONDITION";
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === "string" ? code : "INTERNAL";
}
