/**
 * The shape of config.json: every field of runtime-spec 1.2.0 that concerns Linux, as data. It is
 * what spec.ts checks bundles against, and what docs/spec-coverage.md has a row for.
 */

/** One JSON value: a plain kind, a list, a map with any keys, an object with known ones. */
export type Shape =
  | "string"
  | "boolean"
  /** A whole number. */
  | "integer"
  /** A whole number that may need all of 64 bits: kept exact. */
  | "exact"
  | { readonly list: Shape }
  | { readonly map: Shape }
  | { readonly object: Fields };

/** Fields by name; a name that ends in "!" must be there. */
export type Fields = Readonly<Record<string, Shape>>;

const list = (of: Shape): Shape => ({ list: of });
const map = (of: Shape): Shape => ({ map: of });
const object = (fields: Fields): Shape => ({ object: fields });
const strings = list("string");

const ID_MAPPINGS = list(
  object({ "containerID!": "integer", "hostID!": "integer", "size!": "integer" }),
);
const HOOKS = list(object({ "path!": "string", args: strings, env: strings, timeout: "integer" }));
const RATES = list(object({ "major!": "integer", "minor!": "integer", "rate!": "integer" }));

/** `process`, also a file of its own: `exec --process`. */
export const PROCESS_SHAPE: Shape = object({
  terminal: "boolean",
  consoleSize: object({ "height!": "integer", "width!": "integer" }),
  "cwd!": "string",
  env: strings,
  args: strings,
  commandLine: "string",
  rlimits: list(object({ "type!": "string", "soft!": "integer", "hard!": "integer" })),
  apparmorProfile: "string",
  capabilities: object({
    bounding: strings,
    effective: strings,
    inheritable: strings,
    permitted: strings,
    ambient: strings,
  }),
  noNewPrivileges: "boolean",
  oomScoreAdj: "integer",
  scheduler: object({
    "policy!": "string",
    nice: "integer",
    priority: "integer",
    flags: strings,
    runtime: "integer",
    deadline: "integer",
    period: "integer",
  }),
  selinuxLabel: "string",
  ioPriority: object({ "class!": "string", priority: "integer" }),
  execCPUAffinity: object({ initial: "string", final: "string" }),
  user: object({
    uid: "integer",
    gid: "integer",
    umask: "integer",
    additionalGids: list("integer"),
    username: "string",
  }),
});

/** `linux.resources`, also what `update --resources` reads. */
export const RESOURCES_SHAPE: Shape = object({
  devices: list(object({
    "allow!": "boolean",
    type: "string",
    major: "integer",
    minor: "integer",
    access: "string",
  })),
  memory: object({
    limit: "integer",
    reservation: "integer",
    swap: "integer",
    kernel: "integer",
    kernelTCP: "integer",
    swappiness: "integer",
    disableOOMKiller: "boolean",
    useHierarchy: "boolean",
    checkBeforeUpdate: "boolean",
  }),
  cpu: object({
    shares: "integer",
    quota: "integer",
    burst: "integer",
    period: "integer",
    realtimeRuntime: "integer",
    realtimePeriod: "integer",
    cpus: "string",
    mems: "string",
    idle: "integer",
  }),
  pids: object({ limit: "integer" }),
  blockIO: object({
    weight: "integer",
    leafWeight: "integer",
    weightDevice: list(object({
      "major!": "integer",
      "minor!": "integer",
      weight: "integer",
      leafWeight: "integer",
    })),
    throttleReadBpsDevice: RATES,
    throttleWriteBpsDevice: RATES,
    throttleReadIOPSDevice: RATES,
    throttleWriteIOPSDevice: RATES,
  }),
  hugepageLimits: list(object({ "pageSize!": "string", "limit!": "integer" })),
  network: object({
    classID: "integer",
    priorities: list(object({ "name!": "string", "priority!": "integer" })),
  }),
  rdma: map(object({ hcaHandles: "integer", hcaObjects: "integer" })),
  unified: map("string"),
});

const SECCOMP_SHAPE: Shape = object({
  "defaultAction!": "string",
  defaultErrnoRet: "integer",
  architectures: strings,
  flags: strings,
  listenerPath: "string",
  listenerMetadata: "string",
  syscalls: list(object({
    "names!": strings,
    "action!": "string",
    errnoRet: "integer",
    args: list(object({
      "index!": "integer",
      "value!": "exact",
      valueTwo: "exact",
      "op!": "string",
    })),
  })),
});

const LINUX_SHAPE: Shape = object({
  namespaces: list(object({ "type!": "string", path: "string" })),
  uidMappings: ID_MAPPINGS,
  gidMappings: ID_MAPPINGS,
  timeOffsets: map(object({ secs: "integer", nanosecs: "integer" })),
  devices: list(object({
    "type!": "string",
    "path!": "string",
    major: "integer",
    minor: "integer",
    fileMode: "integer",
    uid: "integer",
    gid: "integer",
  })),
  cgroupsPath: "string",
  resources: RESOURCES_SHAPE,
  rootfsPropagation: "string",
  seccomp: SECCOMP_SHAPE,
  sysctl: map("string"),
  maskedPaths: strings,
  readonlyPaths: strings,
  mountLabel: "string",
  intelRdt: object({
    closID: "string",
    l3CacheSchema: "string",
    memBwSchema: "string",
    enableCMT: "boolean",
    enableMBM: "boolean",
  }),
  personality: object({ "domain!": "string", flags: strings }),
});

/** config.json. */
export const SPEC_SHAPE: Shape = object({
  "ociVersion!": "string",
  process: PROCESS_SHAPE,
  root: object({ "path!": "string", readonly: "boolean" }),
  hostname: "string",
  domainname: "string",
  mounts: list(object({
    "destination!": "string",
    type: "string",
    source: "string",
    options: strings,
    uidMappings: ID_MAPPINGS,
    gidMappings: ID_MAPPINGS,
  })),
  hooks: object({
    prestart: HOOKS,
    createRuntime: HOOKS,
    createContainer: HOOKS,
    startContainer: HOOKS,
    poststart: HOOKS,
    poststop: HOOKS,
  }),
  annotations: map("string"),
  linux: LINUX_SHAPE,
});

/** The path of every field, e.g. "mounts[].source", "linux.sysctl.*". */
export function fieldPaths(shape: Shape, path = ""): string[] {
  if (typeof shape === "string") return [path];
  if ("list" in shape) return fieldPaths(shape.list, `${path}[]`);
  if ("map" in shape) return fieldPaths(shape.map, `${path}.*`);
  return Object.entries(shape.object).flatMap(([name, field]) => {
    const plain = name.replace(/!$/, "");
    return fieldPaths(field, path === "" ? plain : `${path}.${plain}`);
  });
}
