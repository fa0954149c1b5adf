/** `--cache-from`: instructions that were carried out elsewhere, and their layers when they are wanted. */
import { isFileError, messageOf, UserError } from "../base/errors.ts";
import { isImageRefusal } from "../engine/refusal.ts";
import type { CachedStep } from "../image/build_cache.ts";
import type { Digest } from "../image/digest.ts";
import { parseObject } from "../image/documents.ts";
import { familiarName } from "../image/reference.ts";
import type { Session } from "../image/session.ts";
import type { Descriptor } from "../image/types.ts";
import { CACHE_CONFIG, INLINE_CACHE, parseSteps, type RemoteStep } from "./cache_document.ts";
import { type CachePlace, inLayout, inRegistry, inStore } from "./cache_places.ts";
import type { CacheSource } from "./cache_wish.ts";
import type { BuildEvents } from "./events.ts";
import { orAborted } from "./or_aborted.ts";
import { chainOf, type StageState, unpackedLayers } from "./stage_state.ts";

/** One cache. */
interface OpenedCache {
  readonly name: string;
  readonly steps: ReadonlyMap<string, RemoteStep>;
  bring(layer: Descriptor): Promise<void>;
}

/** How a source is called. */
function nameOf(source: CacheSource): string {
  return source.type === "registry" ? familiarName(source.reference) : source.place.path;
}

/** The caches of one build, the first that has an instruction counts. */
export class ImportedCaches {
  private constructor(
    readonly session: Session,
    readonly caches: readonly OpenedCache[],
    readonly events: BuildEvents,
    readonly signal: AbortSignal,
  ) {}

  /** Reads what they remember. One that cannot be read is told of, and is as good as none. */
  static async open(
    session: Session,
    sources: readonly CacheSource[],
    { events, signal }: { readonly events: BuildEvents; readonly signal: AbortSignal },
  ): Promise<ImportedCaches> {
    const caches: OpenedCache[] = [];
    for (const source of sources) {
      const name = nameOf(source);
      const work = events.begin({
        kind: "internal",
        name: `importing cache manifest from ${name}`,
      });
      const place = placeOf(session, source, signal);
      const opened = await orMissed(
        () => orAborted(signal, place.then((found) => readCache(name, found))),
        signal,
        (why) => events.warn(`--cache-from ${name} is not used: ${why}`),
      );
      work.done();
      if (opened !== undefined) caches.push(opened);
    }
    return new ImportedCaches(session, caches, events, signal);
  }

  /**
   * The step of a key; its layer is brought here, verified and unpacked over those of `state`.
   * Undefined: nobody has it, or it cannot be had.
   */
  async find(key: Digest, state: StageState): Promise<CachedStep | undefined> {
    for (const cache of this.caches) {
      const step = cache.steps.get(key);
      if (step === undefined) continue;
      const found = await orMissed(
        () => orAborted(this.signal, this.#bring(cache, step, state)),
        this.signal,
        (why) => this.events.warn(`--cache-from ${cache.name}: ${why}; it is made again`),
      );
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #bring(cache: OpenedCache, step: RemoteStep, state: StageState): Promise<CachedStep> {
    const { layer } = step;
    if (layer === undefined) return step;
    await cache.bring(layer.descriptor);
    const grown = { ...state, layers: [...state.layers, layer] };
    // Only now is it known that the layer holds what its diff id says.
    await unpackedLayers(this.session, grown);
    return { ...step, chainId: chainOf(grown).at(-1)! };
  }
}

/** A name that the registry does not have, or that cannot be asked, may be that of an image here. */
async function placeOf(
  session: Session,
  source: CacheSource,
  signal: AbortSignal,
): Promise<CachePlace> {
  if (source.type === "local") return inLayout(session, source.place);
  const { reference, credentials } = source;
  try {
    return await inRegistry(session, reference, signal, credentials);
  } catch (error) {
    const local = isImageRefusal(error) ? inStore(session.store, reference) : undefined;
    if (local === undefined) throw error;
    return local;
  }
}

async function readCache(name: string, place: CachePlace): Promise<OpenedCache> {
  const { config, layers } = place.manifest;
  const document = parseObject(await place.config(), `the config of ${name}`);
  const isCache = config.mediaType === CACHE_CONFIG;
  const rootfs = document.rootfs as { diff_ids?: unknown } | null | undefined;
  const diffIds = isCache ? document.diff_ids : rootfs?.diff_ids;
  const remembered = isCache ? document : document[INLINE_CACHE];
  if (remembered === undefined) {
    throw new UserError(
      "it holds no cache of a build; --cache-to type=inline makes images that do",
    );
  }
  const steps = parseSteps(
    remembered,
    layers,
    Array.isArray(diffIds) ? diffIds : [],
    `the cache ${name}`,
  );
  return { name, steps, bring: (layer) => place.bring(layer) };
}

/** The result of `work`, or undefined where it was refused; then `tell` hears why. */
async function orMissed<T>(
  work: () => Promise<T>,
  signal: AbortSignal,
  tell: (why: string) => void,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (signal.aborted || !(isImageRefusal(error) || isFileError(error))) throw error;
    tell(messageOf(error));
    return undefined;
  }
}
