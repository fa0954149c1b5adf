import { emitVolumeEvent } from "../engine/events.ts";
import { findVolume, removeVolume } from "../engine/volumes.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { forEach } from "./each.ts";

export const spec = {
  name: "volume rm",
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  summary: "Remove one or more volumes",
  description: "Remove one or more volumes. You cannot remove a volume that is in use by a " +
    "container.",
  aliases: ["volume rm", "volume remove"],
  args: [1, Infinity],
  complete: ["volume"],
  flags: {
    force: { type: "bool", short: "f", help: "Force the removal of one or more volumes" },
  },
  examples: ["diplodock volume rm data"],
} as const satisfies CommandSpec;

/** `diplodock volume rm`. With --force a volume that is not there counts as removed. */
export async function command(words: string[]): Promise<number> {
  const { options: { force }, args } = parseArgs(spec, words);
  return await forEach(args, async (name) => {
    if (force && findVolume(name) === undefined) return;
    await removeVolume(name);
    emitVolumeEvent(name, "destroy");
  });
}
