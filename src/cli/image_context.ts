/** What all image commands share: the store, docker's error prefix, notes of events. */
import { UserError } from "../base/errors.ts";
import { rootDirectory } from "../base/places.ts";
import { emitEvent } from "../engine/events.ts";
import type { Digest } from "../image/digest.ts";
import { readRecord } from "../image/records.ts";
import { familiarName, parseReference } from "../image/reference.ts";
import { Store } from "../image/store.ts";

/** The user's store of images. */
export function imageStore(): Store {
  return new Store(rootDirectory());
}

/** Errors that docker's daemon would report get its prefix: scripts look for it. */
export function asDaemonError(error: unknown): unknown {
  const isRefusal = error instanceof UserError || (error instanceof Error &&
    /^(?:RegistryError|TarError|AmbiguousIdError|BadNameError|PlatformError)$/.test(error.name));
  if (!isRefusal || error.message.startsWith("Error ")) return error;
  const { exitCode, hint } = error as Partial<UserError>;
  return new UserError(`Error response from daemon: ${error.message}`, exitCode ?? 1, hint);
}

/** Runs `work`; what it refuses is reported as docker's daemon would. */
export async function daemon<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asDaemonError(error);
  }
}

/** What docker tells of an image with each event. */
type Labels = Readonly<Record<string, string>>;

/** The labels of an image that is here. */
export function labelsOf(id: Digest): Labels {
  return readRecord(imageStore(), id)?.config.config?.Labels ?? {};
}

/** Notes in the log of events what happened to an image. */
export function noteImage(action: string, id: string, labels: Labels = {}, name = id): void {
  emitEvent({ Type: "image", Action: action, id, attributes: { ...labels, name } });
}

/** Notes a new name of an image; as people write it. */
export function noteTag(id: string, fullName: string, labels: Labels = {}): string {
  const name = familiarName(parseReference(fullName));
  noteImage("tag", id, labels, name);
  return name;
}

/** Does `work` for each name; errors are printed one by one and make the exit code 1. */
export async function forEachName(
  names: readonly string[],
  work: (name: string) => void | Promise<void>,
): Promise<number> {
  let code = 0;
  for (const name of names) {
    try {
      await work(name);
    } catch (error) {
      const shown = asDaemonError(error);
      if (!(shown instanceof UserError)) throw shown;
      console.error(shown.message);
      code = 1;
    }
  }
  return code;
}
