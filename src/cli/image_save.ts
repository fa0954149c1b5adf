import { UserError } from "../base/errors.ts";
import { noteSaved } from "../engine/image_notes.ts";
import { type ArchiveFormat, saveArchive } from "../image/save.ts";
import { writeWhole } from "../image/whole_file.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { checkOutputPath } from "./output_path.ts";
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
  },
  examples: ["diplodock save -o busybox.tar busybox", "diplodock save busybox | gzip >b.tar.gz"],
} as const satisfies CommandSpec;

/** `diplodock save`. */
export async function command(args: string[]): Promise<number> {
  const { options, args: names } = parseArgs(spec, args);
  if (options.output !== undefined) {
    checkOutputPath(options.output, "save image");
    const ids = await daemon(() =>
      writeWhole(
        options.output!,
        (write) => saveArchive(imageStore(), names, options.format as ArchiveFormat, write),
      )
    );
    noteSaved(ids);
    return 0;
  }
  if (Deno.stdout.isTerminal()) {
    throw new UserError("cowardly refusing to save to a terminal. Use the -o flag or redirect");
  }
  const ids = await daemon(() =>
    saveArchive(imageStore(), names, options.format as ArchiveFormat, async (chunk) => {
      for (let at = 0; at < chunk.length;) at += await Deno.stdout.write(chunk.subarray(at));
    })
  );
  noteSaved(ids);
  return 0;
}
