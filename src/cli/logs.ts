import { UserError } from "../base/errors.ts";
import { nowNanoseconds, parseMoment } from "../base/time.ts";
import { readRecord, resolveContainer } from "../engine/containers.ts";
import { clearLogs, parseTail, showLogs } from "../engine/logs.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";

export const spec = {
  name: "logs",
  usage: "[OPTIONS] CONTAINER",
  summary: "Fetch the logs of a container",
  aliases: ["container logs", "logs"],
  args: [1, 1],
  complete: ["container"],
  flags: {
    clear: { type: "bool", help: "Empty the log instead of showing it" },
    details: { type: "bool", help: "Show extra details provided to logs" },
    follow: { type: "bool", short: "f", help: "Follow log output" },
    since: {
      type: "string",
      help: 'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for ' +
        "42 minutes)",
    },
    tail: {
      type: "string",
      short: "n",
      default: "all",
      help: "Number of lines to show from the end of the logs",
    },
    timestamps: { type: "bool", short: "t", help: "Show timestamps" },
    until: {
      type: "string",
      help: 'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" ' +
        "for 42 minutes)",
    },
  },
  examples: ["diplodock logs -f --tail 20 web", "diplodock logs --since 10m -t web"],
} as const satisfies CommandSpec;

/** `diplodock logs`: the container's stdout on stdout, its stderr on stderr. */
export async function command(words: string[]): Promise<number> {
  const { options, args } = parseArgs(spec, words);
  const record = await daemon(() => readRecord(resolveContainer(args[0])));
  if (options.clear) {
    clearLogs(record);
    return 0;
  }
  const wish = {
    follow: options.follow,
    timestamps: options.timestamps,
    lines: false,
    details: options.details,
    tail: parseTail(options.tail),
    sinceNs: parseTime("since", options.since),
    untilNs: parseTime("until", options.until),
  };
  await daemon(() => showLogs(record, wish));
  return 0;
}

function parseTime(flag: string, text: string | undefined): bigint | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    return parseMoment(text, nowNanoseconds());
  } catch (error) {
    throw new UserError(`invalid value for "${flag}": ${(error as Error).message}`);
  }
}
