import { StatsSampler } from "../engine/stats.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";
import { formatList, painter, writeOut } from "./output.ts";
import { fit, streamOutput } from "./progress.ts";
import { STATS_LIST, statsRow } from "./stats_row.ts";
import { StatsScreen } from "./stats_screen.ts";
import { readUserConfig } from "./user_config.ts";

export const spec = {
  name: "stats",
  usage: "[OPTIONS] [CONTAINER...]",
  summary: "Display a live stream of container(s) resource usage statistics",
  description:
    "Show what containers use: CPU in percent of one CPU, memory without idle page cache,\n" +
    "network and disk traffic since they started, processes. On a terminal the table is\n" +
    "redrawn in place every second, with graphs of the last minute; elsewhere it is\n" +
    "printed again.",
  aliases: ["container stats", "stats"],
  args: [0, Infinity],
  complete: ["running"],
  flags: {
    "all": { type: "bool", short: "a", help: "Show all containers (default shows just running)" },
    "format": {
      type: "string",
      help: "Format output using a custom template:\n" +
        "'table':            Print output in table format with column headers (default)\n" +
        "'table TEMPLATE':   Print output in table format using the given Go template\n" +
        "'json':             Print in JSON format\n" +
        "'TEMPLATE':         Print output using the given Go template.",
    },
    "no-stream": {
      type: "bool",
      help: "Disable streaming stats and only pull the first result",
    },
    "no-trunc": { type: "bool", help: "Do not truncate output" },
  },
  examples: [
    "diplodock stats",
    "diplodock stats --no-stream --format '{{.Name}}: {{.CPUPerc}} {{.MemUsage}}'",
  ],
} as const satisfies CommandSpec;

/** Rates are between two readings: how far apart the first two are, and all others. */
const FIRST_INTERVAL_MS = 500, INTERVAL_MS = 1000;

const sleep = (millis: number) => new Promise((done) => setTimeout(done, millis));

/** `diplodock stats`. Runs until interrupted, or until the last named container is removed. */
export async function command(words: string[]): Promise<number> {
  const { options, args } = parseArgs(spec, words);
  const sampler = await daemon(() => new StatsSampler(args, options.all));
  const format = options.format || readUserConfig().statsFormat || "table";
  const output = streamOutput(Deno.stdout);
  const isTable = format.startsWith("table");
  const screen = output.isTerminal && isTable && !options.noStream
    ? new StatsScreen(output, painter(true), options.noTrunc)
    : undefined;
  sampler.sample();
  await sleep(FIRST_INTERVAL_MS);
  for (;;) {
    const sample = sampler.sample();
    if (args.length > 0 && sample.length === 0) return 0;
    if (screen !== undefined && format === "table") screen.draw(sample);
    else {
      const rows = sample.map((container) => statsRow(container, options.noTrunc));
      const text = await formatList(rows, STATS_LIST, { format });
      if (screen === undefined) await writeOut(text);
      else screen.show((size) => cut(text, size));
    }
    if (options.noStream) return 0;
    await sleep(INTERVAL_MS);
  }
}

/** As much of a table as a terminal has room for above the cursor's line. */
function cut(text: string, { columns, rows }: { columns: number; rows: number }): string[] {
  return text.trimEnd().split("\n").slice(0, rows - 1).map((line) => fit(line, columns));
}
