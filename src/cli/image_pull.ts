import { UserError } from "../base/errors.ts";
import { pullAllTags, pullWithOutput } from "../engine/image_pull.ts";
import {
  BadNameError,
  fullName,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../image/reference.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, imageStore } from "./image_context.ts";
import { displayFor } from "./image_display.ts";

export const spec = {
  name: "pull",
  usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
  summary: "Download an image from a registry",
  aliases: ["image pull", "pull"],
  args: [1, 1],
  complete: ["image"],
  flags: {
    "all-tags": {
      type: "bool",
      short: "a",
      help: "Download all tagged images in the repository",
    },
    "disable-content-trust": {
      type: "bool",
      default: true,
      help: "Skip image verification",
      hidden: true,
    },
    platform: {
      type: "string",
      help: "Set platform if server is multi-platform capable",
    },
    quiet: { type: "bool", short: "q", help: "Suppress verbose output" },
  },
  examples: ["diplodock pull busybox", "diplodock pull localhost:5000/app@sha256:…"],
} as const satisfies CommandSpec;

/** The reference of a command line. Throws UserError with docker's text. */
export function readReference(name: string): Reference {
  try {
    return parseReference(name);
  } catch (error) {
    if (error instanceof BadNameError) throw new UserError(error.message);
    throw error;
  }
}

/** `diplodock pull`. */
export async function command(args: string[]): Promise<number> {
  const { options, args: [name] } = parseArgs(spec, args);
  const reference = readReference(name);
  if (options.allTags && (reference.tag !== undefined || reference.digest !== undefined)) {
    throw new UserError("tag can't be used with --all-tags/-a");
  }
  const write = (line: string) => console.log(line);
  const platform = options.platform || Deno.env.get("DOCKER_DEFAULT_PLATFORM");
  const { quiet } = options;
  const output = { display: await displayFor(write, quiet), quiet, write };
  if (options.allTags) await daemon(() => pullAllTags(imageStore(), reference, platform, output));
  else await daemon(() => pullWithOutput(imageStore(), reference, platform, output));
  console.log(fullName(options.allTags ? reference : withDefaultTag(reference)));
  return 0;
}
