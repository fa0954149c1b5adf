/** One image of an OCI image layout on disk, brought into the store without a name. */
import { UserError } from "../base/errors.ts";
import { lstatIfThere } from "../base/files.ts";
import { hostPlatform } from "../base/platform.ts";
import { ArchivedFile, ArchiveFiles } from "./archive_files.ts";
import { expectMuch } from "./hash.ts";
import { Incoming } from "./incoming.ts";
import { imageManifest, keepManifest } from "./load.ts";
import { parseIndex } from "./documents.ts";
import type { ImageRecord } from "./records.ts";
import { prepare } from "./register.ts";
import type { Session } from "./session.ts";
import { type Descriptor, REF_NAME } from "./types.ts";

/** A layout, and which of its images is meant: without a tag or digest its only one. */
export interface LayoutPlace {
  readonly path: string;
  readonly tag?: string;
  readonly digest?: string;
}

/** The files of a layout, looked at when they are asked for. */
class LayoutFiles extends ArchiveFiles {
  constructor(readonly session: Session, readonly directory: string) {
    super();
  }

  override get(name: string): ArchivedFile | undefined {
    const path = `${this.directory}/${name}`;
    const found = lstatIfThere(path);
    if (!found?.isFile) return undefined;
    return new ArchivedFile(this.session, { path, offset: 0, size: found.size });
  }
}

/** Verifies and unpacks it. What it is, as a record would have it. Throws UserError. */
export async function prepareFromLayout(
  session: Session,
  place: LayoutPlace,
): Promise<Pick<ImageRecord, "id" | "manifest" | "config">> {
  const files = new LayoutFiles(session, place.path);
  const index = files.get("index.json");
  if (index === undefined) {
    throw new UserError(`Cannot read OCI layout "${place.path}": it has no index.json`);
  }
  await expectMuch();
  const incoming = new Incoming(session);
  try {
    const entry = choose(parseIndex(index.document("index.json"), "index.json").manifests, place);
    const manifest = imageManifest(files, entry, hostPlatform());
    await keepManifest({ session, files, incoming }, manifest);
    const prepared = await prepare(session, { manifest, names: [], incoming });
    return { id: prepared.manifest.config.digest, manifest, config: prepared.config };
  } finally {
    await incoming.end();
  }
}

/** Pure. The entry that a tag or a digest means. Throws UserError. */
export function choose(manifests: readonly Descriptor[], place: LayoutPlace): Descriptor {
  const { path, tag, digest } = place;
  const found = manifests.filter((one) =>
    digest !== undefined ? one.digest === digest : tag === undefined || tagOf(one) === tag
  );
  if (found.length === 1) return found[0];
  const what = digest ?? (tag === undefined ? "image" : `tag ${tag}`);
  if (found.length === 0) throw new UserError(`OCI layout "${path}" has no ${what}`);
  throw new UserError(
    `OCI layout "${path}" has ${found.length} images: name one by its tag or digest, ` +
      `oci-layout://${path}:TAG`,
  );
}

function tagOf({ annotations }: Descriptor): string | undefined {
  const name = annotations?.[REF_NAME];
  return name?.slice(name.lastIndexOf(":") + 1);
}
