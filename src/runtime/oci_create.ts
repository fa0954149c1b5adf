/**
 * OCI's `create`: everything up to the last step before execve. What is left running is init alone,
 * a few pages of program that wait at the gate.
 */
import { CLONE_INTO_CGROUP, O_CREAT, O_RDWR, O_WRONLY, S_IFIFO } from "../../ffi/constants.ts";
import { Fd, openAt, pipe } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import { connectStream } from "../../ffi/unix_socket.ts";
import { UserError } from "../base/errors.ts";
import { removeIfThere } from "../base/files.ts";
import { userId } from "../base/places.ts";
import { formatTime, nowNanoseconds } from "../base/time.ts";
import {
  type CgroupDoor,
  containerCgroupPath,
  createCgroup,
  openDoor,
  removeCgroup,
} from "./cgroup.ts";
import type { Cgroup } from "./cgroup_place.ts";
import { checkSpec } from "./check.ts";
import { openTrees } from "./bind_trees.ts";
import { runHooks, startInside } from "./hooks.ts";
import { type InitPlan, initProgram } from "./init.ts";
import { gatePause, launch, type Launched, type LaunchOptions, Rendezvous } from "./launcher.ts";
import { parseStat } from "./monitor_protocol.ts";
import { sharedNamespaces } from "./namespaces.ts";
import type { Bundle } from "./oci_bundle.ts";
import { startFailure } from "./oci_failure.ts";
import { leavePrograms } from "./oci_quick.ts";
import { type OciRecord, type OciStore, type PrintedState, printedState } from "./oci_state.ts";
import { isWorthAnotherTry } from "./paths.ts";
import { planStart } from "./plan.ts";
import { type ListenerHandover, listenerHandover } from "./seccomp_listener.ts";
import type { Seccomp, Spec } from "./spec_types.ts";
import {
  hasUserNamespace,
  ownsUserNamespace,
  userNamespaceSteps,
  writeIdMaps,
} from "./user_namespace.ts";

/** How `create` is asked. */
export interface CreateOptions {
  /** A listening socket that receives the terminal's master, or one that is connected. */
  readonly consoleSocket?: string | Fd;
  readonly preserveFds: number;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  warn(text: string): void;
}

/**
 * Creates container `id` from `bundle`. Everything is undone if a part fails. Throws UserError with
 * runc's texts where engines look at them.
 */
export async function createContainer(
  store: OciStore,
  id: string,
  bundle: Bundle,
  options: CreateOptions,
): Promise<OciRecord> {
  const { spec } = bundle;
  checkSpec(spec);
  checkStart(spec, options);
  await using undo = new AsyncDisposableStack();
  store.claim(id);
  undo.defer(() => store.remove(id));
  const path = spec.linux?.cgroupsPath || containerCgroupPath(id);
  const { cgroup, warnings } = await createCgroup(path, spec.linux?.resources ?? {});
  undo.defer(() => removeCgroup(cgroup));
  warnings.forEach((warning) => options.warn(warning));
  const record = await startInitAgain(store, id, bundle, cgroup, options);
  store.writeConfig(id, JSON.stringify(spec));
  leavePrograms(store, id, cgroup, Object.keys(spec.hooks ?? {}).length > 0);
  store.write(record);
  undo.move();
  return record;
}

function checkStart(spec: Spec, options: CreateOptions): void {
  checkListener(spec.linux?.seccomp);
  if (spec.process === undefined) throw new UserError("Cannot create: the bundle has no process");
  if ((spec.process.args ?? []).length === 0) {
    throw new UserError("args must not be empty");
  }
  if (spec.process.terminal && options.consoleSocket === undefined) {
    throw new UserError("cannot allocate tty if runc will detach without setting console socket");
  }
  if (!spec.process.terminal && options.consoleSocket !== undefined) {
    throw new UserError("cannot use console socket if runc will not detach or allocate tty");
  }
}

function checkListener(seccomp: Seccomp | undefined): void {
  const rules = seccomp?.syscalls ?? [];
  const notified = rules.filter(({ action }) => action === "SCMP_ACT_NOTIFY");
  if (seccomp?.defaultAction === "SCMP_ACT_NOTIFY") {
    throw new UserError("Cannot use SCMP_ACT_NOTIFY as the default action of seccomp");
  }
  if (notified.length > 0 && !seccomp?.listenerPath) {
    throw new UserError("Cannot use SCMP_ACT_NOTIFY: linux.seccomp.listenerPath is not given");
  }
  // By these the process says that its filter stands, which nobody could answer yet.
  const early = ["read", "write"].find((name) =>
    notified.some(({ names }) => names.includes(name))
  );
  if (early !== undefined) {
    throw new UserError(`Cannot use SCMP_ACT_NOTIFY for the ${early} syscall`);
  }
}

/**
 * Launches init, again where a rename elsewhere made the kernel give up on a path: nothing is left
 * of a launch that failed. Hooks are not to run twice: once they have begun, a failure is final.
 * Throws UserError in runc's words.
 */
async function startInitAgain(
  store: OciStore,
  id: string,
  bundle: Bundle,
  cgroup: Cgroup,
  options: CreateOptions,
): Promise<OciRecord> {
  const { spec } = bundle, quiet = { ...options, warn: () => {} };
  const hooks: StartHooks = { spec, begun: false };
  for (let attempt = 1;; attempt++) {
    try {
      return await startInit(store, id, bundle, cgroup, attempt === 1 ? options : quiet, hooks);
    } catch (error) {
      if (!isWorthAnotherTry(error, attempt) || hooks.begun) {
        throw startFailure(error, spec.process!);
      }
      for (const left of [store.gate(id), store.failures(id)]) removeIfThere(left);
    }
  }
}

/** Launches init and runs the hooks of its start; the record of what runs. */
async function startInit(
  store: OciStore,
  id: string,
  bundle: Bundle,
  cgroup: Cgroup,
  options: CreateOptions,
  hooks: StartHooks,
): Promise<OciRecord> {
  const { spec, directory } = bundle;
  using open = new DisposableStack();
  const door = open.use(openDoor(cgroup));
  check("make the gate", "mknodat", -1, store.gate(id), S_IFIFO | 0o600, 0);
  const gate = open.use(openAt(null, store.gate(id), O_RDWR));
  const failures = open.use(openAt(null, store.failures(id), O_WRONLY | O_CREAT, 0o600));
  const report = pipe();
  open.use(report.read);
  open.use(report.write);
  const meeting = open.use(new Rendezvous());
  const socket = options.consoleSocket;
  const console = typeof socket === "string" ? open.use(connectStream(socket)) : socket;
  const trees = open.use(openTrees(spec));
  const agent = open.use(listenerHandover(spec.linux?.seccomp));
  const base = {
    ociVersion: spec.ociVersion,
    id,
    bundle: directory,
    rootfs: spec.root!.path,
    created: formatTime(nowNanoseconds()),
    annotations: spec.annotations,
    cgroup: cgroup.version === undefined ? undefined : cgroup.path,
    owner: userId(),
  };
  const plan = planStart(withoutScore(spec), {
    failure: { report: report.write.raw, label: "init.failed" },
    cgroupProcs: door.tasks.map((fd) => fd.raw),
    cgroupHierarchies: cgroup.directories,
    consoleSocket: console?.raw,
    ownedStreams: ownedStreams(),
    atStart: ownsUserNamespace(spec) ? userNamespaceSteps(meeting) : [],
    beforePivot: hasStartHooks(spec) ? meeting.meetSteps() : [],
    pause: gatePause(gate.raw, failures.raw),
    noPivot: options.noPivot,
    sameKeyring: options.noNewKeyring,
    trees: trees.numbers,
    agent: agent?.place,
    warn: options.warn,
  });
  const kept = [door.tasks, gate, failures, meeting.theirs, console ?? [], agent?.theirs ?? []]
    .flat();
  const launched = await launch({
    init: initOf(plan, door, options.preserveFds),
    report,
    keep: [...kept.map((fd) => fd.raw), ...trees.numbers.values()],
    whileStarting: (pid) => accompany(hooks, meeting, { ...base, pid }, agent),
  });
  return recordOf(base, launched);
}

function initOf(plan: InitPlan, door: CgroupDoor, preserveFds: number): LaunchOptions["init"] {
  const { cloneFlags, before } = plan.namespaces;
  return {
    steps: initProgram({ ...plan, preserveFds }),
    flags: BigInt(cloneFlags) | (door.into ? CLONE_INTO_CGROUP : 0n),
    cgroup: door.into?.raw,
    before,
    preserveFds,
  };
}

function recordOf(
  base: Omit<OciRecord, "pid" | "startTime" | "lateSteps">,
  { pid, encoded }: Launched,
): OciRecord {
  const stat = parseStat(Deno.readTextFileSync(`/proc/${pid}/stat`));
  return {
    ...base,
    pid,
    startTime: stat?.startTime ?? "",
    lateSteps: encoded.stepsBehind("gate.wait"),
  };
}

/** In a user namespace of its own init may not write its score: it is written for it. */
function withoutScore(spec: Spec): Spec {
  if (!ownsUserNamespace(spec)) return spec;
  return { ...spec, process: { ...spec.process!, oomScoreAdj: undefined } };
}

/** Streams that are made for the container and shall belong to its user. Terminals and /dev/null are not. */
export function ownedStreams(): number[] {
  return [0, 1, 2].filter((fd) => {
    try {
      const { isFifo, isSocket, isFile } = Deno.statSync(`/proc/self/fd/${fd}`);
      return isFifo || isSocket || isFile;
    } catch {
      return false; // closed
    }
  });
}

/** The hooks of a start, and whether one of them has run or tried to. */
interface StartHooks {
  readonly spec: Spec;
  begun: boolean;
}

function hasStartHooks({ hooks = {} }: Spec): boolean {
  return [hooks.prestart, hooks.createRuntime, hooks.createContainer]
    .some((list) => (list ?? []).length > 0);
}

/** What init needs of this process while it starts. */
function accompany(
  hooks: StartHooks,
  meeting: Rendezvous,
  record: Omit<OciRecord, "startTime" | "lateSteps">,
  agent: ListenerHandover | undefined,
): void {
  const { spec } = hooks;
  // Only init has this end now: when it dies, reading from ours ends.
  meeting.theirs[Symbol.dispose]();
  if (ownsUserNamespace(spec)) {
    writeIdMaps(record.pid, spec);
    if (spec.process?.oomScoreAdj !== undefined) {
      Deno.writeTextFileSync(`/proc/${record.pid}/oom_score_adj`, `${spec.process.oomScoreAdj}`);
    }
    meeting.letGo();
  }
  const state = printedState({ ...record, startTime: "", lateSteps: {} }, "creating");
  runStartHooks(hooks, meeting, record.pid, state);
  agent?.hand(record.pid, state);
}

function runStartHooks(
  hooks: StartHooks,
  meeting: Rendezvous,
  pid: number,
  state: PrintedState,
): void {
  const { spec } = hooks;
  if (!hasStartHooks(spec) || !meeting.arrived()) return;
  hooks.begun = true;
  const { prestart = [], createRuntime = [], createContainer = [] } = spec.hooks ?? {};
  runHooks(prestart, state, "prestart");
  runHooks(createRuntime, state, "createRuntime");
  if (createContainer.length > 0) {
    using pidfd = new Fd(check("open init", "pidfd_open", pid, 0));
    const inside = startInside(pidfd, {
      userNamespace: hasUserNamespace(spec),
      shared: sharedNamespaces(pid),
    });
    runHooks(createContainer, state, "createContainer", inside);
  }
  meeting.letGo();
}
