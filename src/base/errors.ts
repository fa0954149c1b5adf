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

/**
 * What went wrong first, where taking back what was done before failed, too: a full disk does both,
 * and the error of the taking back is wrapped around the one that tells why.
 */
export function firstError(error: unknown): unknown {
  while (error instanceof SuppressedError) error = error.suppressed;
  return error;
}
