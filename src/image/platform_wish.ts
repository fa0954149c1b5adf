/** `--platform` of commands on images that are here: there is one platform of each. */
import { UserError } from "../base/errors.ts";
import { parsePlatform } from "../base/platform.ts";
import { findRecord } from "./inspect.ts";
import { mismatch, platformFits } from "./platform.ts";
import type { Store } from "./store.ts";

/**
 * Throws UserError unless the image is for one of the platforms, a comma between them; undefined:
 * any will do.
 */
export function requirePlatform(store: Store, name: string, wanted: string | undefined): void {
  if (!wanted) return;
  const { config } = findRecord(store, name);
  const platforms = wanted.split(",").map(parsePlatform);
  if (platforms.some((platform) => platformFits(platform, config))) return;
  throw new UserError(mismatch(name, config, platforms[0]));
}
