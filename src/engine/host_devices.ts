/** Device nodes of this host: what `--device` names, and all of /dev for `--privileged`. */
import { decodeDevice, type DeviceNumbers } from "../../ffi/device_number.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { UserError } from "../base/errors.ts";
import { isAbsent, statIfThere } from "../base/files.ts";
import type { Device } from "../runtime/spec_types.ts";
import type { HostDevice } from "./bundle_context.ts";
import type { DeviceMapping, HostConfig } from "./types.ts";

/** Directories and nodes of /dev that belong to the host alone. */
const HOST_ONLY = new Set(["pts", "shm", "mqueue", "fd", ".lxc", ".lxd-mounts", ".udev"]);
const MAX_DEPTH = 8;
/** What docker's client makes of "no such file or directory", wherever it comes from. */
const NOT_FOUND = 127;

/** The node at `path`, as the container will have it at `inside`; undefined if it is no device. */
function nodeAt(path: string, inside: string): Device | undefined {
  const info = Deno.statSync(path);
  const type = info.isBlockDevice ? "b" : info.isCharDevice ? "c" : undefined;
  if (type === undefined) return undefined;
  return {
    path: inside,
    type,
    ...decodeDevice(info.rdev ?? 0),
    fileMode: (info.mode ?? 0o600) & 0o777,
    uid: info.uid ?? 0,
    gid: info.gid ?? 0,
  };
}

/** All device nodes below `directory`, at the same place under `inside`. */
function nodesBelow(directory: string, inside: string, depth = 0): Device[] {
  if (depth > MAX_DEPTH) return [];
  const found: Device[] = [];
  for (const entry of Deno.readDirSync(directory)) {
    const path = `${directory}/${entry.name}`;
    try {
      if (entry.isDirectory) {
        found.push(...nodesBelow(path, `${inside}/${entry.name}`, depth + 1));
      } else if (!entry.isSymlink && !entry.isFile) {
        const node = nodeAt(path, `${inside}/${entry.name}`);
        if (node !== undefined) found.push(node);
      }
    } catch (error) {
      if (!isAbsent(error)) throw error; // it went away meanwhile
    }
  }
  return found;
}

/** The devices of `--device`. Throws UserError with docker's text for what is no device. */
export function namedDevices(mappings: readonly DeviceMapping[]): HostDevice[] {
  return mappings.flatMap(({ PathOnHost, PathInContainer, CgroupPermissions }) => {
    const access = CgroupPermissions || "rwm";
    const problem = (why: string, exitCode?: number) =>
      new UserError(
        `error gathering device information while adding custom device "${PathOnHost}": ${why}`,
        exitCode,
      );
    try {
      const path = Deno.realPathSync(PathOnHost);
      const nodes = Deno.statSync(path).isDirectory
        ? nodesBelow(path, PathInContainer)
        : [nodeAt(path, PathInContainer)].filter((node) => node !== undefined);
      if (nodes.length === 0) throw problem("not a device node");
      return nodes.map((node) => ({ ...node, access }));
    } catch (error) {
      throw isAbsent(error) ? problem("no such file or directory", NOT_FOUND) : error;
    }
  });
}

/** Every node of /dev that a privileged container shares with the host. */
export function allDevices(): Device[] {
  const bound = ownUserNamespace() !== undefined;
  const found: Device[] = [];
  for (const { name, isDirectory, isSymlink } of Deno.readDirSync("/dev")) {
    // A node that is bound and not made must be the node itself: /dev/stdin is what it leads to.
    if (bound && isSymlink) continue;
    if (HOST_ONLY.has(name) || name === "console" || name === "ptmx" || name === "tty") continue;
    if (isDirectory) found.push(...nodesBelow(`/dev/${name}`, `/dev/${name}`));
    else {
      const node = nodeAt(`/dev/${name}`, `/dev/${name}`);
      if (node !== undefined) found.push(node);
    }
  }
  return found;
}

/** Numbers of the block devices that weights and throttles name. */
export function throttledDevices(host: HostConfig): Record<string, DeviceNumbers> {
  const paths = [
    ...host.BlkioWeightDevice,
    ...host.BlkioDeviceReadBps,
    ...host.BlkioDeviceWriteBps,
    ...host.BlkioDeviceReadIOps,
    ...host.BlkioDeviceWriteIOps,
  ].map(({ Path }) => Path);
  const found: Record<string, DeviceNumbers> = {};
  for (const path of paths) {
    const node = statIfThere(path);
    if (node === undefined) {
      throw new UserError(`Cannot limit "${path}": no such file or directory`);
    }
    found[path] = decodeDevice(node.rdev ?? 0);
  }
  return found;
}
