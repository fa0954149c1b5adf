/** Fills a request with what the image and the engine have by default, as docker's daemon does. */
import { UserError } from "../base/errors.ts";
import { joinedContainer } from "./modes.ts";
import { MASKED_PATHS, READONLY_PATHS } from "./protected_paths.ts";
import type {
  ContainerConfig,
  CreateRequest,
  HealthConfig,
  HostConfig,
  ImageDefaults,
} from "./types.ts";

/** What the defaults depend on. */
export interface CompletionFacts {
  readonly id: string;
  readonly hostHostname: string;
  readonly cgroupVersion: 1 | 2;
  /** Of the container whose network is joined. */
  readonly joined?: { readonly hostname: string; readonly domainname: string };
  /** Files of this host's CPUs that are masked beside docker's list. */
  readonly thermalPaths: readonly string[];
}

/** docker's /dev/shm. */
const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;

/** The request with every default written out. Throws UserError "no command specified". */
export function completeRequest(
  request: CreateRequest,
  image: ImageDefaults,
  facts: CompletionFacts,
): CreateRequest {
  const merged = mergeImage(request, image, request.HostConfig);
  const words = [...(merged.Entrypoint ?? []), ...(merged.Cmd ?? [])];
  if (words.length === 0) throw new UserError("no command specified");
  const hostname = defaultHostname(request, facts);
  return {
    ...request,
    ...merged,
    ...hostname,
    HostConfig: completeHostConfig(request.HostConfig, facts),
  };
}

function defaultHostname(
  request: CreateRequest,
  facts: CompletionFacts,
): Pick<ContainerConfig, "Hostname" | "Domainname"> {
  const { Hostname, Domainname, HostConfig: host } = request;
  if (joinedContainer(host.NetworkMode) !== undefined && facts.joined !== undefined) {
    return { Hostname: facts.joined.hostname, Domainname: facts.joined.domainname };
  }
  if (Hostname !== "") return { Hostname, Domainname };
  const ofHost = host.NetworkMode === "host" || host.UTSMode === "host";
  return { Hostname: ofHost ? facts.hostHostname : facts.id.slice(0, 12), Domainname };
}

const union = <T>(image?: Record<string, T> | null, own?: Record<string, T> | null) => ({
  ...image,
  ...own,
});

const orNull = <T>(list: readonly T[]): T[] | null => list.length > 0 ? [...list] : null;

/**
 * Lays the user's settings over the image's. An entrypoint of the user's drops the image's
 * command; variables and labels win by name; ports and volumes add up.
 */
function mergeImage(
  own: ContainerConfig,
  image: ImageDefaults,
  host: HostConfig,
): ContainerConfig {
  const { HostConfig: _, NetworkingConfig: __, Name: ___, Platform: ____, ...config } =
    own as CreateRequest;
  const ports = union(image.ExposedPorts, own.ExposedPorts);
  const volumes = union(image.Volumes, own.Volumes);
  const health = mergeHealth(own.Healthcheck, image.Healthcheck);
  const stopSignal = own.StopSignal || image.StopSignal;
  const shell = own.Shell ?? image.Shell;
  return {
    ...config,
    ...commandOf(own, image),
    User: own.User || image.User || "",
    ...(Object.keys(ports).length > 0 && { ExposedPorts: ports }),
    Env: orNull(mergeEnv(own.Env ?? [], image.Env ?? [], host)),
    ...(health !== undefined && { Healthcheck: health }),
    Volumes: Object.keys(volumes).length > 0 ? volumes : null,
    WorkingDir: own.WorkingDir || image.WorkingDir || "",
    Labels: union(image.Labels, own.Labels),
    ...(stopSignal && { StopSignal: stopSignal }),
    ...(shell && { Shell: shell }),
  };
}

function commandOf(
  own: ContainerConfig,
  image: ImageDefaults,
): Pick<ContainerConfig, "Entrypoint" | "Cmd"> {
  const given = own.Entrypoint;
  if (given === null || given.length === 0) {
    const cmd = own.Cmd !== null && own.Cmd.length > 0 ? own.Cmd : image.Cmd ?? null;
    return { Entrypoint: image.Entrypoint ?? null, Cmd: cmd };
  }
  const reset = given.length === 1 && given[0] === "";
  return { Entrypoint: reset ? null : given, Cmd: own.Cmd };
}

/** The user's variables first, then those of the image that the user neither set nor dropped. */
function mergeEnv(own: readonly string[], image: readonly string[], host: HostConfig): string[] {
  const extension = host.Diplodock ?? {};
  if (extension.UnsetEnvAll) return [...own];
  const nameOf = (word: string) => word.split("=", 1)[0];
  const taken = new Set([...own.map(nameOf), ...(extension.UnsetEnv ?? [])]);
  return [...own, ...image.filter((word) => !taken.has(nameOf(word)))];
}

/** What the user left out of a health check is the image's. */
function mergeHealth(own?: HealthConfig, image?: HealthConfig): HealthConfig | undefined {
  if (own === undefined || image === undefined) return own ?? image;
  const test = own.Test !== undefined && own.Test.length > 0 ? own.Test : image.Test;
  const merged: HealthConfig = { ...(test !== undefined && { Test: test }) };
  const numbers = ["Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"] as const;
  for (const name of numbers) {
    const value = own[name] || image[name];
    if (value) merged[name] = value;
  }
  return merged;
}

function completeHostConfig(host: HostConfig, facts: CompletionFacts): HostConfig {
  const v1 = facts.cgroupVersion === 1;
  const masked = host.Privileged ? null : [...MASKED_PATHS, ...facts.thermalPaths];
  const readonly = host.Privileged ? null : [...READONLY_PATHS];
  // SELinux cannot confine what shares the host's processes.
  const unlabelled = host.Privileged || host.PidMode === "host" || host.IpcMode === "host";
  const labels = unlabelled && !(host.SecurityOpt ?? []).includes("label=disable")
    ? ["label=disable"]
    : [];
  const swapByDefault = host.Memory > 0 && host.MemorySwap === 0;
  return {
    ...host,
    LogConfig: { ...host.LogConfig, Type: host.LogConfig.Type || "json-file" },
    NetworkMode: isDefaultNetwork(host.NetworkMode) ? "bridge" : host.NetworkMode,
    RestartPolicy: { ...host.RestartPolicy, Name: host.RestartPolicy.Name || "no" },
    CgroupnsMode: host.CgroupnsMode || (v1 ? "host" : "private"),
    IpcMode: host.IpcMode || "private",
    SecurityOpt: orNull([...(host.SecurityOpt ?? []), ...labels]),
    ShmSize: host.ShmSize || DEFAULT_SHM_BYTES,
    Runtime: host.Runtime || "diplodock",
    MemorySwap: swapByDefault ? 2 * host.Memory : host.MemorySwap,
    OomKillDisable: host.OomKillDisable ?? (v1 ? false : null),
    MaskedPaths: host.MaskedPaths ?? masked,
    ReadonlyPaths: host.ReadonlyPaths ?? readonly,
  };
}

function isDefaultNetwork(mode: string): boolean {
  return mode === "" || mode === "default";
}
