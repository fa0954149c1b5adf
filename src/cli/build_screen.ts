/** How a build is shown on a terminal: a line for each piece of work, and what the current one says. */
import type { Work, WorkKind } from "../build/events.ts";
import { type BuildDisplay, LineCutter, titleOf } from "./build_progress.ts";
import { formatSize } from "../base/units.ts";
import { escapeControls } from "./output.ts";
import { fit, type ProgressOutput } from "./progress.ts";

/** As many lines of the current command are shown below its title. */
const SHOWN_LINES = 6;
/** As many lines of a failed command are shown again. */
const LAST_LINES = 20;
const REDRAW_MS = 100;

/** `=> [2/3] RUN make   1.2s`, with the last lines of the output below while it runs. */
export class BuildScreen implements BuildDisplay {
  readonly wantsIds = false;
  failure: BuildDisplay["failure"];
  /** Lines that will be drawn over. */
  #drawn = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    readonly output: ProgressOutput,
    readonly now: () => number = () => performance.now(),
  ) {}

  begin(kind: WorkKind): Work {
    const isSilent = kind.kind === "instruction" && kind.place === undefined;
    const title = titleOf(kind);
    const start = this.now();
    const last: string[] = [];
    const layers = new Map<string, string>();
    let isCached = false, drawnMs = -Infinity;
    const seconds = () => `${((this.now() - start) / 1000).toFixed(1)}s`;
    const draw = () => {
      drawnMs = this.now();
      const below = [...layers.values(), ...last].slice(-SHOWN_LINES);
      this.#draw([this.#line(title, seconds()), ...below.map(shownOutput)]);
    };
    const drawSoon = () => {
      if (this.now() - drawnMs >= REDRAW_MS) draw();
    };
    const cutter = new LineCutter((text) => {
      last.push(escapeControls(text));
      if (last.length > LAST_LINES) last.shift();
      drawSoon();
    });
    if (!isSilent) {
      draw();
      this.#timer = setInterval(draw, 1000);
    }
    const finish = (line: string) => {
      clearInterval(this.#timer);
      cutter.end();
      if (isSilent) return;
      this.#draw([line]);
      this.#drawn = 0;
    };
    return {
      output: (bytes) => cutter.push(bytes),
      note: () => {},
      layers: () => ({
        update(id, status, current, total) {
          const bytes = current > 0 ? ` ${formatSize(current)}/${formatSize(total)}` : "";
          layers.set(id, `${id}: ${status}${bytes}`);
          drawSoon();
        },
        line() {},
        finish() {},
      }),
      running: () => {},
      cached: () => isCached = true,
      done: () => finish(this.#line(isCached ? `CACHED ${title}` : title, seconds())),
      failed: (message) => {
        finish(this.#line(`ERROR ${title}`, seconds()));
        if (!isSilent) this.failure = { title, lines: [...last, message] };
      },
    };
  }

  warn(text: string): void {
    this.#draw([`WARNING: ${escapeControls(text)}`]);
    this.#drawn = 0;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  /** A terminal may not know its own: then it says 0. */
  #size(): { columns: number; rows: number } {
    const { columns, rows } = this.output.size();
    return { columns: columns || 80, rows: rows || 24 };
  }

  /** The time stands at the right end. */
  #line(text: string, time: string): string {
    const { columns } = this.#size();
    const room = Math.max(10, columns - time.length - 2);
    return `${fit(` => ${escapeControls(text)}`, room).padEnd(room)}${time}`;
  }

  /** Puts lines in place of those that were drawn last. */
  #draw(lines: readonly string[]): void {
    const { columns, rows } = this.#size();
    const up = Math.min(this.#drawn, rows - 1);
    const text = lines.map((line) => `\x1b[2K${fit(line, columns)}\n`).join("");
    this.output.write(`${up > 0 ? `\x1b[${up}A` : ""}\r\x1b[0J${text}`);
    this.#drawn = lines.length;
  }
}

const shownOutput = (line: string): string => ` => => ${line}`;
