import { UserError } from "../base/errors.ts";
import { pushWithOutput } from "../engine/image_push.ts";
import { requirePlatform } from "../image/platform_wish.ts";
import { fullName, withDefaultTag } from "../image/reference.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, imageStore } from "./image_context.ts";
import { readReference } from "./image_pull.ts";
import { displayFor } from "./image_display.ts";

export const spec = {
  name: "push",
  usage: "[OPTIONS] NAME[:TAG]",
  summary: "Upload an image to a registry",
  aliases: ["image push", "push"],
  args: [1, 1],
  complete: ["image"],
  flags: {
    "all-tags": { type: "bool", short: "a", help: "Push all tags of an image to the repository" },
    "disable-content-trust": {
      type: "bool",
      default: true,
      help: "Skip image signing",
      hidden: true,
    },
    platform: {
      type: "string",
      help: "Push a specific platform: fail if the image is for another one",
    },
    quiet: { type: "bool", short: "q", help: "Suppress verbose output" },
  },
  examples: ["diplodock push localhost:5000/app:1"],
} as const satisfies CommandSpec;

/** `diplodock push`. */
export async function command(args: string[]): Promise<number> {
  const { options, args: [name] } = parseArgs(spec, args);
  const given = readReference(name);
  if (options.allTags && given.tag !== undefined) {
    throw new UserError("tag can't be used with --all-tags/-a");
  }
  if (given.digest !== undefined) {
    throw new UserError("cannot push a digest reference");
  }
  const store = imageStore();
  const write = (line: string) => {
    if (!options.quiet) console.log(line);
  };
  if (!options.allTags && given.tag === undefined) write("Using default tag: latest");
  await daemon(() => requirePlatform(store, name, options.platform));
  const display = await displayFor(write, options.quiet);
  await pushWithOutput(store, given, display, { all: options.allTags });
  if (options.quiet) console.log(fullName(options.allTags ? given : withDefaultTag(given)));
  return 0;
}
