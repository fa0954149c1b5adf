import { UserError } from "../base/errors.ts";
import { writeAll } from "../image/blobs.ts";
import { readRecord, resolveContainer } from "../engine/containers.ts";
import { exportContainer } from "../engine/export.ts";
import type { ContainerRecord } from "../engine/types.ts";
import { emitContainerEvent } from "../engine/events.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { checkOutputPath } from "./output_path.ts";
import { daemon, imageStore } from "./image_context.ts";

export const spec = {
  name: "export",
  usage: "[OPTIONS] CONTAINER",
  summary: "Export a container's filesystem as a tar archive",
  aliases: ["container export", "export"],
  args: [1, 1],
  complete: ["container"],
  flags: {
    output: {
      type: "string",
      short: "o",
      help: "Write to a file, instead of STDOUT",
      complete: "file",
    },
  },
  examples: ["diplodock export web | gzip >web.tar.gz"],
} as const satisfies CommandSpec;

/** A failed export leaves no half archive behind. */
function exportToFile(record: ContainerRecord, path: string): void {
  const file = Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
  try {
    exportContainer(imageStore(), record, (chunk) => {
      writeAll(file, chunk, path);
    });
  } catch (error) {
    Deno.removeSync(path);
    throw error;
  } finally {
    file.close();
  }
}

/** `diplodock export`. */
export async function command(words: string[]): Promise<number> {
  const { options, args: [reference] } = parseArgs(spec, words);
  if (options.output === undefined && Deno.stdout.isTerminal()) {
    throw new UserError("cowardly refusing to save to a terminal. Use the -o flag or redirect");
  }
  if (options.output !== undefined) checkOutputPath(options.output, "export container");
  const record = await daemon(() => readRecord(resolveContainer(reference)));
  const tell = () => emitContainerEvent(record, "export");
  if (options.output !== undefined) {
    await daemon(() => exportToFile(record, options.output!));
    tell();
    return 0;
  }
  await daemon(() =>
    exportContainer(imageStore(), record, (chunk) => {
      for (let at = 0; at < chunk.length;) at += Deno.stdout.writeSync(chunk.subarray(at));
    })
  );
  tell();
  return 0;
}
