/** The files in which a build tells scripts what it has made: --iidfile, --metadata-file. */
import { UserError, whyOf } from "../base/errors.ts";
import type { Built } from "../build/output.ts";
import { removeIfThere } from "../base/files.ts";

/** Paths of the files that are asked for. */
export interface ResultFiles {
  readonly iidfile?: string;
  readonly metadataFile?: string;
}

/** Removes the files of a build before, so that none is left if this one fails. Throws UserError. */
export function openResults({ iidfile, metadataFile }: ResultFiles): ResultFiles {
  if (iidfile) remove(iidfile, "image ID file");
  if (metadataFile) remove(metadataFile, "metadata file");
  return { ...(iidfile && { iidfile }), ...(metadataFile && { metadataFile }) };
}

function remove(path: string, what: string): void {
  try {
    removeIfThere(path);
  } catch (error) {
    throw new UserError(`removing ${what} ${path}: ${whyOf(error as Error)}`);
  }
}

/** Writes them. An output that is no image has no id; its metadata are empty. */
export function writeResults(
  { iidfile, metadataFile }: ResultFiles,
  built: Built | undefined,
  names: readonly string[],
): void {
  if (iidfile && built !== undefined) write(iidfile, built.id);
  if (metadataFile) {
    write(metadataFile, JSON.stringify(metadata(built, names), undefined, 2) + "\n");
  }
}

function metadata(built: Built | undefined, names: readonly string[]): Record<string, unknown> {
  if (built === undefined) return {};
  const { os, architecture, variant } = built.config;
  const platform = { architecture, os, ...(variant && { variant }) };
  const { mediaType, digest, size } = built.manifest;
  return {
    "containerimage.config.digest": built.id,
    "containerimage.descriptor": { mediaType, digest, size, platform },
    "containerimage.digest": digest,
    ...(names.length > 0 && { "image.name": names.join(",") }),
  };
}

function write(path: string, text: string): void {
  try {
    Deno.writeTextFileSync(path, text);
  } catch (error) {
    throw new UserError(`write ${path}: ${whyOf(error as Error)}`);
  }
}
