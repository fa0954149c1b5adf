/** How a process ended, by its status of wait(2). */

/** The signal that killed it; undefined: it ended by itself. */
export function waitedSignal(status: number): number | undefined {
  return (status & 0x7f) || undefined;
}

/** The exit code as a shell has it: the process's own, or 128 and the number of its signal. */
export function waitedExitCode(status: number): number {
  const signal = waitedSignal(status);
  return signal === undefined ? (status >> 8) & 0xff : 128 + signal;
}
