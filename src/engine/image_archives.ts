/** Images that come in archives, with the notes of it in the log of events. */
import type { ArchiveSource } from "../image/archive_files.ts";
import { importArchive, type ImportOptions } from "../image/import.ts";
import { loadArchive, type LoadOptions } from "../image/load.ts";
import type { ImageRecord } from "../image/records.ts";
import { imageStore, noteImage, noteTag } from "./image_notes.ts";

/** Loads an archive; docker's lines about what came. */
export async function loadImages(source: ArchiveSource, options: LoadOptions): Promise<string[]> {
  const images = await loadArchive(imageStore(), source, options);
  return images.flatMap(({ record, names, taken }) => {
    noteImage("load", record.id, record.config.config?.Labels);
    const renamed = taken.map(({ name, from }) =>
      `The image ${name} already exists, renaming the old one with ID ${from} to empty string`
    );
    if (names.length === 0) return [...renamed, `Loaded image ID: ${record.id}`];
    return [...renamed, ...names.map((name) => `Loaded image: ${name}`)];
  });
}

/** Makes an image of a file system archive. */
export async function importImage(
  archive: ArchiveSource,
  options: ImportOptions,
): Promise<ImageRecord> {
  const record = await importArchive(imageStore(), archive, options);
  const labels = record.config.config?.Labels;
  if (options.name !== undefined) noteTag(record.id, options.name, labels);
  noteImage("import", record.id, labels);
  return record;
}
