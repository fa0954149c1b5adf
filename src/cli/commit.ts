import { commit } from "../engine/commit.ts";
import { readRecord, resolveContainer } from "../engine/containers.ts";
import { newTagName } from "../image/names.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";

export const spec = {
  name: "commit",
  usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
  summary: "Create a new image from a container's changes",
  aliases: ["container commit", "commit"],
  args: [1, 2],
  complete: ["container", "image"],
  flags: {
    author: {
      type: "string",
      short: "a",
      help: 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")',
    },
    change: { type: "list", short: "c", help: "Apply Dockerfile instruction to the created image" },
    message: { type: "string", short: "m", help: "Commit message" },
    pause: { type: "bool", short: "p", default: true, help: "Pause container during commit" },
  },
  examples: [`diplodock commit -c 'CMD ["nginx"]' web mine:1`],
} as const satisfies CommandSpec;

/** `diplodock commit`. */
export async function command(words: string[]): Promise<number> {
  const { options, args: [reference, target] } = parseArgs(spec, words);
  const name = target === undefined ? undefined : newTagName(target, (reason) => reason);
  const { author, change: changes, message, pause } = options;
  const record = await daemon(() => readRecord(resolveContainer(reference)));
  const image = await daemon(() => commit(record, { author, changes, message, pause, name }));
  console.log(image.id);
  return 0;
}
