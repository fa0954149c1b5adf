/** A new image made here: what import and commit have in common. */
import { putDocument } from "./blobs.ts";
import type { Digest } from "./digest.ts";
import type { ImageRecord } from "./records.ts";
import { register } from "./register.ts";
import type { Session } from "./session.ts";
import {
  type Descriptor,
  type ImageConfig,
  type Manifest,
  OCI_CONFIG,
  OCI_MANIFEST,
} from "./types.ts";

/** What import and commit are told. */
export interface MakeOptions {
  /** Dockerfile instructions. */
  changes: readonly string[];
  message: string;
  /** Full name to give, if any. */
  name?: string;
}

/** Stores the documents of an image whose layers are stored, and makes it known under full names. */
export async function registerNew(
  session: Session,
  config: ImageConfig,
  layers: Descriptor[],
  names: readonly string[],
  parent?: Digest,
): Promise<ImageRecord> {
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, ...putDocument(session, JSON.stringify(config)) },
    layers,
  };
  return await register(session, {
    manifest: { mediaType: OCI_MANIFEST, ...putDocument(session, JSON.stringify(manifest)) },
    made: { manifest, config },
    names,
    ...(parent && { parent }),
  });
}
