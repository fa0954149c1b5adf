/**
 * An error the user can do something about. Printed as one line on stderr by `cli/exit.ts`;
 * `hint` follows on the same line. `exitCode` is docker's: 1 for what the engine refuses,
 * 125 for a flag that does not parse, 126 and 127 for a command that cannot be started.
 */
export class UserError extends Error {
  override name = "UserError";
  constructor(message: string, readonly exitCode: number = 1, readonly hint?: string) {
    super(message);
  }
}

/** How Deno words a failed file call: "No space left on device (os error 28): mkdir '/x'". */
const FILE_ERROR = /^(.*?) \(os error (\d+)\)(?:: (\w+) '(.*)')?$/s;

/** Names that Deno gives to file calls, as people say them. */
const CALLS: Readonly<Record<string, string>> = {
  writefile: "write",
  readfile: "read",
  readdir: "list",
  mkdir: "make",
  lstat: "look at",
  stat: "look at",
};

const ENOSPC = "28", EDQUOT = "122";

/** Whether an error is a failed file call of Deno's. */
export function isFileError(error: unknown): error is Error {
  return error instanceof Error && FILE_ERROR.test(error.message);
}

/** Why a file call failed, without the call and the path: "no space left on device". */
export function whyOf(error: Error): string {
  const match = FILE_ERROR.exec(error.message);
  return match === null ? error.message : match[1].charAt(0).toLowerCase() + match[1].slice(1);
}

/**
 * What an error says to a user, in one line. Failed file calls are put as our own kernel calls are:
 * `Cannot make "/x": no space left on device (make room on its file system)`. `path`: of a file
 * whose name Deno does not tell.
 */
export function messageOf(error: Error, path?: string): string {
  const match = FILE_ERROR.exec(error.message);
  if (match === null) return error.message;
  const [, , errno, call = "write", named = path] = match;
  const hint = errno === ENOSPC || errno === EDQUOT ? " (make room on its file system)" : "";
  if (named === undefined) return whyOf(error) + hint;
  const shown = named.replace("' -> '", '" -> "');
  return `Cannot ${CALLS[call] ?? call} "${shown}": ${whyOf(error)}${hint}`;
}

/**
 * What went wrong first, where taking back what was done before failed, too: a full disk does both,
 * and the error of the taking back is wrapped around the one that tells why.
 */
export function firstError(error: unknown): unknown {
  while (error instanceof SuppressedError) error = error.suppressed;
  return error;
}
