/** The images that FROM, COPY --from and RUN --mount from= name. */
import { UserError } from "../base/errors.ts";
import { hostPlatform, parsePlatform, PlatformError } from "../base/platform.ts";
import { HOST_IMAGE, resolveId } from "../image/lookup.ts";
import { readEntries } from "../image/index_file.ts";
import { formatPlatform, platformFits } from "../image/platform.ts";
import { lostRecord, readRecord } from "../image/records.ts";
import { BadNameError, parseReference } from "../image/reference.ts";
import type { Store } from "../image/store.ts";
import type { BuildRequest } from "./build_request.ts";
import { orAborted } from "./or_aborted.ts";
import { DEFAULT_PATH, scratch, type StageState, stateOfImage } from "./stage_state.ts";

/** Refuses to build for another machine than this one. Throws UserError. */
export function checkPlatform(text: string): void {
  const host = hostPlatform();
  if (text.includes(",")) {
    throw new UserError(
      `Cannot build for several platforms (${text}): this machine is ${formatPlatform(host)}; ` +
        "build for it alone",
    );
  }
  try {
    const asked = parsePlatform(text);
    if (platformFits(host, asked)) return;
    throw new UserError(
      `Cannot build for ${formatPlatform(asked)}: this machine is ${formatPlatform(host)}, and ` +
        "programs of others are not emulated",
    );
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    throw new UserError(`failed to parse platform ${text}: ${error.message}`);
  }
}

/** Images are looked up once in a build, and pulled if they are not here. */
export class BaseImages {
  readonly #states = new Map<string, Promise<StageState>>();

  constructor(readonly store: Store, readonly request: BuildRequest) {}

  /** The state that a stage begins with. Throws UserError. */
  get(name: string): Promise<StageState> {
    let state = this.#states.get(name);
    if (state === undefined) {
      state = this.#load(name);
      this.#states.set(name, state);
    }
    return state;
  }

  async #load(name: string): Promise<StageState> {
    if (name === "scratch") return scratch();
    if (name === HOST_IMAGE) return this.#host();
    try {
      parseReference(name);
    } catch (error) {
      if (!(error instanceof BadNameError)) throw error;
      throw new UserError(`failed to parse stage name "${name}": ${error.message}`);
    }
    const work = this.request.events.begin({
      kind: "internal",
      name: `[internal] load metadata for ${name}`,
    });
    try {
      if (this.request.pull || this.#find(name) === undefined) {
        const { signal, pullImage } = this.request;
        await orAborted(signal, pullImage(name, work.layers()));
      }
    } catch (error) {
      work.failed((error as Error).message);
      if (error === this.request.signal.reason) throw error;
      throw new UserError(
        `${name}: failed to resolve source metadata: ${(error as Error).message}`,
      );
    }
    work.done();
    const id = this.#find(name);
    if (id === undefined) throw new UserError(`${name}: not found`);
    const record = readRecord(this.store, id);
    if (record === undefined) throw lostRecord(this.store, id, name);
    return stateOfImage(this.store, record);
  }

  /** This machine's own root. */
  #host(): StageState {
    if (this.request.allowed.has("host")) {
      return { ...scratch(), isHost: true, config: { Env: [DEFAULT_PATH] } };
    }
    throw new UserError(
      `"${HOST_IMAGE}" shows the build all files of this machine: allow it with --allow host`,
    );
  }

  #find(name: string) {
    return resolveId(readEntries(this.store), name);
  }
}
