import { runInside } from "../engine/rootless.ts";
import { type CommandSpec, parseArgs } from "./args.ts";

export const spec = {
  name: "unshare",
  usage: "COMMAND [ARG...]",
  summary: "Run a command as root of the user namespace that an ordinary user's containers are in",
  args: [1, Infinity],
  flagsEnd: "first",
  flags: {},
  examples: ["diplodock unshare ls -ln ~/.local/share/diplodock/volumes/data/data"],
} as const satisfies CommandSpec;

/** `diplodock unshare`; the exit code is the command's. */
export async function command(words: string[]): Promise<number> {
  const { args } = parseArgs(spec, words);
  return await runInside(args);
}
