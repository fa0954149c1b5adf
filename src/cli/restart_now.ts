import { UserError } from "../base/errors.ts";
import { restartNow } from "../engine/restart.ts";

/** `diplodock __restart ID`: what is executed when the back-off of a restart is over. */
export async function command([id]: string[]): Promise<number> {
  if (!/^[0-9a-f]{64}$/.test(id ?? "")) {
    throw new UserError(`Cannot restart "${id ?? ""}": not the id of a container`);
  }
  await restartNow(id);
  return 0;
}
