import { UserError } from "../base/errors.ts";
import { cgroupPids } from "../runtime/cgroup_processes.ts";
import { cgroupOf, isAlive } from "../runtime/oci_state.ts";
import { type OciCommand, print } from "./oci_context.ts";

/** The lines of ps(1) whose process is one of `pids`, below the header. */
function selectProcesses(output: string, pids: ReadonlySet<number>): string {
  const [header, ...lines] = output.split("\n");
  const column = header.split(/\s+/).filter(Boolean).indexOf("PID");
  if (column < 0) throw new UserError("couldn't find PID field in ps output");
  const own = lines.filter((line) => pids.has(Number(line.trim().split(/\s+/)[column])));
  return [header, ...own].map((line) => `${line}\n`).join("");
}

/** `ps`. */
export const PS: OciCommand = {
  summary: "show the processes of a container",
  usage: "[command options] <container-id> [ps options]",
  options: { format: { kind: "text", short: "f", help: "'table' (default) or 'json'" } },
  args: [1, Infinity],
  optionsEnd: "first",
  run: ({ store }, given) => {
    const [id, ...words] = given.rest;
    const record = store.read(id);
    const cgroup = cgroupOf(record);
    const alone = isAlive(record) ? [record.pid] : [];
    const pids = (cgroup === undefined ? alone : cgroupPids(cgroup)).sort((a, b) => a - b);
    const format = given.text("format") ?? "table";
    if (format === "json") {
      print(pids.length === 0 ? "null\n" : `${JSON.stringify(pids)}\n`);
      return 0;
    }
    if (format !== "table") throw new UserError("invalid format option");
    const args = words.length === 0 ? ["-ef"] : words;
    const ps = new Deno.Command("ps", { args }).outputSync();
    if (!ps.success) throw new UserError(new TextDecoder().decode(ps.stderr).trim());
    print(selectProcesses(new TextDecoder().decode(ps.stdout), new Set(pids)));
    return 0;
  },
};
