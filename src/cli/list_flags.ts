/** Flags that commands which list things have in common. */
import { parseFilter } from "../base/filter.ts";

/** `--filter`; a command may say what for. */
export const FILTER = {
  type: "list",
  short: "f",
  value: "filter",
  help: "Filter output based on conditions provided",
  parse: parseFilter,
} as const;

/** `--format`, of a table or of each row. */
export const FORMAT = {
  type: "string",
  help: "Format output using a custom template:\n" +
    "'table':            Print output in table format with column headers (default)\n" +
    "'table TEMPLATE':   Print output in table format using the given Go template\n" +
    "'json':             Print in JSON format\n" +
    "'TEMPLATE':         Print output using the given Go template.",
} as const;
