import { UserError } from "../base/errors.ts";
import { noteSaved } from "../engine/image_notes.ts";
import { writeAll } from "../image/blobs.ts";
import { type ArchiveFormat, saveArchive } from "../image/save.ts";
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

/** Writes under a temporary name: a failed save must not leave half an archive, nor take a whole one. */
async function saveTo(
  path: string,
  names: readonly string[],
  format: ArchiveFormat,
): Promise<void> {
  const isSpecial = isThereAndNoFile(path);
  const target = isSpecial ? path : `${path}.tmp-${Deno.pid}`;
  const file = Deno.openSync(target, { write: true, create: true, truncate: true, mode: 0o600 });
  try {
    const ids = await saveArchive(imageStore(), names, format, (chunk) => {
      writeAll(file, chunk, path);
    });
    if (!isSpecial) Deno.renameSync(target, path);
    noteSaved(ids);
  } catch (error) {
    if (!isSpecial) Deno.removeSync(target);
    throw error;
  } finally {
    file.close();
  }
}

function isThereAndNoFile(path: string): boolean {
  try {
    return !Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** `diplodock save`. */
export async function command(args: string[]): Promise<number> {
  const { options, args: names } = parseArgs(spec, args);
  if (options.output !== undefined) {
    checkOutputPath(options.output, "save image");
    await daemon(() => saveTo(options.output!, names, options.format as ArchiveFormat));
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
