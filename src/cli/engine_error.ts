/** The engine's refusals in the words of docker's daemon: scripts look for the prefix. */
import { firstError, messageOf, UserError } from "../base/errors.ts";
import { isRefusal } from "../engine/refusal.ts";

const PREFIX = "Error response from daemon: ";

/** An engine's refusal as docker's daemon would report it; other errors pass. */
export function asDaemonError(thrown: unknown): unknown {
  const error = firstError(thrown);
  if (!isRefusal(error) || error.message.startsWith(PREFIX)) return error;
  const { exitCode, hint } = error as Partial<UserError>;
  return new UserError(PREFIX + messageOf(error), exitCode ?? 1, hint);
}

/** What a listing could not read: each is told, the others are listed, and the exit code is 1. */
export class BrokenRecords {
  exitCode = 0;
  readonly tell = (error: Error): void => {
    this.exitCode = 1;
    console.error(error.message);
  };
}

/** Runs `work`; what it refuses is reported as docker's daemon would. */
export async function daemon<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asDaemonError(error);
  }
}
