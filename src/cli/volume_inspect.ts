import { inspectVolume } from "../engine/inspect_volume.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";
import { FORMAT_HELP, printInspected } from "./inspect_output.ts";

export const spec = {
  name: "volume inspect",
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  summary: "Display detailed information on one or more volumes",
  args: [1, Infinity],
  complete: ["volume"],
  flags: { format: { type: "string", short: "f", help: FORMAT_HELP } },
  examples: ["diplodock volume inspect -f '{{.Mountpoint}}' data"],
} as const satisfies CommandSpec;

/** `diplodock volume inspect`. */
export async function command(words: string[]): Promise<number> {
  const { options, args } = parseArgs(spec, words);
  const find = (name: string) => daemon(() => inspectVolume(name));
  return await printInspected(args, find, options.format, true);
}
