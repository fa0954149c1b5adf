import { resolveContainer } from "../engine/containers.ts";
import { containerProcesses } from "../engine/top.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";
import { writeOut } from "./output.ts";

export const spec = {
  name: "top",
  usage: "CONTAINER [ps OPTIONS]",
  summary: "Display the running processes of a container",
  aliases: ["container top", "top"],
  args: [1, Infinity],
  flagsEnd: "first",
  complete: ["running"],
  flags: {},
  examples: ["diplodock top web", "diplodock top web -o pid,rss,comm"],
} as const satisfies CommandSpec;

/** Widths of docker's table: columns of twenty, at least three blanks between. */
const NARROWEST = 20;
const PADDING = 3;

/** `diplodock top`. */
export async function command(words: string[]): Promise<number> {
  const { args: [reference, ...options] } = parseArgs(spec, words);
  const { titles, rows } = await daemon(() =>
    containerProcesses(resolveContainer(reference), options)
  );
  const lines = [titles, ...rows];
  const widths = titles.map((_, column) =>
    Math.max(NARROWEST, ...lines.map((line) => (line[column] ?? "").length + PADDING))
  );
  await writeOut(
    lines.map((line) =>
      line.map((cell, i) => i === line.length - 1 ? cell : cell.padEnd(widths[i])).join("") + "\n"
    ).join(""),
  );
  return 0;
}
