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

/** The documents of a new image; nothing leads to them yet. */
export interface NewImage {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
}

/** Stores the documents of an image whose layers are stored. */
export function makeDocuments(
  session: Session,
  config: ImageConfig,
  layers: Descriptor[],
  annotations: Readonly<Record<string, string>> = {},
): NewImage {
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, ...putDocument(session, JSON.stringify(config)) },
    layers,
    ...(Object.keys(annotations).length > 0 && { annotations }),
  };
  const descriptor = {
    mediaType: OCI_MANIFEST,
    ...putDocument(session, JSON.stringify(manifest)),
  };
  return { descriptor, manifest, config };
}

/** Makes a new image known under full names. */
export async function registerNew(
  session: Session,
  { descriptor, manifest, config }: NewImage,
  names: readonly string[],
  parent?: Digest,
): Promise<ImageRecord> {
  return await register(session, {
    manifest: descriptor,
    made: { manifest, config },
    names,
    ...(parent && { parent }),
  });
}
