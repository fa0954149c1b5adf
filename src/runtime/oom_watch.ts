/** Being told when a cgroup runs out of memory: cgroup-v1/memory.rst "Notification", cgroup-v2.rst. */
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY } from "../../ffi/constants.ts";
import { Fd, openAt, readInto } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import { IN_MODIFY } from "../../ffi/inotify.ts";
import { type Cgroup, directoryOf } from "./cgroup_place.ts";
import { throwIf, writeControl } from "./cgroup_files.ts";

/** A descriptor that becomes readable when memory ran out, or the cgroup was removed. */
export interface OomWatch extends Disposable {
  readonly fd: Fd;
  /** Forgets what it was readable for. */
  drain(): void;
}

/** Watches the memory of `cgroup`; undefined where this machine does not limit memory. */
export function watchOom(cgroup: Cgroup): OomWatch | undefined {
  const directory = directoryOf(cgroup, "memory");
  if (directory === undefined) return undefined;
  const goal = "watch the container's memory";
  const fd = cgroup.version === 2
    ? new Fd(check(goal, "inotify_init1", O_CLOEXEC | O_NONBLOCK))
    : new Fd(check(goal, "eventfd2", 0, O_CLOEXEC | O_NONBLOCK));
  const watch: OomWatch = {
    fd,
    drain: () => {
      while (readInto(fd, new Uint8Array(4096)) > 0);
    },
    [Symbol.dispose]: () => fd[Symbol.dispose](),
  };
  try {
    if (cgroup.version === 2) {
      check(goal, "inotify_add_watch", fd.raw, `${directory}/memory.events`, IN_MODIFY);
    } else registerV1(directory, fd, goal);
  } catch (error) {
    fd[Symbol.dispose]();
    throw error;
  }
  return watch;
}

function registerV1(directory: string, event: Fd, goal: string): void {
  using control = openAt(null, `${directory}/memory.oom_control`, O_RDONLY);
  const result = writeControl(
    `${directory}/cgroup.event_control`,
    `${event.raw} ${control.raw}`,
  );
  throwIf(result, "write", goal);
}
