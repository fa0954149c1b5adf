/** From a bundle's config to the plan of its start: text is parsed here and nowhere later. */
import type { Value } from "../../ffi/program.ts";
import { CLONE_NEWUSER } from "../../ffi/constants.ts";
import { ENOENT, SyscallError } from "../../ffi/errno.ts";
import { statIfThere } from "../base/files.ts";
import { mountUnder, parseMounts } from "../base/mount_points.ts";
import {
  capabilitiesOf,
  capabilityMasks,
  capabilityNames,
  narrowCapabilities,
} from "./capabilities.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { DEFAULT_DEVICES } from "./devices.ts";
import { cgroupMounts, type InitPlan } from "./init.ts";
import { parseMountOptions, rootPropagation } from "./mount_options.ts";
import type { Mount } from "./mounts.ts";
import { planNamespaces, timeOffsetLines } from "./namespaces.ts";
import type { Failure } from "./process_steps.ts";
import type { RootPlan } from "./root.ts";
import { compileSeccomp, type SeccompFilter } from "./seccomp_compile.ts";
import type {
  Capabilities,
  NamespaceType,
  Process,
  Seccomp,
  Spec,
  SpecMount,
} from "./spec_types.ts";

/** File systems whose labels SELinux's policy decides: `linux.mountLabel` is not for them. */
const UNLABELLED: ReadonlySet<string> = new Set(["proc", "sysfs", "cgroup", "cgroup2", "mqueue"]);

/** What a start needs that is not in the config: descriptors that are open, facts of the host. */
export interface StartContext {
  readonly failure: Failure;
  /** Open cgroup.procs files of the container's cgroup. */
  readonly cgroupProcs: readonly number[];
  /** The container's own directory in each hierarchy; one without a name on cgroup v2. */
  readonly cgroupHierarchies: readonly { name: string; directory: string }[];
  /** Namespaces that were made or opened beforehand. */
  readonly namespaceFds?: Partial<Record<NamespaceType, number>>;
  readonly consoleSocket?: Value;
  readonly ownedStreams: readonly number[];
  readonly atStart?: InitPlan["atStart"];
  readonly beforePivot?: InitPlan["beforePivot"];
  readonly pause?: InitPlan["pause"];
  readonly agent?: InitPlan["agent"];
  readonly noPivot?: boolean;
  readonly sameKeyring?: boolean;
  /** A root that was mounted beforehand, and where it is attached. */
  readonly mountedRoot?: { readonly fd: number; readonly at: string };
  /** Trees of mounts that were made beforehand, by their index in `mounts`. */
  readonly trees?: ReadonlyMap<number, number>;
  /** Whether a bind's source is a directory, where nothing may be there yet: for `explain`. */
  readonly isDirectory?: (path: string) => boolean;
  /** We are in a user namespace that is not the machine's own; found out where it is not given. */
  readonly nested?: boolean;
  /** The capabilities that may be had, as bits; this process's bounding set where not given. */
  readonly available?: bigint;
  /** Whether the kernel takes overlay's layers one by one; by its version where not given. */
  readonly layersOneByOne?: boolean;
  /** Where warnings for the user go. */
  warn(text: string): void;
}

/** The plan of a start. `spec` has passed `checkSpec`. */
export function planStart(spec: Spec, context: StartContext): InitPlan {
  const linux = spec.linux ?? {};
  const namespaces = planNamespaces(linux.namespaces ?? [], context.namespaceFds);
  const userNamespace = (namespaces.cloneFlags & CLONE_NEWUSER) !== 0 ||
    namespaces.before.some(({ type }) => type === "user");
  const nested = context.nested ?? ownUserNamespace() !== undefined;
  const process = narrowed(spec.process!, context, userNamespace);
  return {
    process,
    root: rootPlan(spec, context, userNamespace || nested),
    readonlyRoot: spec.root!.readonly === true,
    namespaces,
    mounts: (spec.mounts ?? []).flatMap((mount, index) =>
      parseMount(mount, context, context.trees?.get(index), linux.mountLabel)
    ),
    devices: [...DEFAULT_DEVICES, ...(linux.devices ?? [])],
    bindDevices: userNamespace || nested,
    maskedPaths: linux.maskedPaths ?? [],
    readonlyPaths: linux.readonlyPaths ?? [],
    sysctls: Object.entries(linux.sysctl ?? {}),
    timeOffsets: timeOffsetLines(linux.timeOffsets ?? {}),
    hostname: spec.hostname,
    domainname: spec.domainname,
    personality: linux.personality,
    filter: linux.seccomp ? filterOf(linux.seccomp) : undefined,
    cgroupProcs: context.cgroupProcs,
    consoleSocket: context.consoleSocket,
    ownedStreams: context.ownedStreams,
    failure: context.failure,
    preserveFds: spec.diplodock?.preserveFds ?? 0,
    mayDenyGroups: userNamespace || nested,
    reaper: spec.diplodock?.reaper ?? false,
    atStart: context.atStart,
    beforePivot: context.beforePivot,
    pause: context.pause,
    agent: context.agent,
    noPivot: context.noPivot,
    sameKeyring: context.sameKeyring,
  };
}

function rootPlan(spec: Spec, context: StartContext, userNamespace: boolean): RootPlan {
  const directory = context.mountedRoot?.at ?? spec.root!.path;
  const propagation = rootPropagation(spec.linux?.rootfsPropagation);
  return {
    directory,
    overlay: spec.diplodock?.overlay,
    mounted: context.mountedRoot?.fd,
    propagation,
    parent: propagation.inherited === 0 ? mountUnder(directory, parseMounts())?.target : undefined,
    userxattr: userNamespace,
    layersOneByOne: context.layersOneByOne ?? kernelAtLeast(6, 5),
  };
}

function filterOf(seccomp: Seccomp): SeccompFilter {
  return compileSeccomp(seccomp, Deno.build.arch);
}

/**
 * Cuts the capabilities down to what this host has to give, with a warning: where the bounding
 * set is smaller than asked, a privileged container still starts.
 */
export function narrowed(
  process: Process,
  context: Pick<StartContext, "warn" | "available">,
  userNamespace: boolean,
): Process {
  if (process.capabilities === undefined || userNamespace) return process;
  const available = context.available ??
    capabilitiesOf(Deno.readTextFileSync("/proc/self/status"));
  const { masks, warnings } = narrowCapabilities(capabilityMasks(process.capabilities), available);
  if (warnings.length === 0) return process;
  warnings.forEach((warning) => context.warn(warning));
  const names = (mask: bigint) => capabilityNames(mask);
  const capabilities: Capabilities = {
    bounding: names(masks.bounding),
    effective: names(masks.effective),
    inheritable: names(masks.inheritable),
    permitted: names(masks.permitted),
    ambient: names(masks.ambient),
  };
  return { ...process, capabilities };
}

/** One entry of `mounts`: a bind, a file system of the kernel, or the container's cgroups. */
function parseMount(
  mount: SpecMount,
  context: StartContext,
  tree: number | undefined,
  label: string | undefined,
): Mount[] {
  const words = mount.options ?? [];
  if (mount.type === "cgroup" || mount.type === "cgroup2") {
    return cgroupMounts(mount.destination, context.cgroupHierarchies, words);
  }
  const options = parseMountOptions(words);
  const target = mount.destination;
  if (options.remount) {
    const { set, clear } = options.attributes;
    return [{ kind: "again", target, attributes: { set, clear } }];
  }
  const bind = options.bind || mount.type === "bind" || mount.type === "none";
  if (!bind && tree === undefined) {
    const fs = mount.type ?? "none";
    const labelled = label && !UNLABELLED.has(fs)
      ? { ...options, data: [...options.data, `context=${label}`] }
      : options;
    return [{ kind: "kernel", fs, source: mount.source ?? fs, target, options: labelled }];
  }
  if (bind && options.data.length > 0) {
    context.warn(`bind mount at ${target}: ${options.data.join(",")} is for file systems only`);
  }
  const source = mount.source ?? "";
  return [{
    kind: "bind",
    source,
    target,
    directory: !bind || (context.isDirectory ?? isDirectory)(source),
    options,
    tree,
  }];
}

function isDirectory(path: string): boolean {
  const found = statIfThere(path);
  if (found === undefined) throw new SyscallError("open_tree", ENOENT, `bind "${path}"`);
  return found.isDirectory;
}

/** Whether the running kernel is version `major.minor` or newer. */
export function kernelAtLeast(major: number, minor: number): boolean {
  const [a, b] = Deno.osRelease().split(".").map((part) => parseInt(part, 10));
  return a > major || (a === major && b >= minor);
}
