/**
 * The root of a running container that was put together from the machine's directories, without
 * what is mounted into it: a second overlay of the same upper directories would spoil them, so a
 * child takes a copy of the container's own mounts and unmounts the others there.
 */
import {
  AT_FDCWD,
  CLONE_FILES,
  CLONE_NEWNS,
  MNT_DETACH,
  MS_PRIVATE,
  MS_REC,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  UMOUNT_NOFOLLOW,
} from "../../ffi/constants.ts";
import { Fd, openAt } from "../../ffi/fd.ts";
import { slot, type Step } from "../../ffi/program.ts";
import { openedBy, reap, spawn } from "../../ffi/spawn.ts";
import { UserError } from "../base/errors.ts";
import { readConfig } from "./container_documents.ts";
import { isAlive, type RunState } from "./state.ts";

/** The root, and the mount namespace that keeps the copies. Throws UserError if it has ended. */
export function openRunningHost(id: string, run: RunState): { root: Fd; namespace: Fd } {
  const spec = readConfig(id);
  const into = (spec?.mounts ?? []).slice(spec?.diplodock?.rootMounts ?? 0);
  using theirs = openAt(null, `/proc/${run.pid}/ns/mnt`, O_RDONLY);
  if (!isAlive(run.pid, run.startTime)) throw new UserError(`container ${id} is not running`);
  using proc = openAt(null, "/proc", O_PATH | O_DIRECTORY); // theirs does not know us
  const goal = "look at the container's own root";
  const root = slot("root", -1), namespace = slot("mount namespace", -1);
  const steps: Step[] = [
    { call: "setns", args: [theirs.raw, CLONE_NEWNS], goal },
    { call: "unshare", args: [CLONE_NEWNS], goal },
    { call: "mount", args: [null, "/", null, MS_REC | MS_PRIVATE, null], goal },
    // The container may have unmounted some itself.
    ...into.toReversed().map(({ destination }): Step => ({
      call: "umount2",
      args: [destination, MNT_DETACH | UMOUNT_NOFOLLOW],
      goal,
      onNegative: "next",
    })),
    { call: "openat", args: [AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC], goal, result: root },
    {
      call: "openat",
      args: [proc.raw, "thread-self/ns/mnt", O_RDONLY | O_CLOEXEC],
      goal,
      result: namespace,
    },
  ];
  const child = spawn(steps, { flags: CLONE_FILES });
  const opened = { root: openedBy(child, root), namespace: openedBy(child, namespace) };
  reap(child);
  return opened;
}
