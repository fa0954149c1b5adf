/** The body of POST /containers/create as the engine's request. Pure. */
import { emptyContainerConfig, emptyEndpoint, emptyHostConfig } from "../engine/host_config.ts";
import { isUserDefinedNetwork } from "../engine/modes.ts";
import type {
  ContainerConfig,
  CreateRequest,
  EndpointSettings,
  HostConfig,
  NetworkingConfig,
} from "../engine/types.ts";
import { parsePlatform } from "../base/platform.ts";
import { fields, list, map, number, type Shape, text, truth } from "../image/shape.ts";
import { ApiError } from "./http_head.ts";

const strings = list(text);
/** A list of words; one word alone is a list of it. */
const words: Shape = (value) => typeof value === "string" ? undefined : strings(value);
const set: Shape = map(fields({}));
const rates = list(fields({ Path: text, Rate: number }));

/** A health check, here and in the body of other requests. */
const HEALTH = fields({
  Test: strings,
  Interval: number,
  Timeout: number,
  StartPeriod: number,
  StartInterval: number,
  Retries: number,
});

/** The settings of a container, apart from its host. */
export const CONFIG: Record<string, Shape> = {
  Hostname: text,
  Domainname: text,
  User: text,
  AttachStdin: truth,
  AttachStdout: truth,
  AttachStderr: truth,
  ExposedPorts: set,
  Tty: truth,
  OpenStdin: truth,
  StdinOnce: truth,
  Env: strings,
  Cmd: words,
  Healthcheck: HEALTH,
  Image: text,
  Volumes: set,
  WorkingDir: text,
  Entrypoint: words,
  NetworkDisabled: truth,
  OnBuild: strings,
  Labels: map(text),
  StopSignal: text,
  StopTimeout: number,
  Shell: strings,
};

/** The part of HostConfig that can be changed while a container runs, and a few others like it. */
export const RESOURCES: Record<string, Shape> = {
  CpuShares: number,
  Memory: number,
  NanoCpus: number,
  CgroupParent: text,
  BlkioWeight: number,
  BlkioWeightDevice: list(fields({ Path: text, Weight: number })),
  BlkioDeviceReadBps: rates,
  BlkioDeviceWriteBps: rates,
  BlkioDeviceReadIOps: rates,
  BlkioDeviceWriteIOps: rates,
  CpuPeriod: number,
  CpuQuota: number,
  CpuRealtimePeriod: number,
  CpuRealtimeRuntime: number,
  CpusetCpus: text,
  CpusetMems: text,
  Devices: list(fields({ PathOnHost: text, PathInContainer: text, CgroupPermissions: text })),
  DeviceCgroupRules: strings,
  DeviceRequests: list(fields({
    Driver: text,
    Count: number,
    DeviceIDs: strings,
    Capabilities: list(strings),
    Options: map(text),
  })),
  MemoryReservation: number,
  MemorySwap: number,
  MemorySwappiness: number,
  OomKillDisable: truth,
  PidsLimit: number,
  Ulimits: list(fields({ Name: text, Hard: number, Soft: number })),
  CpuCount: number,
  CpuPercent: number,
  IOMaximumIOps: number,
  IOMaximumBandwidth: number,
};

export const RESTART_POLICY: Shape = fields({ Name: text, MaximumRetryCount: number });

const MOUNT = fields({
  Type: text,
  Source: text,
  Target: text,
  ReadOnly: truth,
  Consistency: text,
  BindOptions: fields({
    Propagation: text,
    NonRecursive: truth,
    CreateMountpoint: truth,
    ReadOnlyNonRecursive: truth,
    ReadOnlyForceRecursive: truth,
  }),
  VolumeOptions: fields({
    NoCopy: truth,
    Labels: map(text),
    Subpath: text,
    DriverConfig: fields({ Name: text, Options: map(text) }),
  }),
  ImageOptions: fields({ Subpath: text }),
  TmpfsOptions: fields({ SizeBytes: number, Mode: number, Options: list(strings) }),
});

const HOST: Record<string, Shape> = {
  ...RESOURCES,
  Binds: strings,
  ContainerIDFile: text,
  LogConfig: fields({ Type: text, Config: map(text) }),
  NetworkMode: text,
  PortBindings: map((value) =>
    value === null ? undefined : list(fields({ HostIp: text, HostPort: text }))(value)
  ),
  RestartPolicy: RESTART_POLICY,
  AutoRemove: truth,
  VolumeDriver: text,
  VolumesFrom: strings,
  ConsoleSize: list(number),
  Annotations: map(text),
  CapAdd: strings,
  CapDrop: strings,
  CgroupnsMode: text,
  Dns: strings,
  DnsOptions: strings,
  DnsSearch: strings,
  ExtraHosts: strings,
  GroupAdd: strings,
  IpcMode: text,
  Cgroup: text,
  Links: strings,
  OomScoreAdj: number,
  PidMode: text,
  Privileged: truth,
  PublishAllPorts: truth,
  ReadonlyRootfs: truth,
  SecurityOpt: strings,
  StorageOpt: map(text),
  Tmpfs: map(text),
  UTSMode: text,
  UsernsMode: text,
  ShmSize: number,
  Sysctls: map(text),
  Runtime: text,
  Isolation: text,
  MaskedPaths: strings,
  ReadonlyPaths: strings,
  Mounts: list(MOUNT),
  Init: truth,
};

/** What is asked of an endpoint; what it got is the engine's to say. */
export const ENDPOINT: Record<string, Shape> = {
  IPAMConfig: fields({ IPv4Address: text, IPv6Address: text, LinkLocalIPs: strings }),
  Links: strings,
  Aliases: strings,
  MacAddress: text,
  DriverOpts: map(text),
  GwPriority: number,
};

/** Throws ApiError 400 unless `value` is an object of this shape: of `known` what was given. */
export function pick<T extends object>(
  value: unknown,
  known: Record<string, Shape>,
  what: string,
): Partial<T> {
  const wrong = fields(known)(value);
  if (wrong !== undefined) throw new ApiError(400, `invalid JSON: ${what}${wrong}`);
  const given = Object.entries(value as object).filter(([key]) => Object.hasOwn(known, key));
  return withoutNulls(Object.fromEntries(given)) as Partial<T>;
}

/** As Go reads it: a member that is `null` was not given. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, one]) => one !== null);
  return Object.fromEntries(kept.map(([key, one]) => [key, withoutNulls(one)]));
}

const asList = (value: string[] | string | undefined) =>
  typeof value === "string" ? [value] : value ?? null;

const noConfig = () => new ApiError(400, "config cannot be empty in order to create a container");

/** The engine's request. Throws ApiError 400 for what is no such body. */
export function createRequest(body: unknown, name: string, platform: string): CreateRequest {
  if (body === null) {
    throw noConfig();
  }
  const { NetworkDisabled, ...config } = pick<ContainerConfig>(body, CONFIG, "Config");
  if (Object.keys(config).length === 0) throw noConfig();
  const { HostConfig = {}, NetworkingConfig = {} } = withoutNulls(body) as Record<string, object>;
  // The mode says the same, and is what the engine goes by.
  const asked = hostConfig(HostConfig);
  const host = NetworkDisabled ? { ...asked, NetworkMode: "none" } : asked;
  return {
    ...emptyContainerConfig(""),
    ...config,
    ...(NetworkDisabled && { NetworkDisabled }),
    Cmd: asList(config.Cmd ?? undefined),
    Entrypoint: asList(config.Entrypoint ?? undefined),
    HostConfig: host,
    NetworkingConfig: networkingConfig(NetworkDisabled ? {} : NetworkingConfig, host, body),
    Name: name.replace(/^\//, ""),
    Platform: platform === "" ? null : parsePlatform(platform),
  };
}

/** The zero values that docker's clients send for "not given" are the engine's `null`. */
function hostConfig(body: object): HostConfig {
  const host = pick<HostConfig>(body, HOST, "HostConfig");
  const empty = emptyHostConfig();
  const { MemorySwappiness: swappiness = -1, PidsLimit: pids = 0 } = host;
  return {
    ...empty,
    ...host,
    LogConfig: { ...empty.LogConfig, ...host.LogConfig },
    RestartPolicy: { ...empty.RestartPolicy, ...host.RestartPolicy },
    NetworkMode: host.NetworkMode || empty.NetworkMode,
    MemorySwappiness: swappiness === -1 ? null : swappiness,
    PidsLimit: pids !== null && pids > 0 ? pids : null,
    OomKillDisable: host.OomKillDisable || null,
    PortBindings: Object.fromEntries(
      Object.entries(host.PortBindings ?? {}).map(([port, bindings]) => [
        port.includes("/") ? port : `${port}/tcp`,
        (bindings ?? []).map(({ HostIp = "", HostPort = "" }) => ({ HostIp, HostPort })),
      ]),
    ),
  };
}

/** The endpoints by network; that of the network mode is always among them. */
function networkingConfig(body: object, host: HostConfig, config: unknown): NetworkingConfig {
  const { EndpointsConfig = {} } = body as { EndpointsConfig?: Record<string, unknown> };
  const wrong = map(fields(ENDPOINT))(EndpointsConfig);
  if (wrong !== undefined) {
    throw new ApiError(400, `invalid JSON: NetworkingConfig.EndpointsConfig${wrong}`);
  }
  const endpoints: Record<string, EndpointSettings> = {};
  for (const [name, asked] of Object.entries(EndpointsConfig)) {
    endpoints[name] = {
      ...emptyEndpoint(),
      ...pick<EndpointSettings>(asked, ENDPOINT, "EndpointsConfig"),
    };
  }
  const { NetworkMode: mode } = host;
  const isNamed = Object.hasOwn(endpoints, mode) ||
    (!isUserDefinedNetwork(mode) && Object.keys(endpoints).length > 0);
  if (!isNamed) endpoints[mode] = emptyEndpoint();
  // Until 1.44 the address was the container's, and that is the one of its first network.
  const { MacAddress: mac } = config as { MacAddress?: unknown };
  if (typeof mac === "string" && mac !== "" && Object.hasOwn(endpoints, mode)) {
    endpoints[mode].MacAddress ||= mac;
  }
  return { EndpointsConfig: endpoints };
}
