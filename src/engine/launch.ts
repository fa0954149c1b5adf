/** The launch of a container: the program of its first process, started under a monitor. */
import { CLONE_INTO_CGROUP, SIGTERM } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import type { Step } from "../../ffi/program.ts";
import {
  containerDirectory,
  containerRunDirectory,
  waitingDirectory,
  waitingPrefix,
} from "../base/places.ts";
import { ownCommand } from "../base/self.ts";
import { openDoor } from "../runtime/cgroup.ts";
import type { Cgroup } from "../runtime/cgroup_place.ts";
import { copyForeignMount } from "../runtime/foreign_mount.ts";
import { type Started, startMonitored } from "../runtime/monitor.ts";
import { connectWaiting, type WaitingEnd } from "../runtime/monitor_waiting.ts";
import { tryAgain } from "../runtime/paths.ts";
import type { Spec } from "../runtime/spec_types.ts";
import { joinedPid } from "./bundle_facts.ts";
import { shortId } from "./containers.ts";
import { parseLogOptions } from "./log_options.ts";
import { joinedContainer } from "./modes.ts";
import { firstProcess } from "./start_plan.ts";
import type { StartUserNamespace } from "./start_userns.ts";
import type { ContainerRecord, HostConfig } from "./types.ts";

/** How a start is wanted. */
export interface StartOptions {
  /** The calling process stays and shows the output; else the monitor is on its own. */
  readonly attached: boolean;
  warn(text: string): void;
  /** Called while the container's process prepares its surroundings: work that need not wait. */
  readonly whileStarting?: () => void;
  /** Replaces what the first process does: the test of undoing lets each step fail once. */
  readonly alterSteps?: (steps: readonly Step[]) => readonly Step[];
}

/** All that a launch is made of. */
export interface Launch {
  readonly record: ContainerRecord;
  readonly spec: Spec;
  readonly cgroup: Cgroup;
  /** The network namespace of its own, and what the monitor keeps open for it. */
  readonly attached: { readonly netns?: Fd; readonly held: readonly Fd[] };
  readonly userns?: StartUserNamespace;
  readonly lock: Fd;
  readonly options: StartOptions;
}

/**
 * Launches; once more where a rename anywhere on the machine came between the lookup of a path
 * with ".." in it. Nothing is left of a launch that failed; each one warns anew.
 */
export function launchAgain(wanted: Launch): Started {
  return tryAgain(() => launch(wanted));
}

/** Builds the program of the container's first process and starts it under a monitor. */
function launch(launch: Launch): Started {
  const { record, spec, attached, options } = launch;
  const { Config, HostConfig, Id: id } = record;
  using door = openDoor(launch.cgroup);
  using shared = copyJoinedMounts(HostConfig, spec);
  const mapped = launch.userns?.open(spec);
  const { plan, steps } = firstProcess(record, spec, launch.cgroup.directories, {
    tasks: door.tasks.map((fd) => fd.raw),
    netns: attached.netns?.raw,
    userns: launch.userns?.fd.raw,
    root: mapped?.root,
    trees: new Map([...(mapped?.trees ?? []), ...shared.trees]),
  }, { warn: options.warn });
  const flags = BigInt(plan.namespaces.cloneFlags) | (door.into ? CLONE_INTO_CGROUP : 0n);
  const timeout = HostConfig.Diplodock?.TimeoutSeconds;
  using waiting = waitingClients(id);
  const isFed = options.attached || waiting.ends.some(({ wantsStdin }) => wantsStdin);
  const attachedStdin = Config.StdinOnce && isFed;
  return startMonitored({
    id: shortId(id),
    init: {
      steps: options.alterSteps?.(steps) ?? steps,
      flags,
      cgroup: door.into,
      before: plan.namespaces.before,
      preserveFds: HostConfig.Diplodock?.PreserveFds,
      keep: [
        ...(attached.netns ? [attached.netns] : []),
        ...door.tasks,
        ...shared.fds,
        ...(mapped?.fds ?? []),
        launch.lock,
      ],
    },
    stdio: Config.Tty
      ? { kind: "terminal" }
      : { kind: "pipes", stdin: !Config.OpenStdin ? "null" : attachedStdin ? "client" : "hold" },
    directory: containerDirectory(id),
    runtime: containerRunDirectory(id),
    log: logLimits(HostConfig),
    timeout: timeout ? { seconds: timeout, signal: SIGTERM, graceSeconds: 10 } : undefined,
    held: attached.held,
    waiting: waiting.ends,
    // Executed when no client is there at the end.
    cleanup: ownCommand("__cleanup", id),
    onPid: () => options.whileStarting?.(),
  });
}

/** Clients that wait for this start, with our ends of their sockets. */
function waitingClients(id: string): { readonly ends: readonly WaitingEnd[] } & Disposable {
  const ends = connectWaiting(waitingDirectory(), waitingPrefix(id));
  return { ends, [Symbol.dispose]: () => ends.forEach(({ socket }) => socket[Symbol.dispose]()) };
}

/** Mounts of another container that the new one gets, by their index in the bundle. */
interface SharedMounts extends Disposable {
  readonly trees: ReadonlyMap<number, number>;
  readonly fds: readonly Fd[];
}

/** Who joins an IPC namespace sees the /dev/shm that belongs to it. */
function copyJoinedMounts(host: HostConfig, spec: Spec): SharedMounts {
  const owner = joinedContainer(host.IpcMode);
  const index = spec.mounts!.findIndex(({ destination }) => destination === "/dev/shm");
  const pid = owner === undefined || index < 0 ? undefined : joinedPid(owner, "IPC");
  if (pid === undefined) return { trees: new Map(), fds: [], [Symbol.dispose]() {} };
  using process = new Fd(check("find the other container", "pidfd_open", pid, 0));
  const tree = copyForeignMount(process, "/dev/shm");
  return {
    trees: new Map([[index, tree.raw]]),
    fds: [tree],
    [Symbol.dispose]: () => tree[Symbol.dispose](),
  };
}

function logLimits(host: HostConfig): { maxBytes: number; maxFiles: number } | undefined {
  if (host.LogConfig.Type === "none") return undefined;
  const { maxSizeBytes, maxFiles } = parseLogOptions(host.LogConfig);
  return { maxBytes: Math.min(maxSizeBytes, Number.MAX_SAFE_INTEGER), maxFiles };
}
