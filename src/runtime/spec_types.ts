/**
 * The JSON of an OCI bundle's config.json (opencontainers/runtime-spec 1.2.0,
 * config.md and config-linux.md): the Linux part, field for field.
 *
 * Only `ociVersion` is required by the specification. What a file really holds is
 * checked where it is read (spec.ts); these types say what may be written.
 */

/** config.json. */
export interface Spec {
  ociVersion: string;
  process?: Process;
  root?: Root;
  hostname?: string;
  domainname?: string;
  mounts?: SpecMount[];
  hooks?: Hooks;
  annotations?: Record<string, string>;
  linux?: Linux;
  /** Ours. Other runtimes ignore it, as the specification demands of unknown properties. */
  diplodock?: SpecExtension;
}

/** What an OCI bundle cannot say and our own runtime is told beside it. */
export interface SpecExtension {
  /** The root is this overlay, mounted inside the container's mount namespace. */
  overlay?: OverlayRoot;
  /** So many of the first mounts are parts of the root. */
  rootMounts?: number;
  /** Descriptors 3 to 3+N-1 of the client go to the process. */
  preserveFds?: number;
  /** The first process is ours: it starts the command as its child, reaps, forwards signals. */
  reaper?: boolean;
  /** Refuse where the runtime would narrow and warn. */
  strict?: boolean;
}

/** An overlayfs root: layers from top to bottom, then the writable pair. */
export interface OverlayRoot {
  lower: string[];
  upper: string;
  work: string;
}

/** `process`. */
export interface Process {
  terminal?: boolean;
  consoleSize?: { height: number; width: number };
  cwd: string;
  env?: string[];
  args?: string[];
  rlimits?: Rlimit[];
  apparmorProfile?: string;
  capabilities?: Capabilities;
  noNewPrivileges?: boolean;
  oomScoreAdj?: number;
  scheduler?: Scheduler;
  selinuxLabel?: string;
  ioPriority?: { class: string; priority?: number };
  execCPUAffinity?: { initial?: string; final?: string };
  user: User;
}

/** `process.scheduler`: sched_setattr(2). */
export interface Scheduler {
  policy: string;
  nice?: number;
  priority?: number;
  flags?: string[];
  runtime?: number;
  deadline?: number;
  period?: number;
}

/** `process.user`. */
export interface User {
  uid: number;
  gid: number;
  umask?: number;
  additionalGids?: number[];
}

/** `process.rlimits[]`. -1 written by us stands for RLIM_INFINITY (2^64-1). */
export interface Rlimit {
  /** "RLIMIT_NOFILE" … */
  type: string;
  soft: number;
  hard: number;
}

/** `process.capabilities`: names as "CAP_CHOWN". */
export interface Capabilities {
  bounding?: string[];
  effective?: string[];
  inheritable?: string[];
  permitted?: string[];
  ambient?: string[];
}

/** `root`. */
export interface Root {
  path: string;
  readonly?: boolean;
}

/** `mounts[]`. */
export interface SpecMount {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
  uidMappings?: IdMapping[];
  gidMappings?: IdMapping[];
}

/** `hooks`. */
export interface Hooks {
  prestart?: Hook[];
  createRuntime?: Hook[];
  createContainer?: Hook[];
  startContainer?: Hook[];
  poststart?: Hook[];
  poststop?: Hook[];
}

/** One program of `hooks`. `timeout` is in seconds. */
export interface Hook {
  path: string;
  args?: string[];
  env?: string[];
  timeout?: number;
}

/** `linux`. */
export interface Linux {
  namespaces?: Namespace[];
  uidMappings?: IdMapping[];
  gidMappings?: IdMapping[];
  timeOffsets?: Record<string, { secs?: number; nanosecs?: number }>;
  devices?: Device[];
  cgroupsPath?: string;
  resources?: Resources;
  rootfsPropagation?: string;
  seccomp?: Seccomp;
  sysctl?: Record<string, string>;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  mountLabel?: string;
  intelRdt?: IntelRdt;
  personality?: { domain: string; flags?: string[] };
}

/** The kinds of namespaces, by OCI's names. */
export type NamespaceType =
  | "pid"
  | "network"
  | "mount"
  | "ipc"
  | "uts"
  | "user"
  | "cgroup"
  | "time";

/** `linux.namespaces[]`. With a path: join; without: new; not listed: the runtime's own. */
export interface Namespace {
  type: NamespaceType;
  path?: string;
}

/** One line of uid_map or gid_map. */
export interface IdMapping {
  containerID: number;
  hostID: number;
  size: number;
}

/** `linux.devices[]`: a node to make. */
export interface Device {
  /** "c", "b", "u" (unbuffered character), "p". */
  type: string;
  path: string;
  major?: number;
  minor?: number;
  fileMode?: number;
  uid?: number;
  gid?: number;
}

/** `linux.intelRdt`. */
export interface IntelRdt {
  closID?: string;
  l3CacheSchema?: string;
  memBwSchema?: string;
  enableCMT?: boolean;
  enableMBM?: boolean;
}

/** `linux.resources`. */
export interface Resources {
  devices?: DeviceRule[];
  memory?: MemoryResources;
  cpu?: CpuResources;
  pids?: { limit: number };
  blockIO?: BlockIoResources;
  hugepageLimits?: { pageSize: string; limit: number }[];
  network?: { classID?: number; priorities?: { name: string; priority: number }[] };
  rdma?: Record<string, { hcaHandles?: number; hcaObjects?: number }>;
  /** Files of cgroup v2, written as they are. */
  unified?: Record<string, string>;
}

/** `linux.resources.devices[]`. A missing number is "all". */
export interface DeviceRule {
  allow: boolean;
  type?: string;
  major?: number;
  minor?: number;
  access?: string;
}

/** `linux.resources.memory`: bytes; -1: no limit. */
export interface MemoryResources {
  limit?: number;
  reservation?: number;
  swap?: number;
  kernel?: number;
  kernelTCP?: number;
  swappiness?: number;
  disableOOMKiller?: boolean;
  useHierarchy?: boolean;
  checkBeforeUpdate?: boolean;
}

/** `linux.resources.cpu`: microseconds. */
export interface CpuResources {
  shares?: number;
  quota?: number;
  burst?: number;
  period?: number;
  realtimeRuntime?: number;
  realtimePeriod?: number;
  cpus?: string;
  mems?: string;
  idle?: number;
}

/** `linux.resources.blockIO`. */
export interface BlockIoResources {
  weight?: number;
  leafWeight?: number;
  weightDevice?: { major: number; minor: number; weight?: number; leafWeight?: number }[];
  throttleReadBpsDevice?: ThrottleRate[];
  throttleWriteBpsDevice?: ThrottleRate[];
  throttleReadIOPSDevice?: ThrottleRate[];
  throttleWriteIOPSDevice?: ThrottleRate[];
}

/** Bytes or operations per second of one block device. */
export interface ThrottleRate {
  major: number;
  minor: number;
  rate: number;
}

/** `linux.seccomp`. */
export interface Seccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  flags?: string[];
  listenerPath?: string;
  listenerMetadata?: string;
  syscalls?: SeccompRule[];
}

/** `linux.seccomp.syscalls[]`. */
export interface SeccompRule {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: SeccompArg[];
}

/** A condition on one argument: "SCMP_CMP_EQ" … (`valueTwo` for SCMP_CMP_MASKED_EQ). */
export interface SeccompArg {
  index: number;
  value: number;
  valueTwo?: number;
  op: string;
}
