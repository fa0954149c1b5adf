/** Owned file descriptors, and paths that are opened without leaving a root. */
import { StructWriter } from "./bytes.ts";
import {
  AT_FDCWD,
  F_ADD_SEALS,
  F_DUPFD_CLOEXEC,
  F_GETFD,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FD_CLOEXEC,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  RESOLVE_IN_ROOT,
} from "./constants.ts";
import { EAGAIN, EINTR, SyscallError } from "./errno.ts";
import { check, sys } from "./libc.ts";

/** Whether `fd` is open and goes to programs that are executed: it came from our parent. */
export function isInherited(fd: number): boolean {
  const flags = sys("fcntl", fd, F_GETFD);
  return flags >= 0 && (flags & FD_CLOEXEC) === 0;
}

/** An owned file descriptor: `using fd = …` closes it once, at the end of the scope. */
export class Fd implements Disposable {
  constructor(public raw: number) {}
  /** Gives the number away: this object no longer closes it. */
  release(): number {
    const raw = this.raw;
    this.raw = -1;
    return raw;
  }
  /** A second descriptor of the same file, closed on exec. */
  duplicate(): Fd {
    return new Fd(check("duplicate a descriptor", "fcntl", this.raw, F_DUPFD_CLOEXEC, 3));
  }
  [Symbol.dispose](): void {
    if (this.raw >= 0) sys("close", this.raw);
    this.raw = -1;
  }
}

/** Opens `path` relative to `dir` (null: the working directory), closed on exec. openat(2). */
export function openAt(dir: Fd | null, path: string, flags: number = O_RDONLY, mode = 0): Fd {
  return new Fd(
    check(`open "${path}"`, "openat", dir?.raw ?? AT_FDCWD, path, flags | O_CLOEXEC, mode),
  );
}

/** Opens a directory to be the start of other calls; follows links, needs no read permission. */
export function openDirectory(path: string): Fd {
  return openAt(null, path, O_PATH | O_DIRECTORY);
}

/** struct open_how of openat2(2). */
export function openHow(flags: number, mode: number, resolve: number): Uint8Array<ArrayBuffer> {
  return new StructWriter(24).u64(flags).u64(mode).u64(resolve).done();
}

/**
 * Opens `path` as a process whose root is `root` would: absolute links and ".." stay inside.
 * openat2(2), RESOLVE_IN_ROOT; tried again while a concurrent rename makes the kernel give up.
 */
export function openIn(root: Fd, path: string, flags: number = O_RDONLY, mode = 0): Fd {
  const how = openHow(flags | O_CLOEXEC, mode, RESOLVE_IN_ROOT);
  for (let attempt = 0; attempt < 128; attempt++) {
    const fd = sys("openat2", root.raw, path, how, 24);
    if (fd >= 0) return new Fd(fd);
    if (fd !== -EAGAIN && fd !== -EINTR) break;
  }
  return new Fd(check(`open "${path}" in the root`, "openat2", root.raw, path, how, 24));
}

/** A pipe, closed on exec unless `flags` says otherwise. pipe2(2). */
export function pipe(flags: number = O_CLOEXEC): { read: Fd; write: Fd } {
  const pair = new Uint8Array(8);
  check("make a pipe", "pipe2", pair, flags);
  const view = new DataView(pair.buffer);
  return { read: new Fd(view.getInt32(0, true)), write: new Fd(view.getInt32(4, true)) };
}

/** An anonymous file that holds `bytes`. memfd_create(2). */
export function memoryFile(name: string, bytes: Uint8Array<ArrayBuffer>): Fd {
  const fd = new Fd(
    check("make a memory file", "memfd_create", name, MFD_CLOEXEC | MFD_ALLOW_SEALING),
  );
  writeAll(fd, bytes);
  return fd;
}

/** Keeps a memory file from ever changing again. fcntl(2), F_ADD_SEALS. */
export function seal(file: Fd): void {
  const seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  check("seal a memory file", "fcntl", file.raw, F_ADD_SEALS, seals);
}

/** An anonymous file that holds `bytes` and can never change again. */
export function sealedMemfd(name: string, bytes: Uint8Array<ArrayBuffer>): Fd {
  const fd = memoryFile(name, bytes);
  seal(fd);
  return fd;
}

/** Gives the memory of a part of a file back: it reads as zeros from now on. fallocate(2). */
export function punchHole(file: Fd, offset: number, length: number): void {
  const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  check("give memory of a file back", "fallocate", file.raw, mode, offset, length);
}

/** Writes all of `bytes`; throws SyscallError with `goal` at the first error. */
export function writeAll(fd: Fd, bytes: Uint8Array<ArrayBuffer>, goal = "write"): void {
  for (let at = 0; at < bytes.length;) {
    const rest = bytes.subarray(at);
    const written = sys("write", fd.raw, rest, rest.length);
    if (written === -EINTR) continue;
    at += written < 0 ? check(goal, "write", fd.raw, rest, rest.length) : written;
  }
}

/** Reads once into `bytes`; the number of bytes, 0 at the end, negative errno. */
export function readInto(fd: Pick<Fd, "raw">, bytes: Uint8Array<ArrayBuffer>): number {
  for (;;) {
    const count = sys("read", fd.raw, bytes, bytes.length);
    if (count !== -EINTR) return count;
  }
}

/**
 * Takes the exclusive lock of `path`, made if absent; held until disposed or until the process
 * dies. With `wait` false, undefined when another process holds it. flock(2).
 */
export function lockFile(path: string): Fd;
export function lockFile(path: string, wait: boolean): Fd | undefined;
export function lockFile(path: string, wait = true): Fd | undefined {
  const fd = openAt(null, path, O_RDWR | O_CREAT, 0o600);
  for (;;) {
    const result = sys("flock", fd.raw, LOCK_EX | (wait ? 0 : LOCK_NB));
    if (result === 0) return fd;
    if (result === -EINTR) continue;
    if (result === -EAGAIN && !wait) {
      fd[Symbol.dispose]();
      return undefined;
    }
    fd[Symbol.dispose]();
    throw new SyscallError("flock", -result, `lock "${path}"`);
  }
}

/** Takes a shared lock of `path`: any number may hold one, as long as nobody holds the exclusive one. */
export function lockShared(path: string): Fd {
  const fd = openAt(null, path, O_RDWR | O_CREAT, 0o600);
  while (sys("flock", fd.raw, LOCK_SH) === -EINTR);
  return fd;
}
