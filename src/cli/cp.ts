import { UserError } from "../base/errors.ts";
import { formatSize } from "../base/units.ts";
import type { Copied, CopyOptions } from "../engine/copy.ts";
import { CopyPathError, parsePlace, type Place } from "../engine/copy_paths.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { asDaemonError } from "./engine_error.ts";

export const spec = {
  name: "cp",
  usage: [
    "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-",
    "[OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    "[OPTIONS] CONTAINER:SRC_PATH CONTAINER:DEST_PATH",
  ],
  summary: "Copy files/folders between a container and the local filesystem",
  description: "Copy files/folders between a container and the local filesystem\n\n" +
    "Use '-' as the source to read a tar archive from stdin\n" +
    "and extract it to a directory destination in a container.\n" +
    "Use '-' as the destination to stream a tar archive of a\n" +
    "container source to stdout. Containers may be stopped.",
  aliases: ["container cp", "cp"],
  args: [2, 2],
  complete: ["place"],
  flags: {
    archive: { type: "bool", short: "a", help: "Archive mode (copy all uid/gid information)" },
    "follow-link": {
      type: "bool",
      short: "L",
      help: "Always follow symbol link in SRC_PATH",
    },
    quiet: {
      type: "bool",
      short: "q",
      help: "Suppress progress output during copy. Progress output is automatically suppressed " +
        "if no terminal is attached",
    },
  },
  examples: [
    "diplodock cp web:/etc/nginx/nginx.conf .",
    "diplodock cp site/. web:/usr/share/nginx/html",
    "diplodock cp web:/var/log - | tar -tv",
    "diplodock cp old:/data new:/",
  ],
} as const satisfies CommandSpec;

const REDRAW_MS = 100;

/** The line of progress, drawn over and over on stderr, and the closing words. */
class ProgressLine {
  #drawn = 0;
  #shown = false;

  constructor(readonly direction: "to" | "from") {}

  readonly update = (bytes: number): void => {
    const now = performance.now();
    if (this.#shown && now - this.#drawn < REDRAW_MS) return;
    this.#drawn = now;
    this.#shown = true;
    this.#write(`\r\x1b[KCopying ${this.direction} container - ${formatSize(bytes)}`);
  };

  clear(): void {
    if (this.#shown) this.#write("\r\x1b[K");
    this.#shown = false;
  }

  #write(text: string): void {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  }
}

/** What docker's daemon would refuse gets its prefix; its client's own refusals do not. */
function reported(error: unknown): unknown {
  const isDaemons = error instanceof UserError && !(error instanceof CopyPathError);
  return isDaemons ? asDaemonError(error) : error;
}

/** `diplodock cp`. */
export async function command(words: string[]): Promise<number> {
  const { options, given, args: [source, target] } = parseArgs(spec, words);
  if (source === "") throw new UserError("source can not be empty");
  if (target === "") throw new UserError("destination can not be empty");
  const from = parsePlace(source), to = parsePlace(target);
  const quiet = given.has("quiet") ? options.quiet : !Deno.stderr.isTerminal();
  const line = quiet ? undefined : new ProgressLine(to.container ? "to" : "from");
  let copied: Copied | undefined;
  try {
    copied = await copy(from, to, {
      archive: options.archive,
      followLink: options.followLink,
      ...(line && { onProgress: line.update }),
    });
  } catch (error) {
    throw reported(error);
  } finally {
    line?.clear();
  }
  if (quiet || copied === undefined) return 0;
  const place = to.container ? `${to.container}:${copied.path}` : copied.path;
  console.error(`Successfully copied ${formatSize(copied.bytes)} to ${place}`);
  return 0;
}

async function copy(from: Place, to: Place, options: CopyOptions): Promise<Copied | undefined> {
  const engine = await import("../engine/copy.ts");
  const inside = ({ container, path }: Place) => container ? { container, path } : undefined; // ":path" names no container
  const source = inside(from), target = inside(to);
  if (source && target) return engine.copyBetween(source, target, options);
  if (target && from.path === "-") {
    return await engine.unpackInto(Deno.openSync("/dev/stdin"), target, options);
  }
  if (target) return engine.copyTo(from.path, target, options);
  if (source === undefined) throw new CopyPathError("must specify at least one container source");
  if (to.path !== "-") return engine.copyFrom(source, to.path, options);
  engine.archiveOf(source, options, (bytes) => {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  });
}
