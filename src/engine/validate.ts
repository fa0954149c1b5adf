/**
 * What the engine checks of a request before it does anything: a table of rules with docker's
 * texts, in docker's order. The client has checked the grammar of flags before.
 */
import { activeModules, labelWarnings } from "./security_modules.ts";
import { UserError } from "../base/errors.ts";
import { parseIp } from "../base/ip.ts";
import { quoteGo } from "../base/quote.ts";
import { tweakCapabilities } from "../runtime/capabilities.ts";
import { parseSignal } from "../base/signals.ts";
import { asksUserNamespace, isUserDefinedNetwork, joinedContainer } from "./modes.ts";
import { checkLogConfig } from "./log_options.ts";
import { planMounts } from "./mount_plan.ts";
import { checkContainerName } from "./names.ts";
import { parseSecurityOptions } from "./security_opts.ts";
import type { CreateRequest, DeviceRequest, RestartPolicy } from "./types.ts";
import { hostFacts } from "./validate_facts.ts";
import { checkLimits, type HostFacts, limitWarnings } from "./validate_limits.ts";

/** One rule: the text of what is wrong, or nothing. Some throw it instead. */
type Rule = (request: CreateRequest, facts: HostFacts) => string | undefined | false | void;

const NANOSECONDS_PER_MS = 1_000_000;

const CONFIG_RULES: readonly Rule[] = [
  ({ Name }) => Name === "" ? undefined : checkContainerName(Name),
  ({ WorkingDir }) =>
    WorkingDir !== "" && !WorkingDir.startsWith("/") &&
    `the working directory '${WorkingDir}' is invalid, it needs to be an absolute path`,
  ({ StopSignal }) => {
    if (StopSignal) parseSignal(StopSignal);
  },
  ({ Env }) => {
    const bad = (Env ?? []).find((word) => word === "" || word.startsWith("="));
    return bad !== undefined && `invalid environment variable: ${bad}`;
  },
  ({ Healthcheck: health = {} }) => {
    const times = ["Interval", "Timeout", "StartPeriod", "StartInterval"] as const;
    const bad = times.find((name) => health[name] && health[name] < NANOSECONDS_PER_MS);
    if (bad !== undefined) return `${bad} in Healthcheck cannot be less than 1ms`;
    return (health.Retries ?? 0) < 0 && "Retries in Healthcheck cannot be negative";
  },
  ({ Hostname }) =>
    new TextEncoder().encode(Hostname).length > 64 &&
    `Cannot use hostname "${Hostname}": it has more than 64 bytes`,
];

const NETWORK_RULES: readonly Rule[] = [
  ({ HostConfig: host, ...config }) => {
    const { NetworkMode: mode } = host;
    if (!mode.startsWith("container:")) return undefined;
    if (joinedContainer(mode) === undefined) {
      return "invalid network mode: invalid container format container:<name|id>";
    }
    if (config.Hostname !== "") return "conflicting options: hostname and the network mode";
    if ((host.Links ?? []).length > 0) {
      return "conflicting options: container type network can't be used with links. " +
        "This would result in undefined behavior";
    }
    if (host.Dns.length > 0) return "conflicting options: dns and the network mode";
    if ((host.ExtraHosts ?? []).length > 0) {
      return "conflicting options: custom host-to-IP mapping and the network mode";
    }
    if (Object.keys(host.PortBindings).length > 0 || host.PublishAllPorts) {
      return "conflicting options: port publishing and the container type network mode";
    }
    return Object.keys(config.ExposedPorts ?? {}).length > 0 &&
      "conflicting options: port exposing and the container type network mode";
  },
  ({ HostConfig: { NetworkMode: mode, Diplodock: own } }) => {
    const asked = own?.NetRateBits || own?.NetDelayMicros || own?.NetLossPercent;
    if (!asked || !["host", "none"].includes(mode) && joinedContainer(mode) === undefined) return;
    return "conflicting options: --net-rate, --net-delay and --net-loss need a network of the " +
      `container's own, not the network mode ${mode}`;
  },
  ({ Hostname, HostConfig: { UTSMode } }) =>
    Hostname !== "" && (UTSMode === "host" || joinedContainer(UTSMode) !== undefined) &&
    "conflicting options: hostname and the UTS mode",
  ({ HostConfig: { NetworkMode, Links } }) =>
    NetworkMode === "host" && (Links ?? []).length > 0 &&
    "conflicting options: host type networking can't be used with links. " +
      "This would result in undefined behavior",
  ({ NetworkingConfig: { EndpointsConfig: endpoints } }) => {
    for (const [name, endpoint] of Object.entries(endpoints)) {
      if (isUserDefinedNetwork(name)) continue;
      if (joinedContainer(name) !== undefined && endpoint.MacAddress !== "") {
        return "conflicting options: mac-address and the network mode";
      }
      if (endpoint.IPAMConfig?.IPv4Address || endpoint.IPAMConfig?.IPv6Address) {
        return "user specified IP address is supported on user defined networks only";
      }
      if ((endpoint.Aliases ?? []).length > 0) {
        return "network-scoped alias is supported only for containers in user defined networks";
      }
    }
    return undefined;
  },
  ({ HostConfig: { NetworkMode, Sysctls } }) => {
    if (NetworkMode !== "host") return undefined;
    const bad = Object.keys(Sysctls ?? {}).find((name) => name.startsWith("net."));
    return bad !== undefined && `sysctl ${quoteGo(bad)} not allowed in host network namespace`;
  },
];

/** A port, a range of them, or none. */
const isHostPort = (text: string) =>
  text === "" || /^\d{1,5}(-\d{1,5})?$/.test(text) && text.split("-").every((one) => +one < 65536);

const PUBLISHING_RULES: readonly Rule[] = [
  ({ HostConfig: { PortBindings } }) => {
    const bindings = Object.values(PortBindings).flatMap((list) => list ?? []);
    const bad = bindings.find(({ HostPort }) => !isHostPort(HostPort));
    return bad !== undefined && `invalid port specification: ${quoteGo(bad.HostPort)}`;
  },
  ({ HostConfig: { ExtraHosts } }) => {
    for (const text of ExtraHosts ?? []) {
      const colon = text.indexOf(":");
      if (colon <= 0) return `bad format for add-host: ${quoteGo(text)}`;
      const address = text.slice(colon + 1);
      if (address !== "host-gateway" && parseIp(address.trim()) === undefined) {
        return `invalid IP address in add-host: ${quoteGo(address)}`;
      }
    }
    return undefined;
  },
];

const IPC_MODES = ["", "private", "shareable", "none", "host"];
const POLICIES = ["", "no", "always", "unless-stopped", "on-failure"];

/** What is wrong with a restart policy, in docker's words; undefined: nothing. */
export function restartPolicyProblem(policy: RestartPolicy): string | undefined {
  const { Name, MaximumRetryCount: count } = policy;
  if (!POLICIES.includes(Name)) {
    return `invalid restart policy: unknown policy '${Name}'; ` +
      "use one of 'no', 'always', 'on-failure', or 'unless-stopped'";
  }
  if (Name === "" || count === 0) return undefined;
  const negative = count < 0 ? " and cannot be negative" : "";
  if (Name !== "on-failure") {
    return "invalid restart policy: maximum retry count can only be used with 'on-failure'" +
      negative;
  }
  return count < 0 ? "invalid restart policy: maximum retry count cannot be negative" : undefined;
}

const HOST_RULES: readonly Rule[] = [
  ({ HostConfig: { Isolation } }) =>
    !["", "default"].includes(Isolation.toLowerCase()) &&
    `invalid isolation (${Isolation}): linux only supports 'default'`,
  ({ HostConfig: { AutoRemove, RestartPolicy: { Name } } }) =>
    AutoRemove && Name !== "" && Name !== "no" &&
    "can't create 'AutoRemove' container with restart policy",
  ({ HostConfig: { RestartPolicy: { Name }, Diplodock: own } }) =>
    own?.PreserveFds && Name !== "" && Name !== "no" &&
    "conflicting options: --preserve-fds and --restart: who restarts has no descriptors to pass",
  (request, facts) => {
    planMounts(request, () => []);
    for (const mount of request.HostConfig.Mounts ?? []) {
      const { Type: type, Source: source = "", BindOptions: bind } = mount;
      if (type !== "bind" || bind?.CreateMountpoint || facts.exists(source)) continue;
      return `invalid mount config for type "bind": bind source path does not exist: ${source}`;
    }
    return undefined;
  },
  ({ HostConfig: { RestartPolicy } }) => restartPolicyProblem(RestartPolicy),
  ({ HostConfig: { CapAdd, CapDrop } }) => {
    tweakCapabilities(CapAdd ?? [], CapDrop ?? []);
  },
  ({ HostConfig: { Annotations } }) =>
    "" in (Annotations ?? {}) &&
    "invalid Annotations: the empty string is not permitted as an annotation key",
  ({ HostConfig: { IpcMode: mode } }) =>
    !IPC_MODES.includes(mode) && joinedContainer(mode) === undefined &&
    `invalid IPC mode: ${mode}`,
  ({ HostConfig: { Runtime } }) =>
    Runtime !== "" && Runtime !== "diplodock" &&
    `unknown or invalid runtime name: ${Runtime}`,
  ({ HostConfig: { LogConfig } }) => checkLogConfig(LogConfig),
  ({ HostConfig: { SecurityOpt } }) => {
    parseSecurityOptions(SecurityOpt ?? []);
  },
  ({ HostConfig: { StorageOpt } }) =>
    Object.keys(StorageOpt ?? {}).length > 0 &&
    "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
  ({ HostConfig: { DeviceRequests } }) => {
    const [first] = DeviceRequests ?? [];
    return first !== undefined && noDriver(first);
  },
  ({ HostConfig: { UsernsMode, Diplodock: own = {} } }) =>
    UsernsMode !== "" && (own.UidMaps !== undefined || own.GidMaps !== undefined) &&
    "conflicting options: --userns and --uidmap/--gidmap cannot be used together",
  ({ HostConfig: host }) =>
    host.Privileged && asksUserNamespace(host) &&
    "privileged mode is incompatible with user namespaces.  You must run the container in the " +
      "host namespace when running privileged mode",
];

/** There is no driver for special devices here: docker's texts of a host without one. */
function noDriver({ Driver, Capabilities, DeviceIDs }: DeviceRequest): string {
  if (Driver === "cdi") {
    return `CDI device injection failed: unresolvable CDI devices ${(DeviceIDs ?? []).join(", ")}`;
  }
  const words = (Capabilities ?? []).map((set) => `[${set.join(" ")}]`).join(" ");
  return `could not select device driver ${quoteGo(Driver)} with capabilities: [${words}]`;
}

/**
 * Checks a request as the client made it, before the image's settings and the defaults come in.
 * Throws a UserError (docker's text, without "Error response from daemon: ") for the first rule
 * it breaks. Returns warnings for stderr, each to be put behind "WARNING: ".
 */
export function validate(request: CreateRequest, facts: HostFacts = hostFacts()): string[] {
  for (const rule of [...NETWORK_RULES, ...PUBLISHING_RULES, ...CONFIG_RULES, ...HOST_RULES]) {
    const problem = rule(request, facts);
    if (problem) throw new UserError(problem);
  }
  checkLimits(request.HostConfig, facts);
  return warningsOf(request);
}

function warningsOf({ HostConfig: host }: CreateRequest): string[] {
  const warnings: string[] = [];
  if (host.SecurityOpt?.some((word) => /^(apparmor|label|disable)/.test(word))) {
    warnings.push(...labelWarnings(parseSecurityOptions(host.SecurityOpt), activeModules()));
  }
  warnings.push(...limitWarnings(host));
  const published = Object.keys(host.PortBindings).length > 0 || host.PublishAllPorts;
  if (host.NetworkMode === "host" && published) {
    warnings.push("Published ports are discarded when using host network mode");
  }
  return warnings;
}
