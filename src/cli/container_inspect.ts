import { type CommandSpec, parseArgs } from "./args.ts";
import { asDaemonError } from "./engine_error.ts";
import { inspectOneContainer } from "./inspect.ts";
import { FORMAT_HELP, printInspected } from "./inspect_output.ts";

export const spec = {
  name: "container inspect",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Display detailed information on one or more containers",
  args: [1, Infinity],
  complete: ["container"],
  flags: {
    format: { type: "string", short: "f", help: FORMAT_HELP },
    size: { type: "bool", short: "s", help: "Display total file sizes" },
  },
  examples: ['diplodock container inspect -f "{{.State.Status}}" web'],
} as const satisfies CommandSpec;

/** `diplodock container inspect`. */
export async function command(words: string[]): Promise<number> {
  const { options: { format, size }, args } = parseArgs(spec, words);
  return await printInspected(args, async (name) => {
    try {
      return await inspectOneContainer(name, size);
    } catch (error) {
      throw asDaemonError(error);
    }
  }, format);
}
