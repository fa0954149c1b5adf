import { examine, type Finding } from "../engine/doctor.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { type ListSpec, printList } from "./output.ts";

export const spec = {
  name: "doctor",
  usage: "[OPTIONS]",
  summary: "Try what this machine's kernel can do for containers",
  description: "Each feature is tried in a child that ends at once; nothing of it stays.\n" +
    "The exit code is 1 where something is missing that every container needs.",
  aliases: ["system doctor", "doctor"],
  args: [0, 0],
  flags: {
    format: {
      type: "string",
      help: "Format output using a custom template:\n" +
        "'table':            Print output in table format with column headers (default)\n" +
        "'json':             Print in JSON format\n" +
        "'TEMPLATE':         Print output using the given Go template",
    },
    problems: { type: "bool", help: "Leave out what works" },
  },
  examples: ["diplodock doctor --problems", "diplodock doctor --format json"],
} as const satisfies CommandSpec;

const LIST: ListSpec = {
  headers: {
    Feature: "FEATURE",
    State: "STATE",
    Flags: "FLAGS",
    Essential: "ESSENTIAL",
    Why: "WHY NOT",
    Remedy: "WHAT TO DO",
  },
  columns: ["Feature", "State", "Flags", "Why", "Remedy"],
  quietField: "Feature",
  typeName: "*formatter.DoctorContext",
};

/** `diplodock doctor`. */
export async function command(words: string[]): Promise<number> {
  const { options } = parseArgs(spec, words);
  const findings = await examine();
  const shown = findings.filter(({ state }) => !options.problems || state !== "works");
  await printList(shown.map(rowOf), LIST, { format: options.format });
  return findings.some(({ essential, state }) => essential && state === "fails") ? 1 : 0;
}

function rowOf({ feature, state, flags, essential, why, remedy }: Finding) {
  return {
    Feature: feature,
    State: state,
    Flags: flags,
    Essential: essential,
    Why: why,
    Remedy: remedy,
  };
}
