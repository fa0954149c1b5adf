import { UserError } from "../base/errors.ts";
import { attachRunning } from "../engine/attach.ts";
import { readRecord, resolveContainer } from "../engine/containers.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";

export const spec = {
  name: "attach",
  usage: "[OPTIONS] CONTAINER",
  summary: "Attach local standard input, output, and error streams to a running container",
  aliases: ["container attach", "attach"],
  args: [1, 1],
  complete: ["running"],
  flags: {
    "detach-keys": {
      type: "string",
      help: "Override the key sequence for detaching a container",
    },
    "no-stdin": { type: "bool", help: "Do not attach STDIN" },
    "sig-proxy": {
      type: "bool",
      default: true,
      help: "Proxy all received signals to the process",
    },
  },
  examples: ["diplodock attach web", "diplodock attach --detach-keys ctrl-x,x shell"],
} as const satisfies CommandSpec;

/** `diplodock attach`: the exit code is the container's own; 1 when it goes on without us. */
export async function command(words: string[]): Promise<number> {
  const { options, args } = parseArgs(spec, words);
  const { Id: id, Config } = await daemon(() => readRecord(resolveContainer(args[0])));
  const stdin = !options.noStdin && Config.OpenStdin;
  if (stdin && Config.Tty && !Deno.stdin.isTerminal()) {
    throw new UserError("the input device is not a TTY");
  }
  const code = await attachRunning(id, {
    attach: { stdin, stdout: true, stderr: true },
    tty: Config.Tty,
    sigProxy: options.sigProxy,
    detachKeys: options.detachKeys ?? "",
  });
  if (code === undefined) throw new UserError("read escape sequence");
  return code;
}
