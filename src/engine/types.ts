/**
 * Docker's nouns as its HTTP API spells them (moby api/types 28): the model between
 * the flags of `run`, the engine, `container.json` and `inspect`.
 *
 * The order of the fields is the order `inspect` prints. `null` stands where docker
 * prints `null` for "not given"; optional fields are left out when they are empty.
 * What docker has no word for is in `HostConfig.Diplodock`.
 */

import type { HostConfig, PortMap } from "./host_config_types.ts";

export type * from "./host_config_types.ts";

/** A health check. The times are in nanoseconds; 0 means "the default". */
export interface HealthConfig {
  /** `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", line]`; empty: inherit from the image. */
  Test?: string[];
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  /** Failures in a row before "unhealthy". */
  Retries?: number;
}

/** What runs and with which words: the part an image can give defaults for. */
export interface ContainerConfig {
  Hostname: string;
  Domainname: string;
  User: string;
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  /** Keys are "80/tcp". */
  ExposedPorts?: Record<string, Record<string, never>>;
  Tty: boolean;
  OpenStdin: boolean;
  /** Close stdin when the first attached client leaves. */
  StdinOnce: boolean;
  Env: string[] | null;
  Cmd: string[] | null;
  Healthcheck?: HealthConfig;
  /** The image as the user typed it. */
  Image: string;
  /** Anonymous volumes, by path inside. */
  Volumes: Record<string, Record<string, never>> | null;
  WorkingDir: string;
  /** `null`: not given (the image's is used); `[""]`: reset by `--entrypoint ""`. */
  Entrypoint: string[] | null;
  NetworkDisabled?: boolean;
  OnBuild: string[] | null;
  Labels: Record<string, string> | null;
  StopSignal?: string;
  /** Seconds. */
  StopTimeout?: number;
  Shell?: string[];
}

/** What an image says about its containers: any part of a ContainerConfig. */
export type ImageDefaults = Partial<ContainerConfig>;

/** What a user asks of an endpoint's addresses. */
export interface EndpointIPAMConfig {
  IPv4Address?: string;
  IPv6Address?: string;
  LinkLocalIPs?: string[];
}

/** One network of a container: first what was asked, then what it got. */
export interface EndpointSettings {
  IPAMConfig: EndpointIPAMConfig | null;
  Links: string[] | null;
  Aliases: string[] | null;
  MacAddress: string;
  DriverOpts: Record<string, string> | null;
  GwPriority: number;
  NetworkID: string;
  EndpointID: string;
  Gateway: string;
  IPAddress: string;
  IPPrefixLen: number;
  IPv6Gateway: string;
  GlobalIPv6Address: string;
  GlobalIPv6PrefixLen: number;
  DNSNames: string[] | null;
}

/** Networks by the name or id the user typed. */
export interface NetworkingConfig {
  EndpointsConfig: Record<string, EndpointSettings>;
}

/** A mount as `inspect` shows it: resolved. */
export interface MountPoint {
  Type: "bind" | "volume" | "tmpfs" | "image";
  Name?: string;
  Source: string;
  Destination: string;
  Driver?: string;
  Mode: string;
  RW: boolean;
  Propagation: string;
}

/** `--platform`. */
export interface Platform {
  os: string;
  architecture?: string;
  variant?: string;
}

/** The whole wish: docker's body of POST /containers/create, plus name and platform. */
export interface CreateRequest extends ContainerConfig {
  HostConfig: HostConfig;
  NetworkingConfig: NetworkingConfig;
  /** Empty: the engine chooses. Without the leading slash. */
  Name: string;
  Platform: Platform | null;
}

/** When to pull. */
export type PullPolicy = "always" | "missing" | "never";

/** What concerns the calling client alone and is not part of the container. */
export interface ClientOptions {
  detach: boolean;
  /** The streams this client shows or feeds. */
  attach: { stdin: boolean; stdout: boolean; stderr: boolean };
  /** `-a` was given. */
  attachGiven: boolean;
  /** `-i`. */
  interactive: boolean;
  tty: boolean;
  sigProxy: boolean;
  /** As typed ("ctrl-p,ctrl-q"); empty: the default. */
  detachKeys: string;
  /** Empty: none. */
  cidfile: string;
  pull: PullPolicy;
  /** No pull progress. */
  quiet: boolean;
  /** `--replace`: remove a container of the same name first. */
  replace: boolean;
  /** `--retry`, `--retry-delay` (seconds) of pulls. */
  pullRetries?: number;
  pullRetryDelaySeconds?: number;
  /** Texts for stderr that are known before anything is done. */
  warnings: string[];
}

/** `NetworkSettings` of `inspect`. */
export interface NetworkSettings {
  Bridge: string;
  SandboxID: string;
  SandboxKey: string;
  Ports: PortMap;
  HairpinMode: boolean;
  LinkLocalIPv6Address: string;
  LinkLocalIPv6PrefixLen: number;
  SecondaryIPAddresses: { Addr: string; PrefixLen: number }[] | null;
  SecondaryIPv6Addresses: { Addr: string; PrefixLen: number }[] | null;
  EndpointID: string;
  Gateway: string;
  GlobalIPv6Address: string;
  GlobalIPv6PrefixLen: number;
  IPAddress: string;
  IPPrefixLen: number;
  IPv6Gateway: string;
  MacAddress: string;
  Networks: Record<string, EndpointSettings>;
}

/** What `container.json` holds. The state is not in it: that is derived (running, exited). */
export interface ContainerRecord {
  Id: string;
  /** RFC 3339 with nanoseconds, UTC. */
  Created: string;
  Path: string;
  Args: string[];
  /** The image's id ("sha256:…"; "host" and a root directory have none). */
  Image: string;
  ResolvConfPath: string;
  HostnamePath: string;
  HostsPath: string;
  LogPath: string;
  /** With the leading slash. */
  Name: string;
  RestartCount: number;
  Driver: string;
  Platform: string;
  MountLabel: string;
  ProcessLabel: string;
  AppArmorProfile: string;
  HostConfig: HostConfig;
  Mounts: MountPoint[];
  Config: ContainerConfig;
  NetworkSettings: NetworkSettings;
  /** The user's own words, from "run" or "create" on. */
  CreateCommand: string[];
}
