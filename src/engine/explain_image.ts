/** `explain image`: from the name of an image to the files of a container of it. */
import { explainImage as explain, type ImageExplanation } from "../image/explain.ts";
import { UserError } from "../base/errors.ts";
import { isHostImage } from "../image/lookup.ts";
import { imageStore } from "./image_notes.ts";

export type { ExplainedLayer, ImageExplanation } from "../image/explain.ts";

/** Throws UserError with docker's text where there is none of that name. */
export function explainImage(name: string): ImageExplanation {
  if (isHostImage(name)) {
    throw new UserError(
      `Cannot explain image ${name}: it is this machine's own root, without layers; ` +
        "see: diplodock explain run host true",
    );
  }
  return explain(imageStore(), name);
}
