import { UserError } from "../base/errors.ts";
import { collectFilters } from "../base/filter.ts";
import { parseMoment } from "../base/time.ts";
import { followEvents, type LoggedEvent } from "../engine/event_log.ts";
import { eventTest } from "../engine/event_filters.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { FILTER } from "./list_flags.ts";
import { writeOut } from "./output.ts";

export const spec = {
  name: "events",
  usage: "[OPTIONS]",
  summary: "Get real time events from the engine",
  aliases: ["system events", "events"],
  args: [0, 0],
  flags: {
    filter: FILTER,
    format: {
      type: "string",
      help: "Format output using a custom template:\n" +
        "'json':             Print in JSON format\n" +
        "'TEMPLATE':         Print output using the given Go template.",
    },
    since: { type: "string", help: "Show all events created since timestamp" },
    until: { type: "string", help: "Stream events until this timestamp" },
  },
  examples: [
    "diplodock events --since 10m --until 0s",
    "diplodock events -f type=container -f event=die --format '{{.ID}}'",
  ],
} as const satisfies CommandSpec;

function moment(text: string | undefined): bigint | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    return parseMoment(text);
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

/** `diplodock events`. Runs until interrupted, or until the moment that --until names. */
export async function command(words: string[]): Promise<number> {
  const { options } = parseArgs(spec, words);
  const render = await renderer(options.format ?? "");
  const [since, until] = [moment(options.since), moment(options.until)];
  const test = eventTest(collectFilters(options.filter));
  await followEvents({ since, until }, async (event) => {
    if (test(event)) await writeOut(render(event) + "\n");
  });
  return 0;
}

async function renderer(format: string): Promise<(event: LoggedEvent) => string> {
  if (format === "") return ({ text }) => text;
  if (format === "json") return ({ line }) => line;
  const { renderValue } = await import("./list_template.ts");
  const { parseTemplate, TemplateError } = await import("./template/template.ts");
  try {
    parseTemplate(format);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    throw new UserError(`Error parsing format: ${error.message}`, 64);
  }
  return ({ value }) => renderValue(format, value, { typeName: "*events.Message" });
}
