/** The parsed flags of `run` as docker's request. */
import { cleanPath } from "../../base/paths.ts";
import { emptyContainerConfig, emptyHostConfig } from "../../engine/host_config.ts";
import { joinedContainer } from "../../engine/modes.ts";
import type {
  ContainerConfig,
  CreateRequest,
  DiplodockConfig,
  HostConfig,
} from "../../engine/types.ts";
import { parseDevices } from "./devices.ts";
import { inheritEnv, parseKeyValueFile, toMap, withProxies } from "./env.ts";
import { buildHealth } from "./health.ts";
import type { ClientHost } from "./host.ts";
import { absoluteMounts, parseTmpfs, parseVolumes } from "./mounts.ts";
import { buildNetworking, checkMac } from "./networks.ts";
import { parsePlatform } from "../../base/platform.ts";
import { parseExpose, parsePublish } from "./ports.ts";
import { parseRestartPolicy, parseStorageOpts, sortUlimits } from "./resources.ts";
import {
  checkCgroupnsMode,
  checkPidMode,
  checkUtsMode,
  parseCapabilities,
  parseSecurityOpts,
  parseUserns,
} from "./security.ts";
import type { RunOptions } from "./table.ts";
import { badFlag } from "./units.ts";

const orNull = <T>(list: readonly T[]): T[] | null => list.length > 0 ? [...list] : null;

/** A set in docker's JSON: an object whose values are empty objects. */
function toSet(keys: readonly string[]): Record<string, Record<string, never>> {
  return Object.fromEntries(keys.map((key) => [key, {}]));
}

/** The object without the members that are undefined, false or an empty list or object. */
function compact<T extends object>(object: T): T {
  const kept = Object.entries(object).filter(([, value]) => {
    if (value === undefined || value === false) return false;
    return typeof value !== "object" || value === null || Object.keys(value).length > 0;
  });
  return Object.fromEntries(kept) as T;
}

/** Environment: `--env-host`, then the files, then `-e`, then the client's proxies. */
function environment(options: RunOptions, host: ClientHost): string[] {
  const own = options.envHost
    ? Object.entries(host.allEnv()).map(([name, value]) => `${name}=${value}`)
    : [];
  const fromFiles = options.envFile.flatMap((path) =>
    parseKeyValueFile(path, host, (name) => host.env(name))
  );
  return [...own, ...fromFiles, ...withProxies(inheritEnv(options.env, host), host.proxies())];
}

function labels(options: RunOptions, host: ClientHost): Record<string, string> {
  const fromFiles = options.labelFile.flatMap((path) => parseKeyValueFile(path, host, () => ""));
  return toMap([...fromFiles, ...options.label]);
}

/** "" resets the image's entrypoint, which the API spells as one empty word. */
function entrypoint(options: RunOptions): string[] | null {
  return options.entrypoint === undefined ? null : [options.entrypoint];
}

function containerConfig(
  options: RunOptions,
  given: ReadonlySet<string>,
  words: readonly string[],
  host: ClientHost,
): ContainerConfig {
  const attached = (stream: string) =>
    options.attach.length === 0 ? stream !== "stdin" : options.attach.includes(stream);
  const exposed = [
    ...Object.keys(parsePublish(options.publish)),
    ...parseExpose(options.expose),
  ];
  const attachStdin = options.interactive || attached("stdin");
  const health = buildHealth({
    cmd: options.healthCmd ?? "",
    interval: options.healthInterval ?? 0,
    timeout: options.healthTimeout ?? 0,
    startPeriod: options.healthStartPeriod ?? 0,
    startInterval: options.healthStartInterval ?? 0,
    retries: options.healthRetries ?? 0,
    none: options.noHealthcheck,
  });
  return {
    ...emptyContainerConfig(words[0]),
    Hostname: options.hostname ?? "",
    Domainname: options.domainname ?? "",
    User: options.user ?? "",
    AttachStdin: attachStdin,
    AttachStdout: attached("stdout"),
    AttachStderr: attached("stderr"),
    ...(exposed.length > 0 && { ExposedPorts: toSet(exposed) }),
    Tty: options.tty,
    OpenStdin: options.interactive,
    StdinOnce: options.interactive && attachStdin,
    Env: orNull(environment(options, host)),
    Cmd: orNull(words.slice(1)),
    ...(health !== undefined && { Healthcheck: health }),
    Volumes: toSet(parseVolumes(options.volume, host.cwd).anonymous),
    WorkingDir: options.workdir ?? "",
    Entrypoint: entrypoint(options),
    Labels: labels(options, host),
    ...(options.stopSignal && { StopSignal: options.stopSignal }),
    ...(given.has("stop-timeout") && { StopTimeout: options.stopTimeout }),
  };
}

/** The fields of HostConfig that limit something. */
function resources(options: RunOptions): Partial<HostConfig> {
  const swappiness = options.memorySwappiness;
  if (swappiness < -1 || swappiness > 100) {
    badFlag(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  }
  return {
    CpuShares: options.cpuShares ?? 0,
    Memory: options.memory ?? 0,
    NanoCpus: options.cpus ?? 0,
    CgroupParent: options.cgroupParent ?? "",
    BlkioWeight: options.blkioWeight ?? 0,
    BlkioWeightDevice: options.blkioWeightDevice,
    BlkioDeviceReadBps: options.deviceReadBps,
    BlkioDeviceWriteBps: options.deviceWriteBps,
    BlkioDeviceReadIOps: options.deviceReadIops,
    BlkioDeviceWriteIOps: options.deviceWriteIops,
    CpuPeriod: options.cpuPeriod ?? 0,
    CpuQuota: options.cpuQuota ?? 0,
    CpuRealtimePeriod: options.cpuRtPeriod ?? 0,
    CpuRealtimeRuntime: options.cpuRtRuntime ?? 0,
    CpusetCpus: options.cpusetCpus ?? "",
    CpusetMems: options.cpusetMems ?? "",
    DeviceCgroupRules: orNull(options.deviceCgroupRule),
    MemoryReservation: options.memoryReservation ?? 0,
    MemorySwap: options.memorySwap ?? 0,
    MemorySwappiness: swappiness === -1 ? null : swappiness,
    OomKillDisable: options.oomKillDisable || null,
    OomScoreAdj: options.oomScoreAdj ?? 0,
    PidsLimit: options.pidsLimit && options.pidsLimit > 0 ? options.pidsLimit : null,
    Ulimits: sortUlimits(options.ulimit),
    ShmSize: options.shmSize ?? 0,
  };
}

/** The modes of the namespaces, checked as docker's client does. */
function modes(options: RunOptions): Partial<HostConfig> {
  const { pid = "", uts = "", cgroupns = "", userns = "" } = options;
  checkPidMode(pid);
  checkUtsMode(uts);
  checkCgroupnsMode(cgroupns);
  return {
    PidMode: pid,
    UTSMode: uts,
    CgroupnsMode: cgroupns as HostConfig["CgroupnsMode"],
    UsernsMode: joinedContainer(userns) === undefined ? parseUserns(userns).mode : userns,
    IpcMode: options.ipc ?? "",
    NetworkMode: options.network[0]?.target ?? "default",
  };
}

function logConfig(options: RunOptions): HostConfig["LogConfig"] {
  const driver = options.logDriver ?? "";
  if (driver === "none" && options.logOpt.length > 0) {
    badFlag(`invalid logging opts for driver ${driver}`);
  }
  return { Type: driver, Config: toMap(options.logOpt) };
}

/** What is shared with the host: mounts, devices, names of other containers. */
function sharing(options: RunOptions, host: ClientHost): Partial<HostConfig> {
  const { devices, cdi } = parseDevices(options.device);
  const tmpfs = parseTmpfs(options.tmpfs);
  const mounts = absoluteMounts(options.mount, host.cwd);
  return {
    Binds: orNull(parseVolumes(options.volume, host.cwd).binds),
    VolumeDriver: options.volumeDriver ?? "",
    VolumesFrom: orNull(options.volumesFrom),
    Devices: devices,
    DeviceRequests: orNull([...options.gpus, ...cdi]),
    ...(options.tmpfs.length > 0 && { Tmpfs: tmpfs }),
    ...(mounts.length > 0 && { Mounts: mounts }),
    Dns: options.dns,
    DnsOptions: options.dnsOption,
    DnsSearch: options.dnsSearch,
    ExtraHosts: orNull(options.addHost),
    Links: orNull(options.link),
  };
}

/** `--rootfs DIR` or `DIR:O`. */
function rootfs(options: RunOptions, host: ClientHost): Partial<DiplodockConfig> {
  if (options.rootfs === undefined) return {};
  const overlay = options.rootfs.endsWith(":O");
  const dir = overlay ? options.rootfs.slice(0, -2) : options.rootfs;
  if (dir === "" || dir.startsWith("-")) {
    badFlag(`Cannot use "${options.rootfs}" as root file system: want a directory`);
  }
  const absolute = dir.startsWith("/") ? dir : `${host.cwd}/${dir}`;
  return { RootfsDir: cleanPath(absolute), RootfsOverlay: overlay };
}

/** What docker has no field for; undefined where none of it was asked. */
function extension(options: RunOptions, host: ClientHost): DiplodockConfig | undefined {
  const userns = parseUserns(options.userns ?? "");
  const own: DiplodockConfig = compact({
    Timezone: options.tz,
    TimeoutSeconds: options.timeout || undefined,
    HealthOnFailure: options.healthOnFailure,
    ...rootfs(options, host),
    NetRateBits: options.netRate,
    NetDelayMicros: options.netDelay,
    NetLossPercent: options.netLoss,
    UidMaps: options.uidmap,
    GidMaps: options.gidmap,
    UsernsSize: userns.size,
    KeepUid: userns.uid,
    KeepGid: userns.gid,
    Umask: options.umask,
    UnsetEnv: options.unsetenv,
    UnsetEnvAll: options.unsetenvAll,
    HostsFile: options.hostsFile,
    PreserveFds: options.preserveFds || undefined,
    UserlandProxy: options.userlandProxy,
    RemoveImage: options.rmi,
    Strict: options.strict,
    NoHosts: options.noHosts,
    NoHostname: options.noHostname,
  });
  return Object.keys(own).length > 0 ? own : undefined;
}

function hostConfig(
  options: RunOptions,
  given: ReadonlySet<string>,
  host: ClientHost,
): HostConfig {
  const restart = parseRestartPolicy(options.restart);
  const security = parseSecurityOpts(options.securityOpt, host);
  const remove = options.rm || options.rmi;
  if (remove && restart.Name !== "no" && restart.Name !== "") {
    badFlag("conflicting options: cannot specify both --restart and --rm");
  }
  const own = extension(options, host);
  return {
    ...emptyHostConfig(),
    ...modes(options),
    ...resources(options),
    ...sharing(options, host),
    ContainerIDFile: options.cidfile ?? "",
    LogConfig: logConfig(options),
    PortBindings: parsePublish(options.publish),
    RestartPolicy: restart,
    AutoRemove: remove,
    ...(options.annotation.length > 0 && { Annotations: toMap(options.annotation) }),
    CapAdd: orNull(parseCapabilities(options.capAdd)),
    CapDrop: orNull(parseCapabilities(options.capDrop)),
    GroupAdd: orNull(options.groupAdd),
    Privileged: options.privileged,
    PublishAllPorts: options.publishAll,
    ReadonlyRootfs: options.readOnly,
    SecurityOpt: security.securityOpt,
    MaskedPaths: security.maskedPaths,
    ReadonlyPaths: security.readonlyPaths,
    ...(options.storageOpt.length > 0 && { StorageOpt: parseStorageOpts(options.storageOpt) }),
    ...(options.sysctl.length > 0 && { Sysctls: toMap(options.sysctl) }),
    Runtime: options.runtime ?? "",
    Isolation: options.isolation ?? "",
    ...(given.has("init") && { Init: options.init }),
    ...(own !== undefined && { Diplodock: own }),
  };
}

/**
 * Builds the request from parsed flags. `given` names the flags that were on the command line,
 * `words` are the image and the command. Throws a UserError (125) with docker's text.
 */
export function buildRequest(
  options: RunOptions,
  given: ReadonlySet<string>,
  words: readonly string[],
  host: ClientHost,
): CreateRequest {
  if (options.useApiSocket) {
    badFlag("Cannot bind the API socket: this engine has none");
  }
  const mac = options.macAddress ?? "";
  checkMac(mac);
  return {
    ...containerConfig(options, given, words, host),
    HostConfig: hostConfig(options, given, host),
    NetworkingConfig: buildNetworking(options.network, {
      aliases: options.networkAlias,
      links: options.link,
      linkLocalIps: options.linkLocalIp,
      ipv4: options.ip ?? "",
      ipv6: options.ip6 ?? "",
      mac,
    }),
    Name: (options.name ?? "").replace(/^\//, ""),
    Platform: options.platform ? parsePlatform(options.platform) : null,
  };
}
