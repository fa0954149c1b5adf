/** The Go types of what `inspect` and `version` show (docker 28, api/types), for templates. */
import type { GoFields, GoTypes } from "./template/go_value.ts";

/** Fields of one type, from words: `fields("string", "A B")` are two. */
function fields(type: string, names: string): GoFields {
  return Object.fromEntries(names.split(" ").map((name) => [name, type]));
}

const HOST_CONFIG: GoFields = {
  Binds: "[]string",
  ContainerIDFile: "string",
  LogConfig: "LogConfig",
  NetworkMode: "string",
  PortBindings: "map:[]PortBinding",
  RestartPolicy: "RestartPolicy",
  AutoRemove: "bool",
  VolumeDriver: "string",
  VolumesFrom: "[]string",
  ConsoleSize: "[]int",
  Annotations: "map:string",
  ...fields("[]string", "CapAdd CapDrop"),
  CgroupnsMode: "string",
  ...fields("[]string", "DNS=Dns DNSOptions=DnsOptions DNSSearch=DnsSearch ExtraHosts GroupAdd"),
  ...fields("string", "IpcMode Cgroup"),
  Links: "[]string",
  OomScoreAdj: "int",
  PidMode: "string",
  ...fields("bool", "Privileged PublishAllPorts ReadonlyRootfs"),
  SecurityOpt: "[]string",
  ...fields("map:string", "StorageOpt Tmpfs"),
  ...fields("string", "UTSMode UsernsMode"),
  ShmSize: "int",
  Sysctls: "map:string",
  ...fields("string", "Runtime Isolation"),
  "+Resources": "Resources",
  Mounts: "[]any",
  ...fields("[]string", "MaskedPaths ReadonlyPaths"),
  Init: "*bool",
};

const RESOURCES: GoFields = {
  ...fields("int", "CPUShares=CpuShares Memory NanoCPUs=NanoCpus"),
  CgroupParent: "string",
  BlkioWeight: "int",
  BlkioWeightDevice: "[]WeightDevice",
  ...fields(
    "[]ThrottleDevice",
    "BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps",
  ),
  ...fields(
    "int",
    "CPUPeriod=CpuPeriod CPUQuota=CpuQuota CPURealtimePeriod=CpuRealtimePeriod " +
      "CPURealtimeRuntime=CpuRealtimeRuntime",
  ),
  ...fields("string", "CpusetCpus CpusetMems"),
  Devices: "[]DeviceMapping",
  DeviceCgroupRules: "[]string",
  DeviceRequests: "[]DeviceRequest",
  ...fields("int", "KernelMemory KernelMemoryTCP MemoryReservation MemorySwap"),
  MemorySwappiness: "*int",
  OomKillDisable: "*bool",
  PidsLimit: "*int",
  Ulimits: "[]Ulimit",
  ...fields("int", "CPUCount=CpuCount CPUPercent=CpuPercent IOMaximumIOps IOMaximumBandwidth"),
};

const CONTAINER: GoFields = {
  ...fields("string", "ID=Id Created Path"),
  Args: "[]string",
  State: "*State",
  ...fields("string", "Image ResolvConfPath HostnamePath HostsPath LogPath Name"),
  RestartCount: "int",
  ...fields("string", "Driver Platform MountLabel ProcessLabel AppArmorProfile"),
  ExecIDs: "[]string",
  HostConfig: "*HostConfig",
  GraphDriver: "DriverData",
  ...fields("*int", "SizeRw SizeRootFs"),
};

const CONFIG: GoFields = {
  ...fields("string", "Hostname Domainname User"),
  ...fields("bool", "AttachStdin AttachStdout AttachStderr"),
  ExposedPorts: "map:struct{}",
  ...fields("bool", "Tty OpenStdin StdinOnce"),
  ...fields("[]string", "Env Cmd"),
  Healthcheck: "*Healthcheck",
  ArgsEscaped: "bool",
  Image: "string",
  Volumes: "map:struct{}",
  WorkingDir: "string",
  Entrypoint: "[]string",
  NetworkDisabled: "bool",
  MacAddress: "string",
  OnBuild: "[]string",
  Labels: "map:string",
  StopSignal: "string",
  StopTimeout: "*int",
  Shell: "[]string",
};

const ENDPOINT: GoFields = {
  IPAMConfig: "*EndpointIPAM",
  ...fields("[]string", "Links Aliases"),
  MacAddress: "string",
  DriverOpts: "map:string",
  GwPriority: "int",
  ...fields("string", "NetworkID EndpointID Gateway IPAddress"),
  IPPrefixLen: "int",
  ...fields("string", "IPv6Gateway GlobalIPv6Address"),
  GlobalIPv6PrefixLen: "int",
  DNSNames: "[]string",
};

const IMAGE: GoFields = {
  "ID=Id": "string",
  ...fields("[]string", "RepoTags RepoDigests"),
  ...fields("string", "Parent Comment Created DockerVersion Author"),
  Config: "*ImageConfig",
  ...fields("string", "Architecture Variant Os OsVersion"),
  ...fields("int", "Size VirtualSize"),
  GraphDriver: "DriverData",
  RootFS: "RootFS",
  Metadata: "Metadata",
  Descriptor: "*any",
  Manifests: "[]any",
};

const NETWORK: GoFields = {
  ...fields("string", "Name ID=Id"),
  Created: "time",
  ...fields("string", "Scope Driver"),
  ...fields("bool", "EnableIPv4 EnableIPv6"),
  IPAM: "IPAM",
  ...fields("bool", "Internal Attachable Ingress"),
  ConfigFrom: "ConfigReference",
  ConfigOnly: "bool",
  Containers: "map:EndpointResource",
  ...fields("map:string", "Options Labels"),
  Peers: "[]any",
  Services: "map:any",
};

const VOLUME: GoFields = {
  ClusterVolume: "*any",
  ...fields("string", "CreatedAt Driver"),
  Labels: "map:string",
  ...fields("string", "Mountpoint Name"),
  Options: "map:string",
  Scope: "string",
  Status: "map:any",
  UsageData: "*any",
};

const SECONDARY = "SecondaryIPAddresses SecondaryIPv6Addresses";
const DEFAULT_NETWORK: GoFields = {
  ...fields("string", "EndpointID Gateway GlobalIPv6Address"),
  GlobalIPv6PrefixLen: "int",
  IPAddress: "string",
  IPPrefixLen: "int",
  ...fields("string", "IPv6Gateway MacAddress"),
};
const NETWORK_BASE: GoFields = {
  ...fields("string", "Bridge SandboxID SandboxKey"),
  Ports: "map:[]PortBinding",
  HairpinMode: "bool",
  LinkLocalIPv6Address: "string",
  LinkLocalIPv6PrefixLen: "int",
  ...fields("[]Address", SECONDARY),
};

const STATE: GoFields = {
  Status: "string",
  ...fields("bool", "Running Paused Restarting OOMKilled Dead"),
  ...fields("int", "Pid ExitCode"),
  ...fields("string", "Error StartedAt FinishedAt"),
  Health: "*Health",
};

const MOUNT: GoFields = {
  ...fields("string", "Type Name Source Destination Driver Mode"),
  RW: "bool",
  Propagation: "string",
};

const CLIENT: GoFields = {
  Platform: "*Platform",
  ...fields("string", "Version APIVersion=ApiVersion DefaultAPIVersion GitCommit GoVersion Os"),
  ...fields("string", "Arch BuildTime Context"),
};
const SERVER: GoFields = {
  Platform: "Platform",
  Components: "[]Component",
  ...fields("string", "Version APIVersion=ApiVersion MinAPIVersion GitCommit GoVersion Os Arch"),
  KernelVersion: "string",
  Experimental: "bool",
  BuildTime: "string",
};

const type = (title: string, fields: GoFields) => ({ title, fields });

/** docker's types by short names. */
export const DOCKER_TYPES: GoTypes = {
  Container: type("container.InspectResponse", {
    "+ContainerJSONBase": "ContainerBase",
    Mounts: "[]MountPoint",
    Config: "*Config",
    NetworkSettings: "*NetworkSettings",
    ImageManifestDescriptor: "*any",
  }),
  ContainerBase: type("container.ContainerJSONBase", CONTAINER),
  State: type("container.State", STATE),
  Health: type("container.Health", {
    ...fields("string", "Status"),
    FailingStreak: "int",
    Log: "[]HealthResult",
  }),
  HealthResult: type("container.HealthcheckResult", {
    ...fields("time", "Start End"),
    ExitCode: "int",
    Output: "string",
  }),
  Healthcheck: type("container.HealthConfig", {
    Test: "[]string",
    ...fields("duration", "Interval Timeout StartPeriod StartInterval"),
    Retries: "int",
  }),
  Config: type("container.Config", CONFIG),
  HostConfig: type("container.HostConfig", HOST_CONFIG),
  Resources: type("container.Resources", RESOURCES),
  LogConfig: type("container.LogConfig", { Type: "string", Config: "map:string" }),
  RestartPolicy: type("container.RestartPolicy", { Name: "string", MaximumRetryCount: "int" }),
  PortBinding: type("nat.PortBinding", { "HostIP=HostIp": "string", HostPort: "string" }),
  WeightDevice: {
    ...type("blkiodev.WeightDevice", { Path: "string", Weight: "int" }),
    text: ({ Path, Weight }) => `${Path}:${Weight}`,
  },
  ThrottleDevice: {
    ...type("blkiodev.ThrottleDevice", { Path: "string", Rate: "int" }),
    text: ({ Path, Rate }) => `${Path}:${Rate}`,
  },
  DeviceMapping: type(
    "container.DeviceMapping",
    fields("string", "PathOnHost PathInContainer CgroupPermissions"),
  ),
  DeviceRequest: type("container.DeviceRequest", {
    Driver: "string",
    Count: "int",
    DeviceIDs: "[]string",
    Capabilities: "[][]string",
    Options: "map:string",
  }),
  Ulimit: {
    ...type("units.Ulimit", { Name: "string", ...fields("int", "Hard Soft") }),
    text: ({ Name, Soft, Hard }) => `${Name}=${Soft}:${Hard}`,
  },
  MountPoint: type("container.MountPoint", MOUNT),
  DriverData: type("storage.DriverData", { Data: "map:string", Name: "string" }),
  NetworkSettings: type("container.NetworkSettings", {
    "+NetworkSettingsBase": "NetworkBase",
    "+DefaultNetworkSettings": "DefaultNetwork",
    Networks: "map:*Endpoint",
  }),
  NetworkBase: type("container.NetworkSettingsBase", NETWORK_BASE),
  DefaultNetwork: type("container.DefaultNetworkSettings", DEFAULT_NETWORK),
  Address: type("network.Address", { Addr: "string", PrefixLen: "int" }),
  Endpoint: type("network.EndpointSettings", ENDPOINT),
  EndpointIPAM: type("network.EndpointIPAMConfig", {
    ...fields("string", "IPv4Address IPv6Address"),
    LinkLocalIPs: "[]string",
  }),
  Image: type("image.InspectResponse", IMAGE),
  ImageConfig: type("v1.DockerOCIImageConfig", {
    "+ImageConfig": "OciConfig",
    "+DockerOCIImageConfigExt": "ImageConfigExt",
  }),
  OciConfig: type("v1.ImageConfig", {
    User: "string",
    ExposedPorts: "map:struct{}",
    ...fields("[]string", "Env Entrypoint Cmd"),
    Volumes: "map:struct{}",
    WorkingDir: "string",
    Labels: "map:string",
    StopSignal: "string",
    ArgsEscaped: "bool",
  }),
  ImageConfigExt: type("v1.DockerOCIImageConfigExt", {
    Healthcheck: "*Healthcheck",
    ...fields("[]string", "OnBuild Shell"),
  }),
  RootFS: type("image.RootFS", { Type: "string", Layers: "[]string" }),
  Metadata: type("image.Metadata", { LastTagTime: "time" }),
  Network: type("network.Inspect", NETWORK),
  IPAM: type("network.IPAM", {
    Driver: "string",
    Options: "map:string",
    Config: "[]IPAMConfig",
  }),
  IPAMConfig: type("network.IPAMConfig", {
    ...fields("string", "Subnet IPRange Gateway"),
    "AuxAddress=AuxiliaryAddresses": "map:string",
  }),
  ConfigReference: type("network.ConfigReference", { Network: "string" }),
  EndpointResource: type(
    "network.EndpointResource",
    fields("string", "Name EndpointID MacAddress IPv4Address IPv6Address"),
  ),
  Volume: type("volume.Volume", VOLUME),
  VersionInfo: type("system.versionInfo", { Client: "Client", Server: "*Server" }),
  Client: type("system.clientVersion", CLIENT),
  Server: type("*types.Version", SERVER),
  Platform: type("struct { Name string }", { Name: "string" }),
  Component: type("types.ComponentVersion", {
    ...fields("string", "Name Version"),
    Details: "map:string",
  }),
};

/** The type of an object that `inspect` found, told by a field that only its kind has. */
export function inspectedType(value: unknown): string {
  const kinds: [field: string, type: string][] = [
    ["HostConfig", "Container"],
    ["RootFS", "Image"],
    ["IPAM", "Network"],
    ["Mountpoint", "Volume"],
  ];
  const found = kinds.find(([field]) => Object.hasOwn(value as object, field));
  return found?.[1] ?? "any";
}
