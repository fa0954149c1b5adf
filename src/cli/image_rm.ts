import { UserError } from "../base/errors.ts";
import { containersUsing, tellRemoved } from "../engine/image_users.ts";
import { NoSuchImageError } from "../image/no_such_image.ts";
import { requirePlatform } from "../image/platform_wish.ts";
import { removeImage } from "../image/remove.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { asDaemonError, imageStore } from "./image_context.ts";

export const spec = {
  name: "rmi",
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  summary: "Remove one or more images",
  aliases: ["image rm", "image remove", "rmi"],
  args: [1, Infinity],
  complete: ["image"],
  flags: {
    force: { type: "bool", short: "f", help: "Force removal of the image" },
    "no-prune": { type: "bool", help: "Do not delete untagged parents" },
    platform: {
      type: "string",
      help: 'Remove only the given platform variant. Formatted as "os[/arch[/variant]]"',
    },
  },
  examples: ["diplodock rmi busybox", "diplodock rmi -f $(diplodock images -q)"],
} as const satisfies CommandSpec;

/** `diplodock rmi`. With -f an image that is not here is reported and no failure. */
export function command(args: string[]): number {
  const { options, args: names } = parseArgs(spec, args);
  const store = imageStore();
  const using = containersUsing();
  const errors: string[] = [];
  let failed = false;
  for (const name of names) {
    try {
      requirePlatform(store, name, options.platform);
      const removed = removeImage(store, name, {
        force: options.force,
        prune: !options.noPrune,
        using,
      });
      tellRemoved(removed);
      for (const { kind, what } of removed.removals) console.log(`${kind}: ${what}`);
    } catch (error) {
      const shown = asDaemonError(error);
      if (!(shown instanceof UserError)) throw error;
      errors.push(shown.message);
      failed ||= !(options.force && error instanceof NoSuchImageError);
    }
  }
  for (const line of errors) console.error(line);
  return failed ? 1 : 0;
}
