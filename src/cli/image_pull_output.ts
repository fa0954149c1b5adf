/** A pull or push without a terminal. */
import type { LayerDisplay } from "../engine/image_pull.ts";

// Moving bars mean nothing in a log.
const BARS = ["Downloading", "Extracting", "Pushing"];

/** Without a terminal: each change of words is a line, without byte counts. */
export function plainDisplay(write: (line: string) => void): LayerDisplay {
  const shown = new Map<string, string>();
  return {
    update(id, status) {
      if (shown.get(id) === status || BARS.includes(status)) return;
      shown.set(id, status);
      write(`${id}: ${status}`);
    },
    line: (text, id) => write(id === undefined ? text : `${id}: ${text}`),
    finish() {},
  };
}
