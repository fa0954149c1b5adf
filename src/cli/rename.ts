import { UserError } from "../base/errors.ts";
import { renameContainer } from "../engine/rename.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { asDaemonError } from "./engine_error.ts";

export const spec = {
  name: "rename",
  usage: "CONTAINER NEW_NAME",
  summary: "Rename a container",
  aliases: ["container rename", "rename"],
  args: [2, 2],
  complete: ["container"],
  flags: {},
  examples: ["diplodock rename web web-old"],
} as const satisfies CommandSpec;

/** `diplodock rename`. */
export async function command(words: string[]): Promise<number> {
  const { args: [reference, name] } = parseArgs(spec, words);
  if (reference.trim() === "" || name.trim() === "") {
    throw new UserError("Error: Neither old nor new names may be empty");
  }
  try {
    await renameContainer(reference.trim(), name.trim());
  } catch (error) {
    const shown = asDaemonError(error);
    if (!(shown instanceof UserError)) throw shown;
    throw new UserError(
      `${shown.message}\nError: failed to rename container named ${reference}`,
      1,
      shown.hint,
    );
  }
  return 0;
}
