/** The store of images, and notes of what happened to them in the log of events. */
import { rootDirectory } from "../base/places.ts";
import type { Digest } from "../image/digest.ts";
import { type ImageRecord, readRecord } from "../image/records.ts";
import { familiarName, parseReference } from "../image/reference.ts";
import { Store } from "../image/store.ts";
import { emitEvent } from "./events.ts";

/** The user's store of images. */
export function imageStore(): Store {
  return new Store(rootDirectory());
}

/** What docker tells of an image with each event. */
type Labels = Readonly<Record<string, string>>;

/** The labels of an image that is here. */
export function labelsOf(id: Digest): Labels {
  return readRecord(imageStore(), id)?.config.config?.Labels ?? {};
}

/** Notes in the log of events what happened to an image. */
export function noteImage(action: string, id: string, labels: Labels = {}, name = id): void {
  emitEvent({ Type: "image", Action: action, id, attributes: { ...labels, name } });
}

/** Notes a new name of an image; as people write it. */
export function noteTag(id: string, fullName: string, labels: Labels = {}): string {
  const name = familiarName(parseReference(fullName));
  noteImage("tag", id, labels, name);
  return name;
}

/** Notes that images were written to an archive. */
export function noteSaved(ids: readonly Digest[]): void {
  for (const id of ids) noteImage("save", id, labelsOf(id));
}

/** Notes that an image was built under full names; as people write them. */
export function noteBuilt(
  { id, config }: Pick<ImageRecord, "id" | "config">,
  names: readonly string[],
): string[] {
  const labels = config.config?.Labels;
  const shown = names.map((name) => noteTag(id, name, labels));
  noteImage("build", id, labels);
  return shown;
}
