/** Removal of trees whose names need not be UTF-8. */
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { openAt } from "../../ffi/fd.ts";
import { fromText } from "./byte_string.ts";
import { removeTree } from "./tree_walk.ts";

/** Removes whatever is at the path; nothing there is fine. */
export function removePath(path: string): void {
  const slash = path.lastIndexOf("/");
  using parent = openAt(null, path.slice(0, slash) || "/", O_RDONLY | O_DIRECTORY);
  removeTree(parent.raw, fromText(path.slice(slash + 1)));
}
