/**
 * Whether the host's mounts can do what `-v …:shared` and `:slave` ask for: what is not shared
 * there would silently stay apart. mount_namespaces(7).
 */
import { UserError } from "../base/errors.ts";
import { type MountEntry, mountUnder, parseMounts } from "../base/mount_points.ts";
import type { LocatedMount } from "./bundle_context.ts";

const isShared = ({ optional }: MountEntry) => optional.some((word) => word.startsWith("shared:"));
const isSlave = ({ optional }: MountEntry) => optional.some((word) => word.startsWith("master:"));

/** What wants to see, or show, mounts that come later. */
const TRAVELLING = /^r?(shared|slave)$/;

/**
 * Throws UserError with docker's text for a source that cannot propagate as asked. `mountinfo` is
 * the text of the host's file; `realPath` follows links.
 */
export function checkPropagation(
  mounts: readonly Pick<LocatedMount, "propagation" | "hostPath">[],
  mountinfo: string,
  realPath: (path: string) => string = Deno.realPathSync,
): void {
  const table = parseMounts(mountinfo);
  for (const { propagation, hostPath } of mounts) {
    if (!TRAVELLING.test(propagation)) continue;
    const mount = mountUnder(realPath(hostPath), table);
    if (mount === undefined || isShared(mount)) continue;
    const slave = propagation.endsWith("slave");
    if (slave && isSlave(mount)) continue;
    throw new UserError(
      `path ${hostPath} is mounted on ${mount.target} but it is not a shared ` +
        `${slave ? "or slave " : ""}mount`,
    );
  }
}
