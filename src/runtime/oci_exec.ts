/** OCI's `exec`: one more process in a container, described as the bundle describes its own. */
import { Fd } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import { connectStream } from "../../ffi/unix_socket.ts";
import { UserError } from "../base/errors.ts";
import { openDoor } from "./cgroup.ts";
import { type Cgroup, openCgroup } from "./cgroup_place.ts";
import { execute, type Executed } from "./exec.ts";
import { sharedNamespaces } from "./namespaces.ts";
import { startFailure } from "./oci_failure.ts";
import { type OciRecord, type OciStore, printedState, statusOf } from "./oci_state.ts";
import { narrowed } from "./plan.ts";
import { compileSeccomp } from "./seccomp_compile.ts";
import { listenerHandover } from "./seccomp_listener.ts";
import type { Process, Spec } from "./spec_types.ts";
import { ownedStreams } from "./oci_create.ts";
import { hasUserNamespace } from "./user_namespace.ts";

/** How `exec` is asked, besides its process. */
export interface ExecOptions {
  readonly consoleSocket?: string | Fd;
  readonly preserveFds: number;
  /** Below the container's own cgroup. */
  readonly cgroup?: string;
  readonly ignorePaused: boolean;
  /** The signal for the process when we die; 0: none. */
  readonly deathSignal: number;
  warn(text: string): void;
}

/** The container's record and config, for a process to be added. Throws runc's texts. */
export function execTarget(
  store: OciStore,
  id: string,
  ignorePaused: boolean,
): { record: OciRecord; spec: Spec } {
  const record = store.read(id);
  const status = statusOf(store, record);
  if (status === "stopped") throw new UserError("cannot exec in a stopped container");
  if (status === "paused" && !ignorePaused) {
    throw new UserError("cannot exec in a paused container (use --ignore-paused to override)");
  }
  return { record, spec: store.config(id) };
}

/** Starts `process`, as our child. Throws UserError with runc's texts. */
export function execInContainer(
  target: { record: OciRecord; spec: Spec },
  process: Process,
  options: ExecOptions,
): Executed {
  const { record, spec } = target;
  using open = new DisposableStack();
  if ((process.args ?? []).length === 0) throw new UserError("process args cannot be empty");
  if (process.terminal && options.consoleSocket === undefined) {
    throw new UserError("cannot allocate tty if runc will detach without setting console socket");
  }
  const socket = options.consoleSocket;
  const console = typeof socket === "string" ? open.use(connectStream(socket)) : socket;
  const container = open.use(
    new Fd(check("open the container's init", "pidfd_open", record.pid, 0)),
  );
  const door = open.use(openDoor(cgroupFor(record, options.cgroup)));
  const userNamespace = hasUserNamespace(spec);
  const { seccomp } = spec.linux ?? {};
  const agent = open.use(listenerHandover(seccomp));
  try {
    return execute({
      pidfd: container.raw,
      userNamespace,
      shared: sharedNamespaces(record.pid),
      process: narrowed(process, options, userNamespace),
      filter: seccomp && compileSeccomp(seccomp, Deno.build.arch),
      cgroupTasks: door.tasks.map((fd) => fd.raw),
      streams: [0, 1, 2],
      ownedStreams: process.user.uid === 0 ? [] : ownedStreams(),
      consoleSocket: process.terminal ? console?.raw : undefined,
      deathSignal: options.deathSignal,
      handover: agent && {
        theirs: agent.theirs,
        place: agent.place,
        hand: (pid) => agent.hand(pid, printedState(record, "running")),
      },
      preserveFds: options.preserveFds,
    }, door.into?.raw);
  } catch (error) {
    throw startFailure(error, process);
  }
}

/** --cgroup: `path`, or `controller:path` on v1, below the container's cgroup. */
function cgroupFor(record: OciRecord, below: string | undefined): Cgroup {
  const own = record.cgroup;
  if (own === undefined) return { path: "/", version: undefined, directories: [] };
  if (below === undefined) return openCgroup(own);
  const [, controllers, path] = /^(?:([^:]*):)?(.*)$/.exec(below)!;
  const inside = openCgroup(`${own}/${path}`), whole = openCgroup(own);
  if (!inside.path.startsWith(`${whole.path}/`) && inside.path !== whole.path) {
    throw new UserError(`Cannot use cgroup "${below}": it is outside the container's`);
  }
  if (controllers === undefined) return inside;
  const wanted = controllers.split(",");
  const directories = inside.directories.map((place, i) =>
    place.controllers.some((name) => wanted.includes(name)) ? place : whole.directories[i]
  );
  return { ...inside, directories };
}
