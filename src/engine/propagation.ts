/**
 * Whether the host's mounts can do what `-v …:shared` and `:slave` ask for: what is not shared
 * there would silently stay apart. mount_namespaces(7).
 */
import { UserError } from "../base/errors.ts";
import type { LocatedMount } from "./bundle_context.ts";

/** A mount of the host as /proc/self/mountinfo has it. proc_pid_mountinfo(5). */
interface HostMount {
  readonly target: string;
  /** "shared:7", "master:3" … */
  readonly optional: readonly string[];
}

function parseMountinfo(text: string): HostMount[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const fields = line.split(" ");
    const target = fields[4].replace(
      /\\(\d{3})/g,
      (_, octal) => String.fromCharCode(parseInt(octal, 8)),
    );
    return { target, optional: fields.slice(6, fields.indexOf("-")) };
  });
}

/** The mount that `path` lies on: the deepest one, and of those at one place the last. */
function mountUnder(path: string, mounts: readonly HostMount[]): HostMount | undefined {
  let found: HostMount | undefined;
  for (const mount of mounts) {
    const { target } = mount;
    const above = target === "/" || path === target || path.startsWith(`${target}/`);
    if (above && target.length >= (found?.target.length ?? 0)) found = mount;
  }
  return found;
}

const isShared = ({ optional }: HostMount) => optional.some((word) => word.startsWith("shared:"));
const isSlave = ({ optional }: HostMount) => optional.some((word) => word.startsWith("master:"));

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
  const table = parseMountinfo(mountinfo);
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
