/** Looks up all that a bundle cannot know from a container's settings. */
import { UserError } from "../base/errors.ts";
import { statIfThere } from "../base/files.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { containerDirectory, isRootless, userId } from "../base/places.ts";
import { tweakCapabilities } from "../runtime/capabilities.ts";
import { defaultSeccomp, parseProfile, resolveProfile } from "../runtime/seccomp.ts";
import type { NamespaceType, Seccomp } from "../runtime/spec_types.ts";
import { additionalGids, resolveGroups, resolveUser } from "../runtime/users.ts";
import type { BundleContext } from "./bundle_context.ts";
import { readRecord, resolveContainer } from "./containers.ts";
import { type Foundation, rootOf } from "./foundation.ts";
import { locateMounts } from "./locate_mounts.ts";
import { asksUserNamespace, joinedContainer, modeName } from "./modes.ts";
import { readLayeredFile } from "./root_files.ts";
import { activeModules, type SecurityLabels, securityLabels } from "./security_modules.ts";
import { parseSecurityOptions } from "./security_opts.ts";
import { stateOf } from "./state.ts";
import type { ContainerRecord, HostConfig } from "./types.ts";

/** Everything toSpec() is told. Nothing is made here. `join.network` is added by the start. */
export async function gatherContext(
  record: ContainerRecord,
  cgroupsPath: string,
  foundation: Foundation,
): Promise<BundleContext> {
  const { HostConfig: host, Config } = record;
  const root = rootOf(record, foundation);
  const needsDevices = host.Privileged || host.Devices.length > 0 || throttles(host);
  const devices = needsDevices ? await import("./host_devices.ts") : undefined;
  const inHostNames = host.UTSMode === "host" || host.NetworkMode === "host";
  return {
    id: record.Id,
    root,
    user: userOf(Config.User || keptUser(host), host, root),
    files: {
      resolvConf: joinedContainer(host.NetworkMode)
        ? joinedFile(host, "resolv.conf")
        : record.ResolvConfPath,
      hosts: host.Diplodock?.NoHosts
        ? undefined
        : joinedContainer(host.NetworkMode)
        ? joinedFile(host, "hosts")
        : record.HostsPath,
      hostname: host.Diplodock?.NoHostname
        ? undefined
        : inHostNames
        ? existing("/etc/hostname")
        : joinedContainer(host.NetworkMode)
        ? joinedFile(host, "hostname")
        : record.HostnamePath,
      shm: sharedMemory(host),
      localtime: host.Diplodock?.Timezone ? zoneFile(host.Diplodock.Timezone) : undefined,
    },
    mounts: locateMounts(foundation.mounts),
    devices: devices?.namedDevices(host.Devices) ?? [],
    hostDevices: host.Privileged ? devices!.allDevices() : [],
    blockDevices: devices?.throttledDevices(host) ?? {},
    join: joins(host),
    cgroupsPath,
    seccomp: seccompOf(host),
    ...labelsOf(record.Id, host),
    ...foreignNamespaces(host),
  };
}

/**
 * What a user namespace changes: its root may mount no sysfs of a network namespace that belongs to
 * another one, and no procfs of such a pid namespace. The host's are bound there.
 */
function foreignNamespaces(
  host: HostConfig,
): Pick<BundleContext, "ownGids" | "bindSysfs" | "bindProc" | "hasQueues"> {
  const own = ownUserNamespace();
  if (own === undefined && !asksUserNamespace(host)) return {};
  return {
    ...(own !== undefined && { ownGids: own.gids }),
    bindSysfs: host.NetworkMode === "host" ||
      (asksUserNamespace(host) && joinedContainer(host.NetworkMode) !== undefined),
    bindProc: host.PidMode === "host" ||
      (asksUserNamespace(host) && joinedContainer(host.PidMode) !== undefined),
    hasQueues: host.IpcMode === "host" && statIfThere("/dev/mqueue")?.isDirectory,
  };
}

function throttles(host: HostConfig): boolean {
  return host.BlkioWeightDevice.length + host.BlkioDeviceReadBps.length +
      host.BlkioDeviceWriteBps.length + host.BlkioDeviceReadIOps.length +
      host.BlkioDeviceWriteIOps.length > 0;
}

function existing(path: string): string | undefined {
  return statIfThere(path)?.isFile ? path : undefined;
}

/** Who `--userns keep-id` is for: the user of the machine, by his numbers inside. */
function keptUser({ UsernsMode, Diplodock = {} }: HostConfig): string {
  if (modeName(UsernsMode) !== "keep-id" || !isRootless()) return "";
  const gid = ownUserNamespace()?.gids.find(({ inside }) => inside === 0)?.outside ?? 0;
  return `${Diplodock.KeepUid ?? userId()}:${Diplodock.KeepGid ?? gid}`;
}

/** Config.User and --group-add against the container's own files as they are now. */
function userOf(
  spec: string,
  host: HostConfig,
  { overlay, path }: BundleContext["root"],
): BundleContext["user"] {
  const directories = overlay ? [overlay.upper, ...overlay.lower] : [path];
  const passwd = readLayeredFile(directories, "etc/passwd");
  const added = host.GroupAdd ?? [];
  const group = spec !== "" || added.length > 0 || passwd !== ""
    ? readLayeredFile(directories, "etc/group")
    : "";
  const user = resolveUser(spec, passwd, group);
  const groups = additionalGids(user, resolveGroups(added, group));
  return { uid: user.uid, gid: user.gid, additionalGids: groups, home: user.home };
}

/** The pid of the container that a mode names. Throws UserError when it does not run. */
export function joinedPid(reference: string, what: string): number {
  const id = resolveContainer(reference);
  const state = stateOf(id);
  if (state.kind === "running") return state.run.pid;
  throw new UserError(
    `cannot join ${what} of a non running container: ${id}`,
    125,
  );
}

function joins(host: HostConfig): Partial<Record<NamespaceType, string>> {
  const found: Partial<Record<NamespaceType, string>> = {};
  const modes: [NamespaceType, string, string, string][] = [
    ["network", "net", host.NetworkMode, "network"],
    ["ipc", "ipc", host.IpcMode, "IPC"],
    ["pid", "pid", host.PidMode, "PID"],
    ["uts", "uts", host.UTSMode, "UTS"],
    ["user", "user", host.UsernsMode, "user"],
    ["cgroup", "cgroup", host.CgroupnsMode, "cgroup"],
  ];
  for (const [type, file, mode, what] of modes) {
    const container = joinedContainer(mode);
    if (container !== undefined && type === "ipc") checkShareable(container);
    if (container !== undefined && type === "user" && !hasUserNamespace(container)) continue;
    if (container !== undefined) found[type] = `/proc/${joinedPid(container, what)}/ns/${file}`;
  }
  return found;
}

function hasUserNamespace(reference: string): boolean {
  return asksUserNamespace(readRecord(resolveContainer(reference)).HostConfig);
}

/** Only who said so lets others into its IPC namespace, as docker has it. */
function checkShareable(reference: string): void {
  const { IpcMode } = readRecord(resolveContainer(reference)).HostConfig;
  if (IpcMode !== "private" && IpcMode !== "none") return;
  throw new UserError(
    `failed to join IPC namespace: container ${reference}: non-shareable IPC ` +
      "(hint: use IpcMode:shareable for the donor container)",
    125,
  );
}

/** A file of the container whose network is shared. */
function joinedFile(host: HostConfig, name: string): string {
  return `${containerDirectory(resolveContainer(joinedContainer(host.NetworkMode)!))}/${name}`;
}

/** Who joins an IPC namespace gets the /dev/shm that the other container mounted in its own. */
function sharedMemory(host: HostConfig): string | undefined {
  const joined = joinedContainer(host.IpcMode);
  return joined === undefined ? undefined : `/proc/${joinedPid(joined, "IPC")}/root/dev/shm`;
}

/** The zone file of `--tz`: the host's own for "local". */
function zoneFile(zone: string): string {
  const path = zone === "local" ? "/etc/localtime" : `/usr/share/zoneinfo/${zone}`;
  if (/(^|\/)\.\.(\/|$)/.test(zone) || existing(path) === undefined) {
    throw new UserError(`finding timezone: stat ${path}: no such file or directory`, 125);
  }
  return Deno.realPathSync(path);
}

/** AppArmor's and SELinux's labels; the host is asked only for who wants some. */
function labelsOf(id: string, host: HostConfig): SecurityLabels {
  const options = parseSecurityOptions(host.SecurityOpt ?? []);
  if (options.apparmor === undefined && options.labels.length === 0) return {};
  return securityLabels(options, activeModules(), id);
}

/** The filter: none for privileged and unconfined containers, the user's, or the default. */
function seccompOf(host: HostConfig): Seccomp | undefined {
  const { seccomp } = parseSecurityOptions(host.SecurityOpt ?? []);
  if (seccomp === "unconfined" || (host.Privileged && seccomp === undefined)) return undefined;
  const target = {
    caps: tweakCapabilities(host.CapAdd ?? [], host.CapDrop ?? [], host.Privileged),
    arch: Deno.build.arch,
    kernelRelease: Deno.osRelease(),
  };
  if (seccomp === undefined || seccomp === "builtin") return defaultSeccomp(target);
  return resolveProfile(parseProfile(seccomp), target);
}
