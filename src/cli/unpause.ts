import { resolveContainer } from "../engine/containers.ts";
import { unpauseContainer } from "../engine/pause.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { forEach } from "./each.ts";

export const spec = {
  name: "unpause",
  usage: "CONTAINER [CONTAINER...]",
  summary: "Unpause all processes within one or more containers",
  aliases: ["container unpause", "unpause"],
  args: [1, Infinity],
  complete: ["running"],
  flags: {},
  examples: ["diplodock unpause web"],
} as const satisfies CommandSpec;

/** `diplodock unpause`. */
export function command(words: string[]): Promise<number> {
  const { args } = parseArgs(spec, words);
  return forEach(args, (reference) => unpauseContainer(resolveContainer(reference)));
}
