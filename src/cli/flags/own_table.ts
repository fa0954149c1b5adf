/** The flags of `run` and `create` that docker has not: podman's, and our own. */
import { type FlagTable, parseInteger } from "../args.ts";
import type { IdRange } from "../../engine/types.ts";
import { badFlag, parseDuration } from "./units.ts";

/** Parses `--uidmap`: "container:host[:size]". */
export function parseIdMap(text: string): IdRange {
  const match = /^(\d{1,10}):(\d{1,10})(?::(\d{1,10}))?$/.exec(text);
  if (match === null) badFlag(`invalid id map "${text}": want container:host[:size]`);
  const [inside, outside, size] = [match[1], match[2], match[3] ?? "1"].map(Number);
  if (size === 0 || inside + size > 2 ** 32 - 1 || outside + size > 2 ** 32 - 1) {
    badFlag(`invalid id map "${text}": ids go from 0 to 4294967294`);
  }
  return { ContainerID: inside, HostID: outside, Size: size };
}

/** Parses `--umask`: octal, 0 to 777. */
function parseUmask(text: string): number {
  if (!/^0?[0-7]{1,3}$/.test(text)) badFlag(`invalid umask "${text}": want 0 to 0777, octal`);
  return parseInt(text, 8);
}

const RATE_UNITS: Record<string, number> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };

/** Parses `--net-rate`: bits per second, "10mbit", "1gbit", decimal units. */
function parseBitRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmg]?)(?:bit|bps)?$/i.exec(text);
  const rate = match === null
    ? 0
    : Math.round(Number(match[1]) * RATE_UNITS[match[2].toLowerCase()]);
  if (rate < 8) badFlag(`invalid rate "${text}": want bits per second, like 10mbit`);
  return rate;
}

/** Parses `--net-delay`: a duration. Returns microseconds. */
function parseDelay(text: string): number {
  const micros = Math.round(parseDuration(text) / 1000);
  if (micros < 0) badFlag(`invalid delay "${text}": it cannot be negative`);
  return micros;
}

/** Parses `--net-loss`: percent. */
function parseLoss(text: string): number {
  const match = /^(\d+(?:\.\d+)?)%?$/.exec(text);
  const percent = match === null ? NaN : Number(match[1]);
  if (!(percent <= 100)) badFlag(`invalid loss "${text}": want 0 to 100 percent`);
  return percent;
}

function parseHealthAction(text: string): "none" | "kill" | "restart" | "stop" {
  if (text === "none" || text === "kill" || text === "restart" || text === "stop") return text;
  badFlag(`invalid on-failure action "${text}": want none, kill, restart or stop`);
}

/** Parses `--cgroup-driver`: there is one. */
function parseCgroupDriver(text: string): string {
  if (text === "cgroupfs") return text;
  if (text !== "systemd") badFlag(`invalid cgroup driver "${text}": want cgroupfs`);
  badFlag(
    "the cgroup driver systemd is not supported: cgroups are made by this program itself, " +
      "below /diplodock, below --cgroup-parent, or in what systemd delegated",
  );
}

const uint = (text: string) => parseInteger(text, 31, true);

/** Everything beyond docker. */
export const OWN_FLAGS = {
  "cgroup-driver": {
    type: "string",
    default: "cgroupfs",
    parse: parseCgroupDriver,
    help: "Who makes the container's cgroup: cgroupfs, which is this program itself",
    complete: ["cgroupfs"],
  },
  "env-host": { type: "bool", help: "Give the container all environment variables of the client" },
  "gidmap": {
    type: "list",
    parse: parseIdMap,
    help: "Map groups of the container: container:host[:size]",
  },
  "health-on-failure": {
    type: "string",
    parse: parseHealthAction,
    help: "What to do when the container becomes unhealthy (none|kill|restart|stop)",
    complete: ["none", "kill", "restart", "stop"],
  },
  "hosts-file": {
    type: "string",
    help: 'What /etc/hosts starts from: a file, "image" or "none"',
    complete: "file",
  },
  "net-delay": {
    type: "string",
    value: "duration",
    parse: parseDelay,
    help: "Delay each packet the container sends (ms|s)",
  },
  "net-loss": {
    type: "string",
    value: "percent",
    parse: parseLoss,
    help: "Lose so many percent of the packets the container sends",
  },
  "net-rate": {
    type: "string",
    value: "rate",
    parse: parseBitRate,
    help: "Limit what the container sends, in bits per second (10mbit)",
  },
  "no-hostname": { type: "bool", help: "Leave the /etc/hostname of the image alone" },
  "no-hosts": { type: "bool", help: "Leave the /etc/hosts of the image alone" },
  "preserve-fds": {
    type: "string",
    value: "int",
    parse: uint,
    help: "Pass so many of the client's descriptors, from 3 on, to the container",
  },
  "replace": { type: "bool", help: "Remove a container of the same name first" },
  "retry": {
    type: "string",
    value: "int",
    parse: uint,
    help: "Try a pull that failed again, so many times",
  },
  "retry-delay": {
    type: "string",
    value: "duration",
    parse: parseDuration,
    help: "Wait so long between the tries of a pull",
  },
  "rmi": { type: "bool", help: "Remove the container and its image after it has exited" },
  "rootfs": {
    type: "string",
    help: "Run in this directory of the host instead of an image (DIR:O: keep it unchanged)",
    complete: "directory",
  },
  "strict": { type: "bool", help: "Refuse where the kernel cannot do what was asked" },
  "timeout": {
    type: "string",
    value: "int",
    parse: uint,
    help: "Kill the container after so many seconds",
  },
  "tz": { type: "string", help: 'Time zone of the container: a name or "local"' },
  "uidmap": {
    type: "list",
    parse: parseIdMap,
    help: "Map users of the container: container:host[:size]",
  },
  "umask": { type: "string", parse: parseUmask, help: "Umask of the container (octal)" },
  "unsetenv": { type: "list", help: "Drop a variable of the image's environment" },
  "unsetenv-all": { type: "bool", help: "Drop all variables of the image's environment" },
  "userland-proxy": {
    type: "bool",
    help: "Forward published ports by a process instead of firewall rules",
  },
} as const satisfies FlagTable;
