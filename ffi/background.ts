/** Programs that are installed on the machine, started in the background. */
import { AT_FDCWD, CLOSE_RANGE_CLOEXEC, F_SETFD, O_RDONLY } from "./constants.ts";
import { type Fd, readInto } from "./fd.ts";
import { slot, type Step, stringArray } from "./program.ts";
import { restoreSignals, spawn } from "./spawn.ts";

/**
 * Executes `argv` in a session of its own, with the descriptors `inherited` (by the numbers they
 * have here), nothing to read, and `says` for what it writes. Its number: who wants its exit code
 * waits for it. Throws SyscallError if the kernel does not start it.
 */
export function startInBackground(
  argv: readonly string[],
  inherited: readonly number[],
  says: Fd,
): number {
  const goal = `start ${argv[0]}`;
  const nothing = slot("null file");
  const env = [`PATH=${Deno.env.get("PATH") ?? ""}`];
  const child = spawn([
    { call: "setsid", args: [], goal },
    { call: "chdir", args: ["/"], goal },
    { call: "openat", args: [AT_FDCWD, "/dev/null", O_RDONLY, 0], goal, result: nothing },
    { call: "dup3", args: [nothing, 0, 0], goal },
    { call: "dup3", args: [says.raw, 1, 0], goal },
    { call: "dup3", args: [says.raw, 2, 0], goal },
    { call: "close_range", args: [3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC], goal },
    ...inherited.map((fd): Step => ({ call: "fcntl", args: [fd, F_SETFD, 0], goal })),
    ...restoreSignals(),
    { call: "execve", args: [argv[0], stringArray("argv", argv), stringArray("envp", env)], goal },
  ], { outlives: true });
  child.pidfd[Symbol.dispose]();
  return child.pid;
}

/** What a program says until it has ended or closed its streams, as one line. */
export function readSaid(from: Fd): string {
  const bytes = new Uint8Array(4096);
  const parts: string[] = [];
  for (let count = readInto(from, bytes); count > 0; count = readInto(from, bytes)) {
    parts.push(new TextDecoder().decode(bytes.subarray(0, count)));
  }
  return parts.join("").trim().replaceAll("\n", "; ");
}
