/**
 * Starts a container that was made: its networks, its cgroup, its bundle, its first process.
 * Whatever was made is undone if a later part fails.
 */
import { SyscallError } from "../../ffi/errno.ts";
import { type Fd, isInherited } from "../../ffi/fd.ts";
import { messageOf, UserError } from "../base/errors.ts";
import { makeDirectories, removeIfThere } from "../base/files.ts";
import { containerRunDirectory, isRootless } from "../base/places.ts";
import { presentTime } from "../base/time.ts";
import { containerCgroupPath, createCgroup, removeCgroup } from "../runtime/cgroup.ts";
import type { Started } from "../runtime/monitor.ts";
import type { Spec } from "../runtime/spec_types.ts";
import { writeRecord } from "./containers.ts";
import { emitStarted } from "./life_events.ts";
import type { Sandbox } from "../net/sandbox.ts";
import {
  connect,
  disconnect,
  hostsOf,
  type NetworkPlan,
  planNetwork,
  resolvConfOf,
  watchRules,
} from "./network.ts";
import { hasHealthCheck } from "./health_state.ts";
import { type Launch, launchAgain, type StartOptions } from "./launch.ts";
import { leaveUnit } from "./leave_unit.ts";
import { asksUserNamespace } from "./modes.ts";
import { withNetworks } from "./network_settings.ts";
import { forgetQuickExec } from "./quick_exec_file.ts";
import { bundleOf, leaveRoot } from "./start_bundle.ts";
import { strictly } from "./strict.ts";
import { startFailure } from "./start_failure.ts";
import { readRunState, stateOf, statPath, writeStartedAt, writeStartNote } from "./state.ts";
import { oomKilledMark, stoppedMark } from "./marks.ts";
import type { StartUserNamespace } from "./start_userns.ts";
import { volumesToMount } from "./volumes.ts";
import type { ContainerRecord } from "./types.ts";

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
  forgetQuickExec(id);
  await leaveUnit();
  await using undo = new AsyncDisposableStack();
  const takeBack = noteUntilTakenBack(undo, id);
  takeBack(() => leaveRoot(id));
  // Noted before anything is made: who cleans up after a start that was cut off finds it.
  const cgroupPath = containerCgroupPath(id, record.HostConfig.CgroupParent);
  const volumes = volumesToMount(record);
  writeStartNote(id, {
    startedAt: presentTime(),
    cgroup: cgroupPath,
    volumes: volumes.length > 0 || undefined,
    health: hasHealthCheck(record) || undefined,
  });
  if (volumes.length > 0) {
    (await import("./volume_mount.ts")).mountForStart(id, volumes, takeBack);
  }
  const userns = await userNamespaceOf(record);
  if (userns !== undefined) undo.use(userns);
  if (userns?.plan.range !== undefined) takeBack(() => giveRangeBack(id));
  const attached = await attachNetwork(record, undo, userns?.fd);
  attached.warnings?.forEach((warning) => options.warn(warning));
  const netns = attached.netns && `/proc/${Deno.pid}/fd/${attached.netns.raw}`;
  const bundle = () => bundleOf(record, netns, userns?.plan);
  const spec = await bundle();
  const { cgroup, warnings } = await createCgroup(cgroupPath, spec.linux!.resources ?? {});
  takeBack(() => removeCgroup(cgroup));
  warnings.forEach((warning) => options.warn(warning));
  await attached.settle();
  // Before the launch: a stop that comes from here on leaves its mark for good.
  removeIfThere(stoppedMark(id));
  removeIfThere(oomKilledMark(id));
  const noted = attached.note(record);
  if (noted !== record) {
    // Before the launch too: a client that is killed after it leaves a record that is right.
    writeRecord(noted, false);
    takeBack(() => writeRecord(record, false));
  }
  const launch = { record, spec, cgroup, attached, userns, lock, options };
  const started = await launchOrStandIn(launch, bundle);
  undo.move();
  userns?.[Symbol.dispose]();
  attached.finish();
  await followStart(noted, wanted);
  return { record: noted, started };
}

/**
 * How a start is taken back, but for networks, which know themselves what is left of them. The note
 * of the start goes last, and only if all was taken back: by it the next command finds the rest.
 */
function noteUntilTakenBack(
  undo: AsyncDisposableStack,
  id: string,
): (back: () => void | Promise<void>) => void {
  let isLeft = false;
  undo.defer(() => {
    if (isLeft) removeIfThere(statPath(id));
    else removeIfThere(containerRunDirectory(id), true);
  });
  return (back) =>
    undo.defer(async () => {
      try {
        await back();
      } catch (error) {
        isLeft = true;
        throw error;
      }
    });
}

/** What remains to be done for a container that runs: no failure of it undoes the start. */
async function followStart(record: ContainerRecord, { attached, warn }: StartOptions) {
  try {
    writeStartedAt(
      record.Id,
      readRunState(record.Id)?.startedAt ?? presentTime(),
    );
  } catch (error) {
    warn(`Cannot note when the container started: ${messageOf(error as Error)}`);
  }
  emitStarted(record, attached);
  const { PortBindings, PublishAllPorts } = record.HostConfig;
  if (PublishAllPorts || Object.keys(PortBindings).length > 0) {
    await watchRules().catch((error: Error) => warn(`Cannot watch the rules: ${messageOf(error)}`));
  }
  if (!hasHealthCheck(record)) return;
  const { startHealthChecks } = await import("./health.ts");
  try {
    startHealthChecks(record);
  } catch (error) {
    warn(`Cannot start the health checks of a container that runs: ${messageOf(error as Error)}`);
  }
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

/**
 * Launches. Where this machine refuses to put the layers together or to map their owners, what can
 * stand in for that is prepared, and the launch tried with it. Throws UserError with docker's text.
 */
async function launchOrStandIn(wanted: Launch, bundle: () => Promise<Spec>): Promise<Started> {
  const said = new Set<string>();
  const warn = (text: string) => {
    if (!said.has(text)) wanted.options.warn(text);
    said.add(text);
  };
  for (let spec = wanted.spec;; spec = await bundle()) {
    try {
      return launchAgain({ ...wanted, spec, options: { ...wanted.options, warn } });
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      const { standIn } = await import("./stand_in.ts");
      if (!await standIn(wanted.record, error, wanted.userns)) {
        throw startFailure(error, spec);
      }
    }
  }
}
