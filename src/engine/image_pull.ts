/** A pull as the user sees it, in docker's words: on a terminal, in a log, in an answer of the API. */
import { parsePlatform, type Platform } from "../base/platform.ts";
import type { GivenCredentials } from "../image/credentials.ts";
import { type Digest, shortId } from "../image/digest.ts";
import {
  type LayerEvent,
  openRepository,
  type Pulled,
  pullImage,
  remoteTags,
} from "../image/pull.ts";
import {
  familiarName,
  familiarRepository,
  fullName,
  type Reference,
  withDefaultTag,
} from "../image/reference.ts";
import type { Store } from "../image/store.ts";
import { noteImage } from "./image_notes.ts";
import type { LayerDisplay } from "./layer_display.ts";

/** How much to show. */
export interface PullOutput {
  display: LayerDisplay;
  /** Only the last line. */
  quiet: boolean;
  /** Whether to say if anything was new; several pulls may say it together. */
  hasStatus?: boolean;
  /** It was not asked for: `run` has said already that the image is missing. */
  implicit?: boolean;
  write: (line: string) => void;
  credentials?: GivenCredentials;
}

function showLayer(display: LayerDisplay, digest: Digest, size: number, event: LayerEvent): void {
  const id = shortId(digest);
  switch (event.phase) {
    case "pending":
      return display.update(id, "Pulling fs layer", 0, 0);
    case "waiting":
      return display.update(id, "Waiting", 0, 0);
    case "downloading":
      return display.update(id, "Downloading", event.bytes, size);
    case "verifying":
      return display.update(id, "Verifying Checksum", 0, 0);
    case "there":
      if (!event.already) display.update(id, "Download complete", 0, 0);
      return;
    case "unpacking":
      return display.update(id, "Extracting", event.bytes, size);
    case "done":
      return display.update(id, event.already ? "Already exists" : "Pull complete", 0, 0);
  }
}

/** Pulls, for `platform` if it is one, and shows it in docker's words. */
export async function pullWithOutput(
  store: Store,
  wanted: Reference,
  platform: Platform | string | undefined,
  output: PullOutput,
): Promise<Pulled> {
  const reference = withDefaultTag(wanted);
  const { display, quiet } = output;
  const isBare = wanted.tag === undefined && wanted.digest === undefined;
  if (!quiet && isBare && output.implicit !== true) {
    output.write("Using default tag: latest");
  }
  const options = {
    ...(platform && {
      platform: typeof platform === "string" ? parsePlatform(platform) : platform,
    }),
    ...(output.credentials !== undefined && { credentials: output.credentials }),
  };
  try {
    const pulled = await pullImage(
      store,
      reference,
      quiet ? options : {
        ...options,
        onManifest: () =>
          display.line(
            // Docker says "library/busybox" here, and other registries' without their host.
            `Pulling from ${reference.path}`,
            reference.digest ? fullName(reference) : reference.tag,
          ),
        onLayer: (digest, size, event) => showLayer(display, digest, size, event),
      },
    );
    display.finish();
    const labels = pulled.record.config.config?.Labels;
    noteImage("pull", familiarName(reference), labels, familiarRepository(reference));
    if (!quiet) {
      const state = pulled.upToDate ? "Image is up to date" : "Downloaded newer image";
      display.line(`Digest: ${pulled.digest}`);
      if (output.hasStatus !== false) {
        display.line(`Status: ${state} for ${familiarName(reference)}`);
      }
      if (pulled.warning !== undefined) display.line(`WARNING: ${pulled.warning}`);
    }
    return pulled;
  } catch (error) {
    display.finish();
    throw error;
  }
}

/** Pulls every tag of a repository. */
export async function pullAllTags(
  store: Store,
  repository: Reference,
  platform: Platform | string | undefined,
  output: PullOutput,
): Promise<void> {
  const opened = await openRepository(repository, "pull", output.credentials);
  let isNew = false;
  for (const tag of await remoteTags(opened, repository)) {
    const pulled = await pullWithOutput(store, { ...repository, tag }, platform, {
      ...output,
      hasStatus: false,
    });
    isNew ||= !pulled.upToDate;
  }
  const state = isNew ? "Downloaded newer image" : "Image is up to date";
  if (!output.quiet) output.display.line(`Status: ${state} for ${familiarName(repository)}`);
}
