/** import: an image made of a file system archive. */
import { BlobWriter, keepBlob } from "./blobs.ts";
import { applyChanges } from "./changes.ts";
import type { ArchiveSource } from "./archive_files.ts";
import { archiveChunks, decompress } from "./compression.ts";
import type { Digest } from "./digest.ts";
import { orCollect } from "./gc.ts";
import { expectMuch } from "./hash.ts";
import { compressionOf, copyRange, type FileRange } from "./incoming.ts";
import { unpackUnnamed } from "./layers.ts";
import { makeDocuments, type MakeOptions, registerNew } from "./make.ts";
import { hostPlatform } from "../base/platform.ts";
import type { ImageRecord } from "./records.ts";
import { Session } from "./session.ts";
import type { Store } from "./store.ts";
import { type ImagePlatform, type ImageRunConfig, OCI_LAYER } from "./types.ts";

/** What import needs beside the archive. */
export interface ImportOptions extends MakeOptions {
  platform?: ImagePlatform;
}

/** Makes an image of one layer from a file system archive of any known compression. */
export async function importArchive(
  store: Store,
  source: ArchiveSource,
  options: ImportOptions,
): Promise<ImageRecord> {
  // A bad change list is found before the archive is read.
  const config = applyChanges({}, options.changes);
  return await orCollect(store, () => importWith(store, source, options, config));
}

async function importWith(
  store: Store,
  source: ArchiveSource,
  options: ImportOptions,
  config: ImageRunConfig,
): Promise<ImageRecord> {
  using session = await Session.open(store);
  await expectMuch();
  const { digest, size } = await importLayer(session, source);
  const created = new Date().toISOString();
  const made = makeDocuments(
    session,
    {
      ...(options.platform ?? hostPlatform()),
      created,
      comment: options.message,
      config,
      rootfs: { type: "layers", diff_ids: [digest] },
      history: [{ created, comment: options.message }],
    },
    [{ mediaType: OCI_LAYER, digest, size }],
  );
  return await registerNew(session, made, options.name === undefined ? [] : [options.name]);
}

/** The archive as a stored layer. One that is plain and on disk is unpacked as it is copied. */
async function importLayer(
  session: Session,
  source: ArchiveSource,
): Promise<{ digest: Digest; size: number }> {
  if ("path" in source) {
    const range = { path: source.path, offset: 0, size: Deno.statSync(source.path).size };
    if (compressionOf(range) === "none") return await importPlain(session, range);
    source = archiveChunks(Deno.openSync(source.path));
  }
  using writer = new BlobWriter(session);
  const { chunks } = await decompress(source);
  for await (const chunk of chunks) writer.write(chunk);
  return writer.keep();
}

async function importPlain(session: Session, range: FileRange) {
  const copying = copyRange(session, range);
  const digest = copying.then((blob) => blob.digest);
  digest.catch(() => {}); // an error of the unpacking is told first
  try {
    await unpackUnnamed(session, range, digest);
  } finally {
    // Not before the other thread has let go of its files.
    await Promise.allSettled([copying]);
  }
  const blob = await copying;
  keepBlob(session.store, blob.digest, blob.path);
  return { digest: blob.digest, size: blob.size };
}
