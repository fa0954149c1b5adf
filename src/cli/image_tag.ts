import { checkTagNames, tagImage } from "../image/names.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, imageStore, labelsOf, noteTag } from "./image_context.ts";

export const spec = {
  name: "tag",
  usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  summary: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
  aliases: ["image tag", "tag"],
  args: [2, 2],
  complete: ["image"],
  flags: {},
  examples: ["diplodock tag busybox localhost:5000/busybox:1"],
} as const satisfies CommandSpec;

/** `diplodock tag`. */
export async function command(args: string[]): Promise<number> {
  const { args: [source, target] } = parseArgs(spec, args);
  checkTagNames(source, target); // docker's client does: its refusals have no prefix
  const { id, name } = await daemon(() => tagImage(imageStore(), source, target));
  noteTag(id, name, labelsOf(id));
  return 0;
}
