/** `--progress=rawjson`: BuildKit's status messages, one JSON object a line. */
import type { Work, WorkKind } from "../build/events.ts";
import { SILENT } from "../build/classic_output.ts";
import { digestOf } from "../image/hash.ts";
import { type BuildDisplay, LineCutter, titleOf } from "./build_progress.ts";

/** As many lines of a failed command are shown again. */
const LAST_LINES = 20;

/** A piece of work is a vertex; its output are logs, its layers are statuses. */
export class RawJsonProgress implements BuildDisplay {
  readonly wantsIds = false;
  failure: BuildDisplay["failure"];
  #count = 0;

  constructor(
    readonly write: (line: string) => void,
    readonly now: () => string = () => new Date().toISOString(),
  ) {}

  begin(kind: WorkKind): Work {
    if (kind.kind === "instruction" && kind.place === undefined) return SILENT;
    const name = titleOf(kind);
    const digest = digestOf(`${++this.#count} ${name}`);
    const vertex = { digest, name, started: this.now() };
    const tell = (more: Record<string, unknown>) =>
      this.#send({ vertexes: [{ ...vertex, ...more }] });
    const last: string[] = [];
    const cutter = new LineCutter((text) => {
      last.push(text);
      if (last.length > LAST_LINES) last.shift();
    });
    let isCached = false;
    tell({});
    return {
      output: (bytes) => {
        cutter.push(bytes);
        const data = bytes.toBase64();
        this.#send({ logs: [{ vertex: digest, stream: 1, data, timestamp: this.now() }] });
      },
      note: (text) => this.#status(digest, text, 0, 0),
      layers: () => ({
        update: (id, status, current, total) =>
          this.#status(digest, `${id}: ${status}`, current, total),
        line: (text) => this.#status(digest, text, 0, 0),
        finish() {},
      }),
      running: () => {},
      cached: () => isCached = true,
      done: () => tell({ completed: this.now(), ...(isCached && { cached: true }) }),
      failed: (error) => {
        cutter.end();
        tell({ completed: this.now(), error });
        this.failure = { title: name, lines: last };
      },
    };
  }

  #status(vertex: string, id: string, current: number, total: number): void {
    const timestamp = this.now();
    this.#send({ statuses: [{ id, vertex, name: id, total, current, timestamp }] });
  }

  warn(text: string): void {
    const short = new TextEncoder().encode(text).toBase64();
    this.#send({ warnings: [{ level: 1, short }] });
  }

  end(): void {}

  #send(message: Record<string, unknown>): void {
    this.write(JSON.stringify(message));
  }
}
