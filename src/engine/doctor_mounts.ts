/** Trials of file systems: what a container's root and its mounts are made of. */
import {
  AT_FDCWD,
  AT_RECURSIVE,
  CLONE_NEWIPC,
  CLONE_NEWNS,
  CLONE_NEWPID,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_PRIVATE,
  MS_REC,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_RDWR,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../../ffi/constants.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { sys } from "../../ffi/libc.ts";
import { slot, type Step } from "../../ffi/program.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { makeDirectories, removeIfThere } from "../base/files.ts";
import { isRootless, rootDirectory } from "../base/places.ts";
import { findProgram } from "../base/programs.ts";
import { newFilesystem, setAttributes } from "../runtime/mounts.ts";
import { openInRoot } from "../runtime/paths.ts";
import { pivotSteps, rootSteps } from "../runtime/root.ts";
import { createUserNamespace, idmappedTree } from "../runtime/userns_trees.ts";
import { Lacking, type Trial } from "./doctor.ts";
import { inChild } from "./doctor_kernel.ts";

const NONE = { set: 0, clear: 0 };
const KERNEL = "use a kernel from 5.12 on, and allow mounts: this process may itself be contained";

/** A directory in the store, for what a trial needs on its file system. */
function inStore<T>(body: (directory: string) => T): T {
  const directory = `${rootDirectory()}/.doctor-${Deno.pid}`;
  makeDirectories(directory);
  try {
    return body(directory);
  } finally {
    removeIfThere(directory, true);
  }
}

const privately: Step = {
  call: "mount",
  args: [null, "/", null, MS_REC | MS_PRIVATE, null],
  goal: "cut mounts off from the host's",
};

/** What stands in where overlayfs is refused is found by trying too, at a start. */
function overlay(): string | undefined {
  try {
    return kernelOverlay();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const isInstalled = findProgram("fuse-overlayfs") !== undefined;
    const mayOpen = sys("faccessat2", AT_FDCWD, "/dev/fuse", R_OK | W_OK, AT_EACCESS) === 0;
    return `${error.message}; ` +
      (isInstalled && mayOpen
        ? "fuse-overlayfs stands in"
        : "each container gets a copy of its image's files, and the image host is refused, as " +
          (isInstalled ? "/dev/fuse is closed to you" : "fuse-overlayfs is not installed"));
  }
}

const R_OK = 4;
const W_OK = 2;
const AT_EACCESS = 0x200;

/** An overlay on the store's own file system that is written to, and becomes the root. */
function kernelOverlay(): undefined {
  return inStore((directory) => {
    for (const name of ["lower", "upper", "work", "root"]) Deno.mkdirSync(`${directory}/${name}`);
    const root = slot("root");
    return inChild([
      ...rootSteps({
        directory: `${directory}/root`,
        overlay: {
          lower: [`${directory}/lower`],
          upper: `${directory}/upper`,
          work: `${directory}/work`,
        },
        propagation: { inherited: MS_PRIVATE, root: 0 },
        userxattr: ownUserNamespace() !== undefined,
        layersOneByOne: false,
      }, root),
      { call: "mkdirat", args: [root, "made", 0o755], goal: "write to the overlay" },
      ...pivotSteps(root),
    ], CLONE_NEWNS);
  });
}

/** proc and sysfs of new namespaces: refused where parts of the old ones are hidden. */
function kernelFilesystem(fs: string): undefined {
  const made = slot(fs);
  return inChild(
    [privately, ...newFilesystem(fs, fs, [], NONE, made, `mount ${fs}`)],
    CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC,
  );
}

function terminal(): undefined {
  const made = slot("devpts"), master = slot("master");
  const goal = "open a terminal";
  return inChild([
    privately,
    ...newFilesystem("devpts", "devpts", ["newinstance", "ptmxmode=0666"], NONE, made, goal),
    openInRoot(made, "ptmx", O_RDWR, master, goal),
  ], CLONE_NEWNS);
}

function readonlyBind(): undefined {
  const tree = slot("tree");
  const goal = "restrict a tree of mounts";
  const clone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
  return inChild([
    privately,
    { call: "open_tree", args: [AT_FDCWD, "/proc", clone], goal, result: tree },
    ...setAttributes(tree, { set: MOUNT_ATTR_RDONLY, clear: 0 }, true, goal),
    { call: "move_mount", args: [tree, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH], goal },
  ], CLONE_NEWNS);
}

function idmapped(): undefined {
  if (ownUserNamespace() !== undefined) {
    throw new Lacking("the kernel lets only root of the host map owners of its file systems");
  }
  const map = [{ containerID: 0, hostID: 2 ** 31, size: 65536 }];
  using namespace = createUserNamespace(map, map);
  inStore((directory) => idmappedTree(directory, namespace)[Symbol.dispose]());
}

function insideRoot(): undefined {
  const root = slot("root"), found = slot("found");
  const goal = "open a path inside a root";
  const flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  return inChild([
    { call: "openat", args: [AT_FDCWD, "/", flags, 0], goal, result: root },
    openInRoot(root, "../../proc", O_PATH, found, goal),
  ]);
}

/** In the order of a start. */
export const MOUNT_TRIALS: readonly Trial[] = [
  {
    feature: "paths kept inside a root",
    flags: "all of run",
    essential: true,
    remedy: "use a kernel from 5.6 on (openat2)",
    run: insideRoot,
  },
  {
    feature: "overlay in the store",
    flags: "all of run but --rootfs DIR",
    remedy: "load the module overlay, and put the store (DIPLODOCK_ROOT) on ext4, xfs or btrfs; " +
      "until then install fuse-overlayfs",
    run: overlay,
  },
  {
    feature: "read-only trees",
    flags: "--read-only, -v …:ro",
    essential: true,
    remedy: KERNEL,
    run: readonlyBind,
  },
  {
    feature: "proc of its own",
    flags: "all of run",
    essential: true,
    remedy: KERNEL,
    run: () => kernelFilesystem("proc"),
  },
  {
    feature: "tmpfs",
    flags: "--tmpfs, --shm-size",
    essential: true,
    remedy: KERNEL,
    run: () => kernelFilesystem("tmpfs"),
  },
  {
    feature: "terminal of its own",
    flags: "-t",
    remedy: "use a kernel with CONFIG_UNIX98_PTYS",
    run: terminal,
  },
  {
    feature: "message queues",
    flags: "--ipc",
    remedy: "use a kernel with CONFIG_POSIX_MQUEUE",
    run: () => kernelFilesystem("mqueue"),
  },
  {
    feature: "mapped owners",
    flags: "--userns auto, -v …:idmap",
    remedy:
      (isRootless()
        ? "run as root; "
        : "use a kernel from 5.19 on, and a file system that can (not NFS) for the store; ") +
      "until then layers are unpacked once more for each range of ids",
    run: idmapped,
  },
];
