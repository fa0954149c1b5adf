/** Names of what there is, for shell completion: read-only, and never an error. */
import { listRecords, nameOf } from "./containers.ts";
import { rootDirectory } from "../base/places.ts";
import { stateOf } from "./state.ts";

/** Names of the containers, or of the running ones. */
export function containerNames(running: boolean): string[] {
  return listRecords(() => {})
    .filter((record) => !running || stateOf(record.Id).kind === "running")
    .map((record) => nameOf(record.Id))
    .filter((name) => name !== undefined);
}

/** `repository:tag` of the images, and `host`. */
export async function imageNames(): Promise<string[]> {
  const { listImages, rowsOf } = await import("../image/list.ts");
  const { HOST_IMAGE } = await import("../image/lookup.ts");
  const { Store } = await import("../image/store.ts");
  const rows = listImages(new Store(rootDirectory())).flatMap((image) => rowsOf(image, false));
  const names = rows.filter((row) => row.repository !== undefined && row.tag !== undefined)
    .map((row) => `${row.repository}:${row.tag}`);
  return [HOST_IMAGE, ...names];
}

/** Names of the volumes. */
export async function volumeNames(): Promise<string[]> {
  const { listVolumes } = await import("./volumes.ts");
  return listVolumes(() => {}).map((volume) => volume.Name);
}

/** Names of the networks, those that are always there among them. */
export async function networkNames(): Promise<string[]> {
  const { allNetworks } = await import("../net/networks.ts");
  const { places } = await import("./network.ts");
  return allNetworks(places(), () => {}).map((network) => network.Name);
}
