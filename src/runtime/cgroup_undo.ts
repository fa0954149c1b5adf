/** What was in control files before they were written, and the way back: `update` is all or nothing. */
import { readControl, writeControl } from "./cgroup_files.ts";

/** How a file forgets what it was told of one device; all others take "0". */
const FORGET: Readonly<Record<string, string>> = {
  "io.max": "rbps=max wbps=max riops=max wiops=max",
  "io.weight": "default",
  "io.bfq.weight": "default",
  "blkio.bfq.weight_device": "default",
};

/**
 * What has to be written to get back to `before` after `text` was written: the old text, of files
 * with a line a device only that device's. Pure.
 */
export function textBefore(file: string, before: string, text: string): string {
  const device = /^\d+:\d+ /.exec(text)?.[0];
  if (device === undefined) {
    // "default 100" and lines of devices, which were not touched.
    return before.trim().split("\n")[0];
  }
  const line = before.split("\n").find((candidate) => candidate.startsWith(device));
  return line ?? device + (FORGET[file] ?? "0");
}

/** The files of one change, in the order in which they were written. */
export class WrittenFiles {
  readonly #before: { path: string; text: string }[] = [];

  /** Notes what `path` says before `text` is written to it; a file that is not there is left out. */
  remember(path: string, text: string): void {
    const before = readControl(path);
    if (before === undefined) return;
    const file = path.slice(path.lastIndexOf("/") + 1);
    this.#before.push({ path, text: textBefore(file, before, text) });
  }

  /** Writes everything back, the last first: pairs are checked against each other. */
  restore(): void {
    for (const { path, text } of this.#before.reverse()) writeControl(path, text);
  }
}
