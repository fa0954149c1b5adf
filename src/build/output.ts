/** What becomes of the stage that was built: an image of the store, an archive of one, or files. */
import { openDirectory } from "../../ffi/fd.ts";
import { TreeWriter } from "../engine/tree_writer.ts";
import type { Digest } from "../image/digest.ts";
import type { CachedStep } from "../image/build_cache.ts";
import { makeDocuments, type NewImage, registerNew } from "../image/make.ts";
import { parseReference } from "../image/reference.ts";
import { saveImages } from "../image/save.ts";
import type { Session } from "../image/session.ts";
import { TarReader } from "../image/tar.ts";
import type { Descriptor, ImageConfig } from "../image/types.ts";
import { type Write, writeArchiveFile } from "./archive_file.ts";
import { cacheDocument, INLINE_CACHE } from "./cache_document.ts";
import type { BuildEvents } from "./events.ts";
import { exportTree } from "./export_tree.ts";
import { imageConfig, type StageState } from "./stage_state.ts";

/** Where a result goes. `dest`: a path; "-": standard output. */
export type BuildOutput =
  | { readonly type: "image" }
  /** Only what the cache remembers. */
  | { readonly type: "cacheonly" }
  | { readonly type: "local" | "tar"; readonly dest: string }
  | { readonly type: "docker" | "oci"; readonly dest: string; readonly isDirectory: boolean };

/** What was made of an image. */
export interface Built {
  readonly id: Digest;
  readonly manifest: Descriptor;
  readonly config: ImageConfig;
  /** It is in the store. */
  readonly isKept: boolean;
}

/** What the outputs are made of. */
export interface OutputWish {
  readonly outputs: readonly BuildOutput[];
  /** Full names for the image. */
  readonly names: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Seconds since 1970 that no time in the image is later than: SOURCE_DATE_EPOCH. */
  readonly epoch?: number;
  /** What the image tells of how it was made, for builds elsewhere. */
  readonly inlineCache?: readonly CachedStep[];
}

/** Writes all outputs; the image, if one was made. Throws UserError. */
export async function writeOutputs(
  session: Session,
  state: StageState,
  wish: OutputWish,
  events: BuildEvents,
): Promise<Built | undefined> {
  let image: NewImage | undefined;
  let isKept = false;
  const needed = () => image ??= imageOf(session, state, wish);
  for (const output of wish.outputs) {
    switch (output.type) {
      case "cacheonly":
        break;
      case "local":
      case "tar":
        await writeTree(session, state, output, events);
        break;
      case "docker":
      case "oci":
        await writeArchive(session, needed(), output, wish, events);
        break;
      case "image":
        await keepImage(session, needed(), wish, events);
        isKept = true;
    }
  }
  if (image === undefined) return undefined;
  const { manifest, descriptor, config } = image;
  return { id: manifest.config.digest, manifest: descriptor, config, isKept };
}

function imageOf(session: Session, state: StageState, wish: OutputWish): NewImage {
  const layers = state.layers.map(({ descriptor }) => descriptor);
  const { epoch, inlineCache, annotations } = wish;
  const config = {
    ...imageConfig(state, epoch),
    ...(inlineCache && { [INLINE_CACHE]: cacheDocument(inlineCache, state.layers) }),
  };
  return makeDocuments(session, config, layers, annotations);
}

async function writeTree(
  session: Session,
  state: StageState,
  output: BuildOutput & { type: "local" | "tar" },
  events: BuildEvents,
): Promise<void> {
  const name = output.type === "tar" ? "sending tarball" : "exporting to client directory";
  const work = events.begin({ kind: "internal", name });
  await exportTree(session, state, output);
  work.note(`copying files to ${output.dest} done`);
  work.done();
}

async function keepImage(
  session: Session,
  image: NewImage,
  { names }: OutputWish,
  events: BuildEvents,
): Promise<void> {
  const work = events.begin({ kind: "internal", name: "exporting to image" });
  const { id } = await registerNew(session, image, names);
  work.note("exporting layers done");
  work.note(`writing image ${id} done`);
  for (const name of names) work.note(`naming to ${name} done`);
  work.done();
}

async function writeArchive(
  { store }: Session,
  { descriptor, manifest, config }: NewImage,
  { type, dest, isDirectory }: BuildOutput & { type: "docker" | "oci" },
  { names }: OutputWish,
  events: BuildEvents,
): Promise<void> {
  const work = events.begin({ kind: "internal", name: `exporting to ${type} image format` });
  const record = { id: manifest.config.digest, manifest: descriptor, config };
  const images = [{ record, references: names.map(parseReference) }];
  const format = type === "docker" ? "docker-archive" : "oci-archive";
  const save = (write: Write) => saveImages(store, images, format, write);
  if (isDirectory) await intoDirectory(dest, save);
  else await writeArchiveFile(type, dest, save);
  work.note(`exporting manifest ${descriptor.digest} done`);
  work.note(`exporting config ${record.id} done`);
  work.note(`sending tarball to ${dest} done`);
  work.done();
}

/** Unpacks what would be an archive. */
async function intoDirectory(dest: string, save: (write: Write) => Promise<void>): Promise<void> {
  Deno.mkdirSync(dest, { recursive: true });
  using directory = openDirectory(dest);
  using writer = new TreeWriter(directory, "", { owners: false, shownAs: dest });
  const reader = new TarReader(writer);
  await save((chunk) => reader.push(chunk));
  reader.finish();
  writer.finish();
}
