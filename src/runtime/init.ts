/**
 * The order of a start: all that the container's first process asks of the kernel between its
 * clone and execve. The order is the security argument, so it is one list.
 */
import {
  AF_INET,
  CLONE_NEWNET,
  CLONE_NEWNS,
  MOUNT_ATTR_RDONLY,
  O_WRONLY,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
} from "../../ffi/constants.ts";
import { EPERM } from "../../ffi/errno.ts";
import { ownerSteps } from "./identity.ts";
import {
  addressIn,
  block,
  type Place,
  slot,
  type Step,
  textBlock,
  type Value,
} from "../../ffi/program.ts";
import { consoleSteps, deviceLinkSteps, deviceSteps } from "./devices.ts";
import { mountListSteps } from "./mount_list.ts";
import { copyShared, maskSteps, type Mount, readonlySteps } from "./mounts.ts";
import { parseMountOptions } from "./mount_options.ts";
import {
  joinSteps,
  type NamespacePlan,
  newCgroupNamespace,
  newTimeNamespace,
} from "./namespaces.ts";
import { closeStep, inside, makeDirectory, openInRoot } from "./paths.ts";
import {
  beginSteps,
  type Failure,
  hostProcSteps,
  type Pause,
  processSteps,
  tailSteps,
} from "./process_steps.ts";
import {
  chrootSteps,
  moveRootSteps,
  pivotSteps,
  readonlyRootSteps,
  type RootPlan,
  rootPropagationSteps,
  rootSteps,
} from "./root.ts";
import type { SeccompFilter } from "./seccomp_compile.ts";
import type { Device, Process } from "./spec_types.ts";
import { openTerminal, sendDescriptor, takeTerminal, terminalSlots } from "./terminal.ts";

/** A container start after all decisions: no text of a config file comes this far unparsed. */
export interface InitPlan {
  readonly process: Process;
  readonly root: RootPlan;
  readonly readonlyRoot: boolean;
  readonly namespaces: NamespacePlan;
  readonly mounts: readonly Mount[];
  readonly devices: readonly Device[];
  /** Devices are bound from the host: mknod is refused in user namespaces. */
  readonly bindDevices: boolean;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly sysctls: readonly (readonly [name: string, value: string])[];
  /** Lines of /proc/PID/timens_offsets. */
  readonly timeOffsets?: string;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly personality?: { domain: string; flags?: string[] };
  readonly filter?: SeccompFilter;
  /** Open cgroup.procs files: "0" written there moves the writer. */
  readonly cgroupProcs: readonly number[];
  /** The socket that receives the terminal's master. */
  readonly consoleSocket?: Value;
  /** The streams that are pipes of ours and shall belong to the user of the container. */
  readonly ownedStreams: readonly number[];
  readonly failure: Failure;
  readonly preserveFds: number;
  readonly mayDenyGroups: boolean;
  readonly reaper: boolean;
  /** What comes first: the wait for the id maps of a user namespace. */
  readonly atStart?: readonly Step[];
  /** When all mounts are there and the host's root is still the root: OCI's hooks run then. */
  readonly beforePivot?: readonly Step[];
  /** The socket that the listener of a filter with SCMP_ACT_NOTIFY goes to. */
  readonly agent?: Place;
  /** The wait of OCI's `create`. */
  readonly pause?: Pause;
  readonly sameKeyring?: boolean;
  /** Move the root over "/" instead of pivot_root, which refuses on a ramdisk. */
  readonly noPivot?: boolean;
}

/** All that happens between clone3 and execve, in order; then the tail for failures. */
export function initProgram(plan: InitPlan): Step[] {
  const report = slot("report"), root = slot("root"), terminal = terminalSlots();
  const withTerminal = plan.process.terminal === true && plan.consoleSocket !== undefined;
  const shared = copyShared(plan.mounts);
  return [
    ...beginSteps(plan.failure, report),
    ...(plan.atStart ?? []),
    ...cgroupSteps(plan.cgroupProcs),
    { call: "setsid", args: [], goal: "start a session", allow: [EPERM] },
    ...(plan.namespaces.newCgroup ? [newCgroupNamespace()] : []),
    ...(plan.namespaces.newTime ? newTimeNamespace(plan.timeOffsets ?? "") : []),
    ...joinSteps(plan.namespaces.inside),
    ...loopbackSteps(plan.namespaces),
    ...hostProcSteps(plan.process),
    ...(plan.namespaces.before.some(({ type }) => type === "user") ? becomeRootSteps() : []),
    ...shared.steps,
    ...rootSteps(plan.root, root),
    ...mountListSteps(shared.mounts, root),
    ...deviceSteps(plan.devices, root, plan.bindDevices),
    ...deviceLinkSteps(root),
    ...(withTerminal
      ? [
        ...openTerminal(root, terminal.master, terminal.slave, plan.process.consoleSize),
        ...sendDescriptor(plan.consoleSocket!, terminal.master),
        ...consoleSteps(root, terminal.slave),
      ]
      : []),
    ...(plan.beforePivot ?? []),
    ...plan.sysctls.flatMap(([name, value]) => sysctlSteps(name, value, root)),
    ...maskSteps(plan.maskedPaths, root),
    ...readonlySteps(plan.readonlyPaths, root),
    ...workingDirectorySteps(plan.process.cwd, root),
    ...changeRootSteps(plan, root),
    ...(plan.readonlyRoot ? readonlyRootSteps() : []),
    ...nameSteps(plan),
    ...(withTerminal ? takeTerminal(terminal.slave) : []),
    ...ownerSteps(withTerminal ? [0] : plan.ownedStreams, plan.process.user.uid),
    ...processSteps({ ...plan, report }),
    ...tailSteps(plan.failure, report),
  ];
}

function changeRootSteps(
  { namespaces, noPivot, root: { propagation } }: InitPlan,
  root: Value,
): Step[] {
  if (!hasMountNamespace(namespaces)) return chrootSteps(root);
  return [
    ...(noPivot ? moveRootSteps(root) : pivotSteps(root)),
    ...rootPropagationSteps(propagation),
  ];
}

function hasMountNamespace(plan: NamespacePlan): boolean {
  return (plan.cloneFlags & CLONE_NEWNS) !== 0;
}

/**
 * Root of the user namespace that was joined: until then the process has all rights there, but
 * the ids of nobody.
 */
function becomeRootSteps(): Step[] {
  const goal = "become root of the user namespace";
  return [
    { call: "setgroups", args: [0, null], allow: [EPERM], goal },
    { call: "setresgid", args: [0, 0, 0], goal },
    { call: "setresuid", args: [0, 0, 0], goal },
  ];
}

/** The first thing of all: inside its limits before anything costs. */
export function cgroupSteps(procs: readonly number[]): Step[] {
  return procs.flatMap((fd): Step[] => [
    { call: "write", args: [fd, "0", 1], goal: "enter the cgroup" },
    closeStep(fd),
  ]);
}

/** Brings `lo` up in a network namespace that is new. netdevice(7), SIOCSIFFLAGS. */
function loopbackSteps({ cloneFlags }: NamespacePlan): Step[] {
  const SIOCSIFFLAGS = 0x8914, IFF_UP_RUNNING = 0x41;
  if ((cloneFlags & CLONE_NEWNET) === 0) return [];
  const goal = "bring the loopback interface up";
  const socket = slot("socket");
  const request = new Uint8Array(40);
  request.set([0x6c, 0x6f]); // "lo"
  new DataView(request.buffer).setUint16(16, IFF_UP_RUNNING, true);
  return [
    { call: "socket", args: [AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0], goal, result: socket },
    { call: "ioctl", args: [socket, SIOCSIFFLAGS, addressIn(block("lo", request))], goal },
    closeStep(socket),
  ];
}

/** Writes one sysctl through the container's own /proc. */
function sysctlSteps(name: string, value: string, root: Value): Step[] {
  const goal = `set sysctl ${name} to "${value}"`;
  const file = slot("sysctl"), text = textBlock("value", value);
  // A name may have slashes already, and then its dots are part of names: net/ipv4/conf/eth0.1.
  const path = name.includes("/") ? name : name.replaceAll(".", "/");
  return [
    openInRoot(root, `proc/sys/${path}`, O_WRONLY, file, goal),
    { call: "write", args: [file, addressIn(text), text.bytes.length - 1], goal },
    closeStep(file),
  ];
}

/** The working directory is made when the image does not have it, as docker does. */
function workingDirectorySteps(cwd: string, root: Value): Step[] {
  if (inside(cwd) === ".") return [];
  const directory = slot("cwd");
  return [
    ...makeDirectory(root, cwd, directory, `make the working directory "${cwd}"`),
    closeStep(directory),
  ];
}

function nameSteps({ hostname, domainname }: InitPlan): Step[] {
  const set = (call: "sethostname" | "setdomainname", name: string | undefined): Step[] => {
    if (name === undefined || name === "") return [];
    const text = textBlock(call, name);
    const args = [addressIn(text), text.bytes.length - 1];
    return [{ call, args, goal: `set the name "${name}"` }];
  };
  return [...set("sethostname", hostname), ...set("setdomainname", domainname)];
}

/** /sys/fs/cgroup of the container: its own directories of each hierarchy, read-only by default. */
export function cgroupMounts(
  target: string,
  hierarchies: readonly { name: string; directory: string }[],
  options: readonly string[],
): Mount[] {
  const bind = parseMountOptions(["bind", ...options]);
  if (hierarchies.length === 1 && hierarchies[0].name === "") {
    const source = hierarchies[0].directory;
    return [{ kind: "bind", source, target, directory: true, options: bind }];
  }
  const writable = options.filter((word) => word !== "ro");
  return [
    {
      kind: "kernel",
      fs: "tmpfs",
      source: "tmpfs",
      target,
      options: parseMountOptions([...writable, "mode=755"]),
    },
    ...hierarchies.map(({ name, directory }): Mount => ({
      kind: "bind",
      source: directory,
      target: `${target}/${name}`,
      directory: true,
      options: bind,
    })),
    ...(options.includes("ro") ? [remountReadonly(target)] : []),
  ];
}

/** Covers a mount with itself, read-only. */
function remountReadonly(target: string): Mount {
  return { kind: "again", target, attributes: { set: MOUNT_ATTR_RDONLY, clear: 0 } };
}
