/** The container's /dev: nodes, links, the pty master, the console. Source: runtime-spec config-linux.md. */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_DIRECTORY,
  O_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
} from "../../ffi/constants.ts";
import { encodeDevice } from "../../ffi/device_number.ts";
import { EEXIST } from "../../ffi/errno.ts";
import { type Place, slot, type Step, type Value } from "../../ffi/program.ts";
import { moveMount } from "./mounts.ts";
import { closeStep, inside, makeDirectory, makeFile, openInRoot } from "./paths.ts";
import type { Device } from "./spec_types.ts";

/** The nodes every container has, by the specification: path, major, minor. */
export const DEFAULT_DEVICES: readonly Device[] = [
  { path: "/dev/null", type: "c", major: 1, minor: 3, fileMode: 0o666 },
  { path: "/dev/zero", type: "c", major: 1, minor: 5, fileMode: 0o666 },
  { path: "/dev/full", type: "c", major: 1, minor: 7, fileMode: 0o666 },
  { path: "/dev/random", type: "c", major: 1, minor: 8, fileMode: 0o666 },
  { path: "/dev/urandom", type: "c", major: 1, minor: 9, fileMode: 0o666 },
  { path: "/dev/tty", type: "c", major: 5, minor: 0, fileMode: 0o666 },
];

const LINKS: readonly [name: string, to: string][] = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
  ["core", "/proc/kcore"],
  ["ptmx", "pts/ptmx"],
];

function nodeType(type: string): number {
  if (type === "b") return S_IFBLK;
  return type === "p" ? S_IFIFO : S_IFCHR;
}

/**
 * Makes the nodes of `devices`. In a user namespace mknod is refused by the kernel: there the
 * host's own nodes are bound instead (`bind`). Descriptors stay open until execve: their number
 * is small, and a close for each would be a tenth of all steps.
 */
export function deviceSteps(devices: readonly Device[], root: Value, bind: boolean): Step[] {
  if (bind) return devices.flatMap((device) => bindDevice(device, root));
  const directories = new Map<string, Device[]>();
  for (const device of devices) {
    const { directory } = split(device.path);
    const others = directories.get(directory);
    if (others === undefined) directories.set(directory, [device]);
    else others.push(device);
  }
  return [...directories].flatMap(([directory, nodes]) => {
    const dir = slot("directory");
    return [
      ...makeDirectory(root, directory, dir, `make devices in "/${directory}"`),
      ...nodes.flatMap((device) => makeNode(device, dir)),
    ];
  });
}

function split(path: string): { directory: string; name: string } {
  const parts = inside(path).split("/");
  return { directory: parts.slice(0, -1).join("/"), name: parts.at(-1)! };
}

function makeNode(device: Device, dir: Place): Step[] {
  const goal = `make device "${device.path}"`;
  const { name } = split(device.path);
  const mode = nodeType(device.type) | (device.fileMode ?? 0o666);
  const number = encodeDevice(device.major ?? 0, device.minor ?? 0);
  const owned = (device.uid ?? 0) !== 0 || (device.gid ?? 0) !== 0;
  return [
    { call: "mknodat", args: [dir, name, mode, number], allow: [EEXIST], goal },
    // The mode is set again because the umask took bits away.
    { call: "fchmodat", args: [dir, name, mode & 0o7777], goal },
    ...(owned
      ? [{
        call: "fchownat" as const,
        args: [dir, name, device.uid ?? 0, device.gid ?? 0, 0],
        goal,
      }]
      : []),
  ];
}

function bindDevice(device: Device, root: Value): Step[] {
  const goal = `bind device "${device.path}"`;
  const tree = slot("tree"), at = slot("target");
  return [
    {
      call: "open_tree",
      args: [AT_FDCWD, device.path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC],
      goal,
      result: tree,
    },
    ...makeFile(root, device.path, at, goal),
    moveMount(tree, at, goal),
    closeStep(at),
    closeStep(tree),
  ];
}

/** /dev/fd, /dev/stdin … and /dev/ptmx; what an image already has stays. */
export function deviceLinkSteps(root: Value): Step[] {
  const dir = slot("dev");
  const goal = "make the links of /dev";
  return [
    openInRoot(root, "dev", O_PATH | O_DIRECTORY, dir, goal),
    ...LINKS.map(([name, to]): Step => ({
      call: "symlinkat",
      args: [to, dir, name],
      allow: [EEXIST],
      goal: `link "/dev/${name}"`,
    })),
  ];
}

/** Shows the terminal `slave` as /dev/console too. */
export function consoleSteps(root: Value, slave: Place): Step[] {
  const goal = "bind the terminal at /dev/console";
  const tree = slot("tree"), at = slot("target");
  const clone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
  return [
    { call: "open_tree", args: [slave, "", clone], goal, result: tree },
    ...makeFile(root, "/dev/console", at, goal),
    moveMount(tree, at, goal),
    closeStep(at),
    closeStep(tree),
  ];
}
