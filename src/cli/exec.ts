import { UserError } from "../base/errors.ts";
import { resolveContainer } from "../engine/containers.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { inheritEnv, parseEnv, parseKeyValueFile } from "./flags/env.ts";
import { systemHost } from "./flags/host.ts";

export const spec = {
  name: "exec",
  usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  summary: "Execute a command in a running container",
  aliases: ["container exec", "exec"],
  args: [2, Infinity],
  flagsEnd: "first",
  complete: ["running", []],
  flags: {
    detach: { type: "bool", short: "d", help: "Detached mode: run command in the background" },
    "detach-keys": {
      type: "string",
      help: "Override the key sequence for detaching a container",
    },
    env: {
      type: "list",
      short: "e",
      value: "list",
      parse: parseEnv,
      help: "Set environment variables",
    },
    "env-file": {
      type: "list",
      value: "list",
      complete: "file",
      help: "Read in a file of environment variables",
    },
    interactive: {
      type: "bool",
      short: "i",
      help: "Keep STDIN open even if not attached",
    },
    privileged: { type: "bool", help: "Give extended privileges to the command" },
    tty: { type: "bool", short: "t", help: "Allocate a pseudo-TTY" },
    user: {
      type: "string",
      short: "u",
      help: 'Username or UID (format: "<name|uid>[:<group|gid>]")',
    },
    workdir: {
      type: "string",
      short: "w",
      help: "Working directory inside the container",
    },
  },
  examples: ["diplodock exec web ls /", "diplodock exec -it -u www-data web sh"],
} as const satisfies CommandSpec;

const NO_TERMINAL = "the input device is not a TTY";

/** Throws UserError in the words in which docker's daemon refuses keys of an exec. */
async function checkDetachKeys(text: string): Promise<void> {
  const { parseDetachKeys } = await import("../engine/detach_keys.ts");
  try {
    parseDetachKeys(text);
  } catch {
    throw new UserError(`Invalid escape keys (${text}) provided`);
  }
}

/** The variables of the files of --env-file; what is wrong with them is no flag's error. */
function readEnvFiles(paths: readonly string[]): string[] {
  const host = systemHost();
  try {
    return paths.flatMap((path) => parseKeyValueFile(path, host, (name) => host.env(name)));
  } catch (error) {
    throw error instanceof UserError ? new UserError(error.message) : error;
  }
}

/** What the words behind `exec` ask for. */
export function parseExec(words: readonly string[]) {
  const { options, args: [reference, ...args] } = parseArgs(spec, words);
  const fromFiles = readEnvFiles(options.envFile);
  const request = {
    args,
    env: [...fromFiles, ...inheritEnv(options.env, systemHost())],
    user: options.user ?? "",
    workingDir: options.workdir ?? "",
    tty: options.tty,
    privileged: options.privileged,
  };
  return { options, reference, request };
}

/** `diplodock exec`: the exit code is the command's. Why it could not be started is on stderr. */
export async function command(words: string[]): Promise<number> {
  const { options, reference, request } = parseExec(words);
  try {
    const id = resolveContainer(reference);
    if (options.tty && options.interactive && !options.detach && !Deno.stdin.isTerminal()) {
      throw new UserError(NO_TERMINAL);
    }
    if (options.detachKeys) await checkDetachKeys(options.detachKeys);
    const { execDetached, execForeground } = await import("../engine/exec_client.ts");
    if (options.detach) return await execDetached(id, request);
    return await execForeground(id, request, {
      stdin: options.interactive,
      detachKeys: options.detachKeys ?? "",
    });
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode > 1 || error.message === NO_TERMINAL) {
      throw error;
    }
    throw new UserError(`Error response from daemon: ${error.message}`);
  }
}
