/** POST /build: an image from a Dockerfile, told as docker's classic builder does. */
import { buildImage } from "../build/build.ts";
import type { CacheSource } from "../build/cache_wish.ts";
import { checkPlatform } from "../build/base_image.ts";
import type { BuildError } from "../build/build_error.ts";
import { parseGit } from "../build/git_source.ts";
import { classicFailure, ClassicProgress } from "../build/classic_output.ts";
import { firstError, UserError } from "../base/errors.ts";
import { imageStore, noteBuilt } from "../engine/image_notes.ts";
import { pullWithOutput } from "../engine/image_pull.ts";
import type { LayerDisplay } from "../engine/layer_display.ts";
import { isImageRefusal } from "../engine/refusal.ts";
import type { HostConfig, Ulimit } from "../engine/types.ts";
import { isAddress } from "../image/fetched_archive.ts";
import { newTagName } from "../image/names.ts";
import { parseReference, withDefaultTag } from "../image/reference.ts";
import { fields, list, map, number, type Shape, text } from "../image/shape.ts";
import type { Exchange } from "./exchange.ts";
import { ApiError } from "./http_head.ts";
import { ProgressAnswer } from "./progress_answer.ts";
import { registryCredentials } from "./registry_auth.ts";

/** A build that came to an end before its image; `code` is that of its command. */
class StoppedError extends Error {
  override name = "StoppedError";
  constructor(message: string, readonly code?: number) {
    super(message);
  }
}

/** A parameter that is JSON of a known shape; undefined without one. Throws ApiError 400. */
function jsonIn<T>({ query }: Exchange, name: string, shape: Shape) {
  const given = query.text(name);
  if (given === "") return undefined;
  try {
    const value: unknown = JSON.parse(given);
    if (value === null) return undefined;
    if (shape(value) === undefined) return value as T;
  } catch {
    // told below
  }
  throw new ApiError(400, `invalid ${name}: want JSON of its shape`);
}

/** A build argument may be `null`: it is named and has no value. */
const argument: Shape = (value) => value === null ? undefined : text(value);

function limitsIn(exchange: Exchange): Partial<HostConfig> {
  const { query } = exchange;
  const count = (name: string) => query.integer(name) ?? 0;
  const hosts = jsonIn<string[]>(exchange, "extrahosts", list(text)) ??
    query.all("extrahosts").filter((one) => one !== "");
  const ulimit = list(fields({ Name: text, Hard: number, Soft: number }));
  return {
    CgroupParent: query.text("cgroupparent"),
    CpuPeriod: count("cpuperiod"),
    CpuQuota: count("cpuquota"),
    CpuShares: count("cpushares"),
    CpusetCpus: query.text("cpusetcpus"),
    CpusetMems: query.text("cpusetmems"),
    ExtraHosts: hosts.length > 0 ? hosts : null,
    Memory: count("memory"),
    MemorySwap: count("memswap"),
    ShmSize: count("shmsize"),
    Ulimits: jsonIn<Ulimit[]>(exchange, "ulimits", ulimit) ?? [],
  };
}

/** Images that hold their cache. */
function cachesIn(exchange: Exchange): CacheSource[] {
  const names = jsonIn<string[]>(exchange, "cachefrom", list(text)) ?? [];
  return names.map((name) => {
    const reference = withDefaultTag(parseReference(name));
    const credentials = registryCredentials(exchange, reference.domain);
    return { type: "registry", reference, ...(credentials && { credentials }) };
  });
}

function checkAccepted({ query }: Exchange): void {
  if (query.text("version") === "2") {
    throw new ApiError(501, "there is no BuildKit: set DOCKER_BUILDKIT=0, or run diplodock build");
  }
  if (query.flag("squash")) throw new ApiError(501, "layers are not squashed");
  if (query.text("platform") !== "") checkPlatform(query.text("platform"));
}

/** Where the context is: "-" is the body. No path of this machine is read for a client. */
function contextIn({ query }: Exchange): string {
  const remote = query.text("remote");
  if (remote === "") return "-";
  if (isAddress(remote) || parseGit(remote) !== undefined) return remote;
  throw new ApiError(400, `remoteURL (${remote}) could not be recognized as URL`);
}

/** POST /build. */
export async function build(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  checkAccepted(exchange);
  const names = query.all("t").filter((name) => name !== "").map((name) =>
    newTagName(name, (reason) => reason)
  );
  const values = jsonIn<Record<string, string | null>>(exchange, "buildargs", map(argument)) ?? {};
  const buildArgs = Object.entries(values).filter((pair): pair is [string, string] =>
    pair[1] !== null
  );
  const labels = jsonIn<Record<string, string>>(exchange, "labels", map(text)) ?? {};
  const host = limitsIn(exchange);
  const context = contextIn(exchange);
  const isQuiet = query.flag("q");
  const file = query.text("dockerfile");
  const display = new ProgressAnswer(exchange);
  const decoder = new TextDecoder();
  const events = new ClassicProgress((bytes) => {
    const stream = decoder.decode(bytes, { stream: true });
    if (!isQuiet && stream !== "") display.send({ stream });
  });
  const controller = new AbortController();
  exchange.gone.then(() => controller.abort(new UserError("Canceled: context canceled")));
  await display.during(async () => {
    const record = await stopping(() =>
      buildImage(imageStore(), {
        source: {
          context,
          ...(file !== "" && { file }),
          stdin: () => exchange.body.chunks(),
        },
        names,
        buildArgs: new Map(buildArgs),
        ...(query.text("target") !== "" && { target: query.text("target") }),
        outputs: [{ type: "image" }],
        annotations: {},
        cache: { from: cachesIn(exchange), to: [], isInline: false },
        noCache: query.flag("nocache"),
        pull: query.flag("pull"),
        labels,
        network: query.text("networkmode") || "default",
        host,
        allowed: new Set(),
        secrets: new Map(),
        agents: new Map(),
        events,
        signal: controller.signal,
        pullImage: (name, display) => pullBase(exchange, name, display),
        onDockerfile: () => {},
      })
    );
    if (record === undefined) return;
    const shown = noteBuilt(record, names);
    display.send({ aux: { ID: record.id } });
    if (isQuiet) return display.send({ stream: `${record.id}\n` });
    display.send({ stream: `Successfully built ${record.id.slice(7, 19)}\n` });
    for (const name of shown) display.send({ stream: `Successfully tagged ${name}\n` });
  });
}

/** Brings a base image here, with what the client knows of its registry. */
async function pullBase(exchange: Exchange, name: string, display: LayerDisplay): Promise<void> {
  const reference = parseReference(name);
  await pullWithOutput(imageStore(), reference, undefined, {
    display,
    quiet: false,
    implicit: true,
    write: (line) => display.line(line),
    credentials: registryCredentials(exchange, reference.domain),
  });
}

/** What a build refuses, in the words of the classic builder. */
async function stopping<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const error = firstError(thrown);
    if (!isImageRefusal(error)) throw error;
    const { message, code } = classicFailure(
      error.message,
      (error as Partial<BuildError>).instruction,
    );
    if (code === undefined && message === error.message) throw error;
    throw new StoppedError(message, code);
  }
}
