/**
 * `--build-context NAME=VALUE`: what FROM, COPY --from and RUN --mount from= mean by a name, before
 * stages and images of that name. Source: docker buildx build, "Additional build contexts".
 */
import { UserError } from "../base/errors.ts";
import { findStep, keepStep } from "../image/build_cache.ts";
import { isAddress } from "../image/fetched_archive.ts";
import { chainIds, digestOf } from "../image/hash.ts";
import { type LayoutPlace, prepareFromLayout } from "../image/layout.ts";
import { BadNameError, familiarName, parseReference } from "../image/reference.ts";
import type { Session } from "../image/session.ts";
import type { BaseImages } from "./base_image.ts";
import { archiveTree, directoryTree, gitTree } from "./context.ts";
import { copyDigest, copyStep, type CopyWish } from "./copy_step.ts";
import type { BuildEvents } from "./events.ts";
import { type GitAddress, parseGit, withoutPassword } from "./git_source.ts";
import type { SourceTree } from "./source_tree.ts";
import { scratch, type StageState, stateOfImage, treeOfState } from "./stage_state.ts";

/** What a name means. */
export type NamedContext =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "archive"; readonly address: string }
  | { readonly kind: "git"; readonly address: GitAddress }
  | { readonly kind: "image"; readonly image: string }
  | { readonly kind: "layout"; readonly place: LayoutPlace };

/** A name as it is compared: "docker.io/library/alpine:latest" is "alpine". */
function contextName(text: string): string {
  try {
    return familiarName(parseReference(text)).replace(/:latest$/, "").toLowerCase();
  } catch (error) {
    if (error instanceof BadNameError) return text.toLowerCase();
    throw error;
  }
}

/** Reads the value of one `--build-context`. Throws UserError. */
export function parseNamedContext(text: string): [name: string, context: NamedContext] {
  const equals = text.indexOf("=");
  if (equals <= 0) throw new UserError(`invalid context value: ${text}, expected key=value`);
  const name = text.slice(0, equals), value = text.slice(equals + 1);
  if (!/^[\w./:@-]+$/.test(name)) throw new UserError(`invalid context name ${name}`);
  return [contextName(name), valueOf(name, value)];
}

function valueOf(name: string, value: string): NamedContext {
  if (value.startsWith("docker-image://")) {
    return { kind: "image", image: value.slice("docker-image://".length) };
  }
  if (value.startsWith("oci-layout://")) {
    const match = /^(.+?)(?::([\w.-]+))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(
      value.slice("oci-layout://".length),
    );
    if (match === null) throw new UserError(`invalid oci-layout of context ${name}: ${value}`);
    const [, path, tag, digest] = match;
    return { kind: "layout", place: { path, ...(tag && { tag }), ...(digest && { digest }) } };
  }
  const git = parseGit(value);
  if (git !== undefined) return { kind: "git", address: git };
  if (isAddress(value)) return { kind: "archive", address: value };
  const scheme = /^([a-z][a-z0-9+-]*):\/\//.exec(value)?.[1];
  if (scheme !== undefined) {
    throw new UserError(
      `Cannot use ${value} as build context ${name}: want a directory, docker-image://, ` +
        "oci-layout://, http:// or https://",
    );
  }
  return { kind: "directory", path: value };
}

/** The named contexts of one build; each is brought here once. */
export class NamedContexts {
  readonly #trees = new Map<NamedContext, Promise<SourceTree>>();
  readonly #states = new Map<NamedContext, Promise<StageState>>();

  constructor(
    readonly session: Session,
    readonly contexts: ReadonlyMap<string, NamedContext>,
    readonly images: BaseImages,
    readonly events: BuildEvents,
    readonly signal: AbortSignal,
  ) {}

  /** What a name of the Dockerfile means; undefined: nothing that was given. */
  find(name: string): NamedContext | undefined {
    return this.contexts.size === 0 ? undefined : this.contexts.get(contextName(name));
  }

  /** Its files. Throws UserError. */
  tree(name: string, context: NamedContext): Promise<SourceTree> {
    return remembered(this.#trees, context, async () => {
      switch (context.kind) {
        case "directory":
          return directoryTree(context.path, `context ${name}`);
        case "archive":
          return await this.#during(
            name,
            context.address,
            () => archiveTree(this.session, context.address),
          );
        case "git": {
          const { address } = context;
          const fetching = () => gitTree(this.session, address, this.signal);
          return await this.#during(name, withoutPassword(address.remote), fetching);
        }
        case "image":
        case "layout":
          return await treeOfState(this.session, await this.state(name, context));
      }
    });
  }

  /** It as a base. Throws UserError. */
  state(name: string, context: NamedContext): Promise<StageState> {
    return remembered(this.#states, context, async () => {
      switch (context.kind) {
        case "image":
          return await this.images.get(context.image);
        case "layout":
          return await this.#during(name, `oci-layout://${context.place.path}`, async () => {
            return stateOfImage(
              this.session.store,
              await prepareFromLayout(this.session, context.place),
            );
          });
        case "directory":
        case "archive":
        case "git":
          return await this.#asLayer(await this.tree(name, context));
      }
    });
  }

  /** All files as the one layer of an image without a config. */
  async #asLayer(tree: SourceTree): Promise<StageState> {
    const { store } = this.session;
    const rest = { target: "/", workdir: undefined, link: false };
    const wish: CopyWish = { kind: "copy", tree, parts: [{ kind: "path", path: "" }], ...rest };
    const key = digestOf(JSON.stringify(["context", await copyDigest(wish)]));
    const before = findStep(store, key);
    const layer = before === undefined ? await copyStep(this.session, wish, []) : before.layer;
    if (before === undefined) {
      const chainId = layer && chainIds([layer.diffId])[0];
      const created = new Date().toISOString();
      keepStep(store, { key, created, text: "context", ...(layer && { layer, chainId }) });
    }
    return { ...scratch(), layers: layer ? [layer] : [], history: layer ? [CONTEXT_ENTRY] : [] };
  }

  async #during<T>(name: string, what: string, work: () => Promise<T>): Promise<T> {
    const shown = this.events.begin({ kind: "internal", name: `[context ${name}] load ${what}` });
    try {
      const made = await work();
      shown.done();
      return made;
    } catch (error) {
      shown.failed((error as Error).message);
      throw error;
    }
  }
}

const CONTEXT_ENTRY = { created_by: "COPY . / # buildkit", comment: "buildkit.dockerfile.v0" };

function remembered<K, V>(map: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
