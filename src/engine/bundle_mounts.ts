/** The mounts of a bundle: the kernel's file systems, the engine's files, the user's mounts. */
import { isWithin } from "../base/paths.ts";
import type { SpecMount } from "../runtime/spec_types.ts";
import type { BundleContext, LocatedMount } from "./bundle_context.ts";
import { joinedContainer } from "./modes.ts";
import type { PlannedMount } from "./mount_plan.ts";
import type { HostConfig } from "./types.ts";

/** What bundleMounts() is told by the rest of the bundle. */
export interface MountSettings {
  readonly writableCgroups: boolean;
}

const NO_SET_ID = ["nosuid", "noexec", "nodev"];

/**
 * All mounts in the order in which they are made: docker's defaults, then the others from the
 * shallowest target to the deepest, so that nothing hides what was mounted before. A user's
 * mount replaces the default one of the same target.
 */
export function bundleMounts(
  host: HostConfig,
  context: BundleContext,
  settings: MountSettings,
): SpecMount[] {
  const targets = new Set(context.mounts.map(({ target }) => target));
  const ownDev = targets.has("/dev");
  const defaults = [
    ...kernelMounts(host, context, settings),
    ...ipcMounts(host, context),
  ].filter(({ destination }) =>
    !targets.has(destination) && !(ownDev && isWithin(destination, "/dev"))
  );
  const files = engineFiles(host, context).filter((mount) => !targets.has(mount.destination));
  const others = [...files, ...context.mounts.map((mount) => userMount(mount, context))];
  const depth = ({ destination }: SpecMount) => destination.split("/").length;
  return [...defaults, ...others.sort((a, b) => depth(a) - depth(b))];
}

function kernelMounts(
  host: HostConfig,
  context: BundleContext,
  settings: MountSettings,
): SpecMount[] {
  const ro = host.Privileged ? [] : ["ro"];
  const cgroupRo = settings.writableCgroups ? [] : ["ro"];
  // A group without a mapping cannot own the terminals.
  const ttyGroup = groupIsMapped(5, context) ? ["gid=5"] : [];
  const kernel = (destination: string, type: string, options: string[]): SpecMount => ({
    destination,
    type,
    source: type,
    options,
  });
  const bound = (destination: string, options: string[]): SpecMount => ({
    destination,
    type: "bind",
    source: destination,
    options: ["rbind", "rprivate", ...options],
  });
  return [
    context.bindProc ? bound("/proc", NO_SET_ID) : kernel("/proc", "proc", NO_SET_ID),
    kernel("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    kernel("/dev/pts", "devpts", [
      "nosuid",
      "noexec",
      "newinstance",
      "ptmxmode=0666",
      "mode=0620",
      ...ttyGroup,
    ]),
    context.bindSysfs
      ? bound("/sys", [...NO_SET_ID, ...ro, ...ro.map(() => "rro")])
      : kernel("/sys", "sysfs", [...NO_SET_ID, ...ro]),
    kernel("/sys/fs/cgroup", "cgroup", [...cgroupRo, ...NO_SET_ID]),
  ];
}

function groupIsMapped(gid: number, context: BundleContext): boolean {
  if (context.userns === undefined) {
    return context.ownGids?.some(({ inside, count }) => inside <= gid && gid < inside + count) ??
      true;
  }
  return context.userns.gids.some(({ containerID, size }) =>
    containerID <= gid && gid < containerID + size
  );
}

/**
 * /dev/shm and /dev/mqueue by IPC mode: "none" has no shared memory at all; "host" has the
 * host's; a shareable namespace's lies on the host so that those who join can bind it too.
 */
function ipcMounts(host: HostConfig, context: BundleContext): SpecMount[] {
  const bind = (destination: string, source: string): SpecMount => ({
    destination,
    type: "bind",
    source,
    options: ["rbind", "rprivate"],
  });
  const queue = {
    destination: "/dev/mqueue",
    type: "mqueue",
    source: "mqueue",
    options: [...NO_SET_ID],
  };
  if (host.IpcMode === "host") {
    // The queues of the host's namespace, where or whether it has them mounted itself; but a user
    // namespace may only bind what is there.
    const mayMount = context.userns === undefined && context.ownGids === undefined;
    const bound = context.hasQueues ? [bind("/dev/mqueue", "/dev/mqueue")] : [];
    return [bind("/dev/shm", "/dev/shm"), ...(mayMount ? [queue] : bound)];
  }
  if (host.IpcMode === "none") return [queue];
  const shared = host.IpcMode === "shareable" || joinedContainer(host.IpcMode) !== undefined;
  if (shared && context.files.shm !== undefined) {
    return [queue, bind("/dev/shm", context.files.shm)];
  }
  const options = [...NO_SET_ID, "mode=1777", `size=${host.ShmSize}`];
  return [queue, { destination: "/dev/shm", type: "tmpfs", source: "shm", options }];
}

/** The files the engine keeps for the container. They stay writable unless the root is not. */
function engineFiles(host: HostConfig, context: BundleContext): SpecMount[] {
  const { files } = context;
  const access = host.ReadonlyRootfs ? ["ro"] : [];
  const list: [destination: string, source: string | undefined, options: string[]][] = [
    ["/etc/resolv.conf", files.resolvConf, access],
    ["/etc/hostname", files.hostname, access],
    ["/etc/hosts", files.hosts, access],
    ["/etc/localtime", files.localtime, ["ro"]],
  ];
  return list.flatMap(([destination, source, options]) =>
    source
      ? [{ destination, type: "bind", source, options: ["rbind", "rprivate", ...options] }]
      : []
  );
}

function userMount(mount: LocatedMount, context: BundleContext): SpecMount {
  const { target: destination } = mount;
  if (mount.type === "tmpfs") {
    return {
      destination,
      type: "tmpfs",
      source: "tmpfs",
      options: [...mount.tmpfsOptions, "rprivate"],
    };
  }
  const idmap = mount.idmap && context.userns !== undefined;
  return {
    destination,
    type: "bind",
    source: mount.hostPath,
    options: [
      mount.recursive ? "rbind" : "bind",
      ...readonlyWords(mount),
      mount.propagation || "rprivate",
      ...(idmap ? ["idmap"] : []),
    ],
    ...(idmap && {
      uidMappings: [...context.userns!.uids],
      gidMappings: [...context.userns!.gids],
    }),
  };
}

/** "ro" for the mount itself, "rro" for all below it as well. */
function readonlyWords(mount: LocatedMount): string[] {
  if (!mount.readonly) return [];
  return mount.readonlyReach === "top" ? ["ro"] : ["ro", "rro"];
}

/**
 * How the root has to answer to mounts of the host for the propagation that mounts ask for;
 * undefined: not at all.
 */
export function rootPropagation(mounts: readonly PlannedMount[]): string | undefined {
  const asked = new Set(mounts.map(({ propagation }) => propagation.replace(/^r/, "")));
  if (asked.has("shared")) return "shared";
  return asked.has("slave") ? "rslave" : undefined;
}
