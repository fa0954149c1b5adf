import { inspectNetwork } from "../engine/networks.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";
import { FORMAT_HELP, printInspected } from "./inspect_output.ts";

export const spec = {
  name: "network inspect",
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  summary: "Display detailed information on one or more networks",
  args: [1, Infinity],
  complete: ["network"],
  flags: {
    format: { type: "string", short: "f", help: FORMAT_HELP },
    verbose: { type: "bool", short: "v", help: "Verbose output for diagnostics" },
  },
  examples: ["diplodock network inspect -f '{{(index .IPAM.Config 0).Subnet}}' bridge"],
} as const satisfies CommandSpec;

/** `diplodock network inspect`. There is nothing more to tell with --verbose. */
export async function command(words: string[]): Promise<number> {
  const { options, args } = parseArgs(spec, words);
  return await printInspected(args, (name) => daemon(() => inspectNetwork(name)), options.format);
}
