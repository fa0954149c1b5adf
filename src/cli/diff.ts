import { UserError } from "../base/errors.ts";
import { readRecord, resolveContainer } from "../engine/containers.ts";
import { containerChanges } from "../engine/diff.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";
import { escapeControls, writeOut } from "./output.ts";

export const spec = {
  name: "diff",
  usage: "CONTAINER",
  summary: "Inspect changes to files or directories on a container's filesystem",
  aliases: ["container diff", "diff"],
  args: [1, 1],
  complete: ["container"],
  flags: {},
  examples: ["diplodock diff web"],
} as const satisfies CommandSpec;

/** `diplodock diff`. */
export async function command(words: string[]): Promise<number> {
  const { args: [reference] } = parseArgs(spec, words);
  if (reference === "") throw new UserError("Container name cannot be empty");
  const changes = await daemon(() => containerChanges(readRecord(resolveContainer(reference))));
  const shown = Deno.stdout.isTerminal() ? escapeControls : (path: string) => path;
  await writeOut(changes.map(({ kind, path }) => `${kind} ${shown(path)}\n`).join(""));
  return 0;
}
