/** The config.json that `spec` writes: a start for one's own, with few rights. */
import type { Capabilities, NamespaceType, Spec, SpecMount } from "./spec_types.ts";

/** What the runtime implements. */
export const SPEC_VERSION = "1.2.0";

const CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
const NAMESPACES: NamespaceType[] = ["pid", "network", "ipc", "uts", "mount", "cgroup"];

/** What of /proc and /sys tells of the host, or changes it. */
const MASKED = "/proc/acpi /proc/asound /proc/kcore /proc/keys /proc/latency_stats " +
  "/proc/timer_list /proc/timer_stats /proc/sched_debug /sys/firmware /proc/scsi";
const READ_ONLY = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger";

const mount = (
  destination: string,
  type: string,
  source: string,
  options?: string,
): SpecMount => ({
  destination,
  type,
  source,
  ...(options !== undefined && { options: options.split(" ") }),
});

const CGROUP = "nosuid noexec nodev relatime ro";

/** For root. */
export function defaultSpec(): Spec {
  const sets: (keyof Capabilities)[] = ["bounding", "effective", "permitted"];
  return {
    ociVersion: SPEC_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "TERM=xterm",
      ],
      cwd: "/",
      capabilities: Object.fromEntries(sets.map((set) => [set, CAPABILITIES])),
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "diplodock",
    mounts: [
      mount("/proc", "proc", "proc"),
      mount("/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
      mount(
        "/dev/pts",
        "devpts",
        "devpts",
        "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5",
      ),
      mount("/dev/shm", "tmpfs", "shm", "nosuid noexec nodev mode=1777 size=65536k"),
      mount("/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev"),
      mount("/sys", "sysfs", "sysfs", "nosuid noexec nodev ro"),
      mount("/sys/fs/cgroup", "cgroup", "cgroup", CGROUP),
    ],
    linux: {
      resources: { devices: [{ allow: false, access: "rwm" }] },
      namespaces: NAMESPACES.map((type) => ({ type })),
      maskedPaths: MASKED.split(" "),
      readonlyPaths: READ_ONLY.split(" "),
    },
  };
}

/**
 * For an ordinary user: root of a user namespace that is `uid` and `gid` outside, in the host's
 * network. Groups other than that one do not exist there, and /sys is bound because it cannot be
 * mounted in a network namespace of somebody else.
 */
export function rootlessSpec(uid: number, gid: number): Spec {
  const spec = defaultSpec();
  const { resources: _, ...linux } = spec.linux!;
  return {
    ...spec,
    mounts: spec.mounts!.map((entry) => {
      if (entry.destination === "/sys") {
        return mount("/sys", "none", "/sys", "rbind nosuid noexec nodev ro");
      }
      const options = entry.options?.filter((word) => !/^[ug]id=/.test(word));
      return { ...entry, ...(options && { options }) };
    }),
    linux: {
      uidMappings: [{ containerID: 0, hostID: uid, size: 1 }],
      gidMappings: [{ containerID: 0, hostID: gid, size: 1 }],
      ...linux,
      namespaces: [...NAMESPACES.filter((type) => type !== "network"), "user" as const]
        .map((type) => ({ type })),
    },
  };
}
