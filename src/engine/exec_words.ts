/** How a process of `exec` is told of: its command, and what it ended with. */

/** The command as events have it: docker has the blank also without arguments. */
export function execCommand([program, ...args]: readonly string[]): string {
  return `${program} ${args.join(" ")}`;
}

/** The exit code in a status of wait4(2), as a shell has it. */
export function waitedExitCode(status: number): number {
  return (status & 0x7f) === 0 ? status >> 8 & 0xff : 128 + (status & 0x7f);
}
