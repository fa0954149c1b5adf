/** The image of a stage that is built: registered under its names. */
import { putDocument } from "../image/blobs.ts";
import type { ImageRecord } from "../image/records.ts";
import { register } from "../image/register.ts";
import type { Session } from "../image/session.ts";
import { type Manifest, OCI_CONFIG, OCI_MANIFEST } from "../image/types.ts";
import { imageConfig, type StageState } from "./stage_state.ts";

/** Stores the documents of the image and makes it known. `names` are full ones. */
export async function registerBuilt(
  session: Session,
  state: StageState,
  names: readonly string[],
): Promise<ImageRecord> {
  const config = imageConfig(state);
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, ...putDocument(session, JSON.stringify(config)) },
    layers: state.layers.map(({ descriptor }) => descriptor),
  };
  return await register(session, {
    manifest: { mediaType: OCI_MANIFEST, ...putDocument(session, JSON.stringify(manifest)) },
    made: { manifest, config },
    names,
  });
}
