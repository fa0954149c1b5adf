/**
 * A user namespace that is made before a container, and what root of the host prepares for it:
 * trees whose owners are shown as the container's, and the overlay of its root. Inside, none of
 * the host's paths need to be reachable. Sources: user_namespaces(7), mount_setattr(2), overlayfs.rst.
 */
import { StructWriter } from "../../ffi/bytes.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  CLONE_FILES,
  CLONE_NEWUSER,
  MOUNT_ATTR_IDMAP,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
  PR_SET_SECUREBITS,
  SECBIT_NO_SETUID_FIXUP,
  WALL,
} from "../../ffi/constants.ts";
import { executable } from "../../ffi/elf.ts";
import { EINVAL, EOPNOTSUPP, SyscallError } from "../../ffi/errno.ts";
import { Fd, openAt, pipe, readInto } from "../../ffi/fd.ts";
import { check, sys } from "../../ffi/libc.ts";
import { addressIn, block, slot } from "../../ffi/program.ts";
import { openedBy, reap, spawn } from "../../ffi/spawn.ts";
import { execute } from "./execute.ts";
import { newFilesystem } from "./mounts.ts";
import type { IdMapping, OverlayRoot } from "./spec_types.ts";
import { writeIdMaps } from "./user_namespace.ts";

/**
 * Makes a user namespace with these maps and returns its descriptor. A process of two pages holds
 * it until the maps are written: the kernel takes them by way of a process.
 */
export function createUserNamespace(
  uidMappings: IdMapping[],
  gidMappings: IdMapping[],
): Fd {
  using own = new DisposableStack();
  const ready = pipe(), go = pipe();
  for (const end of [ready.read, ready.write, go.read, go.write]) own.use(end);
  const scratch = addressIn(block("byte", new Uint8Array(8)));
  const { bytes } = executable({
    steps: [
      { call: "unshare", args: [CLONE_NEWUSER], goal: "make a user namespace", onNegative: "@no" },
      { call: "write", args: [ready.write.raw, scratch, 1], goal: "be ready" },
      { call: "read", args: [go.read.raw, scratch, 1], goal: "wait", onNegative: "next" },
      { call: "exit_group", args: [0], goal: "end" },
      { call: "exit_group", args: [1], goal: "end", label: "no" },
    ],
  });
  const pid = execute(bytes, [ready.write.raw, go.read.raw], ["diplodock-userns"]);
  own.defer(() => {
    go.write[Symbol.dispose](); // ends its wait
    sys("wait4", pid, null, WALL, 0);
  });
  ready.write[Symbol.dispose]();
  if (readInto(ready.read, new Uint8Array(1)) !== 1) {
    const hint = "user namespaces are off: see /proc/sys/user/max_user_namespaces";
    throw new SyscallError("unshare", EINVAL, "make a user namespace", hint);
  }
  writeIdMaps(pid, { linux: { uidMappings, gidMappings } });
  return openAt(null, `/proc/${pid}/ns/user`);
}

/**
 * A detached copy of the mounts at `path` whose files are shown with the owners of the user
 * namespace: root of the host is root inside. Throws SyscallError with a hint where the file
 * system cannot do it.
 */
export function idmappedTree(path: string, userNamespace: Fd, recursive = false): Fd {
  const depth = recursive ? AT_RECURSIVE : 0;
  const goal = `show the owners of "${path}" to a user namespace`;
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | depth;
  using tree = new Fd(check(goal, "open_tree", AT_FDCWD, path, flags));
  const attr = new StructWriter(32).u64(MOUNT_ATTR_IDMAP).u64(0).u64(0).u64(userNamespace.raw)
    .done();
  const result = sys("mount_setattr", tree.raw, "", AT_EMPTY_PATH | depth, attr, 32);
  if (result === -EINVAL || result === -EOPNOTSUPP) {
    const hint = "its file system does not support idmapped mounts; use --userns host";
    throw new SyscallError("mount_setattr", -result, goal, hint);
  }
  if (result < 0) throw new SyscallError("mount_setattr", -result, goal);
  return new Fd(tree.release());
}

/** A detached copy of the mounts at `path` as they are. */
export function plainTree(path: string, recursive: boolean): Fd {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  return new Fd(check(`bind "${path}"`, "open_tree", AT_FDCWD, path, flags));
}

/** An overlay, the directory that holds its upper and work, and who root is on the host. */
export interface MappedOverlay {
  readonly overlay: OverlayRoot;
  readonly directory: string;
  readonly rootUid: number;
  readonly rootGid: number;
}

/**
 * Mounts the overlay, detached, over layers that are shown with the owners of the user namespace:
 * no file's owner changes on the disk. The overlay makes files as whoever mounted it, and an
 * idmapped directory takes none from an id that is not mapped: so a child mounts it with the file
 * system ids of the container's root, and with all capabilities still (securebits). Kernel 5.19.
 */
export function idmappedOverlay(mapped: MappedOverlay, userNamespace: Fd): Fd {
  using trees = new DisposableStack();
  const { overlay, directory } = mapped;
  const shown = (path: string) =>
    `/proc/self/fd/${trees.use(idmappedTree(path, userNamespace)).raw}`;
  const own = shown(directory);
  const below = (path: string) => `${own}${path.slice(directory.length)}`;
  const goal = "mount the layers for a user namespace";
  const tree = slot("root tree", -1);
  const child = spawn([
    { call: "prctl", args: [PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0], goal },
    { call: "setfsgid", args: [mapped.rootGid], goal },
    { call: "setfsuid", args: [mapped.rootUid], goal },
    ...newFilesystem(
      "overlay",
      "overlay",
      [
        `lowerdir=${overlay.lower.map(shown).join(":")}`,
        `upperdir=${below(overlay.upper)}`,
        `workdir=${below(overlay.work)}`,
      ],
      { set: 0, clear: 0 },
      tree,
      goal,
    ),
  ], { flags: CLONE_FILES });
  reap(child);
  return openedBy(child, tree);
}

/**
 * Mounts the overlay, detached, as it is: its layers have the owners already that the container is to
 * see. For those who may not map owners.
 */
export function shiftedOverlay(overlay: OverlayRoot, userxattr: boolean): Fd {
  const tree = slot("root tree", -1);
  const options = [
    `lowerdir=${overlay.lower.join(":")}`,
    `upperdir=${overlay.upper}`,
    `workdir=${overlay.work}`,
    ...(userxattr ? ["userxattr"] : []),
  ];
  const goal = "mount the layers for a user namespace";
  const child = spawn(
    newFilesystem("overlay", "overlay", options, { set: 0, clear: 0 }, tree, goal),
    { flags: CLONE_FILES },
  );
  reap(child);
  return openedBy(child, tree);
}
