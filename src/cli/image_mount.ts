import { findRecord } from "../image/inspect.ts";
import { mountedImages, mountImage, mountPoint } from "../image/mount.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, forEachName, imageStore } from "./image_context.ts";

export const spec = {
  name: "image mount",
  usage: "[IMAGE...]",
  summary: "Mount the files of images, read only, and print where",
  description: "Mount the files of images, read only, and print where.\n" +
    "Without an image: list the images that are mounted.",
  args: [0, Infinity],
  complete: ["image"],
  flags: {},
  examples: ["ls $(diplodock image mount busybox)"],
} as const satisfies CommandSpec;

/** `diplodock image mount`. */
export async function command(args: string[]): Promise<number> {
  const { args: names } = parseArgs(spec, args);
  const store = imageStore();
  if (names.length === 0) {
    const ids = await daemon(() => mountedImages(store));
    for (const id of ids) console.log(`${id} ${mountPoint(store, id)}`);
    return 0;
  }
  return await forEachName(names, (name) => {
    const target = mountImage(store, findRecord(store, name));
    console.log(names.length === 1 ? target : `${name} ${target}`);
  });
}
