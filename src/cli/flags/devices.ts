/** `--device`, `--device-cgroup-rule`, `--gpus`. */
import { cleanPath } from "../../base/paths.ts";
import type { DeviceMapping, DeviceRequest } from "../../engine/types.ts";
import { toMap } from "./env.ts";
import { badFlag, cut, parseCsvRecord } from "./units.ts";

/** Any of r, w, m, each at most once. */
function isDeviceMode(text: string): boolean {
  return /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length;
}

/** Whether the text names a device of the Container Device Interface: vendor.com/class=name. */
function isCdiName(text: string): boolean {
  return /^[A-Za-z]([\w.-]*[A-Za-z0-9])?\/[A-Za-z]([\w-]*[A-Za-z0-9])?=[A-Za-z0-9]([\w.:-]*[A-Za-z0-9])?$/
    .test(text);
}

/** Parses `/dev/x[:/dev/y][:rwm]`. */
function parseDeviceMapping(text: string): DeviceMapping {
  const fields = text.split(":");
  if (fields.length > 3 || fields[0] === "") badFlag(`bad format for path: ${text}`);
  const [source, second, third] = fields;
  const secondIsMode = third === undefined && second !== undefined && isDeviceMode(second);
  if (third !== undefined && !isDeviceMode(third)) badFlag(`bad mode specified: ${third}`);
  const target = second === undefined || secondIsMode ? source : second;
  if (!target.startsWith("/")) badFlag(`${target} is not an absolute path`);
  const cleaned = cleanPath(target);
  return {
    PathOnHost: target === source ? cleaned : source,
    PathInContainer: cleaned,
    CgroupPermissions: third ?? (secondIsMode ? second : "rwm"),
  };
}

/** All `--device`: node mappings, and CDI names as one request. */
export function parseDevices(
  specs: readonly string[],
): { devices: DeviceMapping[]; cdi: DeviceRequest[] } {
  const names = specs.filter(isCdiName);
  const request = {
    Driver: "cdi",
    Count: 0,
    DeviceIDs: names,
    Capabilities: null,
    Options: null,
  };
  return {
    devices: specs.filter((spec) => !isCdiName(spec)).map(parseDeviceMapping),
    cdi: names.length > 0 ? [request] : [],
  };
}

/** Checks `--device-cgroup-rule`: "c 42:* rmw". */
export function parseDeviceCgroupRule(text: string): string {
  if (!/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(text)) {
    badFlag(`invalid device cgroup format '${text}'`);
  }
  return text;
}

function parseGpuCount(text: string): number {
  if (text === "all") return -1;
  if (/^[+-]?\d{1,15}$/.test(text)) return Number(text);
  badFlag(`invalid count (${text}): value must be either "all" or an integer: invalid syntax`);
}

/** Parses `--gpus`: "all", a number, or CSV of driver, count, device, capabilities, options. */
export function parseGpus(text: string): DeviceRequest {
  const request: DeviceRequest = {
    Driver: "",
    Count: 0,
    DeviceIDs: null,
    Capabilities: [["gpu"]],
    Options: {},
  };
  const seen = new Set<string>();
  for (const field of parseCsvRecord(text)) {
    const [key, value] = cut(field, "=");
    if (seen.has(key)) badFlag(`gpu request key '${key}' can be specified only once`);
    seen.add(key);
    if (value === undefined || key === "count") {
      seen.add("count");
      request.Count = parseGpuCount(value ?? key);
    } else if (key === "driver") request.Driver = value;
    else if (key === "device") request.DeviceIDs = value.split(",");
    else if (key === "capabilities") request.Capabilities = [[...value.split(","), "gpu"]];
    else if (key === "options") request.Options = toMap(parseCsvRecord(value));
    else badFlag(`unexpected key '${key}' in '${field}'`);
  }
  if (!seen.has("count") && request.DeviceIDs === null) request.Count = 1;
  return request;
}
