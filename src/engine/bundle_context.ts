/** What toSpec() is told beside the settings: all that had to be looked up or made before. */
import type { DeviceNumbers } from "../../ffi/device_number.ts";
import type { MappedRange } from "../base/own_namespace.ts";
import type {
  Device,
  IdMapping,
  NamespaceType,
  OverlayRoot,
  Seccomp,
} from "../runtime/spec_types.ts";
import type { PlannedMount } from "./mount_plan.ts";

/** A device node of the host that the container gets, with what its cgroup allows. */
export interface HostDevice extends Device {
  /** Any of "r", "w", "m". */
  access: string;
}

/** A planned mount and where its content lies on the host ("" for a tmpfs). */
export interface LocatedMount extends PlannedMount {
  readonly hostPath: string;
}

/** Host paths of the files the engine writes for a container; absent: the image's own is left. */
export interface BundleFiles {
  readonly resolvConf?: string;
  readonly hostname?: string;
  readonly hosts?: string;
  /** The /dev/shm of a shareable IPC namespace: a tmpfs of this or of the joined container. */
  readonly shm?: string;
  /** The zone file of `--tz`. */
  readonly localtime?: string;
}

/** Everything toSpec() cannot know from the settings. */
export interface BundleContext {
  readonly id: string;
  readonly root: { readonly path: string; readonly overlay?: OverlayRoot };
  /** Config.User and GroupAdd, resolved in the image's files. */
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    readonly additionalGids: readonly number[];
    readonly home: string;
  };
  readonly files: BundleFiles;
  /** The planned mounts, each with its host path. */
  readonly mounts: readonly LocatedMount[];
  /** `--device`, looked up on the host. */
  readonly devices: readonly HostDevice[];
  /** All nodes of the host's /dev, for --privileged. */
  readonly hostDevices: readonly Device[];
  /** Numbers of the devices that throttles and weights name. */
  readonly blockDevices: Readonly<Record<string, DeviceNumbers>>;
  /** Paths of namespaces to join: of other containers, or made beforehand. */
  readonly join: Readonly<Partial<Record<NamespaceType, string>>>;
  /** A user namespace of its own, with these maps. */
  readonly userns?: { readonly uids: readonly IdMapping[]; readonly gids: readonly IdMapping[] };
  /** The groups of the user namespace that we are in, where it is not the machine's own. */
  readonly ownGids?: readonly MappedRange[];
  readonly cgroupsPath: string;
  /** Resolved for this container; undefined: unconfined. */
  readonly seccomp?: Seccomp;
  /** Profile to run under, where the host has AppArmor. */
  readonly apparmor?: string;
  /** SELinux labels, where the host has it. */
  readonly processLabel?: string;
  readonly mountLabel?: string;
  /** A sysfs or procfs cannot be mounted new, because its namespace is not the container's. */
  readonly bindSysfs?: boolean;
  readonly bindProc?: boolean;
  /** The machine has its message queues mounted, so that they can be bound. */
  readonly hasQueues?: boolean;
}
