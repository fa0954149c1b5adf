/**
 * What builds remember, as a document: a list of instructions, each by the digest of all it depends
 * on, and which layer of the manifest beside it is theirs. It is the config of a cache's own manifest,
 * or a field of an image's config.
 */
import { UserError } from "../base/errors.ts";
import type { CachedStep } from "../image/build_cache.ts";
import { isDigest } from "../image/digest.ts";
import { isLayerType } from "../image/documents.ts";
import { fields, list, number, type Shape, text, time } from "../image/shape.ts";
import type { Descriptor } from "../image/types.ts";
import type { BuiltLayer } from "./stage_state.ts";

/** The media type of the document. */
export const CACHE_CONFIG = "application/vnd.diplodock.build-cache.v1+json";

/** Its field in the config of an image. */
export const INLINE_CACHE = "diplodock.build-cache.v1";

/** More than any Dockerfile has; a list from outside has an end. */
const MAX_STEPS = 10_000;

/** The document, without the digests of the layers' contents. */
export interface CacheDocument {
  readonly steps: readonly {
    readonly key: string;
    readonly created: string;
    readonly text: string;
    /** Its place among the layers of the manifest. */
    readonly layer?: number;
  }[];
}

/** A step as it came from elsewhere: its layer may not be here. */
export type RemoteStep = Omit<CachedStep, "chainId">;

/** The document of `steps` for a manifest with these layers; steps of other layers are left out. */
export function cacheDocument(
  steps: readonly CachedStep[],
  layers: readonly BuiltLayer[],
): CacheDocument {
  return {
    steps: steps.flatMap(({ key, created, text, layer }) => {
      if (layer === undefined) return [{ key, created, text }];
      const at = layers.findIndex(({ diffId }) => diffId === layer.diffId);
      return at < 0 ? [] : [{ key, created, text, layer: at }];
    }),
  };
}

/** The layers of steps, each once. */
export function layersOf(steps: readonly CachedStep[]): BuiltLayer[] {
  const layers = steps.flatMap(({ layer }) => layer ?? []);
  return [...new Map(layers.map((layer) => [layer.diffId, layer])).values()];
}

const DOCUMENT: Shape = fields({
  steps: list(fields({ key: text, created: time, text, layer: number })),
});

/** Reads a document from outside. Throws UserError naming `what` if it is none. */
export function parseSteps(
  document: unknown,
  layers: readonly Descriptor[],
  diffIds: readonly unknown[],
  what: string,
): Map<string, RemoteStep> {
  const wrong = DOCUMENT(document);
  if (wrong !== undefined) throw new UserError(`Cannot use ${what}: bad field ${wrong.slice(1)}`);
  const { steps = [] } = document as Partial<CacheDocument>;
  if (steps.length > MAX_STEPS) {
    throw new UserError(`Cannot use ${what}: more than ${MAX_STEPS} instructions`);
  }
  const found = new Map<string, RemoteStep>();
  for (const { key, created, text, layer: at } of steps) {
    if (!isDigest(key) || created === undefined || text === undefined) {
      throw new UserError(`Cannot use ${what}: an instruction without key, time or text`);
    }
    if (at === undefined || at === null) {
      found.set(key, { key, created, text });
      continue;
    }
    const descriptor = layers[at], diffId = diffIds[at];
    const isWhole = descriptor !== undefined && typeof diffId === "string" && isDigest(diffId) &&
      isLayerType(descriptor.mediaType);
    if (!isWhole) throw new UserError(`Cannot use ${what}: it has no layer ${at}`);
    found.set(key, { key, created, text, layer: { descriptor, diffId } });
  }
  return found;
}
