/** The container's root: an overlay or a directory, mounted privately, then pivoted to. */
import {
  AT_FDCWD,
  AT_RECURSIVE,
  MNT_DETACH,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_MOVE,
  MS_PRIVATE,
  MS_REC,
  MS_SLAVE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../../ffi/constants.ts";
import { assign, type Place, slot, type Step, type Value } from "../../ffi/program.ts";
import { newFilesystem, setAttributes } from "./mounts.ts";
import { closeStep } from "./paths.ts";
import type { RootPropagation } from "./mount_options.ts";
import type { OverlayRoot } from "./spec_types.ts";

/** What becomes the root, and where it is attached in the container's mount namespace. */
export interface RootPlan {
  readonly directory: string;
  readonly overlay?: OverlayRoot;
  /** A detached mount that was made beforehand; it is attached at `directory`. */
  readonly mounted?: number;
  /** How the host's mounts and the root pass events on. */
  readonly propagation: RootPropagation;
  /** The mount that `directory` is on, where the host's mounts are not cut off. */
  readonly parent?: string;
  /** user.overlay.* instead of trusted.*, for overlays of a user namespace. */
  readonly userxattr: boolean;
  /** Kernel 6.5 and newer take one layer an option; older ones a list of at most 255 bytes. */
  readonly layersOneByOne: boolean;
}

/** Mounts the root at its directory and opens it into `root`. */
export function rootSteps(plan: RootPlan, root: Place): Step[] {
  const goal = `make the root "${plan.directory}"`;
  const tree = slot("root tree");
  const clone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
  const attach: Step[] = [
    {
      call: "move_mount",
      args: [tree, "", AT_FDCWD, plan.directory, MOVE_MOUNT_F_EMPTY_PATH],
      goal,
    },
    closeStep(tree),
    {
      call: "openat",
      args: [AT_FDCWD, plan.directory, O_PATH | O_DIRECTORY | O_CLOEXEC],
      goal,
      result: root,
    },
  ];
  return [
    ...inheritedSteps(plan),
    ...(plan.mounted !== undefined
      ? [assign(tree, plan.mounted)]
      : plan.overlay
      ? overlaySteps(plan.overlay, plan, tree)
      : [
        { call: "open_tree", args: [AT_FDCWD, plan.directory, clone], goal, result: tree } as Step,
        // The root of a mount namespace must be a private mount for pivot_root.
        ...setAttributes(tree, { set: 0, clear: 0 }, false, goal, MS_PRIVATE),
      ]),
    ...attach,
  ];
}

/** What is mounted from here on must not appear on the host. */
function inheritedSteps({ propagation, parent }: RootPlan): Step[] {
  const goal = "cut the container's mounts off from the host's";
  // pivot_root(2) refuses a root whose parent is shared.
  return propagation.inherited === 0
    ? [{ call: "mount", args: [null, parent ?? "/", null, MS_PRIVATE, null], goal }]
    : [{ call: "mount", args: [null, "/", null, MS_REC | propagation.inherited, null], goal }];
}

/** The root's own propagation, once it is the root: until then it must be private. */
export function rootPropagationSteps({ root }: RootPropagation): Step[] {
  if (root === 0) return [];
  const goal = "set the propagation of the root";
  return [{ call: "mount", args: [null, "/", null, root, null], goal }];
}

function overlaySteps(overlay: OverlayRoot, plan: RootPlan, tree: Place): Step[] {
  const lower = plan.layersOneByOne
    ? overlay.lower.map((layer) => `lowerdir+=${layer}`)
    : [`lowerdir=${overlay.lower.map(escapeLayer).join(":")}`];
  const options = [
    ...lower,
    `upperdir=${overlay.upper}`,
    `workdir=${overlay.work}`,
    ...(plan.userxattr ? ["userxattr"] : []),
  ];
  const goal = "mount the layers";
  return newFilesystem("overlay", "overlay", options, { set: 0, clear: 0 }, tree, goal);
}

/** A layer's path inside overlay's list. Documentation/filesystems/overlayfs.rst. */
function escapeLayer(path: string): string {
  return path.replace(/[\\:]/g, "\\$&");
}

/**
 * Makes `root` the root and throws the old one away. With "." for both paths no directory for
 * the old root is needed: pivot_root(2), "pivot_root(".", ".")".
 */
export function pivotSteps(root: Value): Step[] {
  const goal = "change the root";
  const old = slot("old root");
  return [
    {
      call: "openat",
      args: [AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC],
      goal,
      result: old,
    },
    { call: "fchdir", args: [root], goal },
    { call: "pivot_root", args: [".", "."], goal },
    // The old root is now on top: no unmount may travel from it to the host.
    { call: "fchdir", args: [old], goal },
    closeStep(old),
    { call: "mount", args: [null, ".", null, MS_SLAVE | MS_REC, null], goal },
    { call: "umount2", args: [".", MNT_DETACH], goal: "leave the host's root" },
    { call: "chdir", args: ["/"], goal },
  ];
}

/**
 * For a root on a ramdisk, which pivot_root(2) refuses: the root covers "/" instead. The old root
 * stays below it, so this is weaker.
 */
export function moveRootSteps(root: Value): Step[] {
  const goal = "move the root";
  return [
    { call: "fchdir", args: [root], goal },
    { call: "mount", args: [".", "/", null, MS_MOVE, null], goal },
    { call: "chroot", args: ["."], goal },
    { call: "chdir", args: ["/"], goal },
  ];
}

/** Without a mount namespace of its own there is nothing to pivot: chroot(2) is what is left. */
export function chrootSteps(root: Value): Step[] {
  const goal = "change the root";
  return [
    { call: "fchdir", args: [root], goal },
    { call: "chroot", args: ["."], goal },
    { call: "chdir", args: ["/"], goal },
  ];
}

/** Makes the root itself read-only; mounts on it keep what they have. */
export function readonlyRootSteps(): Step[] {
  const root = slot("root");
  const goal = "make the root read-only";
  return [
    { call: "openat", args: [AT_FDCWD, "/", O_PATH | O_CLOEXEC], goal, result: root },
    ...setAttributes(root, { set: MOUNT_ATTR_RDONLY, clear: 0 }, false, goal),
    closeStep(root),
  ];
}
