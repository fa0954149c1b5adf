import { UserError } from "../base/errors.ts";
import { openRepository } from "../image/pull.ts";
import {
  BadNameError,
  familiarName,
  fullName,
  parseReference,
  type Reference,
} from "../image/reference.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, imageStore } from "./image_context.ts";
import { displayFor } from "./image_display.ts";
import { pulledName, pullWithOutput } from "./image_pull_output.ts";

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

async function tagsOf(reference: Reference): Promise<Reference[]> {
  const repository = await openRepository(reference, "pull");
  return (await repository.tags()).map((tag) => ({ ...reference, tag }));
}

/** `diplodock pull`. */
export async function command(args: string[]): Promise<number> {
  const { options, args: [name] } = parseArgs(spec, args);
  const reference = readReference(name);
  if (options.allTags && (reference.tag !== undefined || reference.digest !== undefined)) {
    throw new UserError("tag can't be used with --all-tags/-a");
  }
  const wanted = options.allTags ? await daemon(() => tagsOf(reference)) : [reference];
  const write = (line: string) => console.log(line);
  const platform = options.platform || Deno.env.get("DOCKER_DEFAULT_PLATFORM");
  let isNew = false;
  for (const one of wanted) {
    const display = await displayFor(write, options.quiet);
    const pulled = await daemon(() =>
      pullWithOutput(imageStore(), one, platform, {
        display,
        quiet: options.quiet,
        hasStatus: !options.allTags,
        write,
      })
    );
    isNew ||= !pulled.upToDate;
    if (!options.allTags) console.log(pulledName(one));
  }
  if (options.allTags) {
    const state = isNew ? "Downloaded newer image" : "Image is up to date";
    if (!options.quiet) write(`Status: ${state} for ${familiarName(reference)}`);
    console.log(fullName(reference));
  }
  return 0;
}
