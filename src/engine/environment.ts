/** The environment of a container's first process. */
import type { ContainerConfig, HostConfig } from "./types.ts";

/** docker's PATH for images that set none. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const nameOf = (word: string) => word.split("=", 1)[0];

/**
 * Puts `overrides` over `base`, both lists of NAME=VALUE: a name that is there keeps its place, a
 * bare name (no "=") removes the variable.
 */
export function overrideEnv(base: readonly string[], overrides: readonly string[]): string[] {
  const words = new Map(base.map((word) => [nameOf(word), word]));
  for (const word of overrides) {
    if (word.includes("=")) words.set(nameOf(word), word);
    else words.delete(word);
  }
  return [...words.values()];
}

/**
 * All variables: PATH, HOSTNAME and (with a terminal) TERM by default, then Config.Env over
 * them, then HOME where nobody set it.
 */
export function environment(config: ContainerConfig, host: HostConfig, home: string): string[] {
  const defaults = [
    `PATH=${DEFAULT_PATH}`,
    ...(host.UTSMode === "host" && config.Hostname === "" ? [] : [`HOSTNAME=${config.Hostname}`]),
    ...(config.Tty ? ["TERM=xterm"] : []),
  ];
  const words = overrideEnv(defaults, config.Env ?? []);
  const removed = (config.Env ?? []).includes("HOME");
  const hasHome = removed || words.some((word) => nameOf(word) === "HOME");
  return hasHome ? words : [...words, `HOME=${home}`];
}
