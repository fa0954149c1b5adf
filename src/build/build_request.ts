/** What a build is asked for. */
import type { LayerDisplay } from "../engine/layer_display.ts";
import type { HostConfig } from "../engine/types.ts";
import type { BuildEvents } from "./events.ts";
import type { CacheSource } from "./cache_wish.ts";
import type { OpenedContext } from "./context.ts";
import type { NamedContext } from "./named_contexts.ts";
import type { Secret } from "./place_mounts.ts";
import type { SshSource } from "./ssh_agent.ts";

/** What a Dockerfile may do only if the user says so: `--allow`. */
export const ENTITLEMENTS = ["network.host", "host"] as const;
export type Entitlement = typeof ENTITLEMENTS[number];

/** The flags of `build`, checked. */
export interface BuildRequest {
  readonly opened: OpenedContext;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly target?: string;
  readonly noCache: boolean;
  /** Where what other machines built may be taken from. */
  readonly cacheFrom: readonly CacheSource[];
  /** Stages that nothing is taken from the cache for. */
  readonly noCacheStages?: readonly string[];
  /** Ask the registry for every base image. */
  readonly pull: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Of RUN: "default", "none", "host", or a network's name. */
  readonly network: string;
  readonly host: Partial<HostConfig>;
  /** What the user lets the Dockerfile do, which may come from anybody. */
  readonly allowed: ReadonlySet<Entitlement>;
  /** `--build-context`, by the names as they are compared. */
  readonly contexts?: ReadonlyMap<string, NamedContext>;
  readonly secrets: ReadonlyMap<string, Secret>;
  /** `--ssh`, by id. */
  readonly agents: ReadonlyMap<string, SshSource>;
  readonly events: BuildEvents;
  readonly signal: AbortSignal;
  /** Brings an image here. */
  readonly pullImage: (name: string, display: LayerDisplay) => Promise<void>;
}
