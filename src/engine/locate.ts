/** Where a path leads in layers that nobody has mounted; links in it stay in it. */
import { MAX_LINKS, S_IFLNK } from "../../ffi/constants.ts";
import { ELOOP, SyscallError } from "../../ffi/errno.ts";
import type { Fd } from "../../ffi/fd.ts";
import { toText } from "../image/byte_string.ts";
import type { Stat } from "../image/stat.ts";
import { lookUp, type MergedDirectory, openLayers, readLinkAt } from "./layer_view.ts";

/** The end of a path: as far as it is there, and what is missing. Names are byte strings. */
export interface Located extends Disposable {
  /** The names from the root to `directory`; no links are among them. */
  readonly names: readonly string[];
  /** The directory that the path leads to, or the deepest one on the way. */
  readonly directory: MergedDirectory;
  /** What is in it and no directory, and the path leads to or through. */
  readonly leaf?: { readonly name: string; readonly parent: Fd; readonly stat: Stat };
  /** Names after these that are not there. */
  readonly missing: readonly string[];
}

/** Follows `path` (a byte string) from the root of layers, topmost first. */
export function locate(layers: readonly string[], path: string, crosses = false): Located {
  using opened = new DisposableStack();
  const root = opened.use(openLayers(layers, crosses));
  let stack: MergedDirectory[] = [root];
  let names: string[] = [];
  let leaf: Located["leaf"];
  const missing: string[] = [];
  const todo = path.split("/");
  for (let links = 0; todo.length > 0;) {
    const name = todo.shift()!;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (missing.length > 0) missing.pop();
      else if (leaf !== undefined) leaf = undefined;
      else if (stack.length > 1) {
        stack.pop();
        names.pop();
      }
      continue;
    }
    const found = missing.length > 0 || leaf !== undefined
      ? undefined
      : lookUp(stack.at(-1)!, name);
    if (found === undefined) missing.push(name);
    else if (found.kind === "directory") {
      stack.push(opened.use(found.directory));
      names.push(name);
    } else if (found.stat.kind === S_IFLNK) {
      if (++links > MAX_LINKS) throw new SyscallError("openat", ELOOP, `open "${toText(path)}"`);
      const target = readLinkAt(found.parent, name);
      if (target.startsWith("/")) {
        stack = [root];
        names = [];
      }
      todo.unshift(...target.split("/"));
    } else leaf = { name, parent: found.parent, stat: found.stat };
  }
  const held = opened.move();
  return {
    names,
    directory: stack.at(-1)!,
    ...(leaf && { leaf }),
    missing,
    [Symbol.dispose]: () => held.dispose(),
  };
}
