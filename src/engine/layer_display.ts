/** How a pull or push is shown: lines that change on a terminal, else a line for each change. */

/** Shows lines that change: one for each layer. */
export interface LayerDisplay {
  /** `current` of `total` bytes; 0: only the words. */
  update(id: string, status: string, current: number, total: number): void;
  /** A line of its own above the layers, which may be about one thing. */
  line(text: string, id?: string): void;
  finish(): void;
}

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

/** Shows nothing. */
export const SILENT_DISPLAY: LayerDisplay = { update() {}, line() {}, finish() {} };
