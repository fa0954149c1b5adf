import { UserError } from "../base/errors.ts";
import { readRecord, resolveContainer } from "../engine/containers.ts";
import { changesToPack } from "../engine/changes_to_pack.ts";
import { emitContainerEvent } from "../engine/events.ts";
import { startAnewForMany } from "../engine/start_anew.ts";
import { stateOf } from "../engine/state.ts";
import type { ContainerConfig, ContainerRecord } from "../engine/types.ts";
import { parseDigest } from "../image/digest.ts";
import { commitContainer } from "../image/commit.ts";
import { newTagName } from "../image/names.ts";
import type { ImageRunConfig } from "../image/types.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, imageStore, noteTag } from "./image_context.ts";

export const spec = {
  name: "commit",
  usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
  summary: "Create a new image from a container's changes",
  aliases: ["container commit", "commit"],
  args: [1, 2],
  complete: ["container", "image"],
  flags: {
    author: {
      type: "string",
      short: "a",
      help: 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")',
    },
    change: { type: "list", short: "c", help: "Apply Dockerfile instruction to the created image" },
    message: { type: "string", short: "m", help: "Commit message" },
    pause: { type: "bool", short: "p", default: true, help: "Pause container during commit" },
  },
  examples: [`diplodock commit -c 'CMD ["nginx"]' web mine:1`],
} as const satisfies CommandSpec;

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

/** Freezes a container that runs until disposed; undefined if there is nothing to freeze. */
async function freezer(id: string): Promise<(() => Disposable) | undefined> {
  if (stateOf(id).kind !== "running") return undefined;
  const { canPause, pauseForNow } = await import("../engine/pause.ts");
  return () => {
    // What cannot be frozen is committed as it is at that moment.
    if (!canPause(id)) return { [Symbol.dispose]() {} };
    return pauseForNow(id);
  };
}

interface Wish {
  author: string | undefined;
  change: readonly string[];
  message: string | undefined;
  pause: boolean;
}

async function commit(record: ContainerRecord, wish: Wish, name: string | undefined) {
  if (record.Image === "") {
    throw new UserError(
      `Cannot commit container ${record.Name.slice(1)}: its root is a directory of this machine ` +
        `and not an image`,
    );
  }
  const changes = changesToPack(record);
  if (changes.upper !== undefined) await startAnewForMany(changes.upper);
  const pause = wish.pause ? await freezer(record.Id) : undefined;
  return await commitContainer(imageStore(), {
    parent: parseDigest(record.Image),
    ...changes,
    config: imageConfig(record.Config),
    changes: wish.change,
    message: wish.message ?? "",
    ...(wish.author && { author: wish.author }),
    createdBy: (record.Config.Cmd ?? []).join(" "),
    ...(pause && { pause }),
    ...(name && { name }),
  });
}

/** `diplodock commit`. */
export async function command(words: string[]): Promise<number> {
  const { options, args: [reference, target] } = parseArgs(spec, words);
  const name = target === undefined ? undefined : newTagName(target, (reason) => reason);
  const record = await daemon(() => readRecord(resolveContainer(reference)));
  const image = await daemon(() => commit(record, options, name));
  const imageRef = name === undefined ? "" : noteTag(image.id, name, image.config.config?.Labels);
  emitContainerEvent(record, "commit", {
    comment: options.message ?? "",
    imageID: image.id,
    imageRef,
  });
  console.log(image.id);
  return 0;
}
