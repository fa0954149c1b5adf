/** `exec`: one more process in a running container. */
import { O_RDWR } from "../../ffi/constants.ts";
import { errnoName, SyscallError } from "../../ffi/errno.ts";
import { Fd, openAt, openDirectory } from "../../ffi/fd.ts";
import { UserError } from "../base/errors.ts";
import { containerDirectory } from "../base/places.ts";
import { ALL_CAPABILITIES } from "../runtime/capabilities.ts";
import { openDoor } from "../runtime/cgroup.ts";
import { openCgroup } from "../runtime/cgroup_place.ts";
import { type ExecPlan, execute, type Executed } from "../runtime/exec.ts";
import { narrowed } from "../runtime/plan.ts";
import { sharedNamespaces } from "../runtime/namespaces.ts";
import { compileSeccomp } from "../runtime/seccomp_compile.ts";
import type { Process, Spec } from "../runtime/spec_types.ts";
import { additionalGids, resolveGroups, resolveUser } from "../runtime/users.ts";
import { readConfig } from "./container_documents.ts";
import { newId, readRecord } from "./containers.ts";
import { overrideEnv } from "./environment.ts";
import { execCommand } from "./exec_words.ts";
import { containerEvent, emitContainerEvent, emitEvents } from "./events.ts";
import { openProcess } from "./first_process.ts";
import { readRegularFile } from "./root_files.ts";
import { execFailure } from "./start_failure.ts";
import { restartingText, shownState } from "./restart_policy.ts";
import type { RunState } from "./state.ts";
import type { ContainerRecord } from "./types.ts";

/** What `exec` was asked to run. */
export interface ExecRequest {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly user: string;
  readonly workingDir: string;
  readonly tty: boolean;
  readonly privileged: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  /** It was made before, under this id, and told of. */
  readonly execID?: string;
}

/** Descriptors of the process's streams, or the socket that gets its terminal. */
export interface ExecStreams {
  readonly streams: readonly [number, number, number];
  readonly consoleSocket?: number;
}

/** What docker's client makes of a failure that is not "not found". */
const CANNOT_INVOKE = 126;
const REFUSED = "OCI runtime exec failed: exec failed: ";
const PREFIX = `${REFUSED}unable to start container process: `;

/** The record and the run of a container that can take another process. Throws docker's texts. */
export function runningContainer(id: string): { record: ContainerRecord; run: RunState } {
  const record = readRecord(id);
  const state = shownState(record);
  if (state.kind === "restarting") throw new UserError(restartingText(id));
  if (state.kind !== "running") throw new UserError(`container ${id} is not running`);
  if (state.paused) {
    throw new UserError(
      `Container ${record.Name.slice(1)} is paused, unpause the container before exec`,
    );
  }
  return { record, run: state.run };
}

/** A process in a container, and the id by which events tell of it. */
export interface StartedExec extends Executed {
  readonly execID: string;
}

/**
 * Starts the process of `request` in container `id`. `deathSignal`: what it gets when this
 * process dies; 0 lets it live on. Throws UserError with docker's text, exit code 126 or 127 when
 * the command cannot be started.
 */
export function startExec(
  id: string,
  request: ExecRequest,
  io: ExecStreams,
  deathSignal: number,
): StartedExec {
  return startBy(id, request, io, deathSignal, (plan, execID, cgroup) => ({
    ...execute(plan, cgroup),
    execID,
  }));
}

/** The same, by `start`. */
export function startBy<T>(
  id: string,
  request: ExecRequest,
  io: ExecStreams,
  deathSignal: number,
  start: (plan: ExecPlan, execID: string, cgroup: number | undefined) => T,
): T {
  const { record, run } = runningContainer(id);
  const spec = readBundle(id);
  const process = processOf(spec, request, run, record.HostConfig.GroupAdd ?? []);
  using container = openFirstProcess(run);
  using door = openDoor(openCgroup(run.cgroup));
  using nothing = openAt(null, "/dev/null", O_RDWR);
  const orNothing = (fd: number) => fd < 0 ? nothing.raw : fd;
  const [stdin, stdout, stderr] = io.streams;
  const command = execCommand(request.args);
  const execID = request.execID ?? newId();
  const created = request.execID === undefined
    ? [containerEvent(record, `exec_create: ${command}`, { execID })]
    : [];
  try {
    const plan = execPlan(spec, process, request.privileged, {
      pidfd: container.raw,
      cgroupTasks: door.tasks.map((fd) => fd.raw),
      streams: [orNothing(stdin), orNothing(stdout), orNothing(stderr)],
      ownedStreams: process.user.uid === 0 ? [] : ownedOf(io.streams),
      consoleSocket: io.consoleSocket,
      deathSignal,
    }, run.pid);
    const started = start(plan, execID, door.into?.raw);
    emitEvents([...created, containerEvent(record, `exec_start: ${command}`, { execID })]);
    return started;
  } catch (error) {
    emitEvents(created);
    throw execError(error, process);
  }
}

/** Which streams are to be the user's: all that are connected and no device. */
function ownedOf(streams: readonly number[]): number[] {
  return [0, 1, 2].filter((stream) =>
    streams[stream] >= 0 && !Deno.statSync(`/proc/self/fd/${streams[stream]}`).isCharDevice
  );
}

/** What the process is made of; `opened`: the descriptors, and when it dies with its parent. */
export function execPlan(
  spec: Spec,
  process: Process,
  privileged: boolean,
  opened: Pick<
    ExecPlan,
    "pidfd" | "cgroupTasks" | "streams" | "ownedStreams" | "consoleSocket" | "deathSignal"
  >,
  pid?: number,
): ExecPlan {
  return {
    ...opened,
    shared: pid === undefined ? undefined : sharedNamespaces(pid),
    userNamespace: spec.linux?.namespaces?.some(({ type }) => type === "user") ?? false,
    process,
    filter: spec.linux?.seccomp && !privileged
      ? compileSeccomp(spec.linux.seccomp, Deno.build.arch)
      : undefined,
  };
}

/** The end of an exec'd process, for who watches events. */
export function execEnded(id: string, execID: string, exitCode: number): void {
  emitContainerEvent(readRecord(id), "exec_die", { execID, exitCode: String(exitCode) });
}

/** The bundle as it was when the container started: the process inherits from it. */
export function readBundle(id: string): Spec {
  const spec = readConfig(id);
  if (spec !== undefined) return spec;
  const path = `${containerDirectory(id)}/config.json`;
  throw new UserError(`Cannot exec in container ${id}: ${path} is missing`);
}

/** The pidfd of a container's first process. Throws UserError when it has just ended. */
export function openFirstProcess(run: RunState): Fd {
  const process = openProcess(run);
  if (process !== undefined) return process;
  throw new UserError("the container has just ended");
}

/** The OCI process of an exec: the container's own, with what was asked for instead. */
export function processOf(
  spec: Spec,
  request: ExecRequest,
  run: RunState,
  groupAdd: readonly string[],
): Process {
  const base = spec.process!;
  if (request.workingDir !== "" && !request.workingDir.startsWith("/")) {
    throw new UserError(`${REFUSED}Cwd must be an absolute path`, CANNOT_INVOKE);
  }
  const identity = request.user === "" ? undefined : resolveExecUser(request.user, run, groupAdd);
  const home = identity ? [`HOME=${identity.home}`] : [];
  const term = request.tty && !base.terminal ? ["TERM=xterm"] : [];
  const env = overrideEnv(base.env ?? [], [...term, ...home, ...request.env]);
  const all = [...ALL_CAPABILITIES];
  const process: Process = {
    ...base,
    terminal: request.tty,
    consoleSize: request.consoleSize,
    args: [...request.args],
    cwd: request.workingDir || base.cwd,
    env,
    user: identity ? { ...base.user, ...identity.user } : base.user,
    ...(request.privileged && {
      capabilities: { bounding: all, effective: all, permitted: all },
      noNewPrivileges: false,
    }),
  };
  return narrowed(process, { warn: () => {} }, false);
}

/** `-u` against the files of the container as they are now, read without following links out. */
function resolveExecUser(
  spec: string,
  run: RunState,
  groupAdd: readonly string[],
): { user: Process["user"]; home: string } {
  using root = openDirectory(`/proc/${run.pid}/root`);
  const text = (path: string) => readRegularFile(root, path) ?? "";
  const group = text("etc/group");
  const user = lookUp(spec, text("etc/passwd"), group);
  const groups = additionalGids(user, resolveGroups(groupAdd, group));
  return { user: { uid: user.uid, gid: user.gid, additionalGids: groups }, home: user.home };
}

function lookUp(...words: Parameters<typeof resolveUser>): ReturnType<typeof resolveUser> {
  try {
    return resolveUser(...words);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(error.message, CANNOT_INVOKE);
  }
}

function execError(error: unknown, process: Process): unknown {
  if (!(error instanceof SyscallError)) return error;
  if (error.call === "execve") {
    const { text, exitCode } = execFailure(error.errno, process);
    return new UserError(PREFIX + text, exitCode);
  }
  if (error.call === "chdir") {
    const why = errnoName(error.errno) === "ENOENT" ? "no such file or directory" : error.message;
    const text = `chdir to cwd (${JSON.stringify(process.cwd)}) set in config.json failed: ${why}`;
    return new UserError(PREFIX + text, 127);
  }
  return new UserError(PREFIX + error.message, CANNOT_INVOKE);
}
