/** Facts of the engine and of this machine, under the keys of docker's /info. */
import { cgroupLayout } from "../runtime/cgroup_layout.ts";
import { makeDirectories, readIfThere, writeAtomic } from "../base/files.ts";
import { mountUnder, parseMounts } from "../base/mount_points.ts";
import { isRootless, rootDirectory } from "../base/places.ts";
import { presentTime } from "../base/time.ts";
import { VERSION } from "../base/version.ts";
import { listRecords } from "./containers.ts";
import { machineLimits } from "./info_limits.ts";
import { shownState } from "./restart_policy.ts";
import { memoryTotal } from "./stats.ts";

/** How many containers there are, by what they do. */
function countContainers(): Record<string, number> {
  const counts = { Containers: 0, ContainersRunning: 0, ContainersPaused: 0, ContainersStopped: 0 };
  for (const record of listRecords(() => {})) {
    const state = shownState(record);
    counts.Containers++;
    if (state.kind !== "running" && state.kind !== "restarting") counts.ContainersStopped++;
    else if (state.kind === "running" && state.paused) counts.ContainersPaused++;
    else counts.ContainersRunning++;
  }
  return counts;
}

async function countImages(): Promise<number> {
  const [{ Store }, { listImages }] = await Promise.all([
    import("../image/store.ts"),
    import("../image/list.ts"),
  ]);
  return listImages(new Store(rootDirectory())).length;
}

/** PRETTY_NAME and VERSION_ID of os-release(5). */
function distribution(): { name: string; version: string } {
  const text = readIfThere("/etc/os-release") ?? readIfThere("/usr/lib/os-release") ?? "";
  const value = (key: string) => new RegExp(`^${key}=["']?(.*?)["']?$`, "m").exec(text)?.[1] ?? "";
  return { name: value("PRETTY_NAME") || "Linux", version: value("VERSION_ID") };
}

/** What stays the same of this engine's state over all commands; made when it is first asked. */
function engineId(): string {
  const path = `${rootDirectory()}/engine-id`;
  const known = readIfThere(path);
  if (known !== undefined) return known.trim();
  const id = crypto.randomUUID();
  try {
    makeDirectories(rootDirectory(), 0o711);
    writeAtomic(path, `${id}\n`);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error; // asked, but not ours
  }
  return id;
}

/** The kind of file system that the root directory is on. */
function backingFilesystem(): string {
  return mountUnder(rootDirectory(), parseMounts())?.type ?? "unknown";
}

function securityOptions(): string[] {
  const status = readIfThere("/proc/self/status") ?? "";
  return [
    ...(readIfThere("/sys/kernel/security/apparmor/profiles") === undefined
      ? []
      : ["name=apparmor"]),
    ...(/^Seccomp:/m.test(status) ? ["name=seccomp,profile=builtin"] : []),
    ...(isRootless() ? ["name=rootless"] : []),
    ...(cgroupLayout().version === 2 ? ["name=cgroupns"] : []),
  ];
}

/** All that `info` shows, in docker's shape. */
export async function engineInfo(): Promise<Record<string, unknown>> {
  const { name, version } = distribution();
  const layout = cgroupLayout();
  const { limits, controllers, missing, usable, warnings } = machineLimits();
  const forwards = readIfThere("/proc/sys/net/ipv4/ip_forward")?.trim() === "1";
  const lines = [...warnings, ...(forwards ? [] : ["WARNING: IPv4 forwarding is disabled"])];
  return {
    ID: engineId(),
    ...countContainers(),
    Images: await countImages(),
    Driver: "overlay2",
    DriverStatus: [["Backing Filesystem", backingFilesystem()], ["userxattr", `${isRootless()}`]],
    Plugins: {
      Volume: ["local"],
      Network: ["bridge", "host", "null"],
      Authorization: null,
      Log: ["json-file", "local", "none"],
    },
    ...limits,
    IPv4Forwarding: forwards,
    Debug: false,
    SystemTime: presentTime(),
    LoggingDriver: "json-file",
    CgroupDriver: usable ? "cgroupfs" : "none",
    CgroupVersion: String(layout.version ?? ""),
    CgroupControllers: controllers,
    CgroupControllersMissing: missing,
    KernelVersion: Deno.osRelease(),
    OperatingSystem: name,
    OSVersion: version,
    OSType: "linux",
    Architecture: Deno.build.arch,
    IndexServerAddress: "https://index.docker.io/v1/",
    NCPU: navigator.hardwareConcurrency,
    MemTotal: memoryTotal(),
    DockerRootDir: rootDirectory(),
    HttpProxy: Deno.env.get("HTTP_PROXY") ?? Deno.env.get("http_proxy") ?? "",
    HttpsProxy: Deno.env.get("HTTPS_PROXY") ?? Deno.env.get("https_proxy") ?? "",
    NoProxy: Deno.env.get("NO_PROXY") ?? Deno.env.get("no_proxy") ?? "",
    Name: Deno.hostname(),
    Labels: [],
    ExperimentalBuild: false,
    ServerVersion: VERSION,
    Runtimes: { diplodock: { path: "diplodock" } },
    DefaultRuntime: "diplodock",
    Swarm: { NodeID: "", LocalNodeState: "inactive", ControlAvailable: false, Error: "" },
    LiveRestoreEnabled: true,
    Isolation: "",
    SecurityOptions: securityOptions(),
    Warnings: lines.length > 0 ? lines : null,
  };
}
