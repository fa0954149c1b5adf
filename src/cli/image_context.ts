/** What all image commands share: docker's error prefix, and the store with its notes of events. */
import { UserError } from "../base/errors.ts";
import { isImageRefusal } from "../engine/refusal.ts";

export { imageStore, labelsOf, noteTag } from "../engine/image_notes.ts";

/** Errors that docker's daemon would report get its prefix: scripts look for it. */
export function asDaemonError(error: unknown): unknown {
  if (!isImageRefusal(error) || error.message.startsWith("Error ")) return error;
  const { exitCode, hint } = error as Partial<UserError>;
  return new UserError(`Error response from daemon: ${error.message}`, exitCode ?? 1, hint);
}

/** Runs `work`; what it refuses is reported as docker's daemon would. */
export async function daemon<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asDaemonError(error);
  }
}

/** Does `work` for each name; errors are printed one by one and make the exit code 1. */
export async function forEachName(
  names: readonly string[],
  work: (name: string) => void | Promise<void>,
): Promise<number> {
  let code = 0;
  for (const name of names) {
    try {
      await work(name);
    } catch (error) {
      const shown = asDaemonError(error);
      if (!(shown instanceof UserError)) throw shown;
      console.error(shown.message);
      code = 1;
    }
  }
  return code;
}
