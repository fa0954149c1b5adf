import { firstError, UserError } from "../base/errors.ts";
import type { BuildWish } from "../build/build.ts";
import type { Built } from "../build/output.ts";
import { isImageRefusal } from "../engine/refusal.ts";
import { noteBuilt } from "../engine/image_notes.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import type { BuildDisplay } from "./build_progress.ts";
import { imageStore } from "./image_context.ts";
import { displayFor, isClassic } from "./build_display.ts";
import { parseCaches } from "./build_caches.ts";
import { BUILD_FLAGS, checkAccepted } from "./build_flags.ts";
import { parseSecrets, parseSsh } from "./build_secrets.ts";
import { parseOutputs } from "./build_outputs.ts";
import { openResults, writeResults } from "./build_results.ts";
import { inheritEnv, toMap, withProxies } from "./flags/env.ts";
import { systemHost } from "./flags/host.ts";
import { sortUlimits } from "./flags/resources.ts";
import { cut } from "./flags/units.ts";

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
    "diplodock build --cache-from reg/app:cache --cache-to type=registry,ref=reg/app:cache .",
  ],
} as const satisfies CommandSpec;

type Options = ReturnType<typeof parse>["options"];

function parse(words: readonly string[]) {
  return parseArgs(spec, words);
}

/** The build argument that the environment gives by itself: reproducible-builds.org. */
const EPOCH = "SOURCE_DATE_EPOCH";

/**
 * `--build-arg NAME=value`, or NAME alone for that of the environment; and what docker's client
 * gives by itself: the proxies of its config.json, the time of reproducible builds.
 */
function buildArgs(words: readonly string[]): Map<string, string> {
  const host = systemHost();
  const epoch = host.env(EPOCH);
  const all = withProxies(inheritEnv(words, host), host.proxies());
  return new Map([
    ...(epoch ? [[EPOCH, epoch] as const] : []),
    // A name alone that the environment does not have says nothing.
    ...all.filter((word) => word.includes("=")).map((word) => cut(word, "=") as [string, string]),
  ]);
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

/** `diplodock build`. */
export async function command(words: string[]): Promise<number> {
  const { options, given, args: [context] } = parse(words);
  if (options.check || options.call === "check") return await check(context, options);
  const { outputs, names: further, push } = parseOutputs(
    options.output,
    options.push,
    options.load,
  );
  const { newTagName } = await import("../image/names.ts");
  const names = [
    ...new Set(
      [...options.tag, ...further].map((tag) =>
        newTagName(tag, (reason) => `ERROR: failed to build: invalid tag "${tag}": ${reason}`)
      ),
    ),
  ];
  if (push && names.length === 0) {
    throw new UserError("ERROR: failed to build: tag is needed when pushing to registry");
  }
  const { cache, warnings: ofCaches } = parseCaches(options.cacheFrom, options.cacheTo);
  const warnings = [...checkAccepted(given, options), ...ofCaches];
  const display = await displayFor(options);
  warnings.forEach((text) => display.warn(text));
  const results = openResults(options);
  const interrupt = onInterrupt();
  let dockerfile: { name: string; text: string } | undefined;
  try {
    const { buildImage } = await import("../build/build.ts");
    const built = await buildImage(imageStore(), {
      ...await wishOf(context, options),
      outputs,
      names,
      cache,
      annotations: toMap(options.annotation),
      events: display,
      signal: interrupt.signal,
      onDockerfile: (name, text) => dockerfile = { name, text },
    });
    if (push) await pushAll(names, display);
    display.end();
    writeResults(results, built, names);
    if (built !== undefined) tell(built, names, options.quiet);
    return 0;
  } catch (error) {
    display.end();
    const { buildFailure } = await import("./build_failure.ts");
    throw buildFailure(error, display, dockerfile, isClassic());
  } finally {
    interrupt[Symbol.dispose]();
  }
}

/** `--check`: what there is to say of the Dockerfile; nothing is built. */
async function check(context: string, options: Options): Promise<number> {
  using interrupt = onInterrupt();
  const { printChecks } = await import("./build_check.ts");
  const { readBuildFile } = await import("../build/build.ts");
  const { source } = await wishOf(context, options);
  const file = await readBuildFile(imageStore(), { source, signal: interrupt.signal });
  return printChecks(file);
}

/** What command() adds. */
type Own = "outputs" | "names" | "cache" | "annotations" | "events" | "signal" | "onDockerfile";

/** What the flags say. */
async function wishOf(
  context: string,
  options: Options,
): Promise<Omit<BuildWish, Own>> {
  const platform = options.platform || Deno.env.get("DOCKER_DEFAULT_PLATFORM");
  if (platform) (await import("../build/base_image.ts")).checkPlatform(platform);
  const { pullWithOutput } = await import("../engine/image_pull.ts");
  const { parseReference } = await import("../image/reference.ts");
  const { parseNamedContext } = await import("../build/named_contexts.ts");
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
    noCacheStages: options.noCacheFilter.flatMap((text) => text.split(",")).filter(Boolean),
    pull: options.pull,
    labels: toMap(options.label),
    network: options.network || "default",
    host: hostConfig(options),
    allowed: new Set(options.allow),
    contexts: new Map(options.buildContext.map(parseNamedContext)),
    secrets: parseSecrets(options.secret),
    agents: new Map(options.ssh.map(parseSsh)),
    pullImage: async (name, display) => {
      const write = (line: string) => display.line(line);
      const how = { display, quiet: false, implicit: true, write };
      await pullWithOutput(imageStore(), parseReference(name), undefined, how);
    },
  };
}

/** `--push`: every name of the image, shown as a part of the build. */
async function pushAll(names: readonly string[], display: BuildDisplay): Promise<void> {
  const { pushWithOutput } = await import("../engine/image_push.ts");
  const { parseReference } = await import("../image/reference.ts");
  for (const name of names) {
    const work = display.begin({ kind: "internal", name: `pushing ${name}` });
    try {
      await pushWithOutput(imageStore(), parseReference(name), work.layers(), { all: false });
    } catch (thrown) {
      const error = firstError(thrown);
      if (!isImageRefusal(error)) throw error;
      work.failed(error.message);
      throw new UserError(`failed to push ${name}: ${error.message}`);
    }
    work.done();
  }
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
function tell(built: Built, names: readonly string[], isQuiet: boolean): void {
  const shown = built.isKept ? noteBuilt(built, names) : [];
  if (isQuiet) return console.log(built.id);
  if (!isClassic()) return;
  console.log(`Successfully built ${built.id.slice(7, 19)}`);
  for (const name of shown) console.log(`Successfully tagged ${name}`);
}
