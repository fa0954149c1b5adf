/** How a process of `exec` is told of. */

/** The command as events have it: docker has the blank also without arguments. */
export function execCommand([program, ...args]: readonly string[]): string {
  return `${program} ${args.join(" ")}`;
}
