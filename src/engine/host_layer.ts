/**
 * The machine's own root as an image, in a user namespace. There the mounts below "/" are locked to
 * it, so that overlayfs may not take "/" as a layer, which would show what they cover
 * (mount_namespaces(7)). It may take each directory that has no mounts below: so the container's
 * root is an empty directory, and over each of these lies an overlay whose upper directory is the
 * one it would be in a single overlay. What has mounts below is bound read-only.
 */
import { isAbsent, makeDirectories, readIfThere } from "../base/files.ts";
import { containerDirectory } from "../base/places.ts";
import type { OverlayRoot, SpecMount } from "../runtime/spec_types.ts";

/** Directories of the kernel's, which every container gets new, and what is of the boot alone. */
const NEW_ONES = new Set(["proc", "sys", "dev", "run"]);

/** Paths that something is mounted on. proc_pid_mountinfo(5). */
export function mountPoints(mountinfo: string): string[] {
  return mountinfo.split("\n").flatMap((line) => line.split(" ")[4] ?? []);
}

/** How a directory of "/" comes into the container. */
export type HostPart =
  | { readonly kind: "overlay" | "bind" | "empty"; readonly name: string }
  | { readonly kind: "link"; readonly name: string; readonly to: string };

/** Sorts the entries of "/"; files that lie there are left out. Pure. */
export function planHostParts(
  entries: readonly { name: string; isDirectory: boolean; link?: string }[],
  mounted: readonly string[],
): HostPart[] {
  return entries.flatMap(({ name, isDirectory, link }): HostPart[] => {
    if (link !== undefined) return [{ kind: "link", name, to: link }];
    if (!isDirectory || name === "lost+found") return [];
    if (NEW_ONES.has(name)) return [{ kind: "empty", name }];
    const below = mounted.some((path) => path.startsWith(`/${name}/`));
    if (!below) return [{ kind: "overlay", name }];
    // One that cannot be written to would be of no use; what others put there is of none either.
    return [{ kind: name === "tmp" ? "empty" : "bind", name }];
  });
}

/** The root's overlay, and what is mounted on it before everything else. */
export interface HostRoot {
  readonly overlay: OverlayRoot;
  readonly mounts: readonly SpecMount[];
}

/** Makes the directories of a container of `host` and says what is to be mounted. */
export function hostRoot(id: string, overlay: OverlayRoot): HostRoot {
  const directory = containerDirectory(id);
  const empty = `${directory}/empty`, works = `${directory}/works`;
  for (const path of [empty, works]) makeDirectories(path, 0o755);
  const entries = Array.from(Deno.readDirSync("/"), ({ name, isDirectory, isSymlink }) => ({
    name,
    isDirectory,
    ...(isSymlink && { link: Deno.readLinkSync(`/${name}`) }),
  }));
  const parts = planHostParts(entries, mountPoints(readIfThere("/proc/self/mountinfo") ?? ""));
  const mounts = parts.flatMap((part): SpecMount[] => {
    const upper = `${overlay.upper}/${part.name}`, source = `/${part.name}`;
    if (part.kind === "link") {
      makeOnce(() => Deno.symlinkSync(part.to, upper));
      return [];
    }
    makeOnce(() => {
      Deno.mkdirSync(upper);
      Deno.chmodSync(upper, (Deno.statSync(source).mode ?? 0o755) & 0o7777);
    });
    if (part.kind === "empty") return [];
    if (part.kind === "bind") {
      const options = ["rbind", "rprivate", "ro", "rro"];
      return [{ destination: source, type: "bind", source, options }];
    }
    const work = `${works}/${part.name}`;
    makeDirectories(work);
    const options = [`lowerdir=${source}`, `upperdir=${upper}`, `workdir=${work}`, "userxattr"];
    return [{ destination: source, type: "overlay", source: "overlay", options }];
  });
  return { overlay: { ...overlay, lower: [empty] }, mounts };
}

/** Does what an earlier start of the container may have done; the container may have undone it. */
function makeOnce(make: () => void): void {
  try {
    make();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists) && !isAbsent(error)) throw error;
  }
}
