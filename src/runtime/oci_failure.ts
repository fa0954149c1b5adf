/** Why a process could not be started, in runc's words: engines look for some of them. */
import {
  EACCES,
  EISDIR,
  ENOENT,
  ENOEXEC,
  ENOTDIR,
  errnoText,
  SyscallError,
} from "../../ffi/errno.ts";
import { UserError } from "../base/errors.ts";
import type { Process } from "./spec_types.ts";

/** How the goal of the last steps of a start begins: they are about the command itself. */
const COMMAND_GOAL = 'start "';

/** A failed step as the error of a start; other errors pass. */
export function startFailure(error: unknown, process: Process): unknown {
  if (!(error instanceof SyscallError)) return error;
  const text = error.goal.startsWith(COMMAND_GOAL)
    ? commandFailure(error.errno, process.args?.[0] ?? "")
    : `${error.message}: ${errnoText(error.errno)}`;
  return new UserError(`unable to start container process: ${text}`);
}

/** The command is not there, or cannot be executed: the texts of Go's os/exec. */
function commandFailure(errno: number, command: string): string {
  const quoted = `exec: ${JSON.stringify(command)}`;
  if (!command.includes("/")) return `${quoted}: executable file not found in $PATH`;
  if (errno === ENOENT || errno === ENOTDIR) {
    return `${quoted}: stat ${command}: ${errnoText(errno)}`;
  }
  if (errno === EACCES || errno === EISDIR) return `${quoted}: permission denied`;
  if (errno === ENOEXEC) return `exec ${command}: exec format error`;
  return `exec ${command}: ${errnoText(errno)}`;
}
