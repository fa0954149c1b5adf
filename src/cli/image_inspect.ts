import { inspectImage } from "../image/inspect.ts";
import { requirePlatform } from "../image/platform_wish.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, imageStore } from "./image_context.ts";
import { FORMAT_HELP, printInspected } from "./inspect_output.ts";

export const spec = {
  name: "image inspect",
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  summary: "Display detailed information on one or more images",
  args: [1, Infinity],
  complete: ["image"],
  flags: {
    format: {
      type: "string",
      short: "f",
      help: FORMAT_HELP,
    },
    platform: {
      type: "string",
      help: "Inspect a specific platform: fail if the image is for another one",
    },
  },
  examples: ["diplodock image inspect -f '{{.Config.Cmd}}' busybox"],
} as const satisfies CommandSpec;

/** `diplodock image inspect`. What is found is printed, then the errors, exit code 1. */
export async function command(args: string[]): Promise<number> {
  const { options, args: names } = parseArgs(spec, args);
  const store = imageStore();
  const find = (name: string) =>
    daemon(() => {
      requirePlatform(store, name, options.platform);
      return inspectImage(store, name);
    });
  return await printInspected(names, find, options.format);
}
