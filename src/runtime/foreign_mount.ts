/**
 * Copies a mount out of another mount namespace. open_tree(2) refuses mounts of a namespace that
 * is not the caller's, so a child that shares our descriptor table goes there and leaves the
 * copy's descriptor to us.
 */
import {
  AT_FDCWD,
  AT_RECURSIVE,
  CLONE_FILES,
  CLONE_NEWNS,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { slot, type Step } from "../../ffi/program.ts";
import { reap, spawn } from "../../ffi/spawn.ts";

/** What the child does: joins the mount namespace of `pidfd`, copies what is at `path` there. */
function foreignMountSteps(
  pidfd: number,
  path: string,
  tree: ReturnType<typeof slot>,
): Step[] {
  const goal = `share "${path}" of the other container`;
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
  return [
    { call: "setns", args: [pidfd, CLONE_NEWNS], goal },
    { call: "open_tree", args: [AT_FDCWD, path, flags], goal, result: tree },
  ];
}

/**
 * A detached copy of the mounts at `path` in the mount namespace of the process `pidfd`. Throws
 * SyscallError.
 */
export function copyForeignMount(pidfd: Fd, path: string): Fd {
  const tree = slot("tree", -1);
  const child = spawn(foreignMountSteps(pidfd.raw, path, tree), { flags: CLONE_FILES });
  const bytes = child.ran.read(tree.block);
  reap(child);
  return new Fd(Number(new DataView(bytes.buffer).getBigInt64(0, true)));
}
