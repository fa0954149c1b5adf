import { createContainer, type CreateOptions } from "../runtime/oci_create.ts";
import { readBundle } from "../runtime/oci_bundle.ts";
import type { OciRecord } from "../runtime/oci_state.ts";
import { writeAtomic } from "../base/files.ts";
import type { OciArguments, OciOptions } from "./oci_args.ts";
import { type OciCommand, type OciContext, prefixed } from "./oci_context.ts";

/** What `create` and `run` have in common. */
export const CREATE_OPTIONS: OciOptions = {
  bundle: { kind: "text", short: "b", help: "directory of the bundle (default: here)" },
  "console-socket": { kind: "text", help: "socket that receives the terminal's master" },
  "pid-file": { kind: "text", help: "file that receives the process's number" },
  "no-pivot": { kind: "bool", help: "move the root instead of pivot_root, for a ramdisk" },
  "no-new-keyring": { kind: "bool", help: "keep the caller's session keyring" },
  "preserve-fds": { kind: "number", help: "give N more descriptors to the process" },
};

/** Creates the container of a command line; socket activation's descriptors count as preserved. */
export async function createFrom(
  { store, warn }: OciContext,
  given: OciArguments,
  consoleSocket: CreateOptions["consoleSocket"] = given.text("console-socket"),
): Promise<OciRecord> {
  const [id] = given.rest;
  const bundle = readBundle(given.text("bundle") || ".", warn);
  const listening = socketsGiven();
  if (listening > 0) bundle.spec.process?.env?.push(`LISTEN_FDS=${listening}`, "LISTEN_PID=1");
  const record = await createContainer(store, id, bundle, {
    consoleSocket: consoleSocket || undefined,
    preserveFds: (given.number("preserve-fds") ?? 0) + listening,
    noPivot: given.flag("no-pivot"),
    noNewKeyring: given.flag("no-new-keyring"),
    warn,
  });
  writePidFile(given, record.pid);
  return record;
}

/** How many descriptors a service manager gave to this very process. sd_listen_fds(3). */
function socketsGiven(): number {
  const count = Number(Deno.env.get("LISTEN_FDS") ?? 0);
  return count > 0 && Deno.env.get("LISTEN_PID") === String(Deno.pid) ? count : 0;
}

/** Replaced whole, because engines watch for it. */
export function writePidFile(given: OciArguments, pid: number): void {
  const path = given.text("pid-file");
  if (path) writeAtomic(path, String(pid), false, 0o644);
}

/** `create`. */
export const CREATE: OciCommand = {
  summary: "create a container",
  usage: "[command options] <container-id>",
  options: CREATE_OPTIONS,
  args: [1, 1],
  run: async (context, given) => {
    await prefixed("diplodock create failed", () => createFrom(context, given));
    return 0;
  },
};
