/** A whole build: context, stages, the image. */
import { UserError } from "../base/errors.ts";
import { orCollect } from "../image/gc.ts";
import { Session } from "../image/session.ts";
import type { Store } from "../image/store.ts";
import type { CachedStep } from "../image/build_cache.ts";
import { Builder } from "./builder.ts";
import type { BuildRequest } from "./build_request.ts";
import { compressSteps, exportCache } from "./cache_export.ts";
import { layersOf } from "./cache_document.ts";
import type { CacheMode, CacheWish } from "./cache_wish.ts";
import { type ContextWish, openContext } from "./context.ts";
import { type Built, type OutputWish, writeOutputs } from "./output.ts";
import { sweepBuilds } from "./run_step.ts";
import { checkStrict } from "./lint.ts";
import { orAborted } from "./or_aborted.ts";
import { EPOCH } from "./scope.ts";
import type { StageState } from "./stage_state.ts";

/** What buildImage() is told. */
export interface BuildWish
  extends Omit<BuildRequest, "opened" | "cacheFrom">, Omit<OutputWish, "epoch" | "inlineCache"> {
  readonly source: ContextWish;
  readonly cache: CacheWish;
  /** Called with the name and the text of the Dockerfile, once they are read. */
  onDockerfile(name: string, text: string): void;
}

/** Builds, and writes the outputs; the image, if one was made. Throws DockerfileError, BuildError, UserError. */
export async function buildImage(store: Store, wish: BuildWish): Promise<Built | undefined> {
  await sweepBuilds(store);
  return await orCollect(store, () => buildIn(store, wish));
}

async function buildIn(store: Store, wish: BuildWish): Promise<Built | undefined> {
  using session = await Session.open(store);
  const { events } = wish;
  const name = wish.source.file === undefined || wish.source.file === "-"
    ? "Dockerfile"
    : wish.source.file.split("/").at(-1)!;
  const reading = events.begin({
    kind: "internal",
    name: `[internal] load build definition from ${name}`,
  });
  const keepGitDirectory = isOn(wish, "BUILDKIT_CONTEXT_KEEP_GIT_DIR");
  let opened;
  try {
    opened = await orAborted(
      wish.signal,
      openContext(session, wish.source, { keepGitDirectory, signal: wish.signal }),
    );
  } catch (error) {
    reading.failed((error as Error).message);
    throw error;
  }
  reading.note(`transferring dockerfile: ${new TextEncoder().encode(opened.text).length}B done`);
  reading.done();
  wish.onDockerfile(opened.name, opened.text);
  checkStrict(opened.text);
  const { cache } = wish;
  const builder = new Builder(session, { ...wish, opened, cacheFrom: cache.from });
  const whole = await builder.build();
  const { state, stepsFor } = cache.to.length === 0
    ? { state: whole, stepsFor: (mode: CacheMode) => builder.remembered(mode) }
    : await compressed(session, whole, builder, wish);
  const built = await writeOutputs(session, state, {
    ...wish,
    ...epochOf(wish.buildArgs),
    ...((cache.isInline || isOn(wish, "BUILDKIT_INLINE_CACHE")) &&
      { inlineCache: stepsFor("min") }),
  }, events);
  for (const target of cache.to) await exportCache(session, stepsFor(target.mode), target, wish);
  return built;
}

/** A build whose layers are those that its cache goes out with. */
async function compressed(
  session: Session,
  state: StageState,
  builder: Builder,
  wish: BuildWish,
): Promise<{ state: StageState; stepsFor: (mode: CacheMode) => CachedStep[] }> {
  const isWhole = wish.cache.to.some(({ mode }) => mode === "max");
  const steps = await compressSteps(session, builder.remembered(isWhole ? "max" : "min"), wish);
  const byKey = new Map(steps.map((step) => [step.key, step]));
  const layers = new Map(layersOf(steps).map((layer) => [layer.diffId, layer]));
  return {
    state: { ...state, layers: state.layers.map((one) => layers.get(one.diffId) ?? one) },
    stepsFor: (mode) => builder.remembered(mode).map((step) => byKey.get(step.key) ?? step),
  };
}

/** Whether a build argument of BuildKit's, which is none of the Dockerfile's, switches something on. */
function isOn({ buildArgs }: BuildWish, name: string): boolean {
  return /^(?:1|t|true)$/i.test(buildArgs.get(name) ?? "");
}

/** The Dockerfile of a build that is not carried out. Throws UserError. */
export async function readBuildFile(
  store: Store,
  { source, signal }: Pick<BuildWish, "source" | "signal">,
): Promise<{ name: string; text: string }> {
  using session = await Session.open(store);
  const { name, text } = await orAborted(signal, openContext(session, source, { signal }));
  return { name, text };
}

/** The build argument by which builds of other days give the same image. */
function epochOf(buildArgs: ReadonlyMap<string, string>): { epoch?: number } {
  const text = buildArgs.get(EPOCH) ?? "";
  if (text === "") return {};
  if (!/^\d{1,11}$/.test(text)) {
    throw new UserError(`invalid SOURCE_DATE_EPOCH: ${text}: want seconds since 1970`);
  }
  return { epoch: Number(text) };
}
