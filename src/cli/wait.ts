import { resolveContainer } from "../engine/containers.ts";
import { isRefusal } from "../engine/refusal.ts";
import { waitForExit } from "../engine/wait.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { asDaemonError } from "./engine_error.ts";

export const spec = {
  name: "wait",
  usage: "CONTAINER [CONTAINER...]",
  summary: "Block until one or more containers stop, then print their exit codes",
  aliases: ["container wait", "wait"],
  args: [1, Infinity],
  complete: ["container"],
  flags: {},
  examples: ["diplodock wait job"],
} as const satisfies CommandSpec;

/** `diplodock wait`. One container after the other, as docker does. */
export async function command(words: string[]): Promise<number> {
  const { args } = parseArgs(spec, words);
  let failed = false;
  for (const reference of args) {
    try {
      console.log(await waitForExit(resolveContainer(reference)));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      console.error((asDaemonError(error) as Error).message);
      failed = true;
    }
  }
  return failed ? 1 : 0;
}
