/** How a build is shown: BuildKit's plain progress, or the output of docker's classic builder. */
import { SILENT } from "../build/classic_output.ts";
import { plainDisplay } from "../engine/layer_display.ts";
import type { BuildEvents, Work, WorkKind } from "../build/events.ts";
import { escapeControls } from "./output.ts";

/** What a build's display also tells, for the report of an error. */
export interface BuildDisplay extends BuildEvents {
  /** The last work that failed: its title and the end of its output. */
  readonly failure: { readonly title: string; readonly lines: readonly string[] } | undefined;
  /** To be called once, when the build is over. */
  end(): void;
}

/** As many lines of a failed command are shown again. */
const LAST_LINES = 20;

/** `[build 2/3] RUN make`, or the name of work that is no instruction. */
export function titleOf(kind: WorkKind): string {
  if (kind.kind === "internal") return kind.name;
  const text = kind.text.replace(/\s*\n\s*/g, " ");
  return kind.place === undefined ? text : `[${kind.place}] ${text}`;
}

/** Cuts output into lines; a line comes when it is whole. */
export class LineCutter {
  #rest = "";
  readonly #decoder = new TextDecoder();

  constructor(readonly take: (line: string) => void) {}

  push(bytes: Uint8Array<ArrayBuffer>): void {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) this.take(line.replace(/\r$/, ""));
  }

  end(): void {
    if (this.#rest !== "") this.take(this.#rest);
    this.#rest = "";
  }
}

/** `#5 [2/3] RUN …`, `#5 0.123 text`, `#5 DONE 0.3s`: BuildKit's `--progress=plain`. */
export class PlainProgress implements BuildDisplay {
  readonly wantsIds = false;
  failure: BuildDisplay["failure"];
  #count = 0;

  constructor(
    readonly write: (line: string) => void,
    readonly now: () => number = () => performance.now(),
  ) {}

  begin(kind: WorkKind): Work {
    if (kind.kind === "instruction" && kind.place === undefined) return SILENT;
    const number = ++this.#count;
    const title = titleOf(kind);
    const start = this.now();
    const seconds = () => (this.now() - start) / 1000;
    const line = (text: string) => this.write(`#${number} ${escapeControls(text)}`);
    const last: string[] = [];
    let isCached = false;
    const cutter = new LineCutter((text) => {
      const shown = `${seconds().toFixed(3)} ${text}`;
      last.push(shown);
      if (last.length > LAST_LINES) last.shift();
      line(shown);
    });
    line(title);
    return {
      output: (bytes) => cutter.push(bytes),
      note: (text) => line(text),
      layers: () => plainDisplay(line),
      running: () => {},
      cached: () => isCached = true,
      done: () => {
        cutter.end();
        line(isCached ? "CACHED" : `DONE ${seconds().toFixed(1)}s`);
        this.write("");
      },
      failed: (message) => {
        cutter.end();
        line(`ERROR: ${message}`);
        this.failure = { title, lines: last };
      },
    };
  }

  warn(text: string): void {
    this.write(`WARNING: ${text}`);
  }

  end(): void {}
}

/** Nothing, but what failed is remembered. */
export class QuietProgress extends PlainProgress {
  constructor(readonly tell: (line: string) => void) {
    super(() => {});
  }

  override warn(text: string): void {
    this.tell(`WARNING: ${text}`);
  }
}
