/** The flags of `run` and `create` that docker has, in the order of its help page's groups. */
import { parseSize } from "../../base/units.ts";
import { type FlagTable, parseInteger } from "../args.ts";
import { parseDeviceCgroupRule, parseGpus } from "./devices.ts";
import { parseEnv, parseLabel } from "./env.ts";
import { parseMount } from "./mounts.ts";
import { parseAddHost, parseDns, parseDnsSearch, parseLink, parseNetwork } from "./networks.ts";
import {
  parseByteRate,
  parseDeviceWeight,
  parseOperationRate,
  parseSysctl,
  parseUlimit,
} from "./resources.ts";
import { badFlag, parseBytesOrUnlimited, parseCpus, parseDuration } from "./units.ts";

function parseStream(text: string): string {
  const stream = text.toLowerCase();
  if (["stdin", "stdout", "stderr"].includes(stream)) return stream;
  badFlag("valid streams are STDIN, STDOUT and STDERR");
}

const duration = { type: "string", value: "duration", parse: parseDuration } as const;
const bytes = { type: "string", value: "bytes", parse: parseSize } as const;

const GENERAL = {
  "attach": {
    type: "list",
    short: "a",
    parse: parseStream,
    help: "Attach to STDIN, STDOUT or STDERR",
    complete: ["stdin", "stdout", "stderr"],
  },
  "cidfile": { type: "string", help: "Write the container ID to the file", complete: "file" },
  "entrypoint": { type: "string", help: "Overwrite the default ENTRYPOINT of the image" },
  "env": { type: "list", short: "e", parse: parseEnv, help: "Set environment variables" },
  "env-file": {
    type: "list",
    help: "Read in a file of environment variables",
    complete: "file",
  },
  "interactive": { type: "bool", short: "i", help: "Keep STDIN open even if not attached" },
  "label": { type: "list", short: "l", parse: parseLabel, help: "Set meta data on a container" },
  "label-file": {
    type: "list",
    help: "Read in a line delimited file of labels",
    complete: "file",
  },
  "name": { type: "string", help: "Assign a name to the container" },
  "platform": { type: "string", help: "Set platform if server is multi-platform capable" },
  "pull": {
    type: "string",
    default: "missing",
    help: 'Pull image before running ("always", "missing", "never")',
    complete: ["always", "missing", "never"],
  },
  "quiet": { type: "bool", short: "q", help: "Suppress the pull output" },
  "restart": {
    type: "string",
    default: "no",
    help: "Restart policy to apply when a container exits",
    complete: ["no", "always", "on-failure", "unless-stopped"],
  },
  "rm": {
    type: "bool",
    help: "Automatically remove the container and its associated anonymous volumes when it exits",
  },
  "runtime": { type: "string", help: "Runtime to use for this container" },
  "stop-signal": { type: "string", help: "Signal to stop the container" },
  "stop-timeout": { type: "int", help: "Timeout (in seconds) to stop a container" },
  "tty": { type: "bool", short: "t", help: "Allocate a pseudo-TTY" },
  "user": {
    type: "string",
    short: "u",
    help: "Username or UID (format: <name|uid>[:<group|gid>])",
  },
  "group-add": { type: "list", help: "Add additional groups to join" },
  "workdir": { type: "string", short: "w", help: "Working directory inside the container" },
  "init": {
    type: "bool",
    help: "Run an init inside the container that forwards signals and reaps processes",
  },
  "annotation": {
    type: "list",
    value: "map",
    help: "Add an annotation to the container (passed through to the OCI runtime)",
    defaultText: "map[]",
  },
  "disable-content-trust": { type: "bool", default: true, help: "Skip image verification" },
  "use-api-socket": { type: "bool", hidden: true },
  "isolation": { type: "string", help: "Container isolation technology" },
} as const satisfies FlagTable;

const SECURITY = {
  "cap-add": { type: "list", help: "Add Linux capabilities" },
  "cap-drop": { type: "list", help: "Drop Linux capabilities" },
  "cgroupns": {
    type: "string",
    help: "Cgroup namespace to use (host|private)\n" +
      "'host':    Run the container in the host's cgroup namespace\n" +
      "'private': Run the container in its own private cgroup namespace\n" +
      "'':        private on cgroup v2, host on v1 (default)",
    complete: ["host", "private"],
  },
  "device": { type: "list", help: "Add a host device to the container", complete: "file" },
  "device-cgroup-rule": {
    type: "list",
    parse: parseDeviceCgroupRule,
    help: "Add a rule to the cgroup allowed devices list",
  },
  "gpus": {
    type: "list",
    value: "gpu-request",
    parse: parseGpus,
    help: "GPU devices to add to the container ('all' to pass all GPUs)",
  },
  "ipc": { type: "string", help: "IPC mode to use" },
  "pid": { type: "string", help: "PID namespace to use" },
  "privileged": { type: "bool", help: "Give extended privileges to this container" },
  "security-opt": { type: "list", help: "Security Options" },
  "sysctl": {
    type: "list",
    value: "map",
    parse: parseSysctl,
    help: "Sysctl options",
    defaultText: "map[]",
  },
  "userns": { type: "string", help: "User namespace to use" },
  "uts": { type: "string", help: "UTS namespace to use" },
} as const satisfies FlagTable;

const NETWORK = {
  "add-host": {
    type: "list",
    parse: parseAddHost,
    help: "Add a custom host-to-IP mapping (host:ip)",
  },
  "dns": { type: "list", parse: parseDns, help: "Set custom DNS servers" },
  "dns-opt": { type: "list", alias: "dns-option", hidden: true },
  "dns-option": { type: "list", help: "Set DNS options" },
  "dns-search": { type: "list", parse: parseDnsSearch, help: "Set custom DNS search domains" },
  "domainname": { type: "string", help: "Container NIS domain name" },
  "expose": { type: "list", help: "Expose a port or a range of ports" },
  "hostname": { type: "string", short: "h", help: "Container host name" },
  "ip": { type: "string", help: "IPv4 address (e.g., 172.30.100.104)" },
  "ip6": { type: "string", help: "IPv6 address (e.g., 2001:db8::33)" },
  "link": { type: "list", parse: parseLink, help: "Add link to another container" },
  "link-local-ip": { type: "list", help: "Container IPv4/IPv6 link-local addresses" },
  "mac-address": {
    type: "string",
    help: "Container MAC address (e.g., 92:d0:c6:0a:29:33)",
  },
  "net": { type: "list", alias: "network", hidden: true },
  "net-alias": { type: "list", alias: "network-alias", hidden: true },
  "network": {
    type: "list",
    value: "network",
    parse: parseNetwork,
    help: "Connect a container to a network",
    complete: "network",
  },
  "network-alias": { type: "list", help: "Add network-scoped alias for the container" },
  "publish": {
    type: "list",
    short: "p",
    help: "Publish a container's port(s) to the host",
  },
  "publish-all": {
    type: "bool",
    short: "P",
    help: "Publish all exposed ports to random ports",
  },
} as const satisfies FlagTable;

const STORAGE = {
  "log-driver": {
    type: "string",
    help: "Logging driver for the container",
    complete: ["json-file", "local", "none"],
  },
  "log-opt": { type: "list", help: "Log driver options" },
  "mount": {
    type: "list",
    value: "mount",
    parse: parseMount,
    help: "Attach a filesystem mount to the container",
  },
  "read-only": { type: "bool", help: "Mount the container's root filesystem as read only" },
  "storage-opt": { type: "list", help: "Storage driver options for the container" },
  "tmpfs": { type: "list", help: "Mount a tmpfs directory" },
  "volume": { type: "list", short: "v", help: "Bind mount a volume", complete: "volume" },
  "volume-driver": { type: "string", help: "Optional volume driver for the container" },
  "volumes-from": {
    type: "list",
    help: "Mount volumes from the specified container(s)",
    complete: "container",
  },
} as const satisfies FlagTable;

const HEALTH = {
  "health-cmd": { type: "string", help: "Command to run to check health" },
  "health-interval": {
    ...duration,
    help: "Time between running the check (ms|s|m|h) (default 0s)",
  },
  "health-retries": { type: "int", help: "Consecutive failures needed to report unhealthy" },
  "health-start-interval": {
    ...duration,
    help: "Time between running the check during the start period (ms|s|m|h) (default 0s)",
  },
  "health-start-period": {
    ...duration,
    help: "Start period for the container to initialize before starting health-retries " +
      "countdown (ms|s|m|h) (default 0s)",
  },
  "health-timeout": {
    ...duration,
    help: "Maximum time to allow one check to run (ms|s|m|h) (default 0s)",
  },
  "no-healthcheck": { type: "bool", help: "Disable any container-specified HEALTHCHECK" },
} as const satisfies FlagTable;

const RESOURCES = {
  "blkio-weight": {
    type: "string",
    value: "uint16",
    parse: (text: string) => parseInteger(text, 16, true),
    help: "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)",
  },
  "blkio-weight-device": {
    type: "list",
    parse: parseDeviceWeight,
    help: "Block IO weight (relative device weight)",
    defaultText: "[]",
  },
  "cgroup-parent": { type: "string", help: "Optional parent cgroup for the container" },
  "cpu-count": { type: "int", hidden: true, help: "CPU count (Windows only)" },
  "cpu-percent": { type: "int", hidden: true, help: "CPU percent (Windows only)" },
  "cpu-period": { type: "int", help: "Limit CPU CFS (Completely Fair Scheduler) period" },
  "cpu-quota": { type: "int", help: "Limit CPU CFS (Completely Fair Scheduler) quota" },
  "cpu-rt-period": { type: "int", help: "Limit CPU real-time period in microseconds" },
  "cpu-rt-runtime": { type: "int", help: "Limit CPU real-time runtime in microseconds" },
  "cpu-shares": { type: "int", short: "c", help: "CPU shares (relative weight)" },
  "cpus": { type: "string", value: "decimal", parse: parseCpus, help: "Number of CPUs" },
  "cpuset-cpus": { type: "string", help: "CPUs in which to allow execution (0-3, 0,1)" },
  "cpuset-mems": { type: "string", help: "MEMs in which to allow execution (0-3, 0,1)" },
  "device-read-bps": {
    type: "list",
    parse: parseByteRate,
    help: "Limit read rate (bytes per second) from a device",
    defaultText: "[]",
  },
  "device-read-iops": {
    type: "list",
    parse: parseOperationRate,
    help: "Limit read rate (IO per second) from a device",
    defaultText: "[]",
  },
  "device-write-bps": {
    type: "list",
    parse: parseByteRate,
    help: "Limit write rate (bytes per second) to a device",
    defaultText: "[]",
  },
  "device-write-iops": {
    type: "list",
    parse: parseOperationRate,
    help: "Limit write rate (IO per second) to a device",
    defaultText: "[]",
  },
  "io-maxbandwidth": { ...bytes, hidden: true },
  "io-maxiops": { type: "int", hidden: true },
  "kernel-memory": { ...bytes, help: "Kernel memory limit" },
  "memory": { ...bytes, short: "m", help: "Memory limit" },
  "memory-reservation": { ...bytes, help: "Memory soft limit" },
  "memory-swap": {
    type: "string",
    value: "bytes",
    parse: parseBytesOrUnlimited,
    help: "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
  },
  "memory-swappiness": {
    type: "int",
    default: -1,
    defaultText: "-1",
    help: "Tune container memory swappiness (0 to 100)",
  },
  "oom-kill-disable": { type: "bool", help: "Disable OOM Killer" },
  "oom-score-adj": { type: "int", help: "Tune host's OOM preferences (-1000 to 1000)" },
  "pids-limit": { type: "int", help: "Tune container pids limit (set -1 for unlimited)" },
  "shm-size": { ...bytes, help: "Size of /dev/shm" },
  "ulimit": {
    type: "list",
    value: "ulimit",
    parse: parseUlimit,
    help: "Ulimit options",
    defaultText: "[]",
  },
} as const satisfies FlagTable;

/** docker's flags of `create` and `run`. */
export const DOCKER_FLAGS = {
  ...GENERAL,
  ...SECURITY,
  ...NETWORK,
  ...STORAGE,
  ...HEALTH,
  ...RESOURCES,
} as const satisfies FlagTable;
