import { UserError } from "../base/errors.ts";
import { noteSaved } from "../engine/image_notes.ts";
import { requirePlatform } from "../image/platform_wish.ts";
import { type ArchiveFormat, saveArchive } from "../image/save.ts";
import { writeWhole } from "../image/whole_file.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { checkOutputPath, writeToStdout } from "./output_path.ts";
import { daemon, imageStore } from "./image_context.ts";

function parseFormat(text: string): ArchiveFormat {
  if (text === "docker-archive" || text === "oci-archive") return text;
  throw new Error("must be docker-archive or oci-archive");
}

export const spec = {
  name: "save",
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  summary: "Save one or more images to a tar archive (streamed to STDOUT by default)",
  aliases: ["image save", "save"],
  args: [1, Infinity],
  complete: ["image"],
  flags: {
    format: {
      type: "string",
      help: "Format of the archive: docker-archive or oci-archive",
      default: "docker-archive",
      parse: parseFormat,
      complete: ["docker-archive", "oci-archive"],
    },
    output: {
      type: "string",
      short: "o",
      help: "Write to a file, instead of STDOUT",
      complete: "file",
    },
    platform: {
      type: "string",
      help: "Save only the given platform(s). Formatted as a comma-separated list of " +
        '"os[/arch[/variant]]"',
    },
  },
  examples: ["diplodock save -o busybox.tar busybox", "diplodock save busybox | gzip >b.tar.gz"],
} as const satisfies CommandSpec;

/** `diplodock save`. */
export async function command(args: string[]): Promise<number> {
  const { options, args: names } = parseArgs(spec, args);
  const output = options.output || undefined;
  if (output !== undefined) checkOutputPath(output, "save image");
  else if (Deno.stdout.isTerminal()) {
    throw new UserError("cowardly refusing to save to a terminal. Use the -o flag or redirect");
  }
  const store = imageStore();
  const pack = (write: (chunk: Uint8Array) => void) =>
    saveArchive(store, names, options.format as ArchiveFormat, write);
  const ids = await daemon(() => {
    for (const name of names) requirePlatform(store, name, options.platform);
    return output === undefined ? pack(writeToStdout) : writeWhole(output, pack);
  });
  noteSaved(ids);
  return 0;
}
