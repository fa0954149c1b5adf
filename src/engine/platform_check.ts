/** `--platform`: whether the image that is here is the one that was asked for. */
import type { LocalImage } from "../image/lookup.ts";
import { hostPlatform, normalize } from "../base/platform.ts";
import { formatPlatform, platformFits } from "../image/platform.ts";
import type { Platform } from "./types.ts";

/**
 * Whether a local image will do. With a platform in the request it has to fit; without one an
 * image for another machine is warned of, in docker's words, and run: the kernel may have a
 * handler for it.
 */
export function platformWillDo(
  image: LocalImage,
  asked: Platform | null,
  warn: (text: string) => void,
): boolean {
  const host = hostPlatform();
  const { os, architecture, variant } = image;
  const have = normalize({ os, architecture, ...(variant && { variant }) });
  if (asked !== null) return platformFits(normalize({ ...host, ...asked }), have);
  if (!platformFits(host, have)) {
    warn(
      `The requested image's platform (${formatPlatform(have)}) does not match the detected host ` +
        `platform (${formatPlatform(host)}) and no specific platform was requested`,
    );
  }
  return true;
}
