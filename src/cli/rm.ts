import { UserError } from "../base/errors.ts";
import { sweep } from "../engine/cleanup.ts";
import { resolveContainer } from "../engine/containers.ts";
import { removeContainer } from "../engine/stop.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { forEach } from "./each.ts";

export const spec = {
  name: "rm",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Remove one or more containers",
  aliases: ["container rm", "container remove", "rm"],
  args: [1, Infinity],
  complete: ["container"],
  flags: {
    force: {
      type: "bool",
      short: "f",
      help: "Force the removal of a running container (uses SIGKILL)",
    },
    link: { type: "bool", short: "l", help: "Remove the specified link" },
    volumes: {
      type: "bool",
      short: "v",
      help: "Remove anonymous volumes associated with the container",
    },
  },
  examples: ["diplodock rm web", "diplodock rm -f $(diplodock ps -aq -f status=exited)"],
} as const satisfies CommandSpec;

/** `diplodock rm`. With --force a container that is not there is told and is no failure. */
export async function command(words: string[]): Promise<number> {
  const { options: { force, volumes, link }, args } = parseArgs(spec, words);
  if (link) {
    throw new UserError(
      "Cannot remove a link: links are written into a container when it starts; " +
        "remove the container and run it without --link",
    );
  }
  await sweep();
  let refused = false;
  const code = await forEach(args, async (reference) => {
    const id = resolveContainer(reference);
    try {
      await removeContainer(id, { force, volumes });
    } catch (error) {
      refused = true;
      throw error;
    }
  });
  return force && !refused ? 0 : code;
}
