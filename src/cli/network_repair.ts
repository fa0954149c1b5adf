import { repair } from "../engine/networks.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { BrokenRecords, daemon } from "./engine_error.ts";

export const spec = {
  name: "network repair",
  usage: "",
  summary: "Put back what a firewall reload or a crash took from networks",
  description: "Makes bridges, kernel settings, firewall rules and names of running containers " +
    "what they should be. Nothing is interrupted; what is right stays as it is.",
  args: [0, 0],
  flags: {},
  examples: ["systemctl reload firewalld && diplodock network repair"],
} as const satisfies CommandSpec;

/** `diplodock network repair`. */
export async function command(words: string[]): Promise<number> {
  parseArgs(spec, words);
  const broken = new BrokenRecords();
  const { backend, swept, bridges } = await daemon(() => repair(broken.tell));
  for (const name of bridges) console.log(`bridge of ${name}: made again`);
  if (swept > 0) console.log(`containers that had gone: cleaned up after ${swept}`);
  console.log(`rules: ${backend === "none" ? "no firewall, ports go by the proxy" : backend}`);
  return broken.exitCode;
}
