/**
 * From a container's settings to the OCI config.json of its bundle: pure, so that what a start
 * will ask of the kernel can be read, compared and tested without a kernel. Whatever has to be
 * looked up (users, devices, the pids of joined containers) comes in by the context.
 */
import { tweakCapabilities } from "../runtime/capabilities.ts";
import type {
  Capabilities,
  Device,
  Linux,
  Namespace,
  NamespaceType,
  Process,
  Rlimit,
  Spec,
} from "../runtime/spec_types.ts";
import type { BundleContext, HostDevice } from "./bundle_context.ts";
import { bundleMounts, rootPropagation } from "./bundle_mounts.ts";
import { bundleResources } from "./bundle_resources.ts";
import { environment } from "./environment.ts";
import { isPrivateNetwork } from "./modes.ts";
import { parseSecurityOptions } from "./security_opts.ts";
import type { ContainerConfig, HostConfig, Ulimit } from "./types.ts";

/** The words that are run: the entrypoint, then the command. */
export function commandLine(config: ContainerConfig): string[] {
  // One empty word is how `--entrypoint ""` is spelled.
  const entrypoint = (config.Entrypoint ?? []).filter((word, i) => i > 0 || word !== "");
  return [...entrypoint, ...(config.Cmd ?? [])];
}

/** Whether `--init` has an effect: not where the container has no PID 1 of its own. */
export function hasInit(host: HostConfig): boolean {
  return host.Init === true && (host.PidMode === "" || host.PidMode === "private");
}

/**
 * Describes the container as an OCI bundle. `config` is merged with the image's
 * (completeRequest()). Throws UserError for capabilities and security options that don't exist;
 * validate() has found these before.
 */
export function toSpec(config: ContainerConfig, host: HostConfig, context: BundleContext): Spec {
  const security = parseSecurityOptions(host.SecurityOpt ?? []);
  const own = host.Diplodock ?? {};
  const namespaces = bundleNamespaces(host, context);
  const ownUts = namespaces.some(({ type, path }) => type === "uts" && path === undefined);
  const extension = {
    ...(context.root.overlay !== undefined && { overlay: context.root.overlay }),
    ...(own.PreserveFds !== undefined && { preserveFds: own.PreserveFds }),
    ...(own.Strict && { strict: true }),
    ...(hasInit(host) && { reaper: true }),
  };
  return {
    ociVersion: "1.2.0",
    process: bundleProcess(config, host, context, security.noNewPrivileges),
    root: { path: context.root.path, ...(host.ReadonlyRootfs && { readonly: true }) },
    ...(ownUts && config.Hostname !== "" && { hostname: config.Hostname }),
    ...(ownUts && config.Domainname !== "" && { domainname: config.Domainname }),
    mounts: bundleMounts(host, context, {
      writableCgroups: security.writableCgroups ?? host.Privileged,
    }),
    ...(host.Annotations !== undefined && { annotations: host.Annotations }),
    linux: bundleLinux(host, context, namespaces),
    ...(Object.keys(extension).length > 0 && { diplodock: extension }),
  };
}

function bundleProcess(
  config: ContainerConfig,
  host: HostConfig,
  context: BundleContext,
  noNewPrivileges: boolean,
): Process {
  const [height, width] = host.ConsoleSize;
  const { uid, gid, additionalGids } = context.user;
  const words = commandLine(config);
  const umask = host.Diplodock?.Umask;
  return {
    ...(config.Tty && { terminal: true }),
    ...(config.Tty && height > 0 && width > 0 && { consoleSize: { height, width } }),
    user: { uid, gid, ...(umask !== undefined && { umask }), additionalGids: [...additionalGids] },
    args: words,
    env: environment(config, host, context.user.home),
    cwd: config.WorkingDir || "/",
    capabilities: bundleCapabilities(host),
    ...processLimits(host),
    ...(noNewPrivileges && { noNewPrivileges }),
    ...(context.apparmor !== undefined && { apparmorProfile: context.apparmor }),
    ...(context.processLabel !== undefined && { selinuxLabel: context.processLabel }),
  };
}

/** What is bounding is also permitted and effective; nothing is inherited (CVE-2022-24769). */
function bundleCapabilities(host: HostConfig): Capabilities {
  const names = tweakCapabilities(host.CapAdd ?? [], host.CapDrop ?? [], host.Privileged);
  return { bounding: names, effective: names, permitted: names };
}

/** Limits that every process of the container gets, also by exec. */
export function processLimits(host: HostConfig): Pick<Process, "rlimits" | "oomScoreAdj"> {
  return {
    ...(host.Ulimits.length > 0 && { rlimits: host.Ulimits.map(toRlimit) }),
    ...(host.OomScoreAdj !== 0 && { oomScoreAdj: host.OomScoreAdj }),
  };
}

function toRlimit({ Name, Soft, Hard }: Ulimit): Rlimit {
  return { type: `RLIMIT_${Name.toUpperCase()}`, soft: Soft, hard: Hard };
}

function bundleLinux(
  host: HostConfig,
  context: BundleContext,
  namespaces: Namespace[],
): Linux {
  const devices = host.Privileged
    ? [...context.hostDevices, ...context.devices.map(withoutAccess)]
    : context.devices.map(withoutAccess);
  const propagation = rootPropagation(context.mounts);
  return {
    namespaces,
    ...(context.userns !== undefined && context.join.user === undefined && {
      uidMappings: [...context.userns.uids],
      gidMappings: [...context.userns.gids],
    }),
    ...(devices.length > 0 && { devices }),
    cgroupsPath: context.cgroupsPath,
    resources: bundleResources(host, context.devices, context.blockDevices),
    ...(propagation !== undefined && { rootfsPropagation: propagation }),
    ...(context.seccomp !== undefined && { seccomp: context.seccomp }),
    sysctl: bundleSysctls(host, context),
    ...protectedPaths(host),
    ...(context.mountLabel !== undefined && { mountLabel: context.mountLabel }),
  };
}

function withoutAccess({ access: _, ...device }: HostDevice): Device {
  return device;
}

/** What completeRequest() put there: docker's lists, or none. */
function protectedPaths(host: HostConfig): Pick<Linux, "maskedPaths" | "readonlyPaths"> {
  if (host.Privileged) return {};
  return { maskedPaths: host.MaskedPaths ?? [], readonlyPaths: host.ReadonlyPaths ?? [] };
}

/** New, joined, or (by not being listed) the host's: one entry a kind. */
function bundleNamespaces(host: HostConfig, context: BundleContext): Namespace[] {
  const shared: Partial<Record<NamespaceType, boolean>> = {
    network: host.NetworkMode === "host",
    uts: host.UTSMode === "host",
    pid: host.PidMode === "host",
    ipc: host.IpcMode === "host",
    cgroup: host.CgroupnsMode !== "private",
    user: context.userns === undefined && context.join.user === undefined,
  };
  const order: NamespaceType[] = ["mount", "network", "uts", "pid", "ipc", "cgroup", "user"];
  return order.filter((type) => !shared[type]).map((type) => {
    const path = context.join[type];
    return path === undefined ? { type } : { type, path };
  });
}

/**
 * docker's two defaults for a network namespace of its own (ports below 1024 and ping need no
 * capability), then what the user asked. Ping sockets need the whole range of groups, which a
 * user namespace has not.
 */
function bundleSysctls(host: HostConfig, context: BundleContext): Record<string, string> {
  const defaults: Record<string, string> = {};
  if (isPrivateNetwork(host.NetworkMode)) {
    defaults["net.ipv4.ip_unprivileged_port_start"] = "0";
    const everyGroup = context.userns === undefined && context.join.user === undefined &&
      context.ownGids === undefined;
    if (everyGroup) {
      defaults["net.ipv4.ping_group_range"] = "0 2147483647";
    }
  }
  return { ...defaults, ...host.Sysctls };
}
