import { UserError } from "../base/errors.ts";
import { type PrintedState, printedState, statusOf } from "../runtime/oci_state.ts";
import { type OciCommand, print } from "./oci_context.ts";

const HEADERS = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];

/** Columns as wide as their longest cell, at least 11 blanks and 1 between: Go's tabwriter(12, 1, 3). */
function table(rows: readonly (readonly string[])[]): string {
  const widths = HEADERS.map((_, column) =>
    Math.max(12, ...rows.map((row) => row[column].length + 3))
  );
  return rows.map((row) =>
    row.map((cell, column) => column === row.length - 1 ? cell : cell.padEnd(widths[column]))
      .join("") + "\n"
  ).join("");
}

/** The name of a user of this machine, or the number. */
function userName(uid: number): string {
  try {
    const line = Deno.readTextFileSync("/etc/passwd").split("\n")
      .find((entry) => entry.split(":")[2] === String(uid));
    return line?.split(":")[0] ?? `#${uid}`;
  } catch {
    return `#${uid}`;
  }
}

/** `list`. */
export const LIST: OciCommand = {
  summary: "list the containers of this root",
  usage: "[command options]",
  options: {
    format: { kind: "text", short: "f", help: "'table' (default) or 'json'" },
    quiet: { kind: "bool", short: "q", help: "ids only" },
  },
  args: [0, Infinity],
  run: ({ store }, given) => {
    const states = store.list().map((record): PrintedState => ({
      ...printedState(record, statusOf(store, record)),
      owner: userName(record.owner),
    }));
    const format = given.text("format") ?? "table";
    if (given.flag("quiet")) print(states.map(({ id }) => `${id}\n`).join(""));
    else if (format === "json") {
      print(`${states.length === 0 ? "null" : JSON.stringify(states)}\n`);
    } else if (format === "table") {
      const rows = states.map((state) => [
        state.id,
        String(state.pid),
        state.status,
        state.bundle,
        state.created,
        state.owner,
      ]);
      print(table([HEADERS, ...rows]));
    } else throw new UserError("invalid format option");
    return 0;
  },
};
