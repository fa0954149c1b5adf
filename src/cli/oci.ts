/**
 * The OCI runtime: runc's command line, for engines that start their containers with it. The same
 * commands run when the program is called by a name that ends in `-oci`.
 */
import { UserError } from "../base/errors.ts";
import { OCI_ROOT, ociRoot } from "../base/oci_root.ts";
import { COMMIT, VERSION } from "../base/version.ts";
import { OciStore } from "../runtime/oci_state.ts";
import { type OciArguments, type OciOptions, parseOci } from "./oci_args.ts";
import { type OciCommand, print } from "./oci_context.ts";

const GLOBAL: OciOptions = {
  debug: { kind: "bool", help: "tell of internal errors where they happened" },
  log: { kind: "text", help: "file that messages are appended to (default: standard error)" },
  "log-format": { kind: "text", help: "'text' (default) or 'json'" },
  root: {
    kind: "text",
    help:
      `directory for the containers' state (default: ${OCI_ROOT}, an ordinary user's: below $XDG_RUNTIME_DIR)`,
  },
  "systemd-cgroup": { kind: "bool", help: "refused: cgroups are made by this runtime itself" },
  rootless: { kind: "text", help: "accepted as 'auto': cgroups that are refused are done without" },
  criu: { kind: "text", help: "accepted and without use: there is no checkpoint" },
  help: { kind: "bool", short: "h", help: "show help" },
  version: { kind: "bool", short: "v", help: "print the version" },
};

/** Every command once; nothing of it is loaded before it is called. */
// deno-fmt-ignore
const COMMANDS: Readonly<Record<string, () => Promise<OciCommand>>> = {
  create: async () => (await import("./oci_create.ts")).CREATE,
  delete: async () => (await import("./oci_delete.ts")).DELETE,
  events: async () => (await import("./oci_events.ts")).EVENTS,
  exec: async () => (await import("./oci_exec.ts")).EXEC,
  features: async () => (await import("./oci_features.ts")).FEATURES,
  kill: async () => (await import("./oci_kill.ts")).KILL,
  list: async () => (await import("./oci_list.ts")).LIST,
  pause: async () => (await import("./oci_pause.ts")).PAUSE,
  ps: async () => (await import("./oci_ps.ts")).PS,
  resume: async () => (await import("./oci_pause.ts")).RESUME,
  run: async () => (await import("./oci_run.ts")).RUN,
  spec: async () => (await import("./oci_spec.ts")).SPEC,
  start: async () => (await import("./oci_start.ts")).START,
  state: async () => (await import("./oci_state.ts")).STATE,
  update: async () => (await import("./oci_update.ts")).UPDATE,
};

/** Runs one OCI command line; the exit code. Errors go to --log and to standard error. */
export async function command(args: string[]): Promise<number> {
  let global: OciArguments | undefined;
  try {
    global = parseOci(args, GLOBAL, "first");
    return await runCommand(global);
  } catch (error) {
    return await reportFailure(error, global);
  }
}

async function runCommand(global: OciArguments): Promise<number> {
  const [name, ...rest] = global.rest;
  if (global.flag("version")) {
    print(`diplodock-oci version ${VERSION}\ncommit: ${COMMIT}\nspec: 1.2.0\n`);
    return 0;
  }
  if (name === undefined || name === "help" || global.flag("help")) {
    const { overview } = await import("./oci_help.ts");
    print(await overview(COMMANDS, GLOBAL));
    return 0;
  }
  if (!Object.hasOwn(COMMANDS, name)) throw new UserError(`No help topic for '${name}'`, 3);
  const row = await COMMANDS[name]();
  const options = { ...row.options, help: GLOBAL.help };
  const given = parseOci(rest, options, row.optionsEnd ?? "anywhere");
  if (given.flag("help")) {
    const { page } = await import("./oci_help.ts");
    print(page(name, row));
    return 0;
  }
  checkGlobal(global);
  const [min, max] = row.args;
  if (given.rest.length < min || given.rest.length > max) {
    const want = min === max ? `exactly ${min}` : `a minimum of ${min}`;
    throw new UserError(`diplodock: "${name}" requires ${want} argument(s)`);
  }
  const warn = (text: string) => writeLog(global, "warning", text);
  return await row.run({ store: new OciStore(global.text("root") || ociRoot()), warn }, given);
}

function checkGlobal(global: OciArguments): void {
  if (global.flag("systemd-cgroup")) {
    throw new UserError(
      "Cannot use the systemd cgroup driver: this runtime makes cgroups itself. " +
        "Set the engine to the cgroupfs driver",
    );
  }
  const format = global.text("log-format");
  if (format !== undefined && format !== "text" && format !== "json") {
    throw new UserError(`unknown log-format "${format}"`);
  }
}

/** logrus's two forms, which engines parse: JSON objects, or key=value. */
function logLine(json: boolean, level: string, message: string): string {
  const time = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  return json
    ? JSON.stringify({ level, msg: message, time })
    : `time="${time}" level=${level} msg=${JSON.stringify(message)}`;
}

function writeLog(global: OciArguments | undefined, level: string, message: string): boolean {
  const line = logLine(global?.text("log-format") === "json", level, message) + "\n";
  const file = global?.text("log");
  if (file !== undefined && file !== "" && file !== "/dev/stderr") {
    try {
      Deno.writeTextFileSync(file, line, { append: true, mode: 0o644 });
      return true;
    } catch {
      // A log that cannot be written must not hide the message.
    }
  }
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  return false;
}

async function reportFailure(error: unknown, global: OciArguments | undefined): Promise<number> {
  const { describe } = await import("./exit.ts");
  const { text, code } = await describe(error, "oci", global?.flag("debug") ?? false);
  // With a log file the text goes to standard error as well: that is what people see.
  if (writeLog(global, "error", text)) Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
  return code;
}
