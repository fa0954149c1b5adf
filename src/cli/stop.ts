import { resolveContainer } from "../engine/containers.ts";
import { stopContainer } from "../engine/stop.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { forEach } from "./each.ts";

export const spec = {
  name: "stop",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Stop one or more running containers",
  aliases: ["container stop", "stop"],
  args: [1, Infinity],
  complete: ["running"],
  flags: {
    signal: { type: "string", short: "s", help: "Signal to send to the container" },
    timeout: {
      type: "int",
      short: "t",
      help: "Seconds to wait before killing the container",
    },
    time: { type: "int", alias: "timeout", deprecated: "use --timeout instead" },
  },
  examples: ["diplodock stop web", "diplodock stop -t 30 db"],
} as const satisfies CommandSpec;

/** `diplodock stop`. */
export function command(words: string[]): Promise<number> {
  const { options, args } = parseArgs(spec, words);
  const { signal, timeout: timeoutSeconds } = options;
  return forEach(
    args,
    (reference) => stopContainer(resolveContainer(reference), { signal, timeoutSeconds }),
    { parallel: true },
  );
}
