/** Limits: `--ulimit`, the `--device-…-bps` family, `--restart`, `--stop-signal`, sysctls. */
import { parseSize } from "../../base/units.ts";
import type { RestartPolicy, ThrottleDevice, Ulimit, WeightDevice } from "../../engine/types.ts";
import { badFlag, cut } from "./units.ts";

/** The limits of setrlimit(2) that docker takes ("as" is left out there too). */
const ULIMITS = new Set([
  "core",
  "cpu",
  "data",
  "fsize",
  "locks",
  "memlock",
  "msgqueue",
  "nice",
  "nofile",
  "nproc",
  "rss",
  "rtprio",
  "rttime",
  "sigpending",
  "stack",
]);

/** Parses `name=soft[:hard]`. One value is both; -1 is "no limit". */
export function parseUlimit(text: string): Ulimit {
  const [name, limits] = cut(text, "=");
  if (limits === undefined) badFlag(`invalid ulimit argument: ${text}`);
  if (!ULIMITS.has(name)) badFlag(`invalid ulimit type: ${name}`);
  const values = limits.split(":");
  if (values.length > 2) {
    badFlag(
      `too many limit value arguments - ${limits}, can only have up to two, \`soft[:hard]\``,
    );
  }
  const hard = parseLimit(values[1] ?? values[0]);
  const soft = parseLimit(values[0]);
  const order = "ulimit soft limit must be less than or equal to hard limit";
  if (hard !== -1 && soft === -1) badFlag(`${order}: soft: -1 (unlimited), hard: ${hard}`);
  if (hard !== -1 && soft > hard) badFlag(`${order}: ${soft} > ${hard}`);
  return { Name: name, Hard: hard, Soft: soft };
}

function parseLimit(text: string): number {
  const value = /^[+-]?\d+$/.test(text) ? BigInt(text.replace(/^\+/, "")) : undefined;
  if (value === undefined) {
    badFlag(`strconv.ParseInt: parsing "${text}": invalid syntax`);
  }
  if (value >= 2n ** 63n || value < -(2n ** 63n)) {
    badFlag(`strconv.ParseInt: parsing "${text}": value out of range`);
  }
  return Number(value);
}

/** Keeps the last limit of each name, by name. */
export function sortUlimits(limits: readonly Ulimit[]): Ulimit[] {
  const byName = new Map(limits.map((limit) => [limit.Name, limit]));
  return [...byName.values()].sort((a, b) => a.Name < b.Name ? -1 : a.Name > b.Name ? 1 : 0);
}

/** The device and the rest of `/dev/x:rest`. */
function splitDevice(text: string): [path: string, rest: string] {
  const [path, rest] = cut(text, ":");
  if (rest === undefined || path === "") badFlag(`bad format: ${text}`);
  if (!path.startsWith("/dev/")) badFlag(`bad format for device path: ${text}`);
  return [path, rest];
}

/** Parses `/dev/x:1mb`: bytes per second. */
export function parseByteRate(text: string): ThrottleDevice {
  const [path, rest] = splitDevice(text);
  try {
    return { Path: path, Rate: parseSize(rest) };
  } catch {
    badFlag(
      `invalid rate for device: ${text}. The correct format is <device-path>:<number>[<unit>]. ` +
        `Number must be a positive integer. Unit is optional and can be kb, mb, or gb`,
    );
  }
}

/** Parses `/dev/x:100`: operations per second. */
export function parseOperationRate(text: string): ThrottleDevice {
  const [path, rest] = splitDevice(text);
  if (!/^\d{1,16}$/.test(rest)) {
    badFlag(
      `invalid rate for device: ${text}. The correct format is <device-path>:<number>. ` +
        `Number must be a positive integer`,
    );
  }
  return { Path: path, Rate: Number(rest) };
}

/** Parses `/dev/x:500`: a weight of 10 to 1000, or 0. */
export function parseDeviceWeight(text: string): WeightDevice {
  const [path, rest] = splitDevice(text);
  const weight = /^\d+$/.test(rest) ? Number(rest) : -1;
  if (weight !== 0 && (weight < 10 || weight > 1000)) {
    badFlag(`invalid weight for device: ${text}`);
  }
  return { Path: path, Weight: weight };
}

/** Parses `--restart`. Unknown names go on: the engine refuses them. */
export function parseRestartPolicy(text: string): RestartPolicy {
  const [name, count] = cut(text, ":");
  if (count !== undefined && name === "") {
    badFlag("invalid restart policy format: no policy provided before colon");
  }
  if (count && !/^[+-]?\d{1,18}$/.test(count)) {
    badFlag("invalid restart policy format: maximum retry count must be an integer");
  }
  return { Name: name as RestartPolicy["Name"], MaximumRetryCount: Number(count || 0) };
}

/** Sysctls that belong to one of the container's namespaces. */
const SYSCTLS = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);

/** Checks one `--sysctl` against what a namespace isolates; all else would change the host. */
export function parseSysctl(text: string): string {
  const [key, value] = cut(text, "=");
  const known = SYSCTLS.has(key) || key.startsWith("net.") || key.startsWith("fs.mqueue.");
  if (value === undefined || !known) badFlag(`sysctl '${text}' is not allowed`);
  return text;
}

/** `--storage-opt key=value`. */
export function parseStorageOpts(words: readonly string[]): Record<string, string> {
  const options: Record<string, string> = {};
  for (const word of words) {
    const [key, value] = cut(word, "=");
    if (value === undefined) badFlag("invalid storage option");
    options[key] = value;
  }
  return options;
}
