/**
 * Takes away all that an engine is: its containers, networks, images, volumes, and its files. What
 * a part of it cannot give back is told, and the other parts go all the same.
 */
import { AT_FDCWD, AT_REMOVEDIR, MNT_DETACH, UMOUNT_NOFOLLOW } from "../../ffi/constants.ts";
import { check, sys } from "../../ffi/libc.ts";
import { messageOf, UserError, whyOf } from "../base/errors.ts";
import { isAbsent, namesIn } from "../base/files.ts";
import { mountPoints } from "../base/mount_points.ts";
import { isInsideRootless, isRootless, rootDirectory, runDirectory } from "../base/places.ts";
import { resetNetworks } from "../net/reset.ts";
import { cgroupLayout } from "../runtime/cgroup_layout.ts";
import { sweep } from "./cleanup.ts";
import { containerIds } from "./containers.ts";
import { places } from "./network.ts";
import { leaveAsUser } from "./rootless.ts";
import { removeContainer } from "./stop.ts";

/** What the root directory has of ours: nothing else in it is touched. */
const OURS: readonly string[] = [
  ...["containers", "names", "volumes", "networks", "images", "layers", "tmp", "locks", "mounts"],
  ...["build", "engine-id", "events.log", "events.log.1", "events.log.lock", "execs.log", "said"],
];

/** What is ours of the root directory; what was being written or tried is named by a process. */
function isOurs(name: string): boolean {
  return OURS.includes(name.replace(/\.tmp-\d+-\d+$/, "")) || /^\.doctor-\d+$/.test(name);
}

/** The cgroup above those of containers that have no parent of their own. */
const CGROUP = "diplodock";

/**
 * Resets the engine of these directories; `onProblem` is told what could not be taken away, one
 * line each. Throws UserError if a file system that is mounted below them does not go: what is on
 * it may be the user's.
 */
export async function resetEngine(onProblem: (line: string) => void): Promise<void> {
  await sweep();
  for (const id of containerIds()) {
    try {
      await removeContainer(id, { force: true, volumes: true });
    } catch (error) {
      onProblem(messageOf(error as Error));
    }
  }
  if (!isRootless()) await resetNetworks(places());
  const directories = [rootDirectory(), runDirectory()];
  for (const directory of directories) unmountBelow(directory);
  for (const { mountPoint } of cgroupLayout().hierarchies) {
    // Another engine may have containers there: then it stays.
    sys("unlinkat", AT_FDCWD, `${mountPoint}/${CGROUP}`, AT_REMOVEDIR);
  }
  // What holds an ordinary user's namespaces is found by a file that goes now.
  if (isInsideRootless()) leaveAsUser();
  removeFiles(onProblem);
}

/** Unmounts what is mounted below `directory`, not what it lies on itself. */
function unmountBelow(directory: string): void {
  let last: string | undefined;
  for (;;) {
    const below = mountPoints().filter((point) => point.startsWith(`${directory}/`)).at(-1);
    if (below === undefined) return;
    if (below === last) {
      throw new UserError(`Cannot remove ${directory}: ${below} stays mounted; unmount it first`);
    }
    check(`unmount ${below}`, "umount2", below, MNT_DETACH | UMOUNT_NOFOLLOW);
    last = below;
  }
}

function removeFiles(onProblem: (line: string) => void): void {
  const remove = (path: string, recursive: boolean) => {
    try {
      Deno.removeSync(path, { recursive });
    } catch (error) {
      if (!isAbsent(error)) onProblem(`Cannot remove ${path}: ${whyOf(error as Error)}`);
    }
  };
  for (const name of namesIn(rootDirectory()).filter(isOurs)) {
    remove(`${rootDirectory()}/${name}`, true);
  }
  for (const name of namesIn(runDirectory())) remove(`${runDirectory()}/${name}`, true);
  for (const directory of [rootDirectory(), runDirectory()]) {
    // A mount point, or one with files of somebody else, stays.
    if (namesIn(directory).length === 0) sys("unlinkat", AT_FDCWD, directory, AT_REMOVEDIR);
  }
}
