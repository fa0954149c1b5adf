import { UserError } from "../base/errors.ts";
import { readRecord, resolveContainer } from "../engine/containers.ts";
import { exportContainer } from "../engine/export.ts";
import { emitContainerEvent } from "../engine/events.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { writeWhole } from "../image/whole_file.ts";
import { checkOutputPath, writeToStdout } from "./output_path.ts";
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

/** `diplodock export`. */
export async function command(words: string[]): Promise<number> {
  const { options, args: [reference] } = parseArgs(spec, words);
  const output = options.output || undefined;
  if (output === undefined && Deno.stdout.isTerminal()) {
    throw new UserError("cowardly refusing to save to a terminal. Use the -o flag or redirect");
  }
  if (output !== undefined) checkOutputPath(output, "export container");
  const record = await daemon(() => readRecord(resolveContainer(reference)));
  const pack = (write: (chunk: Uint8Array) => void) => exportContainer(imageStore(), record, write);
  await daemon(async () => {
    if (output === undefined) pack(writeToStdout);
    else await writeWhole(output, (write) => Promise.resolve(pack(write)));
  });
  emitContainerEvent(record, "export");
  return 0;
}
