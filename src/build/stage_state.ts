/** A stage as far as it is built: its config and its layers. */
import { hostPlatform } from "../base/platform.ts";
import { readDocument } from "../image/blobs.ts";
import type { Digest } from "../image/digest.ts";
import { ociLayer, parseManifest } from "../image/documents.ts";
import { chainIds, digestOf } from "../image/hash.ts";
import { ensureLayer } from "../image/layers.ts";
import type { ImageRecord } from "../image/records.ts";
import type { Session } from "../image/session.ts";
import type { Store } from "../image/store.ts";
import type { SourceTree } from "./source_tree.ts";
import type { Descriptor, HistoryEntry, ImageConfig, ImageRunConfig } from "../image/types.ts";

/** A stored layer. */
export interface BuiltLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

/** What a stage is between two instructions. */
export interface StageState {
  /** The image it stands on; "": none, or this machine's own root. */
  readonly baseId: Digest | "";
  /** It stands on this machine's own root, of which no image can be made. */
  readonly isHost: boolean;
  readonly platform: Pick<ImageConfig, "architecture" | "os" | "variant">;
  readonly config: ImageRunConfig;
  readonly author?: string;
  readonly layers: readonly BuiltLayer[];
  readonly history: readonly HistoryEntry[];
  /** When its last instruction was carried out first. RFC 3339. */
  readonly created?: string;
}

/** The default of docker's for images without one. */
export const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Nothing: what FROM scratch begins with. */
export function scratch(): StageState {
  return {
    baseId: "",
    isHost: false,
    platform: hostPlatform(),
    config: { Env: [DEFAULT_PATH], WorkingDir: "/" },
    layers: [],
    history: [],
  };
}

/** An image of the store. */
export function stateOfImage(
  store: Store,
  record: Pick<ImageRecord, "id" | "manifest" | "config">,
): StageState {
  const { digest } = record.manifest;
  const { layers } = parseManifest(readDocument(store, digest), digest);
  const { os, architecture, variant, config = {}, history = [], created, author, rootfs } =
    record.config;
  const hasPath = config.Env?.some((word) => word.startsWith("PATH="));
  return {
    baseId: record.id,
    isHost: false,
    platform: { os, architecture, ...(variant && { variant }) },
    config: {
      ...structuredClone(config),
      Env: hasPath ? config.Env : [...(config.Env ?? []), DEFAULT_PATH],
    },
    ...(author && { author }),
    layers: layers.map((layer, i) => ({ descriptor: ociLayer(layer), diffId: rootfs.diff_ids[i] })),
    history,
    ...(created && { created }),
  };
}

/** What identifies the files of a stage. */
export function filesKey({ layers }: StageState): string {
  return digestOf(JSON.stringify(layers.map(diffOf)));
}

const diffOf = ({ diffId }: BuiltLayer): Digest => diffId;

/** The chain ids of a stage's layers, lowest first. */
export function chainOf({ layers }: StageState): Digest[] {
  return chainIds(layers.map(diffOf));
}

/** Sees that a stage's layers are unpacked: their directories, topmost first. */
export async function unpackedLayers(session: Session, state: StageState): Promise<string[]> {
  const { store } = session;
  const chain = chainOf(state);
  for (const [i, { descriptor, diffId }] of state.layers.entries()) {
    await ensureLayer(session, {
      blob: descriptor.digest,
      range: { path: store.blob(descriptor.digest), offset: 0, size: descriptor.size },
      diffId,
      chain: chain.slice(0, i + 1),
    });
  }
  const own = chain.toReversed().map((id) => store.layerRoot(id));
  return state.isHost ? [...own, "/"] : own;
}

/** The files of a stage as a source of COPY. */
export async function treeOfState(session: Session, state: StageState): Promise<SourceTree> {
  const layers = await unpackedLayers(session, state);
  return { layers, ...(state.isHost && { crosses: true }) };
}

/** The config of the image that a stage makes. `epoch`: seconds that no time in it is later than. */
export function imageConfig(state: StageState, epoch?: number): ImageConfig {
  const { platform, config, author, layers, created } = state;
  const atMost = (time: string): string =>
    epoch === undefined || Date.parse(time) <= epoch * 1000 ? time : epochTime(epoch);
  const history = epoch === undefined
    ? state.history
    : state.history.map((one) => ({ ...one, created: atMost(one.created ?? epochTime(epoch)) }));
  return {
    created: epoch === undefined ? created ?? epochTime(0) : epochTime(epoch),
    ...(author && { author }),
    ...platform,
    config,
    rootfs: { type: "layers", diff_ids: layers.map(diffOf) },
    history: [...history],
  };
}

function epochTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}

/** The id that the image of a stage has. */
export function imageId(state: StageState): Digest {
  return digestOf(JSON.stringify(imageConfig(state)));
}

/** A stage with one more instruction. */
export function withStep(
  state: StageState,
  step: {
    created: string;
    createdBy: string;
    layer?: BuiltLayer;
    /** The layer holds all that the stage has made, not only what this instruction did. */
    isWhole?: boolean;
    config?: ImageRunConfig;
    author?: string;
  },
): StageState {
  const { created, createdBy, layer, isWhole, config, author } = step;
  const entry: HistoryEntry = {
    created,
    created_by: createdBy,
    comment: "buildkit.dockerfile.v0",
    ...(layer === undefined && { empty_layer: true }),
  };
  return {
    ...state,
    ...(config && { config }),
    ...(author && { author }),
    layers: [...(isWhole ? [] : state.layers), ...(layer ? [layer] : [])],
    history: [...state.history, entry],
    created,
  };
}
