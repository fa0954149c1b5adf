import { UserError } from "../base/errors.ts";
import type { Digest } from "../image/digest.ts";
import { findRecord } from "../image/inspect.ts";
import { mountedImages, unmountImage } from "../image/mount.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { forEachName, imageStore } from "./image_context.ts";

export const spec = {
  name: "image unmount",
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  summary: "Unmount images that image mount mounted",
  args: [0, Infinity],
  complete: ["image"],
  flags: { all: { type: "bool", short: "a", help: "Unmount all images" } },
  examples: ["diplodock image unmount alpine"],
} as const satisfies CommandSpec;

/** `diplodock image unmount`. */
export async function command(args: string[]): Promise<number> {
  const { options, args: names } = parseArgs(spec, args);
  const store = imageStore();
  if (names.length === 0 && !options.all) {
    throw new UserError("at least one image is needed, or --all");
  }
  const unmount = (id: Digest) => {
    if (!unmountImage(store, id)) throw new UserError(`image ${id} is not mounted`);
    console.log(id);
  };
  if (options.all) {
    for (const id of mountedImages(store)) unmount(id);
    return 0;
  }
  return await forEachName(names, (name) => unmount(findRecord(store, name).id));
}
