/**
 * The machine's own root as a lower directory of fuse-overlayfs, which, unlike the kernel's
 * overlayfs, goes on into what is mounted below. So it gets a copy of the root in a mount namespace
 * that is its alone, read-only, where what it must not meet is covered: the containers' own
 * directories (one of them is its upper directory, another its mount) and, for an ordinary user,
 * who can copy the root only with all that is mounted below, the kernel's file systems, /run and
 * directories that are at two paths.
 */
import {
  AT_FDCWD,
  AT_RECURSIVE,
  CLONE_FILES,
  CLONE_NEWNS,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_PRIVATE,
  MS_REC,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { goTo, slot, type Step, type Value } from "../../ffi/program.ts";
import { openedBy, reap, spawn } from "../../ffi/spawn.ts";
import { statIfThere } from "../base/files.ts";
import { parseMounts } from "../base/mount_points.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { isWithin } from "../base/paths.ts";
import { rootDirectory } from "../base/places.ts";
import { moveMount, newFilesystem, setAttributes } from "../runtime/mounts.ts";
import { closeStep, freshLabel, openInRoot } from "../runtime/paths.ts";

/**
 * Where a directory is mounted that is at another path too. fuse-overlayfs takes two paths of one
 * directory for one, so these are left to be mounted on it. Pure. proc_pid_mountinfo(5).
 */
export function aliases(mountinfo: string, isDirectory: (path: string) => boolean): string[] {
  const mounts = parseMounts(mountinfo).filter(({ target }) => !isHidden(target));
  const isTwice = (device: string) => mounts.filter((other) => other.device === device).length > 1;
  const paths = mounts.flatMap(({ device, target }) =>
    target !== "/" && isTwice(device) && isDirectory(target) ? [target] : []
  );
  return [...new Set(paths)];
}

/** Of the machine, what an ordinary user's container gets new. */
const NEW_ONES = ["/proc", "/sys", "/dev", "/run"];

const isHidden = (path: string) => NEW_ONES.some((other) => isWithin(path, other));

/** The aliases of this machine, for whom the mounts below "/" belong to it. */
export function machineAliases(): string[] {
  if (ownUserNamespace() === undefined) return [];
  return aliases(Deno.readTextFileSync("/proc/self/mountinfo"), (path) => {
    try {
      return statIfThere(path)?.isDirectory === true;
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) return false;
      throw error;
    }
  });
}

/** Who reads by `root` has to hold `namespace` as well: the mounts below "/" end with it. */
export interface MachineRoot extends Disposable {
  readonly root: Fd;
  readonly namespace: Fd;
}

/** Opens such a copy; while it is made it is attached at the directory `at`, for nobody else to see. */
export function openMachineRoot(at: string): MachineRoot {
  const isRootless = ownUserNamespace() !== undefined;
  const depth = isRootless ? AT_RECURSIVE : 0;
  const hidden = [
    ...(isRootless ? [...NEW_ONES, ...machineAliases()] : []),
    `${rootDirectory()}/containers`,
  ];
  const goal = "look at the machine's own root";
  const tree = slot("tree"), root = slot("root", -1), namespace = slot("mount namespace", -1);
  const clone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | depth;
  const readonly = { set: MOUNT_ATTR_RDONLY, clear: 0 };
  const steps: Step[] = [
    { call: "unshare", args: [CLONE_NEWNS], goal: "make a mount namespace" },
    { call: "mount", args: [null, "/", null, MS_REC | MS_PRIVATE, null], goal },
    { call: "open_tree", args: [AT_FDCWD, "/", clone], goal, result: tree },
    ...setAttributes(tree, readonly, isRootless, goal),
    { call: "move_mount", args: [tree, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH], goal },
    closeStep(tree),
    {
      call: "openat",
      args: [AT_FDCWD, at, O_PATH | O_DIRECTORY | O_CLOEXEC],
      goal,
      result: root,
    },
    ...hidden.flatMap((path) => hideSteps(path, root)),
    {
      call: "openat",
      args: [AT_FDCWD, "/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC, 0],
      goal: "keep the mount namespace",
      result: namespace,
    },
  ];
  const child = spawn(steps, { flags: CLONE_FILES });
  using own = new DisposableStack();
  const opened = {
    root: own.use(openedBy(child, root)),
    namespace: own.use(openedBy(child, namespace)),
  };
  reap(child);
  const held = own.move();
  return { ...opened, [Symbol.dispose]: () => held.dispose() };
}

/** Covers a directory with an empty one; one that is not there is passed over. */
function hideSteps(path: string, root: Value): Step[] {
  const at = slot("target"), cover = slot("cover"), end = freshLabel("hidden");
  const goal = `hide "${path}"`;
  const readonly = { set: MOUNT_ATTR_RDONLY, clear: 0 };
  return [
    openInRoot(root, path, O_PATH | O_DIRECTORY, at, goal, { onNegative: `@${end}` }),
    ...newFilesystem("tmpfs", "tmpfs", ["mode=755"], readonly, cover, goal),
    moveMount(cover, at, goal),
    closeStep(cover),
    closeStep(at),
    { ...goTo("next"), label: end },
  ];
}
