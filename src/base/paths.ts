/** Paths as text: nothing here looks at a file system. */

/**
 * The shortest form of an absolute path: without `.`, `..`, double or trailing slashes. `..` at
 * the root stays there.
 */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return "/" + parts.join("/");
}

/** Whether `path` names the place itself or something below `parent` (both clean). */
export function isWithin(path: string, parent: string): boolean {
  return path === parent || parent === "/" || path.startsWith(`${parent}/`);
}
