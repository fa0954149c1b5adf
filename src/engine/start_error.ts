/** The note of a start that failed: what `inspect` and `wait` tell of it. */
import { messageOf, UserError } from "../base/errors.ts";
import { readIfThere, removeIfThere, writeAtomic } from "../base/files.ts";
import { containerDirectory } from "../base/places.ts";

/** Why the last start failed. */
export interface StartError {
  /** docker's: 126, 127, and 128 for all that is not the command's fault. */
  readonly code: number;
  readonly text: string;
}

const OTHER = 128;

function notePath(id: string): string {
  return `${containerDirectory(id)}/start-error`;
}

/** Notes that container `id` could not be started. */
export function noteStartError(id: string, error: unknown): void {
  const code = error instanceof UserError ? error.exitCode : OTHER;
  const note: StartError = {
    code: code === 126 || code === 127 ? code : OTHER,
    text: messageOf(error as Error),
  };
  writeAtomic(notePath(id), JSON.stringify(note));
}

/** The note of a container that could not be started. */
export function readStartError(id: string): StartError | undefined {
  const text = readIfThere(notePath(id));
  return text === undefined ? undefined : JSON.parse(text);
}

/** Takes the note away: the container has started. */
export function forgetStartError(id: string): void {
  removeIfThere(notePath(id));
}
