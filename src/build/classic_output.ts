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

/** What a build that failed says in its words. */
export interface ClassicFailure {
  readonly message: string;
  /** Of a command that ended with one. */
  readonly code?: number;
}

/** Its words for an error of a build; `instruction`: the one that failed, in capitals. */
export function classicFailure(message: string, instruction?: string): ClassicFailure {
  const failed = /^process "(.*)" did not complete successfully: exit code: (\d+)$/s.exec(message);
  if (failed !== null) {
    const [, words, code] = failed;
    return {
      message: `The command '${words}' returned a non-zero code: ${code}`,
      code: Number(code),
    };
  }
  const missing = /^failed to compute cache key: .*"\/(.*)": not found$/s.exec(message)?.[1];
  if (missing === undefined || instruction === undefined) return { message };
  const why = /[*?[]/.test(missing)
    ? "no source files were specified"
    : "file not found in build context or excluded by .dockerignore: " +
      `stat ${missing}: file does not exist`;
  return { message: `${instruction} failed: ${why}` };
}
