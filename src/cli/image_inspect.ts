import { UserError } from "../base/errors.ts";
import { inspectImage } from "../image/inspect.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { asDaemonError, imageStore } from "./image_context.ts";
import { printFormatted, writeOut } from "./output.ts";

export const spec = {
  name: "image inspect",
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  summary: "Display detailed information on one or more images",
  args: [1, Infinity],
  complete: ["image"],
  flags: {
    format: {
      type: "string",
      short: "f",
      help: "Format output using a custom template:\n" +
        "'json':             Print in JSON format\n" +
        "'TEMPLATE':         Print output using the given Go template.",
    },
  },
  examples: ["diplodock image inspect -f '{{.Config.Cmd}}' busybox"],
} as const satisfies CommandSpec;

/** `diplodock image inspect`. What is found is printed, then the errors, exit code 1. */
export async function command(args: string[]): Promise<number> {
  const { options, args: names } = parseArgs(spec, args);
  const store = imageStore();
  const found: unknown[] = [];
  const errors: string[] = [];
  for (const name of names) {
    try {
      found.push(inspectImage(store, name));
    } catch (error) {
      const shown = asDaemonError(error);
      if (!(shown instanceof UserError)) throw error;
      errors.push(shown.message);
    }
  }
  const { format } = options;
  if (format === undefined || format === "") {
    await writeOut(`${JSON.stringify(found, undefined, 4)}\n`);
  } else if (found.length === 0) await writeOut("\n");
  else for (const value of found) await printFormatted(format, value);
  for (const line of errors) console.error(line);
  return errors.length > 0 ? 1 : 0;
}
