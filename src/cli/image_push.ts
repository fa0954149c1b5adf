import { UserError } from "../base/errors.ts";
import { shortId } from "../image/digest.ts";
import { localTags, type PushEvent, pushImage } from "../image/push.ts";
import {
  familiarName,
  familiarRepository,
  fullName,
  repositoryOf,
  withDefaultTag,
} from "../image/reference.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { imageStore, labelsOf, noteImage } from "./image_context.ts";
import { readReference } from "./image_pull.ts";
import type { LayerDisplay } from "./image_pull_output.ts";
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
    quiet: { type: "bool", short: "q", help: "Suppress verbose output" },
  },
  examples: ["diplodock push localhost:5000/app:1"],
} as const satisfies CommandSpec;

function show(display: LayerDisplay, id: string, size: number, event: PushEvent): void {
  switch (event.phase) {
    case "preparing":
      return display.update(id, "Preparing", 0, 0);
    case "pushing":
      return display.update(id, "Pushing", event.bytes, size);
    case "pushed":
      return display.update(id, event.already ? "Layer already exists" : "Pushed", 0, 0);
  }
}

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
  const references = options.allTags ? localTags(store, given) : [withDefaultTag(given)];
  write(`The push refers to repository [${repositoryOf(given)}]`);
  for (const reference of references) {
    const display = await displayFor(write, options.quiet);
    try {
      const { digest, size, id } = await pushImage(store, reference, {
        onLayer: (diffId, bytes, event) => show(display, shortId(diffId), bytes, event),
      });
      display.finish();
      noteImage("push", familiarName(reference), labelsOf(id), familiarRepository(reference));
      write(`${reference.tag}: digest: ${digest} size: ${size}`);
    } finally {
      display.finish();
    }
    if (options.quiet) console.log(fullName(reference));
  }
  return 0;
}
