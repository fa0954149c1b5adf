/**
 * Starts a container that was made: its networks, its cgroup, its bundle, its first process.
 * Whatever was made is undone if a later part fails.
 */
import { CLONE_INTO_CGROUP } from "../../ffi/constants.ts";
import { EAGAIN, SyscallError } from "../../ffi/errno.ts";
import { Fd, isInherited } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import type { Step } from "../../ffi/program.ts";
import { UserError } from "../base/errors.ts";
import { makeDirectories, removeIfThere, writeAtomic } from "../base/files.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { containerDirectory, containerRunDirectory, isRootless } from "../base/places.ts";
import { selfCommand } from "../base/self.ts";
import {
  type Cgroup,
  containerCgroupPath,
  createCgroup,
  openDoor,
  removeCgroup,
} from "../runtime/cgroup.ts";
import { copyForeignMount } from "../runtime/foreign_mount.ts";
import { type Started, startMonitored } from "../runtime/monitor.ts";
import type { Cleanup } from "../runtime/monitor_plan.ts";
import { SIGTERM } from "../runtime/signals.ts";
import type { Spec } from "../runtime/spec_types.ts";
import { joinedPid, makeOverlayDirectories, overlayOf, readFoundation } from "./bundle_facts.ts";
import { now } from "./clock.ts";
import { shortId, writeRecord } from "./containers.ts";
import { emitStarted } from "./life_events.ts";
import { parseLogOptions } from "./log_options.ts";
import type { Sandbox } from "../net/sandbox.ts";
import {
  connect,
  disconnect,
  hostsOf,
  type NetworkPlan,
  planNetwork,
  resolvConfOf,
} from "./network.ts";
import { hasHealthCheck } from "./health_state.ts";
import { leaveUnit } from "./leave_unit.ts";
import { asksUserNamespace, joinedContainer } from "./modes.ts";
import { withNetworks } from "./network_settings.ts";
import { firstProcess, specOf } from "./start_plan.ts";
import { strictly } from "./strict.ts";
import { startFailure } from "./start_failure.ts";
import { readRunState, stateOf, writeStartedAt, writeStartNote } from "./state.ts";
import { oomKilledMark, stoppedMark } from "./marks.ts";
import type { StartUserNamespace } from "./start_userns.ts";
import type { ContainerRecord, HostConfig } from "./types.ts";

/** A container that keeps renaming directories of a shared volume may fail as many. */
const MOST_LAUNCHES = 16;

/** How a start is wanted. */
export interface StartOptions {
  /** The calling process stays and shows the output; else the monitor is on its own. */
  readonly attached: boolean;
  warn(text: string): void;
  /** Replaces what the first process does: the test of undoing lets each step fail once. */
  readonly alterSteps?: (steps: readonly Step[]) => readonly Step[];
}

/** A container that runs; `started.client` is the connection to its monitor. */
export interface StartedContainer {
  readonly record: ContainerRecord;
  readonly started: Started;
}

/** What a container's network namespace is, and what has to be kept open for it. */
interface Attached {
  readonly netns?: Fd;
  readonly held: readonly Fd[];
  readonly warnings?: readonly string[];
  /** Waits until published ports and names work; rejects if the firewall took no rules. */
  readonly settle: () => Promise<void>;
  /** The record with the addresses and ports that the container has from now on. */
  readonly note: (record: ContainerRecord) => ContainerRecord;
  /** Closes what the first process has now. */
  readonly finish: () => void;
}

/**
 * Starts `record`'s container, whose lock is `lock`. The lock stays taken until the first process
 * has called execve or is gone, even if this process is killed before: so nobody takes a start
 * that is under way for one that failed. Throws UserError with docker's text and exit code 125,
 * 126 or 127.
 */
export async function startContainer(
  record: ContainerRecord,
  lock: Fd,
  wanted: StartOptions,
): Promise<StartedContainer> {
  const options = { ...wanted, warn: strictly(record.HostConfig.Diplodock?.Strict, wanted.warn) };
  const state = stateOf(record.Id);
  if (state.kind === "running") throw new UserError(`container is already running`);
  checkPreserved(record.HostConfig.Diplodock?.PreserveFds ?? 0);
  const id = record.Id;
  makeDirectories(containerRunDirectory(id), 0o700);
  await leaveUnit();
  await using undo = new AsyncDisposableStack();
  undo.defer(() => removeIfThere(containerRunDirectory(id), true));
  // Noted before anything is made: who cleans up after a start that was cut off finds it.
  const cgroupPath = containerCgroupPath(id, record.HostConfig.CgroupParent);
  writeStartNote(id, { startedAt: now(), cgroup: cgroupPath });
  const userns = await userNamespaceOf(record);
  if (userns !== undefined) undo.use(userns);
  if (userns?.plan.range !== undefined) undo.defer(() => giveRangeBack(id));
  const attached = await attachNetwork(record, undo, userns?.fd);
  attached.warnings?.forEach((warning) => options.warn(warning));
  const spec = await bundleOf(record, attached, userns);
  const { cgroup, warnings } = await createCgroup(cgroupPath, spec.linux!.resources ?? {});
  undo.defer(() => removeCgroup(cgroup));
  warnings.forEach((warning) => options.warn(warning));
  await attached.settle();
  // Before the launch: a stop that comes from here on leaves its mark for good.
  removeIfThere(stoppedMark(id));
  removeIfThere(oomKilledMark(id));
  const noted = attached.note(record);
  if (noted !== record) {
    // Before the launch too: a client that is killed after it leaves a record that is right.
    writeRecord(noted, false);
    undo.defer(() => writeRecord(record, false));
  }
  const started = launchAgain({ record, spec, cgroup, attached, userns, lock, options });
  undo.move();
  userns?.[Symbol.dispose]();
  attached.finish();
  writeStartedAt(id, readRunState(id)?.startedAt ?? now());
  emitStarted(noted, options.attached);
  if (hasHealthCheck(noted)) {
    const { startHealthChecks } = await import("./health.ts");
    startHealthChecks(noted);
  }
  return { record: noted, started };
}

/** What `--preserve-fds` names must be the caller's: our own descriptors are not to be had. */
function checkPreserved(count: number): void {
  for (let fd = 3; fd < 3 + count; fd++) {
    if (isInherited(fd)) continue;
    throw new UserError(
      `Cannot pass descriptor ${fd} to the container: it is not open ` +
        `(--preserve-fds ${count} means ${count === 1 ? "3" : `3 to ${2 + count}`})`,
      125,
    );
  }
}

/** The user namespace of its own, for containers that were made with --userns or --uidmap. */
async function userNamespaceOf(record: ContainerRecord): Promise<StartUserNamespace | undefined> {
  if (!asksUserNamespace(record.HostConfig)) return undefined;
  const { openUserNamespace } = await import("./start_userns.ts");
  return openUserNamespace(record);
}

async function giveRangeBack(id: string): Promise<void> {
  const { releaseRanges } = await import("./userns_ranges.ts");
  releaseRanges(id);
}

/** The network namespace by the container's mode; connected to its networks. */
async function attachNetwork(
  record: ContainerRecord,
  undo: AsyncDisposableStack,
  userNamespace: Fd | undefined,
): Promise<Attached> {
  const plan = planNetwork(record);
  if (plan.kind === "networks") return await attachOwn(record, undo, userNamespace, plan);
  const resolvConf = resolvConfOf(record, plan);
  const nothing: Attached = {
    held: [],
    settle: () => Promise.resolve(),
    note: (same) => same,
    finish() {},
  };
  if (plan.kind === "join") return nothing;
  Deno.writeTextFileSync(resolvConf.path, resolvConf.text);
  writeNameFiles(record, hostsOf(record, undefined));
  return nothing;
}

/** A network namespace of its own, with an interface for each network. */
async function attachOwn(
  record: ContainerRecord,
  undo: AsyncDisposableStack,
  userNamespace: Fd | undefined,
  plan: NetworkPlan & { kind: "networks" },
): Promise<Attached> {
  const { beginSandbox } = await import("../net/sandbox.ts");
  if (isRootless()) return await attachUser(record, undo, userNamespace, plan);
  const pending = undo.use(beginSandbox(userNamespace));
  const resolvConf = resolvConfOf(record, plan);
  Deno.writeTextFileSync(resolvConf.path, resolvConf.text);
  let made: Sandbox | undefined;
  const open = () => made ??= undo.use(pending.finish());
  const connection = await connect(record, plan.requests, open, resolvConf);
  const sandbox = open();
  undo.defer(() => disconnect(record.Id));
  undo.use(connection);
  writeHostname(record); // the hosts file is written: neighbours add themselves to it
  return {
    netns: sandbox.netns,
    held: connection.held,
    warnings: connection.warnings,
    settle: () => connection.settle(),
    note: (same) => withNetworks(same, connection.state),
    finish() {
      connection[Symbol.dispose]();
      sandbox[Symbol.dispose]();
    },
  };
}

/** The same for an ordinary user: one interface that a program of his own serves. */
async function attachUser(
  record: ContainerRecord,
  undo: AsyncDisposableStack,
  userNamespace: Fd | undefined,
  plan: NetworkPlan & { kind: "networks" },
): Promise<Attached> {
  const user = await import("./user_network.ts");
  const { createSandbox } = await import("../net/sandbox.ts");
  user.checkUserNetworks(plan);
  const sandbox = undo.use(createSandbox(userNamespace));
  const connection = undo.use(await user.connectUser(record, sandbox));
  undo.defer(() => user.disconnectUser(record.Id));
  const resolvConf = resolvConfOf(record, plan);
  Deno.writeTextFileSync(resolvConf.path, resolvConf.text);
  writeNameFiles(record, hostsOf(record, connection.state));
  return {
    netns: sandbox.netns,
    held: connection.held,
    settle: () => Promise.resolve(),
    note: (same) => withNetworks(same, connection.state),
    finish() {
      connection[Symbol.dispose]();
      sandbox[Symbol.dispose]();
    },
  };
}

function writeNameFiles(record: ContainerRecord, hosts: string): void {
  Deno.writeTextFileSync(record.HostsPath, hosts, { mode: 0o644 });
  writeHostname(record);
}

function writeHostname(record: ContainerRecord): void {
  Deno.writeTextFileSync(record.HostnamePath, `${record.Config.Hostname}\n`, { mode: 0o644 });
}

/** The bundle's config.json, kept beside the record for who wants to read it. */
async function bundleOf(
  record: ContainerRecord,
  attached: Attached,
  userns: StartUserNamespace | undefined,
): Promise<Spec> {
  const foundation = readFoundation(record.Id);
  const overlay = overlayOf(record, foundation.layers);
  if (overlay !== undefined) makeOverlayDirectories(overlay);
  const netns = attached.netns && `/proc/${Deno.pid}/fd/${attached.netns.raw}`;
  const spec = await withHostLayer(
    record,
    await specOf(record, foundation, netns, userns?.plan),
  );
  writeAtomic(`${containerDirectory(record.Id)}/config.json`, JSON.stringify(spec));
  return spec;
}

/** In a user namespace the machine's own root cannot be one layer of an overlay. */
async function withHostLayer(record: ContainerRecord, spec: Spec): Promise<Spec> {
  const overlay = spec.diplodock?.overlay;
  if (overlay?.lower[0] !== "/" || ownUserNamespace() === undefined) return spec;
  const { hostRoot } = await import("./host_layer.ts");
  const host = hostRoot(record.Id, overlay);
  return {
    ...spec,
    mounts: [...host.mounts, ...spec.mounts ?? []],
    diplodock: { ...spec.diplodock, overlay: host.overlay },
  };
}

/** All that a launch is made of. */
interface Launch {
  readonly record: ContainerRecord;
  readonly spec: Spec;
  readonly cgroup: Cgroup;
  readonly attached: Attached;
  readonly userns?: StartUserNamespace;
  readonly lock: Fd;
  readonly options: StartOptions;
}

/**
 * Launches; once more where a rename anywhere on the machine came between the lookup of a path
 * with ".." in it: openat2(2) gives up with EAGAIN rather than leave the root. Nothing is left of
 * a launch that failed. Throws UserError with docker's text.
 */
function launchAgain(wanted: Launch): Started {
  const quiet = { ...wanted, options: { ...wanted.options, warn: () => {} } };
  for (let attempt = 1;; attempt++) {
    try {
      return launch(attempt === 1 ? wanted : quiet);
    } catch (error) {
      const passing = error instanceof SyscallError && error.call === "openat2" &&
        error.errno === EAGAIN;
      if (!passing || attempt === MOST_LAUNCHES) throw startFailure(error, wanted.spec);
    }
  }
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
  const attachedStdin = Config.StdinOnce && options.attached;
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
    cleanup: cleanupCommand(id),
  });
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

/** What the monitor executes when no client is there at the end. */
function cleanupCommand(id: string): Cleanup {
  const [file, ...words] = selfCommand();
  return {
    file,
    argv: [file, ...words, "__cleanup", id],
    env: Object.entries(Deno.env.toObject()).map(([key, value]) => `${key}=${value}`),
  };
}
