import { UserError } from "../base/errors.ts";
import { resolveContainer } from "../engine/containers.ts";
import { readRecord } from "../engine/containers.ts";
import { finish, startExisting } from "../engine/run.ts";
import type { StartedContainer } from "../engine/start.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { forEach } from "./each.ts";
import { asDaemonError, daemon } from "./engine_error.ts";

export const spec = {
  name: "start",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Start one or more stopped containers",
  aliases: ["container start", "start"],
  args: [1, Infinity],
  complete: ["container"],
  flags: {
    attach: { type: "bool", short: "a", help: "Attach STDOUT/STDERR and forward signals" },
    "detach-keys": {
      type: "string",
      help: "Override the key sequence for detaching a container",
    },
    interactive: { type: "bool", short: "i", help: "Attach container's STDIN" },
  },
  examples: ["diplodock start web", "diplodock start -ai shell"],
} as const satisfies CommandSpec;

/** `diplodock start`: prints the names; with -a or -i the exit code is the container's own. */
export async function command(words: string[]): Promise<number> {
  const { options, args } = parseArgs(spec, words);
  if (options.attach || options.interactive) {
    if (args.length > 1) {
      throw new UserError("you cannot start and attach multiple containers at once");
    }
    return startAttached(args[0], options.interactive, options.detachKeys ?? "");
  }
  const failed: string[] = [];
  const code = await forEach(args, async (reference) => {
    try {
      await startDetached(resolveContainer(reference));
    } catch (error) {
      failed.push(reference);
      throw error;
    }
  });
  if (failed.length > 0) console.error(`Error: failed to start containers: ${failed.join(", ")}`);
  return code;
}

async function startDetached(id: string): Promise<void> {
  const container = await startExisting(id, false);
  container?.started.client[Symbol.dispose]();
}

/** What is refused has exit code 1, also where `run` would give 126 or 127. */
async function startRefused(
  id: string,
  whileStarting: () => void,
): Promise<StartedContainer | undefined> {
  try {
    return await startExisting(id, true, whileStarting);
  } catch (error) {
    const shown = asDaemonError(error);
    throw shown instanceof UserError ? new UserError(shown.message) : shown;
  }
}

async function startAttached(
  reference: string,
  interactive: boolean,
  detachKeys: string,
): Promise<number> {
  const id = await daemon(() => resolveContainer(reference));
  const { attachStarted, passesSignals } = await import("../engine/attach.ts");
  const { SignalProxy } = await import("../engine/forward.ts");
  const { parseDetachKeys } = await import("../engine/detach_keys.ts");
  parseDetachKeys(detachKeys);
  const { Config } = readRecord(id);
  const options = {
    attach: { stdin: interactive && Config.OpenStdin, stdout: true, stderr: true },
    tty: Config.Tty,
    sigProxy: true,
    detachKeys,
  };
  using signals = new SignalProxy();
  const container = await startRefused(id, () => passesSignals(options) && signals.listen());
  if (container === undefined) {
    const { command: attach } = await import("./attach.ts");
    return await attach([...(detachKeys ? ["--detach-keys", detachKeys] : []), reference]);
  }
  const code = await attachStarted(container, options, signals);
  if (code === undefined) return 0;
  await finish(container);
  return code;
}
