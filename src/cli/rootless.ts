/** Which commands of an ordinary user need the rights of root over the files of containers. */
import { checkRunDirectory, enterAsUser, leaveAsUser } from "../engine/rootless.ts";

/**
 * What only reads records, or talks to a registry: no file of a container's users is touched. These
 * run as they are, which is 20 ms faster.
 */
const OUTSIDE: ReadonlySet<string> = new Set([
  ...["version", "completion", "__complete", "history", "image inspect", "login", "logout"],
  ...["search", "events", "network ls", "network inspect", "volume ls", "volume inspect", "logs"],
  ...["wait", "port", "images", "tag", "info", "help"],
  "system service",
]);

/** These look at files of containers only when sizes are asked for. */
const SIZES: ReadonlySet<string> = new Set(["ps", "inspect", "container inspect"]);

function staysOutside(name: string, words: readonly string[]): boolean {
  if (OUTSIDE.has(name) || words.includes("--help")) return true;
  return SIZES.has(name) && !words.some((word) => /^(--size|-[a-zA-Z]*s)/.test(word));
}

/**
 * Goes on as root of the user's namespace where the command needs it; then it does not return.
 * `name`: as in the table of commands; `args`: the whole command line.
 */
export function enterIfNeeded(
  name: string,
  words: readonly string[],
  args: readonly string[],
): void {
  checkRunDirectory();
  if (!staysOutside(name, words)) enterAsUser(args);
}

/** At the end of a command that is inside. */
export const leave = leaveAsUser;
