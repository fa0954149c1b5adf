import { messageOf, UserError } from "../base/errors.ts";
import { resolveContainer } from "../engine/containers.ts";
import { isRefusal } from "../engine/refusal.ts";
import { restartContainer } from "../engine/restart.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { forEach } from "./each.ts";

export const spec = {
  name: "restart",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Restart one or more containers",
  aliases: ["container restart", "restart"],
  args: [1, Infinity],
  complete: ["container"],
  flags: {
    signal: { type: "string", short: "s", help: "Signal to send to the container" },
    timeout: {
      type: "int",
      short: "t",
      help: "Seconds to wait before killing the container",
    },
    time: { type: "int", alias: "timeout", deprecated: "use --timeout instead" },
  },
  examples: ["diplodock restart web"],
} as const satisfies CommandSpec;

/** `diplodock restart`. */
export function command(words: string[]): Promise<number> {
  const { options, args } = parseArgs(spec, words);
  const { signal, timeout: timeoutSeconds } = options;
  return forEach(args, async (reference) => {
    const id = resolveContainer(reference);
    try {
      await restartContainer(id, { signal, timeoutSeconds });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      throw new UserError(`Cannot restart container ${reference}: ${messageOf(error)}`);
    }
  });
}
