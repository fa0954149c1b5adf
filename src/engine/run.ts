/** The way of `run` through the engine: make the container, start it, stay with it, clean up. */
import { messageOf, UserError } from "../base/errors.ts";
import { cleanUp, sweep } from "./cleanup.ts";
import { createContainer, type CreateOptions, ImageMissingError } from "./create.ts";
import { lockContainer, readRecord, resolveContainer } from "./containers.ts";
import { withoutRestarts } from "./restart_policy.ts";
import type { StartedContainer } from "./start.ts";
import { startNoted } from "./start_noted.ts";
import { stateOf } from "./state.ts";
import { removeContainer } from "./stop.ts";
import { strictly } from "./strict.ts";
import type { ClientOptions, ContainerRecord, CreateRequest } from "./types.ts";

/** Progress and warnings go to stderr: stdout is for results. */
const print = (text: string) => console.error(`WARNING: ${text}`);

/** Before the text of an error that docker's client finds, not its daemon. */
export const CLIENT = "diplodock: ";

/** Brings an image here and shows the progress. */
export type Pull = (
  image: string,
  request: Pick<CreateRequest, "Platform">,
  client: Pick<ClientOptions, "quiet" | "pullRetries" | "pullRetryDelaySeconds">,
) => Promise<void>;

/** Makes the container of `request`; pulls its image first where the policy says so. */
export async function createWithImage(
  request: CreateRequest,
  client: ClientOptions,
  command: readonly string[],
  pull: Pull,
): Promise<ContainerRecord> {
  const warn = strictly(request.HostConfig.Diplodock?.Strict, print);
  for (const warning of client.warnings) warn(warning);
  if (client.cidfile !== "") checkCidFile(client.cidfile);
  if (client.replace && request.Name !== "") await removeNamesake(request.Name);
  const options: CreateOptions = { command, warn };
  if (client.pull === "always") await pull(request.Image, request, client);
  const record = await createOrPull(request, client, options, pull);
  if (client.cidfile !== "") writeCidFile(client.cidfile, record.Id);
  return record;
}

async function createOrPull(
  request: CreateRequest,
  client: ClientOptions,
  options: CreateOptions,
  pull: Pull,
): Promise<ContainerRecord> {
  try {
    return await createContainer(request, options);
  } catch (error) {
    if (!(error instanceof ImageMissingError) || client.pull === "never") throw error;
    await checkReference(error.image);
    const named = /[:@]/.test(error.image.split("/").at(-1)!)
      ? error.image
      : `${error.image}:latest`;
    console.error(`Unable to find image '${named}' locally`);
    await pull(request.Image, request, client);
    return await createContainer(request, options);
  }
}

/** What no image can be called, or is a whole id, is not looked for anywhere. Throws UserError. */
async function checkReference(image: string): Promise<void> {
  const { BadNameError, parseReference } = await import("../image/reference.ts");
  if (/^(?:sha256:)?[0-9a-f]{64}$/.test(image)) {
    const { NoSuchImageError } = await import("../image/no_such_image.ts");
    throw new NoSuchImageError(image);
  }
  try {
    parseReference(image);
  } catch (error) {
    if (!(error instanceof BadNameError)) throw error;
    throw new UserError(`${CLIENT}${error.message}`, 125);
  }
}

async function removeNamesake(name: string): Promise<void> {
  let id: string;
  try {
    id = resolveContainer(name);
  } catch (error) {
    if (error instanceof UserError) return; // there is none
    throw error;
  }
  await removeContainer(id, { force: true, volumes: false });
}

function checkCidFile(path: string): void {
  try {
    Deno.lstatSync(path);
  } catch {
    return;
  }
  throw new UserError(
    `${CLIENT}container ID file found, make sure the other container isn't running or delete ${path}`,
    125,
  );
}

function writeCidFile(path: string, id: string): void {
  try {
    Deno.writeTextFileSync(path, id, { createNew: true });
  } catch (error) {
    throw new UserError(
      `${CLIENT}failed to create the container ID file: ${messageOf(error as Error)}`,
      125,
    );
  }
}

/**
 * Starts a container that was just made; if that fails and it was made with --rm, nothing of it
 * stays.
 */
export async function startNew(
  record: ContainerRecord,
  attached: boolean,
  whileStarting?: () => void,
): Promise<StartedContainer> {
  try {
    using lock = lockContainer(record.Id);
    return await startNoted(record, lock, { attached, warn: print, whileStarting });
  } catch (error) {
    if (record.HostConfig.AutoRemove) {
      // Where that fails too, the first error is the one to tell, and the container stays.
      await removeContainer(record.Id, { force: true, volumes: true }).catch(() => {});
    }
    throw error;
  }
}

/** Cleans up after a container that this process saw ending, and then what others left undone. */
export async function finish({ record, started }: StartedContainer): Promise<void> {
  await cleanUp(record.Id);
  started.client.acknowledge();
}

/** Starts a container that was made earlier; undefined when it runs already. */
export async function startExisting(
  id: string,
  attached: boolean,
  whileStarting?: () => void,
): Promise<StartedContainer | undefined> {
  await sweep();
  using lock = lockContainer(id);
  const state = stateOf(id); // another client may have started it while we waited for the lock
  if (state.kind === "running") {
    if (!state.paused) return undefined;
    throw new UserError("cannot start a paused container, try unpause instead");
  }
  const record = withoutRestarts(readRecord(id));
  return await startNoted(record, lock, { attached, warn: print, whileStarting });
}
