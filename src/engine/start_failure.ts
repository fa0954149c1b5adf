/** Why a start failed, in docker's words and with docker's exit code. */
import { UserError } from "../base/errors.ts";
import {
  EACCES,
  EINVAL,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOEXEC,
  ENOTDIR,
  errnoText,
  SyscallError,
} from "../../ffi/errno.ts";
import type { Process, Spec } from "../runtime/spec_types.ts";

/** What docker writes before the reason. */
const RUNTIME = "failed to create task for container: failed to create shim task: " +
  "OCI runtime create failed: diplodock create failed: unable to start container process: ";

/** 127: the command is not there. 126: it cannot be executed. 125: the engine's fault or limit. */
const CANNOT_INVOKE = 126, NOT_FOUND = 127, ENGINE = 125;

/** Turns the failure of a step into the error users of docker know; other errors pass. */
export function startFailure(error: unknown, spec: Spec): unknown {
  if (!(error instanceof SyscallError)) return error;
  const { text, exitCode } = error.call === "execve"
    ? execFailure(error.errno, spec.process!)
    : otherFailure(error);
  return new UserError(RUNTIME + text, exitCode);
}

/** The last step: the command itself. */
export function execFailure(
  errno: number,
  process: Process,
): { text: string; exitCode: number } {
  const command = process.args?.[0] ?? "";
  if (command === "") errno = ENOENT; // the kernel was given a directory of PATH
  const quoted = `exec: ${JSON.stringify(command)}`;
  if (errno === ENOENT || errno === ENOTDIR || (errno === ELOOP && !command.includes("/"))) {
    const why = command.includes("/")
      ? `stat ${command}: ${errnoText(errno)}`
      : "executable file not found in $PATH";
    return { text: `${quoted}: ${why}`, exitCode: NOT_FOUND };
  }
  if (errno === EACCES || errno === EISDIR) {
    return { text: `${quoted}: permission denied`, exitCode: CANNOT_INVOKE };
  }
  if (errno === ENOEXEC) {
    return { text: `exec ${command}: exec format error`, exitCode: CANNOT_INVOKE };
  }
  return { text: `exec ${command}: ${errnoText(errno)}`, exitCode: CANNOT_INVOKE };
}

/** docker's client decides 126 and 127 by words in the text; so do we, to be the same for scripts. */
function otherFailure(error: SyscallError): { text: string; exitCode: number } {
  // move_mount(2) says EINVAL where mount(2) says ENOTDIR.
  const isMismatch = error.call === "move_mount" && [ENOTDIR, EINVAL].includes(error.errno) ||
    // The target is made as a directory first where a directory is to be bound.
    error.call === "openat2" && error.errno === ENOTDIR && /^Cannot bind /.test(error.message);
  const hint = isMismatch
    ? ": Are you trying to mount a directory onto a file (or vice-versa)? " +
      "Check if the specified host path exists and is the expected type"
    : "";
  const text = `${error.message}: ${errnoText(error.errno)}${hint}`;
  if (error.errno === ENOENT) return { text, exitCode: NOT_FOUND };
  return { text, exitCode: error.errno === EACCES ? CANNOT_INVOKE : ENGINE };
}
