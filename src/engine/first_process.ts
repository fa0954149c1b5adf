/** The first process of a running container, by a descriptor: its number may be given to another. */
import { ESRCH, SyscallError } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { isAlive, type RunState } from "./state.ts";

/** A descriptor of the container's first process; undefined when it is gone. pidfd_open(2). */
export function openProcess(run: RunState): Fd | undefined {
  const raw = sys("pidfd_open", run.pid, 0);
  if (raw === -ESRCH) return undefined;
  if (raw < 0) throw new SyscallError("pidfd_open", -raw, `find process ${run.pid}`);
  const fd = new Fd(raw);
  if (isAlive(run.pid, run.startTime)) return fd; // the number was not reused
  fd[Symbol.dispose]();
  return undefined;
}
