import { killContainer } from "../engine/stop.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { forEach } from "./each.ts";

export const spec = {
  name: "kill",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Kill one or more running containers",
  aliases: ["container kill", "kill"],
  args: [1, Infinity],
  complete: ["running"],
  flags: {
    signal: { type: "string", short: "s", help: "Signal to send to the container" },
  },
  examples: ["diplodock kill web", "diplodock kill -s HUP web"],
} as const satisfies CommandSpec;

/** `diplodock kill`. */
export function command(words: string[]): Promise<number> {
  const { options, args } = parseArgs(spec, words);
  const signal = options.signal || "SIGKILL";
  return forEach(
    args,
    (reference) => killContainer(reference, signal),
    { parallel: true },
  );
}
