import { UserError } from "../base/errors.ts";
import { forwardSignals, forwardWindowSize } from "../engine/forward.ts";
import { execInContainer, execTarget } from "../runtime/oci_exec.ts";
import { ownConsole } from "../runtime/own_console.ts";
import { pumpTerminal } from "../runtime/oci_terminal.ts";
import { waitForExitCode } from "../runtime/wait_child.ts";
import { parseProcess } from "../runtime/spec.ts";
import type { Process } from "../runtime/spec_types.ts";
import type { OciArguments } from "./oci_args.ts";
import { type OciCommand, type OciContext, prefixed } from "./oci_context.ts";
import { writePidFile } from "./oci_create.ts";

/** runc's exit code when a process cannot be started. */
const FAILED = 255;

/** The process of --process, or the container's own with what the options change. */
function processFrom(base: Process, given: OciArguments): Process {
  const file = given.text("process");
  if (file) return parseProcess(Deno.readTextFileSync(file));
  const args = given.rest.slice(1);
  if (args.length === 0) throw new UserError("process args cannot be empty");
  const extra = given.list("cap");
  const { capabilities = {} } = base;
  const grown = (names: readonly string[] = []) => [...new Set([...names, ...extra])];
  const user = given.text("user");
  const label = given.text("process-label"), profile = given.text("apparmor");
  const gids = given.list("additional-gids").map(Number);
  return {
    ...base,
    args,
    terminal: given.flag("tty"),
    cwd: given.text("cwd") || base.cwd,
    env: [...(base.env ?? []), ...given.list("env")],
    ...(extra.length > 0 && {
      capabilities: {
        bounding: grown(capabilities.bounding),
        effective: grown(capabilities.effective),
        permitted: grown(capabilities.permitted),
        inheritable: capabilities.inheritable,
        ambient: capabilities.ambient,
      },
    }),
    ...(label && { selinuxLabel: label }),
    ...(profile && { apparmorProfile: profile }),
    ...(given.flag("no-new-privs") && { noNewPrivileges: true }),
    user: { ...base.user, ...(user ? parseUser(user) : {}), additionalGids: gids },
  };
}

/** UID[:GID], numbers only. */
function parseUser(text: string): { uid: number; gid?: number } {
  const match = /^(\d+)(?::(\d+))?$/.exec(text);
  if (match === null) throw new UserError(`parsing ${text} as int for uid failed`);
  return { uid: Number(match[1]), ...(match[2] !== undefined && { gid: Number(match[2]) }) };
}

async function exec(context: OciContext, given: OciArguments): Promise<number> {
  const detach = given.flag("detach");
  using scope = new DisposableStack();
  const target = execTarget(context.store, given.rest[0], given.flag("ignore-paused"));
  const process = processFrom(target.spec.process!, given);
  const path = given.text("console-socket") || undefined;
  const console = process.terminal && !detach && path === undefined
    ? scope.use(ownConsole())
    : undefined;
  const executed = execInContainer(target, process, {
    consoleSocket: console?.socket ?? path,
    preserveFds: given.number("preserve-fds") ?? 0,
    cgroup: given.text("cgroup"),
    ignorePaused: given.flag("ignore-paused"),
    deathSignal: 0,
    warn: context.warn,
  });
  scope.use(executed.pidfd);
  writePidFile(given, executed.pid);
  if (detach) return 0;
  scope.use(forwardSignals(executed.pid));
  if (console) {
    const master = scope.use(console.receive());
    scope.use(forwardWindowSize(master, false));
    await pumpTerminal(master);
  }
  return await waitForExitCode(executed.pid);
}

/** `exec`. */
export const EXEC: OciCommand = {
  summary: "execute a new process inside a container",
  usage: "[command options] <container-id> <command> [arguments...]",
  options: {
    "console-socket": { kind: "text", help: "socket that receives the terminal's master" },
    cwd: { kind: "text", help: "working directory in the container" },
    env: { kind: "list", short: "e", help: "set an environment variable" },
    tty: { kind: "bool", short: "t", help: "give the process a terminal" },
    user: { kind: "text", short: "u", help: "UID[:GID]" },
    "additional-gids": { kind: "list", short: "g", help: "further groups" },
    process: { kind: "text", short: "p", help: "file that describes the process" },
    detach: { kind: "bool", short: "d", help: "leave the process running" },
    "pid-file": { kind: "text", help: "file that receives the process's number" },
    "process-label": { kind: "text", help: "SELinux label" },
    apparmor: { kind: "text", help: "AppArmor profile" },
    "no-new-privs": { kind: "bool", help: "no rights by the files that are executed" },
    cap: { kind: "list", short: "c", help: "add a capability" },
    "preserve-fds": { kind: "number", help: "give N more descriptors to the process" },
    cgroup: { kind: "text", help: "cgroup below the container's: [<controller>:]<path>" },
    "ignore-paused": { kind: "bool", help: "also in a paused container" },
  },
  args: [1, Infinity],
  optionsEnd: "first",
  run: async (context, given) => {
    try {
      return await prefixed("exec failed", () => exec(context, given));
    } catch (error) {
      if (error instanceof UserError) throw new UserError(error.message, FAILED);
      throw error;
    }
  },
};
