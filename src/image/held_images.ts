/** The images that containers stand on. One that was removed by force has no name and no entry. */
import { namesIn, readIfThere } from "../base/files.ts";
import { type Digest, isDigest } from "./digest.ts";
import type { Store } from "./store.ts";

/** Their ids, each once. A container whose record is damaged holds nothing that anybody knows of. */
export function heldImages(store: Store): Digest[] {
  const containers = `${store.root}/containers`;
  const ids = namesIn(containers).filter((name) => /^[0-9a-f]{64}$/.test(name)).map((name) =>
    imageIn(readIfThere(`${containers}/${name}/container.json`) ?? "")
  );
  return [...new Set(ids.filter((id) => id !== undefined))];
}

function imageIn(text: string): Digest | undefined {
  try {
    const image: unknown = JSON.parse(text)?.Image;
    return typeof image === "string" && isDigest(image) ? image : undefined;
  } catch {
    return undefined;
  }
}
