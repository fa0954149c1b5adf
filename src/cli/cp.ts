import { UserError } from "../base/errors.ts";
import { formatSize } from "../base/units.ts";
import { copyFiles, copyFromArchive, type CopyOptions, copyToArchive } from "../engine/copy.ts";
import { CopyError, parsePlace, type Place } from "../engine/copy_paths.ts";
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
  description: [
    'Use "-" as the source to read a tar archive from stdin and extract it to a directory ' +
    "of a container.",
    'Use "-" as the destination to stream a tar archive of a container source to stdout.',
  ].join("\n"),
  aliases: ["container cp", "cp"],
  args: [2, 2],
  complete: ["container"],
  flags: {
    "archive": { type: "bool", short: "a", help: "Archive mode (copy all uid/gid information)" },
    "follow-link": { type: "bool", short: "L", help: "Always follow symbol link in SRC_PATH" },
    "quiet": {
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
    "diplodock cp web:/data/dump.sql db:/tmp/",
  ],
} as const satisfies CommandSpec;

/** `diplodock cp`. */
export async function command(words: string[]): Promise<number> {
  const { options, args: [source, destination] } = parseArgs(spec, words);
  if (source === "") throw new UserError("source can not be empty");
  if (destination === "") throw new UserError("destination can not be empty");
  const from = parsePlace(source), to = parsePlace(destination);
  if (from.container === undefined && to.container === undefined) {
    throw new UserError("must specify at least one container source");
  }
  try {
    const size = await copy(from, to, options);
    if (!options.quiet && destination !== "-" && Deno.stderr.isTerminal()) {
      const place = to.container === undefined ? to.path : destination;
      console.error(`Successfully copied ${formatSize(size)} to ${place}`);
    }
  } catch (error) {
    throw error instanceof CopyError ? error : asDaemonError(error);
  }
  return 0;
}

async function copy(from: Place, to: Place, how: CopyOptions): Promise<number> {
  if (to.path === "-" && to.container === undefined) {
    copyToArchive(from, how, (chunk) => {
      for (let at = 0; at < chunk.length;) at += Deno.stdout.writeSync(chunk.subarray(at));
    });
    return 0;
  }
  if (from.path !== "-" || from.container !== undefined) return copyFiles(from, to, how);
  return await copyFromArchive(Deno.openSync("/dev/stdin"), to, how);
}
