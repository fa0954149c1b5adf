import { UserError } from "../base/errors.ts";
import { importImage } from "../engine/image_archives.ts";
import { type ArchiveSource, openArchive, standardInput } from "../image/archive_files.ts";
import { fetchArchive, isAddress } from "../image/fetched_archive.ts";
import { newTagName } from "../image/names.ts";
import { parsePlatform } from "../base/platform.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./image_context.ts";
import { readReference } from "./image_pull.ts";

export const spec = {
  name: "import",
  usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
  summary: "Import the contents from a tarball to create a filesystem image",
  aliases: ["image import", "import"],
  args: [1, 2],
  complete: ["file", "image"],
  flags: {
    change: {
      type: "list",
      short: "c",
      help: "Apply Dockerfile instruction to the created image",
    },
    message: { type: "string", short: "m", help: "Set commit message for imported image" },
    platform: {
      type: "string",
      help: "Set platform if server is multi-platform capable",
    },
  },
  examples: [`diplodock import -c 'CMD ["/bin/sh"]' root.tar.gz mine:latest`],
} as const satisfies CommandSpec;

/** docker's daemon asks addresses; its client reads files. */
async function open(source: string): Promise<ArchiveSource> {
  if (source === "-") return standardInput() ?? Deno.stdin.readable;
  if (!isAddress(source)) return openArchive(source);
  const archive = await daemon(() => fetchArchive(source));
  console.log(`Downloading from ${source}`);
  return archive;
}

/** `diplodock import`. */
export async function command(args: string[]): Promise<number> {
  const { options, args: [source, name] } = parseArgs(spec, args);
  if (name !== undefined && readReference(name).digest !== undefined) {
    throw new UserError("Error response from daemon: cannot import digest reference");
  }
  const target = name === undefined ? undefined : newTagName(name, (reason) => reason);
  const platform = options.platform ? await daemon(() => parsePlatform(options.platform!)) : null;
  const archive = await open(source);
  const record = await daemon(() =>
    importImage(archive, {
      changes: options.change,
      message: options.message ?? `Imported from ${isAddress(source) ? source : "-"}`,
      ...(target && { name: target }),
      ...(platform && { platform }),
    })
  );
  console.log(record.id);
  return 0;
}
