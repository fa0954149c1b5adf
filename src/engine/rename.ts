/** Gives a container another name. */
import { UserError } from "../base/errors.ts";
import {
  claimName,
  lockContainer,
  readRecord,
  releaseName,
  resolveContainer,
  writeRecord,
} from "./containers.ts";
import { emitContainerEvent } from "./events.ts";
import { checkContainerName } from "./names.ts";
import { forgetQuickExec } from "./quick_exec_file.ts";
import type { ContainerRecord } from "./types.ts";

/**
 * Renames the container that `reference` means; its neighbours on networks find it by the new
 * name. Throws UserError with docker's texts.
 */
export async function renameContainer(reference: string, wanted: string): Promise<void> {
  const id = resolveContainer(reference);
  using _lock = lockContainer(id);
  const record = readRecord(id);
  const old = record.Name.slice(1);
  const name = wanted.replace(/^\//, "");
  if (name === old) {
    throw new UserError("Renaming a container with the same name as its current name");
  }
  try {
    checkContainerName(name, `/${name}`);
    claimName(name, id);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`Error when allocating new name: ${error.message}`);
  }
  await using undo = new AsyncDisposableStack();
  undo.defer(() => releaseName(name, id));
  undo.defer(async () => void await tellNeighbours(record));
  const renamed = await tellNeighbours({ ...record, Name: `/${name}` });
  writeRecord(renamed);
  undo.move();
  releaseName(old, id);
  forgetQuickExec(id);
  emitContainerEvent(renamed, "rename", { oldName: record.Name });
}

/** The names by which others find a running container are part of its networks. */
async function tellNeighbours(record: ContainerRecord): Promise<ContainerRecord> {
  if (record.NetworkSettings.SandboxID === "") return record;
  const { places } = await import("./network.ts");
  const { readState } = await import("../net/state.ts");
  const state = readState(places(), record.Id);
  if (state === undefined) return record;
  const { renameLive } = await import("../net/live.ts");
  const { withNetworks } = await import("./network_settings.ts");
  const next = await renameLive(places(), state, record.Name.slice(1));
  return withNetworks(record, next);
}
