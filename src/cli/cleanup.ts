import { cleanUp } from "../engine/cleanup.ts";
import { UserError } from "../base/errors.ts";

/** `diplodock __cleanup ID`: what a monitor executes when its container ended and nobody waited. */
export async function command([id]: string[]): Promise<number> {
  if (!/^[0-9a-f]{64}$/.test(id ?? "")) {
    throw new UserError(`Cannot clean up "${id ?? ""}": not the id of a container`);
  }
  await cleanUp(id);
  return 0;
}
