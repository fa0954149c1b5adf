import { sweep } from "../engine/cleanup.ts";
import { disconnectNetwork } from "../engine/container_networks.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";

export const spec = {
  name: "network disconnect",
  usage: "[OPTIONS] NETWORK CONTAINER",
  summary: "Disconnect a container from a network",
  args: [2, 2],
  complete: ["network", "container"],
  flags: {
    force: {
      type: "bool",
      short: "f",
      help: "Force the container to disconnect from a network",
    },
  },
  examples: ["diplodock network disconnect app postgres"],
} as const satisfies CommandSpec;

/** `diplodock network disconnect`. */
export async function command(words: string[]): Promise<number> {
  const { options: { force }, args: [network, container] } = parseArgs(spec, words);
  await sweep();
  await daemon(() => disconnectNetwork(network, container, force));
  return 0;
}
