import { UserError } from "../base/errors.ts";
import type { BuildWish } from "../build/build.ts";
import { noteBuilt } from "../engine/image_notes.ts";
import type { ImageRecord } from "../image/records.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import type { BuildDisplay } from "./build_progress.ts";
import { imageStore } from "./image_context.ts";
import {
  BUILD_FLAGS,
  checkAccepted,
  type Output,
  parseOutput,
  parseSecrets,
} from "./build_flags.ts";
import { toMap } from "./flags/env.ts";
import { sortUlimits } from "./flags/resources.ts";

export const spec = {
  name: "build",
  usage: "[OPTIONS] PATH | URL | -",
  summary: "Build an image from a Dockerfile",
  aliases: ["image build", "build", "buildx build", "builder build"],
  args: [1, 1],
  complete: ["directory"],
  flags: BUILD_FLAGS,
  examples: [
    "diplodock build -t app .",
    "diplodock build -f Dockerfile.test --target test --build-arg VERSION=3 .",
    "diplodock build -t tool - < Dockerfile",
  ],
} as const satisfies CommandSpec;

type Options = ReturnType<typeof parse>["options"];

function parse(words: readonly string[]) {
  return parseArgs(spec, words);
}

/** `--build-arg NAME=value`, or NAME alone for that of the environment. */
export function buildArgs(words: readonly string[]): Map<string, string> {
  const args = new Map<string, string>();
  for (const word of words) {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    const value = equals < 0 ? Deno.env.get(word) : word.slice(equals + 1);
    if (value !== undefined) args.set(name, value);
  }
  return args;
}

function hostConfig(options: Options): BuildWish["host"] {
  return {
    CgroupParent: options.cgroupParent ?? "",
    CpuPeriod: options.cpuPeriod ?? 0,
    CpuQuota: options.cpuQuota ?? 0,
    CpuShares: options.cpuShares ?? 0,
    CpusetCpus: options.cpusetCpus ?? "",
    CpusetMems: options.cpusetMems ?? "",
    ExtraHosts: options.addHost.length > 0 ? options.addHost : null,
    Memory: options.memory ?? 0,
    MemorySwap: options.memorySwap ?? 0,
    ShmSize: options.shmSize ?? 0,
    Ulimits: sortUlimits(options.ulimit),
  };
}

/** DOCKER_BUILDKIT=0 asks for the output of docker's classic builder. */
function isClassic(): boolean {
  return /^(?:0|f|false)$/i.test(Deno.env.get("DOCKER_BUILDKIT") ?? "");
}

async function displayFor(options: Options): Promise<BuildDisplay> {
  const { PlainProgress, QuietProgress } = await import("./build_progress.ts");
  const tell = (line: string) => console.error(line);
  const progress = options.progress ?? Deno.env.get("BUILDKIT_PROGRESS") ?? "auto";
  if (options.quiet || progress === "quiet") return new QuietProgress(tell);
  if (isClassic()) {
    const { ClassicProgress } = await import("../build/classic_output.ts");
    const { writeSync } = Deno.stdout;
    return new ClassicProgress((chunk) => {
      for (let at = 0; at < chunk.length;) at += writeSync.call(Deno.stdout, chunk.subarray(at));
    });
  }
  if (!["auto", "plain", "tty"].includes(progress)) {
    throw new UserError(
      `invalid progress mode ${progress}: want auto, plain, tty or quiet`,
      125,
    );
  }
  if (progress !== "tty" && !(progress === "auto" && Deno.stderr.isTerminal())) {
    return new PlainProgress(tell);
  }
  const { BuildScreen } = await import("./build_screen.ts");
  const { streamOutput } = await import("./progress.ts");
  return new BuildScreen(streamOutput(Deno.stderr));
}

/** `diplodock build`. */
export async function command(words: string[]): Promise<number> {
  const { options, given, args: [context] } = parse(words);
  const output = parseOutput(options.output, options.push);
  const { newTagName } = await import("../image/names.ts");
  const names = [
    ...new Set(
      options.tag.map((tag) =>
        newTagName(tag, (reason) => `ERROR: failed to build: invalid tag "${tag}": ${reason}`)
      ),
    ),
  ];
  if (output.type === "image" && output.push && names.length === 0) {
    throw new UserError("ERROR: failed to build: tag is needed when pushing to registry");
  }
  const warnings = checkAccepted(given, options);
  const display = await displayFor(options);
  warnings.forEach((text) => display.warn(text));
  const interrupt = onInterrupt();
  let dockerfile: { name: string; text: string } | undefined;
  try {
    const { buildImage } = await import("../build/build.ts");
    const record = await buildImage(imageStore(), {
      ...await wishOf(context, options, output),
      names,
      events: display,
      signal: interrupt.signal,
      onDockerfile: (name, text) => dockerfile = { name, text },
    });
    display.end();
    if (record !== undefined) tell(record, names, options);
  } catch (error) {
    display.end();
    const { buildFailure } = await import("./build_failure.ts");
    throw buildFailure(error, display, dockerfile, isClassic());
  } finally {
    interrupt[Symbol.dispose]();
  }
  return output.type === "image" && output.push ? await push(names, options.quiet) : 0;
}

/** What the flags say. */
async function wishOf(
  context: string,
  options: Options,
  output: Output,
): Promise<Omit<BuildWish, "names" | "events" | "signal" | "onDockerfile">> {
  const platform = options.platform || Deno.env.get("DOCKER_DEFAULT_PLATFORM");
  if (platform) (await import("../build/base_image.ts")).checkPlatform(platform);
  const { pullForRun } = await import("./run_pull.ts");
  const { archiveChunks } = await import("../image/compression.ts");
  return {
    source: {
      context,
      ...(options.file && { file: options.file }),
      stdin: () => archiveChunks(Deno.openSync("/proc/self/fd/0")),
    },
    buildArgs: buildArgs(options.buildArg),
    ...(options.target && { target: options.target }),
    noCache: options.noCache,
    pull: options.pull,
    labels: toMap(options.label),
    network: options.network || "default",
    host: hostConfig(options),
    secrets: parseSecrets(options.secret),
    pullImage: (name) => pullForRun(name, { Platform: null }, { quiet: true }),
    ...(output.type !== "image" && { output }),
  };
}

async function push(names: readonly string[], quiet: boolean): Promise<number> {
  const { command } = await import("./image_push.ts");
  for (const name of names) await command([...(quiet ? ["--quiet"] : []), name]);
  return 0;
}

/** Ends the build, and the container that it waits for, by Ctrl-C. */
function onInterrupt(): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const abort = () => controller.abort(new UserError("Canceled: context canceled"));
  const signals: readonly Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const one of signals) Deno.addSignalListener(one, abort);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const one of signals) Deno.removeSignalListener(one, abort);
    },
  };
}

/** What a script wants to know of the image that is built. */
function tell(record: ImageRecord, names: readonly string[], options: Options): void {
  const { id } = record;
  const shown = noteBuilt(record, names);
  if (options.iidfile) Deno.writeTextFileSync(options.iidfile, id);
  if (options.quiet) return console.log(id);
  if (!isClassic()) return;
  console.log(`Successfully built ${id.slice(7, 19)}`);
  for (const name of shown) console.log(`Successfully tagged ${name}`);
}
