/**
 * From the words after `run` or `create` to data: what concerns this client, and the request
 * the engine carries out. Nothing is done here but reading the files that flags name.
 */
import { PlatformError } from "../base/platform.ts";
import { UserError } from "../base/errors.ts";
import type { ClientOptions, CreateRequest } from "../engine/types.ts";
import { checkCount, type CommandSpec, parseArgs } from "./args.ts";
import { type ClientHost, systemHost } from "./flags/host.ts";
import { buildRequest } from "./flags/request.ts";
import { CREATE_FLAGS, RUN_FLAGS, type RunOptions } from "./flags/table.ts";
import { badFlag, FLAG_EXIT_CODE } from "./flags/units.ts";

/** `diplodock run`. */
export const runSpec = {
  name: "run",
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  summary: "Create and run a new container from an image",
  aliases: ["container run", "run"],
  flags: RUN_FLAGS,
  args: [1, Infinity],
  flagsEnd: "first",
  complete: ["image", []],
  examples: [
    "diplodock run --rm -it alpine sh",
    "diplodock run -d --name web -p 8080:80 --restart unless-stopped nginx",
    "diplodock run --rm -v ./src:/src -w /src -m 512m node:22 npm test",
    "diplodock run --rm host id",
  ],
} as const satisfies CommandSpec;

/** `diplodock create`. */
export const createSpec = {
  name: "create",
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  summary: "Create a new container",
  aliases: ["container create", "create"],
  flags: CREATE_FLAGS,
  args: [1, Infinity],
  flagsEnd: "first",
  complete: ["image", []],
  examples: ["diplodock create --name job -v data:/data alpine ls /data"],
} as const satisfies CommandSpec;

/** What the words mean. */
export interface RunRequest {
  client: ClientOptions;
  create: CreateRequest;
}

/**
 * Parses the words after `run` or `create`. Throws UsageError and HelpRequest as parseArgs()
 * does, and a UserError with exit code 125 whose message is docker's: "diplodock: <what>", an
 * empty line, and where to find help.
 */
export function parseRunFlags(
  verb: "run" | "create",
  argv: readonly string[],
  host: ClientHost = systemHost(),
  warn?: (line: string) => void,
): RunRequest {
  const spec = verb === "run" ? runSpec : createSpec;
  const parsed = parseArgs({ ...spec, args: [0, Infinity] } as CommandSpec, argv, warn);
  const options = parsed.options as unknown as RunOptions;
  // With --rootfs there is no image among the words.
  if (options.rootfs === undefined) checkCount(spec, parsed.args.length);
  try {
    const words = options.rootfs === undefined ? parsed.args : ["", ...parsed.args];
    const create = buildRequest(options, parsed.given, words, host);
    return { client: clientOptions(options, create), create };
  } catch (error) {
    if (error instanceof PlatformError) {
      const message = `error parsing specified platform: ${error.message}`;
      throw verb === "run" ? withHelp(message, verb) : new UserError(message);
    }
    throw error instanceof UserError && error.exitCode === FLAG_EXIT_CODE
      ? withHelp(error.message, verb)
      : error;
  }
}

/** docker's form of an error of the client that is found after the flags were parsed. */
function withHelp(message: string, verb: string, exitCode = FLAG_EXIT_CODE): UserError {
  const hint = `Run 'diplodock ${verb} --help' for more information`;
  return new UserError(`diplodock: ${message}\n\n${hint}`, exitCode);
}

/** The client's half. With --detach nothing is attached, and the request says so too. */
function clientOptions(options: RunOptions, create: CreateRequest): ClientOptions {
  const pull = options.pull || "missing";
  if (pull !== "always" && pull !== "missing" && pull !== "never") {
    badFlag(
      `invalid pull option: '${pull}': must be one of "always", "missing" or "never"`,
    );
  }
  const detach = options.detach ?? false;
  if (detach && options.attach.length > 0) {
    throw new UserError("conflicting options: cannot specify both --attach and --detach", 1);
  }
  if (detach) {
    create.AttachStdin =
      create.AttachStdout =
      create.AttachStderr =
      create.StdinOnce =
        false;
  }
  return {
    detach,
    attach: {
      stdin: create.AttachStdin,
      stdout: create.AttachStdout,
      stderr: create.AttachStderr,
    },
    attachGiven: options.attach.length > 0,
    interactive: options.interactive,
    tty: options.tty,
    sigProxy: options.sigProxy ?? true,
    detachKeys: options.detachKeys ?? "",
    cidfile: options.cidfile ?? "",
    pull,
    quiet: options.quiet,
    replace: options.replace,
    ...(options.retry !== undefined && { pullRetries: options.retry }),
    ...(options.retryDelay !== undefined && { pullRetryDelaySeconds: options.retryDelay / 1e9 }),
    warnings: warningsOf(options, create),
  };
}

/** What was asked for and cannot be had here, and docker's warning of local DNS servers. */
function warningsOf(options: RunOptions, create: CreateRequest): string[] {
  const warnings: string[] = [];
  if (!options.disableContentTrust) {
    warnings.push("Content trust is not supported: the image is not verified by a signature.");
  }
  if (options.kernelMemory) {
    warnings.push("The kernel has no kernel memory limit any more. Limitation discarded.");
  }
  const windowsOnly = {
    "--cpu-count": options.cpuCount,
    "--cpu-percent": options.cpuPercent,
    "--io-maxbandwidth": options.ioMaxbandwidth,
    "--io-maxiops": options.ioMaxiops,
  };
  for (const [flag, value] of Object.entries(windowsOnly)) {
    if (value) warnings.push(`${flag} is for Windows only. Limitation discarded.`);
  }
  for (const address of create.HostConfig.Dns) {
    if (address.startsWith("127.") || address === "::1") {
      warnings.push(`Localhost DNS (${address}) may fail in containers.`);
      break;
    }
  }
  return warnings;
}
