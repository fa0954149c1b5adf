/** Does anybody watch over our rules? Small, because every command looks. */
import { lockFile } from "../../ffi/fd.ts";
import { readIfThere } from "../base/files.ts";
import type { NetPlaces } from "./places.ts";
import { notedMark } from "./rules_mark.ts";

/** The file whose lock the watch has; its text is the container with which it ends. */
export const watchPath = (places: NetPlaces) => `${places.run}/watch`;

/** Were rules for published ports given last? */
function hasPorts(places: NetPlaces): boolean {
  return ["rules.v4", "rules.v6", "rules.nft"].some((name) =>
    /\bdnat\b/i.test(readIfThere(`${places.run}/${name}`) ?? "")
  );
}

/** Does the watch end with this container, while there are ports of others? */
export function wantsHandover(places: NetPlaces, id: string): boolean {
  return readIfThere(watchPath(places)) === id && hasPorts(places);
}

/** Are there rules for published ports that nobody watches over, and that can be watched? */
export function wantsWatch(places: NetPlaces): boolean {
  if (!hasPorts(places) || notedMark(places)?.kind !== "nft") return false;
  using free = lockFile(watchPath(places), false);
  return free !== undefined;
}
