/** RUN: a container of the stage so far; what it changes becomes one layer. */
import { UserError } from "../base/errors.ts";
import { makeDirectories } from "../base/files.ts";
import { followOutput } from "../engine/attach.ts";
import { changesToPack } from "../engine/changes_to_pack.ts";
import { containerIds, listRecords } from "../engine/containers.ts";
import { createContainer } from "../engine/create.ts";
import { emptyContainerConfig, emptyEndpoint, emptyHostConfig } from "../engine/host_config.ts";
import { makeOverlayDirectories, overlayDirectories } from "../engine/foundation.ts";
import { finish, startNew } from "../engine/run.ts";
import { killContainer, removeContainer } from "../engine/stop.ts";
import type { ContainerRecord, CreateRequest, HostConfig, Mount } from "../engine/types.ts";
import { packUpper } from "../image/commit.ts";
import { readRange } from "../image/incoming.ts";
import { overlayKind } from "../image/layers.ts";
import { tryLock } from "../image/locks.ts";
import type { Session } from "../image/session.ts";
import { isThere, type Store } from "../image/store.ts";
import { TarReader } from "../image/tar.ts";
import { Unpacker } from "../image/unpack.ts";
import { openDirectory } from "../../ffi/fd.ts";
import type { BuiltLayer, StageState } from "./stage_state.ts";

/** What a RUN runs. */
export interface RunWish {
  readonly state: StageState;
  /** Directories of the stage's layers, topmost first. */
  readonly layers: readonly string[];
  readonly words: readonly string[];
  readonly env: readonly string[];
  readonly mounts: readonly Mount[];
  readonly network: string;
  /** Limits and names of hosts that the build was given. */
  readonly host: Partial<HostConfig>;
  readonly onOutput: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly onContainer: (id: string) => void;
  readonly warn: (text: string) => void;
  readonly signal: AbortSignal;
}

/** The session of the build that a container belongs to: whether that lives tells its lock. */
const BUILD_MARK = "dev.diplodock.build";

/** A command of a build that failed. */
class RunError extends UserError {
  override name = "RunError";
  constructor(words: readonly string[], readonly code: number) {
    const shown = words.join(" ");
    super(`process "${shown}" did not complete successfully: exit code: ${code}`);
  }
}

/**
 * Runs it. The layer of what it changed, if it changed anything; on this machine's own root that of
 * all that the stage has changed so far. Throws RunError, UserError.
 */
export async function runStep(session: Session, wish: RunWish): Promise<BuiltLayer | undefined> {
  const record = await createContainer(requestOf(session, wish), {
    command: ["build"],
    warn: wish.warn,
    source: {
      id: wish.state.baseId,
      config: {},
      layers: wish.layers.length > 0 ? wish.layers : [emptyLayer(session.store)],
      platform: "linux",
    },
  });
  wish.onContainer(record.Id);
  try {
    if (wish.state.isHost) placeOnHost(session, record.Id, wish.state);
    return await runIn(session, record, wish);
  } finally {
    if (containerIds().includes(record.Id)) {
      await removeContainer(record.Id, { force: true, volumes: true });
    }
  }
}

/**
 * Makes what the stage has put on this machine's own root the container's own writes: overlayfs takes
 * no layer that lies inside of another one, and the store lies in "/".
 */
function placeOnHost({ store }: Session, id: string, { layers }: StageState): void {
  if (layers.length === 0) return;
  const directories = overlayDirectories(id, []);
  makeOverlayDirectories(directories);
  for (const { descriptor: { digest, size } } of layers) {
    using root = openDirectory(directories.upper);
    using unpacker = new Unpacker(root.raw, { overlay: overlayKind() });
    const reader = new TarReader(unpacker);
    for (const chunk of readRange({ path: store.blob(digest), offset: 0, size })) {
      reader.push(chunk);
    }
    reader.finish();
    unpacker.finish();
  }
}

async function runIn(
  session: Session,
  record: ContainerRecord,
  wish: RunWish,
): Promise<BuiltLayer | undefined> {
  wish.signal.throwIfAborted();
  const container = await startNew(record, true);
  const { client } = container.started;
  const kill = () => void killContainer(record.Id, "KILL").catch(() => {}); // it has ended
  wish.signal.addEventListener("abort", kill);
  if (wish.signal.aborted) kill();
  try {
    await followOutput(container, (_stream, bytes) => wish.onOutput(bytes));
  } finally {
    wish.signal.removeEventListener("abort", kill);
  }
  wish.signal.throwIfAborted();
  const code = client.exit?.code ?? 255;
  await finish(container);
  client[Symbol.dispose]();
  if (code !== 0) throw new RunError(wish.words, code);
  const { upper, ...changes } = changesToPack(record);
  const descriptor = upper === undefined ? undefined : await packUpper(session, upper, changes);
  return descriptor && { descriptor, diffId: descriptor.digest };
}

/** What FROM scratch stands on: overlayfs wants something below. */
function emptyLayer(store: Store): string {
  const path = `${store.root}/build/empty`;
  makeDirectories(path);
  Deno.chmodSync(path, 0o755);
  return path;
}

function requestOf(session: Session, wish: RunWish): CreateRequest {
  const { config } = wish.state;
  const mode = wish.network;
  return {
    ...emptyContainerConfig(wish.state.baseId || "scratch"),
    User: config.User ?? "",
    WorkingDir: config.WorkingDir || "/",
    Env: [...wish.env],
    Entrypoint: [""],
    Cmd: [...wish.words],
    HostConfig: {
      ...emptyHostConfig(),
      ...wish.host,
      NetworkMode: mode,
      LogConfig: { Type: "none", Config: {} },
      Annotations: { [BUILD_MARK]: session.directory.split("/").at(-1)! },
      Mounts: [...wish.mounts],
    },
    NetworkingConfig: { EndpointsConfig: { [mode]: emptyEndpoint() } },
    Name: "",
    Platform: null,
  };
}

/** Removes the containers of builds that were killed. */
export async function sweepBuilds(store: Store): Promise<void> {
  for (const record of listRecords(() => {})) {
    const name = record.HostConfig.Annotations?.[BUILD_MARK];
    if (name === undefined || !/^\d+-\d+$/.test(name)) continue;
    const path = `${store.tmp}/${name}.lock`;
    using dead = isThere(store.tmp) ? tryLock(path, "exclusive") : undefined;
    if (dead === undefined) continue;
    await removeContainer(record.Id, { force: true, volumes: true });
    Deno.removeSync(path);
  }
}
