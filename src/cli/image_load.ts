import { UserError } from "../base/errors.ts";
import { loadImages } from "../engine/image_archives.ts";
import { type ArchiveSource, openArchive, standardInput } from "../image/archive_files.ts";
import { shortId } from "../image/digest.ts";
import { parsePlatform } from "../base/platform.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./image_context.ts";
import { displayFor } from "./image_display.ts";

export const spec = {
  name: "load",
  usage: "[OPTIONS]",
  summary: "Load an image from a tar archive or STDIN",
  aliases: ["image load", "load"],
  args: [0, 0],
  flags: {
    input: {
      type: "string",
      short: "i",
      help: "Read from tar archive file, instead of STDIN",
      complete: "file",
    },
    platform: {
      type: "string",
      help: "Load only the given platform(s). Formatted as a comma-separated list of " +
        '"os[/arch[/variant]]"',
      parse: parsePlatform,
    },
    quiet: { type: "bool", short: "q", help: "Suppress the load output" },
  },
  examples: ["diplodock load -i busybox.tar", "zcat busybox.tar.gz | diplodock load"],
} as const satisfies CommandSpec;

/** The archive; a file from which can be read anywhere by its path. */
function open(path: string | undefined): ArchiveSource {
  if (path === undefined) {
    if (Deno.stdin.isTerminal()) {
      throw new UserError("requested load from stdin, but stdin is empty");
    }
    return standardInput() ?? Deno.stdin.readable as AsyncIterable<Uint8Array<ArrayBuffer>>;
  }
  return openArchive(path);
}

/** `diplodock load`. */
export async function command(args: string[]): Promise<number> {
  const { options } = parseArgs(spec, args);
  const source = open(options.input);
  const { platform } = options;
  // As docker has it: bars on a terminal, no lines elsewhere.
  const display = await displayFor(console.log, options.quiet || !Deno.stdout.isTerminal());
  const lines = await daemon(() =>
    loadImages(source, {
      ...(platform && { platform }),
      onLayer(digest, size, event) {
        if (event === "done") return;
        display.update(shortId(digest), "Loading layer", event.bytes, size);
      },
    })
  );
  display.finish();
  for (const line of lines) console.log(line);
  return 0;
}
