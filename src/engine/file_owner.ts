/** Who a name is by the /etc/passwd and /etc/group of some layers. */
import { resolveUser } from "../runtime/users.ts";
import { readLayeredFile } from "./root_files.ts";

/**
 * The ids of "user", "user:group", or numbers, in layers (topmost first). A number alone is the
 * group's, too, as docker has it for COPY --chown. Throws UserError for a name that is not there.
 */
export function ownerIn(layers: readonly string[], text: string): { uid: number; gid: number } {
  if (/^\d+$/.test(text)) return { uid: Number(text), gid: Number(text) };
  const { uid, gid } = resolveUser(
    text,
    readLayeredFile(layers, "etc/passwd"),
    readLayeredFile(layers, "etc/group"),
  );
  return { uid, gid };
}
