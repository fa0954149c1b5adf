/** Which way layers are shown: bars on a terminal, lines elsewhere. */
import type { LayerDisplay } from "../engine/layer_display.ts";
import { plainDisplay, SILENT_DISPLAY } from "../engine/layer_display.ts";

/** A display for stdout. `write` prints one line; `quiet` shows nothing. */
export async function displayFor(
  write: (line: string) => void,
  quiet: boolean,
): Promise<LayerDisplay> {
  if (quiet) return SILENT_DISPLAY;
  if (!Deno.stdout.isTerminal()) return plainDisplay(write);
  const { Progress, streamOutput } = await import("./progress.ts");
  const progress = new Progress(streamOutput(Deno.stdout));
  return {
    update(id, status, current, total) {
      if (current > 0) progress.update(id, status, current, total);
      else progress.state(id, status);
    },
    line: (text, id) => progress.message(id === undefined ? text : `${id}: ${text}`),
    finish() {},
  };
}
