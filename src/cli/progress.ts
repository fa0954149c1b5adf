import { bar } from "../base/bar.ts";
import { cellWidth, escapeControls } from "./output.ts";

/** Where progress goes: a stream, and what is behind it. */
export interface ProgressOutput {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Size of the terminal, asked anew for each line: users resize. */
  size(): { columns: number; rows: number };
}

/** How often a bar moves at most, in milliseconds. */
const REDRAW_MS = 100;

/** stdout or stderr. */
export function streamOutput(stream: typeof Deno.stdout | typeof Deno.stderr): ProgressOutput {
  const encoder = new TextEncoder();
  return {
    isTerminal: stream.isTerminal(),
    size() {
      try {
        return Deno.consoleSize();
      } catch {
        return { columns: 80, rows: 24 }; // stdin, stdout and stderr are all something else
      }
    },
    write(text) {
      const bytes = encoder.encode(text);
      for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
    },
  };
}

/** Cuts a line so that it does not wrap: a wrapped line cannot be drawn over. */
export function fit(text: string, columns: number): string {
  if (cellWidth(text) < columns) return text;
  let width = 0;
  let end = 0;
  for (const character of text) {
    width += cellWidth(character);
    if (width >= columns) break;
    end += character.length;
  }
  return text.slice(0, end);
}

/**
 * Lines that change in place, one for each id, as docker's pull and push have them. Where the
 * output is no terminal, states are printed as they come, one below the other, without bars.
 */
export class Progress {
  private readonly lines = new Map<string, { row: number; startMs: number; drawnMs: number }>();

  constructor(
    private readonly output: ProgressOutput,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** A state of `id`, e.g. `Pull complete`: `<id>: <state>`. */
  state(id: string, text: string): void {
    this.draw(id, text);
  }

  /** How far `id` has got, in bytes; `total` 0 = unknown. Terminals only; drawn at intervals. */
  update(id: string, text: string, done: number, total: number): void {
    if (!this.output.isTerminal) return;
    const now = this.now();
    const line = this.lines.get(id);
    if (line !== undefined && now - line.drawnMs < REDRAW_MS && done < total) return;
    const elapsed = line === undefined ? 0 : now - line.startMs;
    this.draw(id, `${text} ${bar(done, total, elapsed, this.output.size().columns)}`);
    this.lines.get(id)!.drawnMs = now;
  }

  /** A line of its own below all others. What came before it does not change any more. */
  message(text: string): void {
    this.output.write(`${escapeControls(text)}\n`);
    this.lines.clear();
  }

  private draw(id: string, text: string): void {
    const { output, lines } = this;
    const full = escapeControls(`${id}: ${text}`);
    if (!output.isTerminal) return output.write(`${full}\n`);
    const { columns, rows } = output.size();
    let line = lines.get(id);
    if (line === undefined) {
      line = { row: lines.size, startMs: this.now(), drawnMs: -Infinity };
      lines.set(id, line);
      return output.write(`\r\x1b[2K${fit(full, columns)}\n`);
    }
    const up = lines.size - line.row;
    // The cursor cannot go where the line has scrolled off the screen.
    if (up >= rows) return;
    output.write(`\x1b[${up}A\r\x1b[2K${fit(full, columns)}\r\x1b[${up}B`);
  }
}
