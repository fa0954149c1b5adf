import { sweep } from "../engine/cleanup.ts";
import { startAtBoot } from "../engine/restart.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";

export const spec = {
  name: "system boot",
  usage: "",
  summary: "Start the containers that should run after a reboot",
  description: [
    "Starts containers by their restart policy: always, and unless-stopped unless they were " +
    "stopped; on-failure where the machine went down under them.",
    "Prints the ids of what was started. Run it once at boot: see diplodock system unit.",
  ].join("\n"),
  args: [0, 0],
  flags: {},
  examples: ["diplodock system boot"],
} as const satisfies CommandSpec;

/** `diplodock system boot`: 1 if a container could not be started; the others are started still. */
export async function command(words: string[]): Promise<number> {
  parseArgs(spec, words);
  await sweep();
  const results = await daemon(startAtBoot);
  for (const { id, error } of results) {
    if (error === undefined) console.log(id);
    else console.error(`Cannot start container ${id.slice(0, 12)}: ${error.message}`);
  }
  return results.some(({ error }) => error !== undefined) ? 1 : 0;
}
