/** The processes of a container, by the host's `ps`. */
import { UserError } from "../base/errors.ts";
import { containerPids } from "./container_pids.ts";
import { readRecord } from "./containers.ts";
import { emitContainerEvent } from "./events.ts";
import { restartingText, shownState } from "./restart_policy.ts";

/** What `ps` said, by columns; the last one may have blanks inside. */
export interface ProcessTable {
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The lines of `ps` that show one of `pids`. Throws UserError with docker's texts. Pure. */
function parseProcesses(output: string, pids: ReadonlySet<number>): ProcessTable {
  const [head = "", ...lines] = output.split("\n");
  const titles = head.trim().split(/\s+/);
  const pidColumn = titles.indexOf("PID");
  if (pidColumn < 0) throw new UserError("Couldn't find PID field in ps output");
  const rows: string[][] = [];
  for (const line of lines) {
    if (line.trim() === "") continue;
    const words = line.trim().split(/\s+/);
    const pid = words[pidColumn];
    // Some formats (-o pid=… of threads) print "-" where the process stands on another line.
    if (pid === "-") {
      if (rows.length > 0) rows.push(fields(words, titles.length));
      continue;
    }
    if (!/^\d+$/.test(pid)) {
      throw new UserError(
        `Unexpected pid '${pid}': strconv.Atoi: parsing "${pid}": invalid syntax`,
      );
    }
    if (pids.has(Number(pid))) rows.push(fields(words, titles.length));
  }
  return { titles, rows };
}

function fields(words: string[], count: number): string[] {
  return [...words.slice(0, count - 1), words.slice(count - 1).join(" ")];
}

/**
 * Runs the host's `ps` with `options` ("-ef" when empty) and keeps the container's processes.
 * Throws UserError with docker's texts.
 */
export function containerProcesses(id: string, options: readonly string[]): ProcessTable {
  const record = readRecord(id);
  const state = shownState(record);
  if (state.kind === "restarting") throw new UserError(restartingText(id));
  if (state.kind !== "running") throw new UserError(`Container ${id} is not running`);
  const pids = new Set(containerPids(state.run));
  const words = options.length === 0 ? ["-ef"] : options;
  const { code, stdout, stderr } = runPs(words);
  if (code !== 0) {
    const [reason] = new TextDecoder().decode(stderr).trim().split("\n");
    throw new UserError(`ps: ${reason}`);
  }
  const table = parseProcesses(new TextDecoder().decode(stdout), pids);
  emitContainerEvent(record, "top");
  return table;
}

function runPs(words: readonly string[]): Deno.CommandOutput {
  try {
    return new Deno.Command("ps", { args: [...words], stdout: "piped", stderr: "piped" })
      .outputSync();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError("Cannot list processes: there is no ps on this machine (package procps)");
  }
}
