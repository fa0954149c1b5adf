import { removeNetwork } from "../engine/networks.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { forEach } from "./each.ts";
import { sweep } from "../engine/cleanup.ts";

export const spec = {
  name: "network rm",
  usage: "NETWORK [NETWORK...]",
  summary: "Remove one or more networks",
  aliases: ["network rm", "network remove"],
  args: [1, Infinity],
  complete: ["network"],
  flags: {
    force: { type: "bool", short: "f", help: "Do not error if the network does not exist" },
  },
  examples: ["diplodock network rm app"],
} as const satisfies CommandSpec;

/** `diplodock network rm`. */
export async function command(words: string[]): Promise<number> {
  const { options: { force }, args } = parseArgs(spec, words);
  await sweep();
  const code = await forEach(args, async (reference) => {
    try {
      await removeNetwork(reference);
    } catch (error) {
      const isAbsent = error instanceof Error && error.message.endsWith("not found");
      if (!force || !isAbsent) throw error;
    }
  });
  // docker's own last line when one of them failed.
  if (code !== 0) console.error("exit status 1");
  return code;
}
