/** Makes an image of a container: the settings and the files that it has now. */
import { UserError } from "../base/errors.ts";
import { commitContainer } from "../image/commit.ts";
import { parseDigest } from "../image/digest.ts";
import type { ImageRecord } from "../image/records.ts";
import type { ImageRunConfig } from "../image/types.ts";
import { changesToPack } from "./changes_to_pack.ts";
import { emitContainerEvent } from "./events.ts";
import { imageStore, noteTag } from "./image_notes.ts";
import { startAnewForMany } from "./start_anew.ts";
import { stateOf } from "./state.ts";
import type { ContainerConfig, ContainerRecord } from "./types.ts";

/** What the container's settings say to those of the new image. */
function imageConfig(config: ContainerConfig): ImageRunConfig {
  const { Env, Cmd, Entrypoint, Volumes, OnBuild, Labels } = config;
  const { ExposedPorts, Healthcheck, StopSignal, Shell, User, WorkingDir } = config;
  return {
    ...(User && { User }),
    ...(ExposedPorts && { ExposedPorts }),
    ...(Env && { Env }),
    ...(Entrypoint && { Entrypoint }),
    ...(Cmd && { Cmd }),
    ...(Volumes && { Volumes }),
    ...(WorkingDir && { WorkingDir }),
    ...(Labels && { Labels }),
    ...(StopSignal && { StopSignal }),
    ...(Healthcheck && { Healthcheck }),
    ...(Shell && { Shell }),
    ...(OnBuild && { OnBuild }),
  };
}

/** What freezes a container that runs. For one that does not, its code is not even read. */
async function freezer(
  record: ContainerRecord,
): Promise<(() => Disposable | undefined) | undefined> {
  if (stateOf(record.Id).kind !== "running") return undefined;
  const { pauseForNow } = await import("./pause.ts");
  return () => pauseForNow(record);
}

/** What the new image is to be. */
export interface CommitWish {
  author?: string | undefined;
  changes: readonly string[];
  message?: string | undefined;
  pause: boolean;
  /** Full name of a tag. */
  name?: string | undefined;
  /** In place of the container's settings. */
  config?: ContainerConfig;
}

/** Makes an image of what a container has changed, and notes that. Throws UserError. */
export async function commit(record: ContainerRecord, wish: CommitWish): Promise<ImageRecord> {
  const image = await makeImage(record, wish);
  const { name, message = "" } = wish;
  const imageRef = name === undefined ? "" : noteTag(image.id, name, image.config.config?.Labels);
  emitContainerEvent(record, "commit", { comment: message, imageID: image.id, imageRef });
  return image;
}

async function makeImage(record: ContainerRecord, wish: CommitWish): Promise<ImageRecord> {
  if (record.Image === "") {
    throw new UserError(
      `Cannot commit container ${record.Name.slice(1)}: its root is a directory of this machine ` +
        `and not an image`,
    );
  }
  const files = changesToPack(record);
  if (files.upper !== undefined) await startAnewForMany(files.upper);
  const pause = wish.pause ? await freezer(record) : undefined;
  return await commitContainer(imageStore(), {
    parent: parseDigest(record.Image),
    ...files,
    config: imageConfig(wish.config ?? record.Config),
    changes: wish.changes,
    message: wish.message ?? "",
    ...(wish.author && { author: wish.author }),
    createdBy: (record.Config.Cmd ?? []).join(" "),
    // What cannot be frozen is committed as it is at that moment.
    ...(pause && { pause }),
    ...(wish.name && { name: wish.name }),
  });
}
