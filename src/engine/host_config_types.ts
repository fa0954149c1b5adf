/**
 * `HostConfig` and what it is made of: how a container is tied to this host.
 * Same rules as in types.ts, which re-exports all of it.
 */

/** One host side of a published port. Empty HostIp: all; empty HostPort: any free. */
export interface PortBinding {
  HostIp: string;
  HostPort: string;
}

/** Keys are "80/tcp". */
export type PortMap = Record<string, PortBinding[] | null>;

/** `--restart`. */
export interface RestartPolicy {
  Name: "" | "no" | "always" | "on-failure" | "unless-stopped";
  MaximumRetryCount: number;
}

/** `--log-driver` and `--log-opt`. */
export interface LogConfig {
  Type: string;
  Config: Record<string, string>;
}

/** `--device`. */
export interface DeviceMapping {
  PathOnHost: string;
  PathInContainer: string;
  CgroupPermissions: string;
}

/** `--gpus` and CDI devices. */
export interface DeviceRequest {
  Driver: string;
  Count: number;
  DeviceIDs: string[] | null;
  Capabilities: string[][] | null;
  Options: Record<string, string> | null;
}

/** `--blkio-weight-device`. */
export interface WeightDevice {
  Path: string;
  Weight: number;
}

/** `--device-read-bps` and its three sisters: bytes or operations per second. */
export interface ThrottleDevice {
  Path: string;
  Rate: number;
}

/** `--ulimit`. -1 is "no limit". */
export interface Ulimit {
  Name: string;
  Hard: number;
  Soft: number;
}

/** Options of a bind mount given by `--mount`. */
export interface BindOptions {
  Propagation?: string;
  NonRecursive?: boolean;
  CreateMountpoint?: boolean;
  /** Only the top mount becomes read-only, not those below it. */
  ReadOnlyNonRecursive?: boolean;
  /** Fail when the mounts below cannot be made read-only as well. */
  ReadOnlyForceRecursive?: boolean;
}

/** Options of a volume given by `--mount`. */
export interface VolumeOptions {
  NoCopy?: boolean;
  Labels?: Record<string, string>;
  Subpath?: string;
  DriverConfig?: { Name?: string; Options?: Record<string, string> };
}

/** Options of a tmpfs given by `--mount`. */
export interface TmpfsOptions {
  SizeBytes?: number;
  Mode?: number;
  Options?: string[][];
}

/** One `--mount` (and `--tmpfs`, `-v` after the engine parsed them). */
export interface Mount {
  Type: "bind" | "volume" | "tmpfs" | "image" | "npipe" | "cluster";
  Source?: string;
  Target: string;
  ReadOnly?: boolean;
  Consistency?: string;
  BindOptions?: BindOptions;
  VolumeOptions?: VolumeOptions;
  ImageOptions?: { Subpath?: string };
  TmpfsOptions?: TmpfsOptions;
}

/** One user-namespace range, as the kernel's uid_map has it. */
export interface IdRange {
  ContainerID: number;
  HostID: number;
  Size: number;
}

/** What docker has no field for. Every member is absent unless it was asked for. */
export interface DiplodockConfig {
  /** `--tz`: "local" or a zone name. */
  Timezone?: string;
  /** `--timeout`: the container is killed after so many seconds. */
  TimeoutSeconds?: number;
  /** `--health-on-failure`. */
  HealthOnFailure?: "none" | "kill" | "restart" | "stop";
  /** `--rootfs DIR`: a directory of the host instead of an image. */
  RootfsDir?: string;
  /** `--rootfs DIR:O`: the directory is a lower layer, writes are thrown away. */
  RootfsOverlay?: boolean;
  /** `--net-rate`, bits per second. */
  NetRateBits?: number;
  /** `--net-delay`, microseconds. */
  NetDelayMicros?: number;
  /** `--net-loss`, percent. */
  NetLossPercent?: number;
  /** `--uidmap`, `--gidmap`. */
  UidMaps?: IdRange[];
  GidMaps?: IdRange[];
  /** `--userns auto`: how many ids, where not the default. */
  UsernsSize?: number;
  /** `--userns keep-id:uid=…,gid=…`: the id inside the caller is mapped to. */
  KeepUid?: number;
  KeepGid?: number;
  /** `--umask`, e.g. 0o022. */
  Umask?: number;
  /** `--unsetenv`, `--unsetenv-all`: names dropped from the image's environment. */
  UnsetEnv?: string[];
  UnsetEnvAll?: boolean;
  /** `--hosts-file`: where /etc/hosts starts from: a path, "image" or "none". */
  HostsFile?: string;
  /** `--preserve-fds N`: descriptors 3 to 3+N-1 go into the container. */
  PreserveFds?: number;
  /** `--rmi`: remove the image after the container. */
  RemoveImage?: boolean;
  /** `--userland-proxy`: published ports by our own proxy. */
  UserlandProxy?: boolean;
  /** `--strict`: refuse where the engine would narrow and warn. */
  Strict?: boolean;
  /** `--no-hosts`, `--no-hostname`: leave the image's file alone. */
  NoHosts?: boolean;
  NoHostname?: boolean;
  /** Bind targets that ask for an id-mapped mount (`-v …:idmap`). */
  IdmapTargets?: string[];
}

/** How the container is tied to this host. */
export interface HostConfig {
  Binds: string[] | null;
  ContainerIDFile: string;
  LogConfig: LogConfig;
  NetworkMode: string;
  PortBindings: PortMap;
  RestartPolicy: RestartPolicy;
  AutoRemove: boolean;
  VolumeDriver: string;
  VolumesFrom: string[] | null;
  /** Rows, columns. */
  ConsoleSize: [number, number];
  Annotations?: Record<string, string>;
  CapAdd: string[] | null;
  CapDrop: string[] | null;
  CgroupnsMode: "" | "host" | "private";
  Dns: string[];
  DnsOptions: string[];
  DnsSearch: string[];
  ExtraHosts: string[] | null;
  GroupAdd: string[] | null;
  IpcMode: string;
  Cgroup: string;
  Links: string[] | null;
  OomScoreAdj: number;
  PidMode: string;
  Privileged: boolean;
  PublishAllPorts: boolean;
  ReadonlyRootfs: boolean;
  SecurityOpt: string[] | null;
  StorageOpt?: Record<string, string>;
  /** Target path to mount options ("size=64k,mode=1777"). */
  Tmpfs?: Record<string, string>;
  UTSMode: string;
  UsernsMode: string;
  /** Bytes; 0: the default of 64 MiB. */
  ShmSize: number;
  Sysctls?: Record<string, string>;
  Runtime: string;
  Isolation: string;
  CpuShares: number;
  /** Bytes. */
  Memory: number;
  /** CPUs times 1e9. */
  NanoCpus: number;
  CgroupParent: string;
  BlkioWeight: number;
  BlkioWeightDevice: WeightDevice[];
  BlkioDeviceReadBps: ThrottleDevice[];
  BlkioDeviceWriteBps: ThrottleDevice[];
  BlkioDeviceReadIOps: ThrottleDevice[];
  BlkioDeviceWriteIOps: ThrottleDevice[];
  /** Microseconds. */
  CpuPeriod: number;
  CpuQuota: number;
  CpuRealtimePeriod: number;
  CpuRealtimeRuntime: number;
  CpusetCpus: string;
  CpusetMems: string;
  Devices: DeviceMapping[];
  DeviceCgroupRules: string[] | null;
  DeviceRequests: DeviceRequest[] | null;
  MemoryReservation: number;
  /** Memory plus swap, bytes; -1: no limit; 0: not given. */
  MemorySwap: number;
  /** 0 to 100; `null`: the kernel's own. */
  MemorySwappiness: number | null;
  OomKillDisable: boolean | null;
  /** `null`, 0 and -1: no limit. */
  PidsLimit: number | null;
  Ulimits: Ulimit[];
  CpuCount: number;
  CpuPercent: number;
  IOMaximumIOps: number;
  IOMaximumBandwidth: number;
  /** `null`: docker's default list; `[]`: none (systempaths=unconfined). */
  MaskedPaths: string[] | null;
  ReadonlyPaths: string[] | null;
  Mounts?: Mount[];
  Init?: boolean;
  Diplodock?: DiplodockConfig;
}
