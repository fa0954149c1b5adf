/** How the prune commands tell what is gone. */

/** Prints "Deleted Containers:" and the like with a line each, and nothing when there are none. */
export function printDeleted(what: string, lines: readonly string[]): void {
  if (lines.length > 0) console.log(`Deleted ${what}:\n${lines.join("\n")}\n`);
}
