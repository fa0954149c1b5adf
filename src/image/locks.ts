/** Locks between processes: flock on small files, given back when the process dies. */
import { LOCK_EX, LOCK_NB, LOCK_SH, O_CREAT, O_RDWR } from "../../ffi/constants.ts";
import { EAGAIN, EINTR, SyscallError } from "../../ffi/errno.ts";
import { Fd, openAt } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { statFd } from "./stat.ts";

/** Who else may hold it. */
export type LockMode = "shared" | "exclusive";

/**
 * Takes the lock if it is free; undefined if not. A lock file that was removed between opening
 * and locking locks nothing, so it is opened again.
 */
export function tryLock(path: string, mode: LockMode): Fd | undefined {
  const operation = (mode === "shared" ? LOCK_SH : LOCK_EX) | LOCK_NB;
  for (;;) {
    const fd = openAt(null, path, O_RDWR | O_CREAT, 0o600);
    const result = sys("flock", fd.raw, operation);
    if (result === 0 && statFd(fd.raw).links > 0) return fd;
    fd[Symbol.dispose]();
    if (result === -EAGAIN) return undefined;
    if (result < 0 && result !== -EINTR) {
      throw new SyscallError("flock", -result, `lock "${path}"`);
    }
  }
}

/**
 * Takes the lock, waiting without blocking other work of this process. `onWait` is called once if
 * another process holds it.
 */
export async function lock(path: string, mode: LockMode, onWait?: () => void): Promise<Fd> {
  for (let waitMs = 5;; waitMs = Math.min(waitMs * 2, 100)) {
    const fd = tryLock(path, mode);
    if (fd !== undefined) return fd;
    onWait?.();
    onWait = undefined;
    await new Promise((done) => setTimeout(done, waitMs));
  }
}

/** Takes an exclusive lock for a short piece of work, blocking until it is free. */
export function lockBriefly(path: string): Fd {
  for (;;) {
    const fd = openAt(null, path, O_RDWR | O_CREAT, 0o600);
    const result = sys("flock", fd.raw, LOCK_EX);
    if (result === 0 && statFd(fd.raw).links > 0) return fd;
    fd[Symbol.dispose]();
    if (result < 0 && result !== -EINTR) {
      throw new SyscallError("flock", -result, `lock "${path}"`);
    }
  }
}
