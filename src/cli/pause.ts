import { resolveContainer } from "../engine/containers.ts";
import { pauseContainer } from "../engine/pause.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { forEach } from "./each.ts";

export const spec = {
  name: "pause",
  usage: "CONTAINER [CONTAINER...]",
  summary: "Pause all processes within one or more containers",
  aliases: ["container pause", "pause"],
  args: [1, Infinity],
  complete: ["running"],
  flags: {},
  examples: ["diplodock pause web"],
} as const satisfies CommandSpec;

/** `diplodock pause`. */
export function command(words: string[]): Promise<number> {
  const { args } = parseArgs(spec, words);
  return forEach(args, (reference) => pauseContainer(resolveContainer(reference)));
}
