/** The output of docker's builder before BuildKit, on a terminal and in answers of the API. */
import { plainDisplay, SILENT_DISPLAY } from "../engine/layer_display.ts";
import type { BuildEvents, Work, WorkKind } from "./events.ts";

export const SILENT: Work = {
  output() {},
  note() {},
  layers: () => SILENT_DISPLAY,
  running() {},
  cached() {},
  done() {},
  failed() {},
};

/** `Step 1/3 : FROM x`, ` ---> 0123456789ab`: docker's builder before BuildKit, on stdout. */
export class ClassicProgress implements BuildEvents {
  readonly wantsIds = true;
  readonly failure = undefined;

  constructor(readonly write: (bytes: Uint8Array<ArrayBuffer>) => void) {}

  #line(text: string): void {
    this.write(new TextEncoder().encode(`${text}\n`));
  }

  begin(kind: WorkKind): Work {
    const layers = () => plainDisplay((line) => this.#line(line));
    if (kind.kind === "internal") return { ...SILENT, layers };
    this.#line(`Step ${kind.number}/${kind.total} : ${kind.text}`);
    let isCached = false;
    let container: string | undefined;
    return {
      output: (bytes) => this.write(bytes),
      note: () => {},
      layers,
      running: (id) => {
        container = id.slice(0, 12);
        this.#line(` ---> Running in ${container}`);
      },
      cached: () => isCached = true,
      done: (image) => {
        if (container !== undefined) this.#line(`Removing intermediate container ${container}`);
        const isFrom = /^FROM\s/i.test(kind.text);
        if (isCached && !isFrom) this.#line(" ---> Using cache");
        this.#line(image === undefined ? " ---> " : ` ---> ${image.slice(7, 19)}`);
      },
      failed: () => {},
    };
  }

  warn(text: string): void {
    this.#line(`[Warning] ${text}`);
  }

  end(): void {}
}

/** Its words for a build that failed; `code`: that of a command that ended with one. */
export function classicFailure(message: string): { message: string; code?: number } {
  const failed = /^process "(.*)" did not complete successfully: exit code: (\d+)$/s.exec(message);
  if (failed === null) return { message };
  const [, words, code] = failed;
  return {
    message: `The command '${words}' returned a non-zero code: ${code}`,
    code: Number(code),
  };
}
