/** A push as the user sees it, in docker's words. */
import type { GivenCredentials } from "../image/credentials.ts";
import { shortId } from "../image/digest.ts";
import { localTags, type Pushed, type PushEvent, pushImage } from "../image/push.ts";
import {
  familiarName,
  familiarRepository,
  fullName,
  type Reference,
  repositoryOf,
  withDefaultTag,
} from "../image/reference.ts";
import type { Store } from "../image/store.ts";
import { labelsOf, noteImage } from "./image_notes.ts";
import type { LayerDisplay } from "./layer_display.ts";

/** How to push, and whom to tell. */
export interface PushWish {
  /** Every tag that the repository has here. */
  all: boolean;
  credentials?: GivenCredentials;
  onPushed?: (name: string, tag: string, pushed: Pushed) => void | Promise<void>;
}

function show(display: LayerDisplay, id: string, size: number, event: PushEvent): void {
  switch (event.phase) {
    case "preparing":
      return display.update(id, "Preparing", 0, 0);
    case "pushing":
      return display.update(id, "Pushing", event.bytes, size);
    case "pushed":
      return display.update(id, event.already ? "Layer already exists" : "Pushed", 0, 0);
    case "mounted":
      return display.update(id, `Mounted from ${event.from}`, 0, 0);
  }
}

/** Pushes one tag or all, and shows it in docker's words. */
export async function pushWithOutput(
  store: Store,
  given: Reference,
  display: LayerDisplay,
  wish: PushWish,
): Promise<void> {
  display.line(`The push refers to repository [${repositoryOf(given)}]`);
  const references = wish.all ? localTags(store, given) : [withDefaultTag(given)];
  for (const reference of references) {
    try {
      const pushed = await pushImage(store, reference, {
        ...(wish.credentials !== undefined && { credentials: wish.credentials }),
        onLayer: (diffId, bytes, event) => show(display, shortId(diffId), bytes, event),
      });
      const { digest, size, id } = pushed;
      noteImage("push", familiarName(reference), labelsOf(id), familiarRepository(reference));
      display.line(`${reference.tag}: digest: ${digest} size: ${size}`);
      await wish.onPushed?.(fullName(reference), reference.tag!, pushed);
    } finally {
      display.finish();
    }
  }
}
