/** The namespaces of a container: what each isolates, and whose it is. Pure but for the inodes. */
import { statIfThere } from "../base/files.ts";
import { NAMESPACE_FILE } from "../runtime/namespaces.ts";
import type { NamespaceType, Spec } from "../runtime/spec_types.ts";
import { joinedContainer } from "./modes.ts";
import type { ContainerRecord } from "./types.ts";

/** One row of the table. */
export interface ExplainedNamespace {
  readonly type: NamespaceType;
  readonly isolates: string;
  /** The flag of clone3, unshare or setns. */
  readonly flag: string;
  readonly origin: "new" | "host" | "joined";
  /** The container, or the path, that it is joined from. */
  readonly from?: string;
  /** Of a running container: the number under /proc/PID/ns. */
  readonly inode?: number;
}

const KINDS: readonly [NamespaceType, flag: string, isolates: string][] = [
  ["mount", "CLONE_NEWNS", "mounts: what the file tree is made of"],
  ["network", "CLONE_NEWNET", "interfaces, addresses, routes, firewall, ports"],
  ["uts", "CLONE_NEWUTS", "host name and domain name"],
  ["pid", "CLONE_NEWPID", "process numbers: only its own are seen"],
  ["ipc", "CLONE_NEWIPC", "System V IPC and POSIX message queues"],
  ["cgroup", "CLONE_NEWCGROUP", "the view of the cgroup tree"],
  ["user", "CLONE_NEWUSER", "users, groups and capabilities"],
  ["time", "CLONE_NEWTIME", "offsets of the monotonic and boot clocks"],
];

/** All eight kinds. `pid`: of the first process, if it runs. */
export function explainNamespaces(
  record: ContainerRecord,
  spec: Spec,
  pid?: number,
): ExplainedNamespace[] {
  const { NetworkMode, PidMode, IpcMode, UTSMode, UsernsMode, CgroupnsMode } = record.HostConfig;
  const modes: Partial<Record<NamespaceType, string>> = {
    network: NetworkMode,
    pid: PidMode,
    ipc: IpcMode,
    uts: UTSMode,
    user: UsernsMode,
    cgroup: CgroupnsMode,
  };
  return KINDS.map(([type, flag, isolates]): ExplainedNamespace => {
    const entry = spec.linux?.namespaces?.find((namespace) => namespace.type === type);
    const container = joinedContainer(modes[type] ?? "");
    const inode = pid === undefined
      ? undefined
      : inodeOf(`/proc/${pid}/ns/${NAMESPACE_FILE[type]}`);
    const row = { type, isolates, flag, ...(inode !== undefined && { inode }) };
    if (entry === undefined) return { ...row, origin: "host" };
    if (container !== undefined) {
      return { ...row, origin: "joined", from: `container ${container}` };
    }
    // The network namespace is made before the first process, which then joins it.
    if (entry.path === undefined || type === "network") return { ...row, origin: "new" };
    return { ...row, origin: "joined", from: entry.path };
  });
}

/** Undefined where the kernel has no such kind. */
const inodeOf = (path: string) => statIfThere(path)?.ino ?? undefined;
