/**
 * `update` of limits that are no cgroup's, while a container runs: OOM scores and ulimits of all its
 * processes, the size of its /dev/shm.
 */
import {
  FSCONFIG_CMD_RECONFIGURE,
  FSCONFIG_SET_STRING,
  FSPICK_CLOEXEC,
  FSPICK_EMPTY_PATH,
  O_DIRECTORY,
  O_PATH,
} from "../../ffi/constants.ts";
import { decodeDevice } from "../../ffi/device_number.ts";
import { EINVAL, ENOENT, errnoText, ESRCH, SyscallError } from "../../ffi/errno.ts";
import { Fd, openDirectory, openIn } from "../../ffi/fd.ts";
import { check, sys } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import { parseMounts } from "../base/mount_points.ts";
import { readControl, writeControl } from "../runtime/cgroup_files.ts";
import { kernelRlimits, ociRlimit } from "../runtime/rlimits.ts";
import type { Ulimit } from "./types.ts";
import type { LimitChanges } from "./update_limits.ts";

/** Processes fork while they are counted: so often it is looked for new ones. */
const ROUNDS = 20;

/** Which processes: the container's first one, and whoever there is at the moment. */
export interface ContainerProcesses {
  readonly first: number;
  all(): number[];
}

/**
 * Changes the processes. Dispose the result to take everything back. Throws UserError where the
 * kernel refuses; then nothing has changed.
 */
export function changeProcesses(
  { first, all }: ContainerProcesses,
  { OomScoreAdj, ShmSize, Ulimits = [] }: LimitChanges,
): DisposableStack {
  using undo = new DisposableStack();
  if (ShmSize !== undefined) {
    const before = resizeSharedMemory(first, ShmSize);
    undo.defer(() => void resizeSharedMemory(first, before));
  }
  if (OomScoreAdj === undefined && Ulimits.length === 0) return undo.move();
  const done = new Set<number>();
  for (let round = 0; round < ROUNDS; round++) {
    const fresh = all().filter((pid) => !done.has(pid));
    if (fresh.length === 0) break;
    for (const pid of fresh) {
      done.add(pid);
      if (OomScoreAdj !== undefined) setScore(pid, OomScoreAdj, undo);
      for (const ulimit of Ulimits) setUlimit(pid, ulimit, undo);
    }
  }
  return undo.move();
}

function setScore(pid: number, score: number, undo: DisposableStack): void {
  const file = `/proc/${pid}/oom_score_adj`;
  const before = readControl(file);
  const result = before === undefined ? -ENOENT : writeControl(file, String(score));
  if (result === -ENOENT || result === -ESRCH) return; // it has just ended
  if (result < 0) {
    throw new UserError(
      `Cannot set --oom-score-adj of process ${pid} to ${score}: ${errnoText(-result)}`,
    );
  }
  undo.defer(() => void writeControl(file, before!.trim()));
}

function setUlimit(pid: number, ulimit: Ulimit, undo: DisposableStack): void {
  const [{ resource, soft, hard }] = kernelRlimits([ociRlimit(ulimit)]);
  const wanted = new Uint8Array(new BigUint64Array([soft, hard]).buffer);
  const before = new Uint8Array(16);
  const result = sys("prlimit64", pid, resource, wanted, before);
  if (result === -ESRCH) return;
  if (result < 0) {
    const { Name, Soft, Hard } = ulimit;
    throw new UserError(
      `Cannot set --ulimit ${Name}=${Soft}:${Hard} of process ${pid}: ${errnoText(-result)}`,
    );
  }
  undo.defer(() => void sys("prlimit64", pid, resource, before, null));
}

/**
 * Makes the container's own /dev/shm `bytes` large. Returns how large it was. Throws UserError where
 * there is another file system, or more in it.
 */
function resizeSharedMemory(pid: number, bytes: number): number {
  const goal = `set --shm-size to ${bytes}`;
  using root = openDirectory(`/proc/${pid}/root`);
  using directory = openShm(root);
  const { dev } = Deno.statSync(`/proc/self/fd/${directory.raw}/.`);
  const before = ownShmBytes(Deno.readTextFileSync(`/proc/${pid}/mountinfo`), dev);
  if (before === undefined) {
    throw new UserError(`Cannot ${goal}: /dev/shm is not what the container was started with`);
  }
  const flags = FSPICK_CLOEXEC | FSPICK_EMPTY_PATH;
  using context = new Fd(check(goal, "fspick", directory.raw, "", flags));
  const text = String(bytes);
  check(goal, "fsconfig", context.raw, FSCONFIG_SET_STRING, "size", text, 0);
  const result = sys("fsconfig", context.raw, FSCONFIG_CMD_RECONFIGURE, null, null, 0);
  if (result === -EINVAL) throw new UserError(`Cannot ${goal}: more is in /dev/shm`);
  if (result < 0) throw new SyscallError("fsconfig", -result, goal);
  return before;
}

function openShm(root: Fd): Fd {
  try {
    return openIn(root, "dev/shm", O_PATH | O_DIRECTORY);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== ENOENT) throw error;
    throw new UserError("Cannot set --shm-size: the container has no /dev/shm");
  }
}

/**
 * The size of a container's own /dev/shm in the text of its mountinfo; undefined where device `dev`
 * is another one: the machine's, a volume. Pure.
 */
export function ownShmBytes(mountinfo: string, dev: number): number | undefined {
  const { major, minor } = decodeDevice(dev);
  for (const mount of parseMounts(mountinfo)) {
    if (mount.target !== "/dev/shm" || mount.root !== "/") continue;
    if (mount.device !== `${major}:${minor}` || mount.source !== "shm") continue;
    const size = mount.options.find((word) => /^size=\d+k$/.test(word));
    if (size !== undefined) return parseInt(size.slice("size=".length)) * 1024;
  }
  return undefined;
}
