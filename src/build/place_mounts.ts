/** The directories and files behind the mounts of one RUN, made and taken away again. */
import { AT_FDCWD, RENAME_NOREPLACE } from "../../ffi/constants.ts";
import { UserError } from "../base/errors.ts";
import { makeDirectories } from "../base/files.ts";
import type { Mount } from "../engine/types.ts";
import { TreeWriter } from "../engine/tree_writer.ts";
import { hexOf } from "../image/digest.ts";
import { digestOf } from "../image/hash.ts";
import { lock, tryLock } from "../image/locks.ts";
import type { Session } from "../image/session.ts";
import { isThere, type Store } from "../image/store.ts";
import { openDirectory } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import type { RunMount } from "./run_mounts.ts";
import { openSource, readSource, type SourceTree } from "./source_tree.ts";
import { passAgent, type SshSource } from "./ssh_agent.ts";

/** A value that `--secret` gives. */
export type Secret = { readonly path: string } | { readonly env: string };

/** What mounts are made of. */
export interface MountSources {
  readonly secrets: ReadonlyMap<string, Secret>;
  readonly agents: ReadonlyMap<string, SshSource>;
  /** The files of a stage or an image, or of the build context. */
  tree(from: string | undefined): Promise<SourceTree>;
}

/** Mounts of a container, until disposed. */
export interface PlacedMounts extends Disposable {
  readonly mounts: readonly Mount[];
  readonly env: readonly string[];
}

/** Where the content of cache mounts is. */
export function cacheMountsDirectory(store: Store): string {
  return `${store.root}/build/mounts`;
}

/** The variable by which ssh finds its agent: that of the first such mount. ssh(1) */
const AGENT = "SSH_AUTH_SOCK";

/** Makes what the mounts show. Throws UserError. */
export async function placeMounts(
  session: Session,
  wanted: readonly RunMount[],
  sources: MountSources,
): Promise<PlacedMounts> {
  using undo = new DisposableStack();
  const mounts: Mount[] = [];
  const env: string[] = [];
  let agents = 0;
  for (const mount of wanted) {
    switch (mount.type) {
      case "bind": {
        const place = session.temporary("mount");
        const path = copySource(await sources.tree(mount.from), mount.source, place);
        undo.defer(() => Deno.removeSync(place, { recursive: true }));
        mounts.push(bind(path, mount.target, !mount.writable));
        break;
      }
      case "cache": {
        const path = await cacheDirectory(session.store, mount, sources, undo);
        mounts.push(bind(path, mount.target, !mount.writable));
        break;
      }
      case "tmpfs":
        mounts.push({
          Type: "tmpfs",
          Target: mount.target,
          ...(mount.sizeBytes !== undefined && { TmpfsOptions: { SizeBytes: mount.sizeBytes } }),
        });
        break;
      case "secret": {
        const value = secretValue(mount, sources.secrets);
        if (value === undefined) break;
        if (mount.env !== undefined) env.push(`${mount.env}=${new TextDecoder().decode(value)}`);
        if (mount.target === undefined) break;
        const path = session.temporary("secret");
        Deno.writeFileSync(path, value, { createNew: true, mode: 0o600 });
        undo.defer(() => Deno.removeSync(path));
        Deno.chownSync(path, mount.uid, mount.gid);
        Deno.chmodSync(path, mount.mode);
        mounts.push(bind(path, mount.target, true));
        break;
      }
      case "ssh": {
        const agent = sources.agents.get(mount.id);
        if (agent === undefined && !mount.required) break;
        if (agent === undefined) throw new UserError(`unset ssh forward key ${mount.id}`);
        const { path } = undo.use(await passAgent(session, agent, mount));
        const target = mount.target ?? `/run/buildkit/ssh_agent.${agents++}`;
        mounts.push(bind(path, target, true));
        if (!env.some((word) => word.startsWith(`${AGENT}=`))) env.push(`${AGENT}=${target}`);
      }
    }
  }
  const held = undo.move();
  return { mounts, env, [Symbol.dispose]: () => held.dispose() };
}

function bind(source: string, target: string, readonly: boolean): Mount {
  return { Type: "bind", Source: source, Target: target, ReadOnly: readonly };
}

/** Copies a file or directory to where nobody else writes; its path there. */
function copySource(tree: SourceTree, source: string, place: string): string {
  using found = openSource(tree, source.replace(/^\/+/, ""));
  if (found === undefined) {
    throw new UserError(
      `failed to compute cache key: failed to calculate checksum of ref: "${source}": not found`,
    );
  }
  Deno.mkdirSync(place, { mode: 0o755 });
  using directory = openDirectory(place);
  using writer = new TreeWriter(directory, "", { owners: true, top: true });
  const name = found.leaf === undefined ? "" : "file";
  readSource(tree, found, name, writer);
  writer.finish();
  return name === "" ? place : `${place}/${name}`;
}

/** The directory of a cache mount, its lock held until `undo` is disposed. */
async function cacheDirectory(
  store: Store,
  mount: RunMount & { type: "cache" },
  sources: MountSources,
  undo: DisposableStack,
): Promise<string> {
  const name = hexOf(digestOf(mount.id)).slice(0, 32);
  const top = cacheMountsDirectory(store);
  makeDirectories(top);
  let path = `${top}/${name}-0`;
  if (mount.sharing === "private") {
    let held;
    for (let n = 0; held === undefined; n++) {
      path = `${top}/${name}-${n}`;
      held = tryLock(`${path}.lock`, "exclusive");
    }
    undo.use(held);
  } else {
    const mode = mount.sharing === "locked" ? "exclusive" : "shared";
    undo.use(await lock(`${path}.lock`, mode));
  }
  if (isThere(path)) return path;
  const half = `${path}.new-${Deno.pid}`;
  if (mount.from === undefined) Deno.mkdirSync(half);
  else copySource(await sources.tree(mount.from), mount.source, half);
  Deno.chownSync(half, mount.uid, mount.gid);
  Deno.chmodSync(half, mount.mode);
  // Two shared users may come first at the same time: one of them wins.
  if (sys("renameat2", AT_FDCWD, half, AT_FDCWD, path, RENAME_NOREPLACE) < 0) {
    Deno.removeSync(half, { recursive: true });
  }
  return path;
}

function secretValue(
  mount: RunMount & { type: "secret" },
  secrets: ReadonlyMap<string, Secret>,
): Uint8Array<ArrayBuffer> | undefined {
  const secret = secrets.get(mount.id);
  if (secret === undefined) {
    if (mount.required) throw new UserError(`secret ${mount.id}: not found`);
    return undefined;
  }
  if ("env" in secret) return new TextEncoder().encode(Deno.env.get(secret.env) ?? "");
  return Deno.readFileSync(secret.path);
}
